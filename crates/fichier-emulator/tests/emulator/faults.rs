//! Faults on command: what a client sees, and what has really happened.

use std::time::Duration;

use fichier_emulator::{Action, Fault};
use serde_json::{Value, json};

use crate::plain::{lenient, until};

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
async fn a_node_that_stops_reading_holds_its_client_until_the_emulator_stops() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::StallBody(1_000_000)));
    let slot = plain.slot().await;
    let sent = tokio::spawn(async move {
        let body = vec![7; 64_000_000];
        plain.post(&slot, 0, &[("a", &body)]).await
    });
    until(|| emulator.bytes_received() >= 900_000).await;
    emulator.stop().await;
    assert!(sent.await.unwrap().unwrap_err().is_request());
}

#[tokio::test]
async fn a_call_that_was_done_and_whose_reply_was_lost_shows_in_the_account() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("folder/mkdir.cgi", Action::DoItThenReset));
    let lost = plain.send("folder/mkdir.cgi", json!({"name": "a", "folder_id": 0})).await;
    assert!(lost.unwrap_err().is_request());
    assert_eq!(emulator.folders(), ["/a"]);
    assert_eq!(emulator.requests()[0].status, 0);
}

#[tokio::test]
async fn a_call_that_was_reset_has_not_been_done() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("*", Action::Reset));
    let lost = plain.send("folder/mkdir.cgi", json!({"name": "a", "folder_id": 0})).await;
    assert!(lost.unwrap_err().is_request());
    assert!(emulator.folders().is_empty());
}

#[tokio::test]
async fn a_partial_batch_reports_what_it_did() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("file/rm.cgi", Action::Partial(1)));
    let links = ["a", "b", "c"].map(|name| emulator.add_file("/", name, b"1"));
    let files: Vec<Value> = links.iter().map(|link| json!({"url": link})).collect();
    let (_, reply) = plain.call("file/rm.cgi", json!({"files": files})).await;
    assert_eq!((&reply["removed"], &reply["urls"]), (&json!(1), &json!([links[0]])));
    assert_eq!(emulator.files().len(), 2);
}

#[tokio::test]
async fn the_antivirus_page_is_shown_as_often_as_told() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::Scanning(2)));
    let slot = plain.slot().await;
    plain.post(&slot, 0, &[("a", b"1")]).await.unwrap();
    for _ in 0..2 {
        let page = plain.result_text(&slot, &slot.id).await;
        assert!(page.contains("scanned by our anti-virus"), "{page}");
    }
    assert_eq!(plain.result(&slot, &slot.id).await.len(), 1);
}

#[tokio::test]
async fn a_result_can_be_late_short_or_wrong() {
    let (emulator, plain) = lenient().await;
    let slot = plain.slot().await;
    plain.post(&slot, 0, &[("a", b"1"), ("b", b"22")]).await.unwrap();
    let faults = [
        (Action::EmptyLinks(1), 0),
        (Action::DropLink("a".into()), 1),
        (Action::ExtraLinks, 4),
        (Action::ReorderedLinks, 2),
    ];
    for (action, count) in faults {
        emulator.inject(Fault::once("end.pl", action.clone()));
        assert_eq!(plain.result(&slot, &slot.id).await.len(), count, "{action:?}");
    }
    emulator.inject(Fault::once("end.pl", Action::WrongWhirlpool));
    let links = plain.result(&slot, &slot.id).await;
    assert_eq!(links[0]["whirlpool"], "0".repeat(128));
    assert_eq!(emulator.files().len(), 2);
}

#[tokio::test]
async fn the_result_can_be_under_another_id() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("upload.cgi", Action::XidDiffers));
    let slot = plain.slot().await;
    let (_, place, _) = plain.post(&slot, 0, &[("a", b"1")]).await.unwrap();
    let xid = place.strip_prefix("/end.pl?xid=").unwrap();
    assert_ne!(xid, slot.id);
    assert_eq!(plain.result(&slot, xid).await.len(), 1);
    assert_eq!(plain.result(&slot, &slot.id).await.len(), 0);
}

#[tokio::test]
async fn one_poisoned_file_fails_its_upload_and_no_other() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::always("upload.cgi", Action::Poison("bad".into())));
    let (status, _, _) =
        plain.post(&plain.slot().await, 0, &[("good", b"1"), ("bad", b"2")]).await.unwrap();
    assert_eq!(status, 500);
    plain.upload(0, &[("good", b"1")]).await;
    assert_eq!(emulator.files().len(), 1);
}

#[tokio::test]
async fn an_injected_flood_locks_until_its_end() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("file/ls.cgi", Action::Flood));
    let (status, reply) = plain.call("file/ls.cgi", json!({})).await;
    assert_eq!((status, &reply["message"]), (403, &json!("Flood detected: IP Locked #412")));
    emulator.assert_no_violations();
    plain.call("file/ls.cgi", json!({})).await;
    assert!(emulator.violations()[0].contains("a call while locked"));
    emulator.unlock();
    let (status, _) = plain.call("file/ls.cgi", json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn replies_can_be_cut_emptied_or_endless() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("file/ls.cgi", Action::Truncated));
    emulator.inject(Fault::once("file/ls.cgi", Action::Empty));
    emulator.inject(Fault::once("file/ls.cgi", Action::HugeBody(1_000_000)));
    let (status, cut) = plain.send("file/ls.cgi", json!({})).await.unwrap();
    assert_eq!(status, 200);
    let error = serde_json::from_str::<Value>(&cut).unwrap_err();
    assert!(error.is_eof(), "{cut}");
    assert_eq!(plain.send("file/ls.cgi", json!({})).await.unwrap(), (200, String::new()));
    assert_eq!(plain.send("file/ls.cgi", json!({})).await.unwrap().1.len(), 1_000_000);
}

#[tokio::test]
async fn a_client_that_waits_for_nothing_is_freed_when_the_emulator_stops() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("file/ls.cgi", Action::StallHeaders));
    emulator.inject(Fault::once("file/rm.cgi", Action::Delay(Duration::from_millis(1))));
    let (status, _) = plain.call("file/rm.cgi", json!({"files": [{"url": ""}]})).await;
    assert_eq!(status, 200);
    let asked = tokio::spawn(async move { plain.send("file/ls.cgi", json!({})).await });
    until(|| emulator.calls() >= 2).await;
    emulator.stop().await;
    assert!(asked.await.unwrap().unwrap_err().is_request());
}

#[tokio::test]
async fn node_and_folder_replies_can_miss_or_fake_what_matters() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("folder/mkdir.cgi", Action::NoFolderId));
    let (_, reply) = plain.call("folder/mkdir.cgi", json!({"name": "a"})).await;
    assert_eq!(reply, json!({"status": "OK"}));
    assert_eq!(emulator.folders(), ["/a"]);
    let slot = "upload/get_upload_server.cgi";
    emulator.inject(Fault::once(slot, Action::ForeignNode("evil.example".into())));
    emulator.inject(Fault::once(slot, Action::BadUploadId("../x".into())));
    assert_eq!(plain.slot().await.node, "evil.example");
    assert_eq!(plain.slot().await.id, "../x");
    emulator.inject(Fault::once("folder/ls.cgi", Action::EmptyListing));
    let (_, reply) = plain.call("folder/ls.cgi", json!({"folder_id": 0, "files": 1})).await;
    assert_eq!((&reply["sub_folders"], &reply["items"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_listing_may_show_a_part_as_if_it_were_all() {
    let (emulator, plain) = lenient().await;
    for name in ["a", "b", "c"] {
        emulator.add_file("/f", name, b"1");
    }
    emulator.add_folder("/g");
    emulator.inject(Fault::once("folder/ls.cgi", Action::PartialListing(1)));
    let (_, listing) = plain.call("folder/ls.cgi", json!({"folder_id": 0})).await;
    assert_eq!(listing["sub_folders"].as_array().unwrap().len(), 1);
    emulator.inject(Fault::once("folder/ls.cgi", Action::PartialListing(2)));
    let ask = json!({"folder_id": emulator.folder_id("/f"), "files": 1});
    let (_, listing) = plain.call("folder/ls.cgi", ask).await;
    assert_eq!((listing["items"].as_array().unwrap().len(), &listing["files"]), (2, &json!(2)));
}

#[tokio::test]
async fn a_call_may_say_that_it_did_what_it_did_not() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/a", "x", b"1");
    let before = (emulator.files(), emulator.folders());
    emulator.inject(Fault::always("*", Action::SaysDone));
    let folder = emulator.folder_id("/a");
    for (endpoint, ask, count) in [
        ("file/mv.cgi", json!({"urls": [link], "destination_folder_id": 0}), Some("moved")),
        ("file/rename.cgi", json!({"urls": [{"url": link, "filename": "y"}]}), Some("renamed")),
        ("file/rm.cgi", json!({"files": [{"url": link}]}), Some("removed")),
        ("folder/mv.cgi", json!({"folder_id": folder, "rename": "b"}), None),
        ("folder/mkdir.cgi", json!({"name": "c"}), None),
    ] {
        let (_, reply) = plain.call(endpoint, ask).await;
        assert_eq!(reply["status"], "OK", "{endpoint}");
        assert!(count.is_none_or(|count| reply[count] == 1), "{endpoint}: {reply}");
        assert_eq!((emulator.files(), emulator.folders()), before, "{endpoint}");
    }
}

#[tokio::test]
async fn a_file_may_vanish_just_before_it_is_asked_for() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/a", "x", b"1");
    emulator.add_file("/b", "y", b"1");
    emulator.inject(Fault::once("file/info.cgi", Action::Vanish("x".to_owned())));
    assert_eq!(plain.call("file/info.cgi", json!({"url": link})).await.0, 404);
    assert_eq!(emulator.files().len(), 1);
    let slot = plain.slot().await;
    plain.post(&slot, 0, &[("z", b"1")]).await.unwrap();
    emulator.inject(Fault::once("end.pl", Action::Vanish("z".to_owned())));
    assert_eq!(plain.result(&slot, &slot.id).await[0]["filename"], "z");
    assert_eq!(emulator.files().len(), 1);
}

#[tokio::test]
async fn files_may_go_into_the_root_or_to_nobody_although_all_was_right() {
    let (emulator, plain) = lenient().await;
    let folder = emulator.add_folder("/a");
    for (action, anonymous) in [(Action::IntoRoot, false), (Action::Anonymous, true)] {
        emulator.inject(Fault::once("upload.cgi", action));
        let links = plain.upload(folder, &[("x", b"1")]).await;
        assert_eq!(links[0]["remove"] == "", !anonymous);
        let file = emulator.files().pop().unwrap();
        assert_eq!((file.path.as_str(), file.anonymous), ("/", anonymous));
        emulator.remove_file(&file.link);
    }
    emulator.assert_no_violations();
}

#[tokio::test]
async fn a_gzip_bomb_is_small_on_the_wire() {
    let (emulator, _plain) = lenient().await;
    let read = async |unpacks: bool| {
        emulator.inject(Fault::once("file/ls.cgi", Action::GzipBomb(50_000_000)));
        let http = reqwest::Client::builder().gzip(unpacks).build().unwrap();
        let ask = http.post(format!("{}/file/ls.cgi", emulator.api_url()));
        let ask = ask.bearer_auth(emulator.api_key()).header("Content-Type", "application/json");
        ask.body("{}").send().await.unwrap().bytes().await.unwrap().len()
    };
    let (packed, unpacked) = (read(false).await, read(true).await);
    assert!(packed < 500_000 && unpacked >= 50_000_000, "{packed} {unpacked}");
}

#[tokio::test]
async fn a_reply_and_an_upload_may_be_slow_and_still_come_whole() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::once("file/ls.cgi", Action::Trickle(200)));
    let (status, listing) = plain.call("file/ls.cgi", json!({})).await;
    assert_eq!((status, &listing["count"]), (200, &json!(0)));
    emulator.inject(Fault::once("upload.cgi", Action::ReadSlowly(50_000_000)));
    let body = vec![7; 4_000_000];
    assert_eq!(plain.upload(0, &[("a", &body)]).await[0]["size"], "4000000");
}

#[tokio::test]
async fn a_page_of_a_front_end_may_stand_in_for_the_reply_to_work_that_was_done() {
    let (emulator, plain) = lenient().await;
    emulator.inject(Fault::always("*", Action::DoItThenStatus(504)));
    let (status, text) = plain.send("folder/mkdir.cgi", json!({"name": "a"})).await.unwrap();
    assert_eq!((status, emulator.folders()), (504, vec!["/a".to_owned()]), "{text}");
    emulator.clear_faults();
    emulator.inject(Fault::once("upload.cgi", Action::DoItThenStatus(502)));
    let (status, _, _) = plain.post(&plain.slot().await, 0, &[("b", b"1")]).await.unwrap();
    assert_eq!((status, emulator.files().len()), (502, 1));
    plain.upload(0, &[("b", b"1")]).await;
    assert!(emulator.violations()[0].contains("sent again before asking"));
}
