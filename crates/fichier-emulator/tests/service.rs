//! The emulated service as a client sees it, over plain HTTP on loopback.
//!
//! The client here is made of bare requests, written from docs/api-notes.md like the emulator: it
//! shows the service's habits, and that its rules bite.

mod plain;

use fichier_emulator::{Action, Emulator, Fault, NameTaken, Rules, Storage};
use plain::{Plain, golden_whirlpool};
use serde_json::{Value, json};

async fn lenient() -> (Emulator, Plain) {
    let emulator = Emulator::builder().rules(Rules::lenient()).start().await.unwrap();
    let plain = Plain::of(&emulator);
    (emulator, plain)
}

#[tokio::test]
async fn an_uploaded_file_is_listed_with_the_recorded_hash_and_downloaded_whole() {
    let (emulator, plain) = lenient().await;
    let folder = plain.mkdir(0, "photos").await;
    let links = plain.upload(folder, &[("test.txt", b"Hello world\n")]).await;

    assert_eq!(links.len(), 1);
    assert_eq!(links[0]["size"], "12");
    assert_eq!(links[0]["remove"], "");
    assert_eq!(links[0]["whirlpool"], golden_whirlpool());
    let (_, listing) = plain.call("folder/ls.cgi", json!({"folder_id": folder, "files": 1})).await;
    assert_eq!(listing["items"][0]["checksum"], golden_whirlpool());
    assert_eq!(listing["items"][0]["size"], 12);
    let link = links[0]["download"].as_str().unwrap();
    assert_eq!(plain.download(link, None).await, (200, b"Hello world\n".to_vec()));
    assert_eq!(plain.download(link, Some("bytes=6-10")).await, (206, b"world".to_vec()));
    assert_eq!(emulator.files()[0].path, "/photos");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn each_call_is_counted_and_recorded_in_order() {
    let (emulator, plain) = lenient().await;
    let mark = emulator.calls();
    plain.upload(0, &[("a", b"1"), ("b", b"22")]).await;
    assert_eq!(
        emulator.calls_since(mark),
        ["upload/get_upload_server.cgi", "upload.cgi", "end.pl"]
    );
    let requests = emulator.requests();
    assert_eq!((requests[1].links, requests[1].status, requests[1].folder_id), (2, 302, Some(0)));
    assert_eq!(emulator.bytes_received(), 3);
}

#[tokio::test]
async fn a_call_without_content_type_or_key_is_refused_in_the_services_words() {
    let (emulator, plain) = lenient().await;
    let (status, text) = plain.raw("folder/ls.cgi", None, Some(emulator.api_key()), "{}").await;
    assert_eq!(status, 400);
    assert!(text.contains("Content-Type not JSON #24"), "{text}");
    let json = Some("application/json");
    let (status, text) = plain.raw("folder/ls.cgi", json, Some("wrong"), "{}").await;
    assert_eq!(status, 401);
    assert!(text.contains("Not authenticated #247"), "{text}");
    assert_eq!(emulator.violations().len(), 1, "{:?}", emulator.violations());
}

#[tokio::test]
async fn the_fourth_call_in_a_second_is_a_flood_and_a_violation() {
    let emulator = Emulator::builder().start().await.unwrap();
    let plain = Plain::of(&emulator);
    for folder in 0..3 {
        plain.call("folder/ls.cgi", json!({"folder_id": folder})).await;
    }
    let (status, reply) = plain.call("file/rm.cgi", json!({"files": []})).await;
    assert_eq!(status, 403);
    assert_eq!(reply["message"], "Flood detected: IP Locked #412");
    assert!(emulator.is_locked());
    assert_eq!(emulator.violations().len(), 1, "{:?}", emulator.violations());
}

#[tokio::test]
async fn an_upload_without_a_valid_key_is_anonymous_and_outside_of_the_account() {
    let (emulator, plain) = lenient().await;
    let links = plain.with_key("revoked").upload(0, &[("a", b"1")]).await;
    let remove = links[0]["remove"].as_str().unwrap();
    assert!(remove.starts_with("https://1fichier.com/remove/"), "{remove}");
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!(listing["count"], 0);
    assert!(emulator.files()[0].anonymous);
}

#[tokio::test]
async fn a_bad_folder_id_puts_files_into_the_root_and_is_a_violation() {
    let (emulator, plain) = lenient().await;
    plain.upload(77, &[("a", b"1")]).await;
    assert_eq!(emulator.files()[0].path, "/");
    let violations = emulator.violations();
    assert!(violations[0].contains("a bad `did`, `77`"), "{violations:?}");
}

#[tokio::test]
async fn an_empty_file_is_not_found_in_the_upload() {
    let (emulator, plain) = lenient().await;
    let (status, _, page) = plain.post(&plain.slot().await, 0, &[("e", b"")]).await.unwrap();
    assert_eq!(status, 200);
    assert!(page.contains("Pas de fichier trouvé dans l'envoi"), "{page}");
    assert!(emulator.files().is_empty());
}

#[tokio::test]
async fn an_upload_whose_reply_was_lost_is_found_by_its_id() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::DoItThenReset));
    let slot = plain.slot().await;
    let lost = plain.post(&slot, 0, &[("a", b"1")]).await.unwrap_err();
    assert!(lost.is_request(), "{lost:?}");
    let links = plain.result(&slot, &slot.id).await;
    assert_eq!(links[0]["filename"], "a");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn sending_again_without_asking_is_a_blind_repeat() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::DoItThenReset));
    let slot = plain.slot().await;
    plain.post(&slot, 0, &[("a", b"1")]).await.unwrap_err();
    plain.upload(0, &[("a", b"1")]).await;
    let violations = emulator.violations();
    assert!(violations[0].contains("sent again before asking"), "{violations:?}");
    assert_eq!(emulator.files().len(), 2);
}

#[tokio::test]
async fn a_connection_cut_within_the_body_stores_nothing() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::ResetAfter(100_000)));
    let slot = plain.slot().await;
    let body = vec![7; 4_000_000];
    plain.post(&slot, 0, &[("a", &body)]).await.unwrap_err();
    assert_eq!(plain.result(&slot, &slot.id).await, Vec::<Value>::new());
    assert!(emulator.files().is_empty());
}

#[tokio::test]
async fn moving_into_the_same_folder_does_not_rename() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/a", "old", b"1");
    let folder = emulator.folder_id("/a").unwrap();
    let ask = json!({"urls": [link], "destination_folder_id": folder, "rename": "new"});
    let (status, reply) = plain.call("file/mv.cgi", ask).await;
    assert_eq!((status, &reply["status"]), (200, &json!("OK")));
    assert_eq!(emulator.files()[0].name, "old");
}

#[tokio::test]
async fn a_name_in_use_is_met_as_the_rules_say() {
    for (on_name_taken, expected) in [
        (NameTaken::Duplicate, vec!["/b/x", "/b/x"]),
        (NameTaken::Refuse, vec!["/a/x", "/b/x"]),
        (NameTaken::Rename, vec!["/b/x", "/b/x (1)"]),
        (NameTaken::Overwrite, vec!["/b/x"]),
    ] {
        let rules = Rules { on_name_taken, ..Rules::lenient() };
        let emulator = Emulator::builder().rules(rules).start().await.unwrap();
        let link = emulator.add_file("/a", "x", b"new");
        emulator.add_file("/b", "x", b"old");
        let folder = emulator.folder_id("/b").unwrap();
        let ask = json!({"urls": [link], "destination_folder_id": folder});
        Plain::of(&emulator).call("file/mv.cgi", ask).await;
        let paths: Vec<String> =
            emulator.files().iter().map(|file| format!("{}/{}", file.path, file.name)).collect();
        assert_eq!(paths, expected, "{on_name_taken:?}");
    }
}

#[tokio::test]
async fn a_rename_to_the_same_name_is_answered_with_ko_in_a_200() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"1");
    let ask = json!({"urls": [{"url": link, "filename": "x"}]});
    let (status, reply) = plain.call("file/rename.cgi", ask).await;
    assert_eq!((status, &reply["message"]), (200, &json!("No file has been renamed #312")));
}

#[tokio::test]
async fn a_folder_is_made_once_and_removed_when_empty() {
    let (emulator, plain) = lenient().await;
    let folder = plain.mkdir(0, "a").await;
    let (_, again) = plain.call("folder/mkdir.cgi", json!({"name": "a", "folder_id": 0})).await;
    assert_eq!(again["status"], "KO");
    assert_eq!(again.get("folder_id"), None);
    let link = emulator.add_file("/a", "x", b"1");
    let (_, full) = plain.call("folder/rm.cgi", json!({"folder_id": folder})).await;
    assert_eq!(full["status"], "KO");
    plain.call("file/rm.cgi", json!({"files": [{"url": link}]})).await;
    let (_, empty) = plain.call("folder/rm.cgi", json!({"folder_id": folder})).await;
    assert_eq!(empty["status"], "OK");
    assert!(emulator.folders().is_empty());
}

#[tokio::test]
async fn a_listing_stops_at_five_thousand_without_a_word() {
    let rules = Rules { listing_cap: 3, ..Rules::lenient() };
    let emulator = Emulator::builder().rules(rules).start().await.unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        emulator.add_file("/", name, b"1");
    }
    let ask = json!({"folder_id": 0, "files": 1});
    let (_, listing) = Plain::of(&emulator).call("folder/ls.cgi", ask).await;
    assert_eq!(listing["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(listing["files"], 5);
}

#[tokio::test]
async fn an_emulator_on_a_folder_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let storage = Storage::Folder(dir.path().to_owned());
        Emulator::builder().rules(Rules::lenient()).storage(storage).start()
    };
    let emulator = start().await.unwrap();
    let plain = Plain::of(&emulator);
    let folder = plain.mkdir(0, "a").await;
    plain.upload(folder, &[("x", b"kept")]).await;
    let before = emulator.files();
    emulator.stop().await;

    let emulator = start().await.unwrap();
    assert_eq!(emulator.files(), before);
    assert_eq!(emulator.content(&before[0].link).as_deref(), Some(&b"kept"[..]));
    let next = Plain::of(&emulator).mkdir(0, "b").await;
    assert!(next > folder, "{next} {folder}");
}

#[tokio::test]
async fn a_discarded_file_has_its_hash_and_no_content() {
    let builder = Emulator::builder().rules(Rules::lenient()).storage(Storage::Discard);
    let emulator = builder.start().await.unwrap();
    let links = Plain::of(&emulator).upload(0, &[("test.txt", b"Hello world\n")]).await;
    assert_eq!(links[0]["whirlpool"], golden_whirlpool());
    assert_eq!(emulator.content(links[0]["download"].as_str().unwrap()), None);
}
