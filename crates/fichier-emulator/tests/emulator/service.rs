//! The emulated service as a client sees it, over plain HTTP on loopback.
//!
//! The client here is made of bare requests, written from docs/api-notes.md like the emulator: it
//! shows the service's habits, and that its rules bite.

use std::time::Duration;

use fichier_emulator::{Emulator, NameTaken, Offer, Rules, Storage};
use serde_json::json;

use crate::plain::{Plain, golden_whirlpool, lenient, with_rules};

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
    assert_eq!(
        plain.get(&plain.token(link, json!({})).await, None).await,
        (200, b"Hello world\n".to_vec())
    );
    assert_eq!(
        plain.get(&plain.token(link, json!({})).await, Some("bytes=6-10")).await,
        (206, b"world".to_vec())
    );
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
    let (status, text) =
        plain.raw("folder/ls.cgi", None, Some(emulator.api_key()), "{}").await.unwrap();
    assert_eq!(status, 400);
    assert!(text.contains("Content-Type not JSON #24"), "{text}");
    let json = Some("application/json");
    let (status, text) = plain.raw("folder/ls.cgi", json, Some("wrong"), "{}").await.unwrap();
    assert_eq!(status, 401);
    assert!(text.contains("Not authenticated #247"), "{text}");
    assert_eq!(emulator.violations().len(), 1, "{:?}", emulator.violations());
}

#[tokio::test]
async fn a_call_beyond_the_limit_is_a_flood_and_a_violation() {
    let rules = Rules { calls_per_second: Some(0), ..Rules::published() };
    let (emulator, plain) = with_rules(rules).await;
    let (status, reply) = plain.call("file/rm.cgi", json!({"files": []})).await;
    assert_eq!(status, 403);
    assert_eq!(reply["message"], "Flood detected: IP Locked #412");
    assert!(emulator.is_locked());
    let violations = emulator.violations();
    assert!(violations[0].contains("more than 0 calls in a second"), "{violations:?}");
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
        let (emulator, plain) = with_rules(Rules { on_name_taken, ..Rules::lenient() }).await;
        let link = emulator.add_file("/a", "x", b"new");
        emulator.add_file("/b", "x", b"old");
        let folder = emulator.folder_id("/b").unwrap();
        let ask = json!({"urls": [link], "destination_folder_id": folder});
        plain.call("file/mv.cgi", ask).await;
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
    let (emulator, plain) = with_rules(Rules { listing_cap: 3, ..Rules::lenient() }).await;
    for name in ["a", "b", "c", "d", "e"] {
        emulator.add_file("/", name, b"1");
    }
    let ask = json!({"folder_id": 0, "files": 1});
    let (_, listing) = plain.call("folder/ls.cgi", ask).await;
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

#[tokio::test]
async fn what_is_uploaded_is_listed_late_and_what_is_removed_lingers() {
    let rules = Rules { listing_lag: Duration::from_secs(3600), ..Rules::lenient() };
    let (emulator, plain) = with_rules(rules).await;
    let old = emulator.add_file("/", "old", b"1");
    plain.upload(0, &[("new", b"2")]).await;
    plain.call("file/rm.cgi", json!({"files": [{"url": old}]})).await;
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!(listing["count"], 1);
    assert_eq!(listing["items"][0]["filename"], "old");
    let (status, _) = plain.call("file/info.cgi", json!({"url": old})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_file_may_appear_only_after_its_result_was_asked_for() {
    let rules = Rules { appears_after_result: true, ..Rules::lenient() };
    let (_emulator, plain) = with_rules(rules).await;
    let slot = plain.slot().await;
    plain.post(&slot, 0, &[("a", b"1")]).await.unwrap();
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!(listing["count"], 0);
    plain.result(&slot, &slot.id).await;
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!(listing["count"], 1);
}

#[tokio::test]
async fn a_folder_whose_files_were_just_removed_is_not_empty_yet() {
    let rules = Rules { listing_lag: Duration::from_secs(3600), ..Rules::lenient() };
    let (emulator, plain) = with_rules(rules).await;
    let link = emulator.add_file("/a", "x", b"1");
    plain.call("file/rm.cgi", json!({"files": [{"url": link}]})).await;
    let ask = json!({"folder_id": emulator.folder_id("/a")});
    let (_, reply) = plain.call("folder/rm.cgi", ask).await;
    assert_eq!(reply["status"], "KO");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn the_head_of_a_download_tells_name_and_size_and_uses_nothing_up() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "été.txt", b"bytes");
    let url = plain.token(&link, json!({"single": 1, "inline": 1})).await;
    assert!(url.ends_with("?inline"), "{url}");
    let head = plain.head(&url).await;
    assert_eq!(head["content-length"], "5");
    assert_eq!(head["content-disposition"].as_bytes(), "inline; filename=\"été.txt\"".as_bytes());
    assert_eq!(plain.get(&url, None).await, (200, b"bytes".to_vec()));
}

#[tokio::test]
async fn a_move_may_give_a_new_link() {
    let (emulator, plain) = with_rules(Rules { mv_changes_link: true, ..Rules::lenient() }).await;
    let old = emulator.add_file("/a", "x", b"1");
    let ask = json!({"urls": [old], "destination_folder_id": 0});
    let (_, reply) = plain.call("file/mv.cgi", ask).await;
    let new = emulator.files()[0].link.clone();
    assert_eq!(reply["urls"][0], new.as_str());
    assert_ne!(new, old);
}

#[tokio::test]
async fn a_copy_has_the_hash_of_its_source_and_a_link_of_its_own() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/a", "x", b"1");
    let ask = json!({"urls": [link], "folder_id": 0, "rename": "y"});
    let (_, reply) = plain.call("file/cp.cgi", ask).await;
    assert_eq!((&reply["copied"], &reply["urls"][0]["from_url"]), (&json!(1), &json!(link)));
    let files = emulator.files();
    assert_eq!((files[0].path.as_str(), files[0].name.as_str()), ("/", "y"));
    assert_eq!(files[0].whirlpool, files[1].whirlpool);
    assert_eq!(reply["urls"][0]["to_url"], files[0].link.as_str());
}

#[tokio::test]
async fn a_folder_moves_or_is_renamed_but_not_both() {
    let (emulator, plain) = lenient().await;
    emulator.add_file("/a/b", "x", b"1");
    let folder = emulator.folder_id("/a/b").unwrap();
    let ask = json!({"folder_id": folder, "destination_folder_id": 0, "rename": "c"});
    let (_, reply) = plain.call("folder/mv.cgi", ask).await;
    assert_eq!((&reply["old_name"], &reply["new_name"]), (&json!("b"), &json!("c")));
    assert_eq!(emulator.folders(), ["/a", "/a/c"]);
    plain.call("folder/mv.cgi", json!({"folder_id": folder, "destination_folder_id": 0})).await;
    assert_eq!(emulator.folders(), ["/a", "/c"]);
    assert_eq!(emulator.files()[0].path, "/c");
}

#[tokio::test]
async fn a_listing_can_be_cut_to_a_window_of_dates() {
    let (emulator, plain) = lenient().await;
    for (name, date) in [("a", "2025-01-01 00:00:00"), ("b", "2026-01-01 00:00:00")] {
        emulator.set_date(&emulator.add_file("/", name, b"1"), date);
    }
    let ask = json!({"folder_id": 0, "sent_after": "2025-06-01 00:00:00"});
    let (_, listing) = plain.call("file/ls.cgi", ask).await;
    assert_eq!((&listing["count"], &listing["items"][0]["filename"]), (&json!(1), &json!("b")));
}

#[tokio::test]
async fn a_folder_listed_twice_within_thirty_seconds_locks() {
    let (emulator, plain) = with_rules(Rules::published()).await;
    plain.call("folder/ls.cgi", json!({"folder_id": 0, "files": 1})).await;
    let (status, reply) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!((status, &reply["message"]), (403, &json!("Flood detected: IP Locked #412")));
    let violations = emulator.violations();
    assert!(violations[0].contains("folder 0 was listed again too soon"), "{violations:?}");
}

#[tokio::test]
async fn a_single_token_is_good_for_one_download() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    let url = plain.token(&link, json!({"single": 1})).await;
    assert_eq!(plain.get(&url, None).await, (200, b"bytes".to_vec()));
    let (status, page) = plain.get(&url, None).await;
    assert_eq!(status, 200);
    assert!(page.starts_with(b"<html>"), "{page:?}");
    let again = plain.token(&link, json!({"single": 0})).await;
    assert_eq!(plain.get(&again, Some("bytes=0-1")).await, (206, b"by".to_vec()));
    assert_eq!(plain.get(&again, Some("bytes=2-")).await, (206, b"tes".to_vec()));
}

#[tokio::test]
async fn a_free_account_and_a_revoked_key_are_refused() {
    let (emulator, plain) = lenient().await;
    emulator.set_offer(Offer::None);
    let (_, reply) = plain.call("file/ls.cgi", json!({})).await;
    assert_eq!(reply["message"], "Must be a customer (Premium, Access) #200");
    emulator.set_offer(Offer::Gold);
    let (_, reply) = plain.call("user/info.cgi", json!({})).await;
    assert_eq!((&reply["offer"], &reply["status"]), (&json!("3"), &json!("OK")));
    emulator.revoke_key();
    let (status, _) = plain.call("file/ls.cgi", json!({})).await;
    assert_eq!(status, 401);
    emulator.set_key("another");
    let (status, _) = plain.with_key("another").call("file/ls.cgi", json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_upload_needs_its_length_and_at_most_five_hundred_files() {
    let (emulator, plain) = lenient().await;
    let slot = plain.slot().await;
    assert_eq!(plain.post_chunked(&slot).await, 411);
    let names: Vec<String> = (0..501).map(|n| format!("{n}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    let (status, _, _) = plain.post(&plain.slot().await, 0, &files).await.unwrap();
    assert_eq!(status, 200);
    let violations = emulator.violations();
    assert!(violations[0].contains("no Content-Length"), "{violations:?}");
    assert!(violations[1].contains("501 files in one upload"), "{violations:?}");
    assert!(emulator.files().is_empty());
}

#[tokio::test]
async fn an_unknown_endpoint_is_a_violation() {
    let (emulator, plain) = lenient().await;
    let (status, _) = plain.call("file/list.cgi", json!({})).await;
    assert_eq!(status, 404);
    let violations = emulator.violations();
    assert!(violations[0].contains("no such endpoint"), "{violations:?}");
}

#[tokio::test]
async fn a_name_that_the_service_changes_is_stored_changed() {
    let (emulator, plain) = lenient().await;
    let links = plain.upload(0, &[("it's < 5$ ", b"1")]).await;
    assert_eq!(links[0]["filename"], "it_s _ 5_");
    assert_eq!(emulator.violations().len(), 1, "{:?}", emulator.violations());
}

#[tokio::test]
async fn two_files_of_one_name_in_one_upload_are_both_stored_and_a_violation() {
    let (emulator, plain) = lenient().await;
    assert_eq!(plain.upload(0, &[("a", b"1"), ("a", b"2")]).await.len(), 2);
    let violations = emulator.violations();
    assert!(violations[0].contains("the name `a` twice in one upload"), "{violations:?}");
}

#[tokio::test]
async fn a_body_without_its_closing_boundary_stores_nothing() {
    let (emulator, plain) = lenient().await;
    let body = "--bnd\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"a\"\r\n\r\n\
                content\r\n--bnd\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n";
    let (status, _, page) = plain.post_body(&plain.slot().await, body.into()).await.unwrap();
    assert_eq!(status, 200);
    assert!(page.contains("Pas de fichier trouvé"), "{page}");
    assert!(emulator.files().is_empty());
    let violations = emulator.violations();
    assert!(violations[0].contains("no closing boundary"), "{violations:?}");
}

#[tokio::test]
async fn a_result_is_forgotten_after_its_time() {
    let rules = Rules { result_kept: Duration::ZERO, ..Rules::lenient() };
    let (emulator, plain) = with_rules(rules).await;
    assert_eq!(plain.upload(0, &[("a", b"1")]).await.len(), 0);
    assert_eq!(emulator.files().len(), 1);
}

#[tokio::test]
async fn more_than_a_hundred_links_in_a_call_is_a_violation() {
    let (emulator, plain) = lenient().await;
    let files: Vec<_> =
        (0..101).map(|n| json!({"url": emulator.add_file("/", &n.to_string(), b"1")})).collect();
    let (_, reply) = plain.call("file/rm.cgi", json!({"files": files})).await;
    assert_eq!(reply["removed"], 101);
    let violations = emulator.violations();
    assert!(violations[0].contains("101 links in one call"), "{violations:?}");
}
