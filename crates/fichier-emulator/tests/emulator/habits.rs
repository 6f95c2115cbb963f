//! The answers that the service may give where its documentation is silent: a test for each
//! switch, with the cautious answer beside the others.

use std::time::Duration;

use fichier_emulator::{
    AtQuota, BatchExcess, EmptyFile, Emulator, FolderTaken, FullFolder, LongName, Rules,
    WhileProcessing,
};
use serde_json::json;

use crate::plain::Plain;

async fn with(set: impl FnOnce(&mut Rules)) -> (Emulator, Plain) {
    let mut rules = Rules::lenient();
    set(&mut rules);
    let emulator = Emulator::builder().rules(rules).start().await.unwrap();
    let plain = Plain::of(&emulator);
    (emulator, plain)
}

fn paths(emulator: &Emulator) -> Vec<String> {
    emulator.files().iter().map(|file| format!("{}/{}", file.path, file.name)).collect()
}

#[tokio::test]
async fn a_folder_name_in_use_is_met_as_the_rules_say() {
    for (answer, status, gives_number, folders) in [
        (FolderTaken::Refuse, "KO", false, 1),
        (FolderTaken::Existing, "OK", true, 1),
        (FolderTaken::Duplicate, "OK", true, 2),
    ] {
        let (emulator, plain) = with(|rules| rules.on_folder_taken = answer).await;
        let first = plain.mkdir(0, "a").await;
        let (_, again) = plain.call("folder/mkdir.cgi", json!({"name": "a", "folder_id": 0})).await;
        assert_eq!(again["status"], status, "{answer:?}");
        assert_eq!(again["folder_id"].is_i64(), gives_number, "{answer:?}");
        if answer == FolderTaken::Existing {
            assert_eq!(again["folder_id"], first);
        }
        assert_eq!(emulator.folders().len(), folders, "{answer:?}");
        emulator.assert_no_violations();
    }
}

#[tokio::test]
async fn folder_names_may_differ_in_case_alone_or_not() {
    for (folds, status) in [(false, "OK"), (true, "KO")] {
        let (emulator, plain) = with(|rules| rules.folders_fold_case = folds).await;
        let folder = plain.mkdir(0, "Été").await;
        let (_, twin) = plain.call("folder/mkdir.cgi", json!({"name": "été"})).await;
        assert_eq!(twin["status"], status);
        if folds {
            let ask = json!({"folder_id": folder, "rename": "ÉTÉ"});
            let (_, renamed) = plain.call("folder/mv.cgi", ask).await;
            assert_eq!(renamed["status"], "OK");
            assert_eq!(emulator.folders(), ["/ÉTÉ"]);
        }
    }
}

#[tokio::test]
async fn a_folder_may_be_moved_and_renamed_in_one_call_or_not() {
    for (both, expected) in [(false, ["/a", "/a/c"]), (true, ["/a", "/c"])] {
        let (emulator, plain) = with(|rules| rules.folder_mv_does_both = both).await;
        let folder = emulator.add_folder("/a/b");
        let ask = json!({"folder_id": folder, "destination_folder_id": 0, "rename": "c"});
        let (_, reply) = plain.call("folder/mv.cgi", ask).await;
        assert_eq!(reply["status"], "OK");
        assert_eq!(emulator.folders(), expected);
    }
}

#[tokio::test]
async fn a_folder_with_something_in_it_may_be_removed_and_it_is_a_violation() {
    for (answer, status, files) in [(FullFolder::Refuse, "KO", 1), (FullFolder::Remove, "OK", 0)] {
        let (emulator, plain) = with(|rules| rules.rm_full_folder = answer).await;
        emulator.add_file("/a/b", "x", b"1");
        let ask = json!({"folder_id": emulator.folder_id("/a")});
        let (_, reply) = plain.call("folder/rm.cgi", ask).await;
        assert_eq!((&reply["status"], emulator.files().len()), (&json!(status), files));
        assert!(emulator.violations()[0].contains("the folder is not empty"));
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_cut_or_refused_as_a_whole() {
    for (answer, status, left) in [(BatchExcess::LeaveOut, 200, 1), (BatchExcess::Refuse, 400, 3)] {
        let (emulator, plain) = with(|rules| {
            rules.batch_max = Some(2);
            rules.batch_excess = answer;
        })
        .await;
        let links = ["a", "b", "c"].map(|name| json!({"url": emulator.add_file("/", name, b"1")}));
        let (got, _) = plain.call("file/rm.cgi", json!({"files": links})).await;
        assert_eq!((got, emulator.files().len()), (status, left), "{answer:?}");
        emulator.assert_no_violations();
    }
}

#[tokio::test]
async fn how_large_a_batch_a_careful_client_sends_can_be_said() {
    let (emulator, plain) = with(|rules| rules.batch_tolerated = 1).await;
    let links = ["a", "b"].map(|name| json!({"url": emulator.add_file("/", name, b"1")}));
    plain.call("file/rm.cgi", json!({"files": links})).await;
    assert!(emulator.violations()[0].contains("2 links in one call"));
}

#[tokio::test]
async fn an_empty_file_is_lost_or_stored() {
    for (answer, stored, alone, violations) in [
        (EmptyFile::Lose, 1, 200, 2),
        (EmptyFile::LoseUnsaid, 1, 302, 2),
        (EmptyFile::Store, 2, 302, 0),
    ] {
        let (emulator, plain) = with(|rules| rules.empty_files = answer).await;
        let links = plain.upload(0, &[("full", b"1"), ("empty", b"")]).await;
        assert_eq!((links.len(), emulator.files().len()), (stored, stored), "{answer:?}");
        let (status, _, page) =
            plain.post(&plain.slot().await, 0, &[("alone", b"")]).await.unwrap();
        assert_eq!(status, alone, "{answer:?}: {page}");
        assert_eq!(emulator.files().len(), stored + usize::from(violations == 0), "{answer:?}");
        assert_eq!(emulator.violations().len(), violations, "{answer:?}");
    }
}

#[tokio::test]
async fn a_folder_name_that_is_not_kept_is_refused_or_changed() {
    for (changes, folders) in [(false, vec![]), (true, vec!["/a_b"])] {
        let (emulator, plain) = with(|rules| rules.mkdir_changes_names = changes).await;
        let (_, reply) = plain.call("folder/mkdir.cgi", json!({"name": "a<b"})).await;
        assert_eq!(reply["status"], if changes { "OK" } else { "KO" });
        assert_eq!(emulator.folders(), folders);
        assert_eq!(emulator.violations().len(), 1);
    }
}

#[tokio::test]
async fn what_is_tried_on_purpose_is_met_as_ever_and_is_no_violation() {
    for tolerated in [false, true] {
        let (emulator, plain) = with(|rules| rules.trials_tolerated = tolerated).await;
        plain.call("folder/mkdir.cgi", json!({"name": "a<b"})).await;
        let folder = plain.mkdir(0, "a").await;
        plain
            .upload(folder, &[("a<b", b"1"), ("twice", b"22"), ("twice", b"333"), ("x", b"")])
            .await;
        plain.call("folder/rm.cgi", json!({"folder_id": folder})).await;
        plain.upload(folder + 1_000, &[("lost", b"4444")]).await;
        let mut stored = paths(&emulator);
        stored.sort();
        assert_eq!(stored, ["//lost", "/a/a_b", "/a/twice", "/a/twice"]);
        assert_eq!(emulator.violations().len(), if tolerated { 0 } else { 6 });
    }
}

#[tokio::test]
async fn names_are_kept_as_bytes_or_composed() {
    for (composes, expected) in [(false, "e\u{301}"), (true, "\u{e9}")] {
        let (emulator, plain) = with(|rules| rules.compose_names = composes).await;
        let folder = plain.mkdir(0, "e\u{301}").await;
        let links = plain.upload(folder, &[("e\u{301}", b"1")]).await;
        assert_eq!(links[0]["filename"], expected);
        assert_eq!(paths(&emulator), [format!("/{expected}/{expected}")]);
        emulator.assert_no_violations();
    }
}

#[tokio::test]
async fn a_long_name_is_cut_or_not_taken() {
    for (answer, uploaded, renamed) in
        [(LongName::Cut, vec!["//abc"], "OK"), (LongName::Refuse, vec![], "KO")]
    {
        let (emulator, plain) = with(|rules| {
            rules.name_max = 3;
            rules.long_names = answer;
        })
        .await;
        plain.upload(0, &[("abcd", b"1")]).await;
        assert_eq!(paths(&emulator), uploaded, "{answer:?}");
        let link = emulator.add_file("/", "x", b"2");
        let ask = json!({"urls": [{"url": link, "filename": "wxyz"}]});
        let (_, reply) = plain.call("file/rename.cgi", ask).await;
        assert_eq!(reply["status"], renamed, "{answer:?}");
        emulator.assert_no_violations();
    }
}

#[tokio::test]
async fn a_moved_file_may_be_listed_where_it_was_for_a_while() {
    let (emulator, plain) = with(|rules| rules.move_lag = Duration::from_secs(3600)).await;
    let link = emulator.add_file("/a", "x", b"1");
    let (a, b) = (emulator.folder_id("/a").unwrap(), emulator.add_folder("/b"));
    plain.call("file/mv.cgi", json!({"urls": [link], "destination_folder_id": b})).await;
    assert_eq!(paths(&emulator), ["/b/x"]);
    for (folder, shown) in [(a, 1), (b, 0)] {
        let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": folder})).await;
        assert_eq!(listing["count"], shown);
    }
    plain.call("file/mv.cgi", json!({"urls": [link], "destination_folder_id": a})).await;
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": a})).await;
    assert_eq!(listing["count"], 0, "it is still shown in the other one");
}

#[tokio::test]
async fn the_link_of_an_upload_may_be_unknown_for_a_while() {
    let (emulator, plain) = with(|rules| rules.new_link_lag = Duration::from_secs(3600)).await;
    let links = plain.upload(0, &[("a", b"1")]).await;
    let (status, _) = plain.call("file/info.cgi", json!({"url": links[0]["download"]})).await;
    assert_eq!(status, 404);
    let ask = json!({"urls": [links[0]["download"]], "destination_folder_id": 0});
    assert_eq!(plain.call("file/mv.cgi", ask).await.0, 404);
    assert_eq!(emulator.files().len(), 1);
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn the_thirty_seconds_may_leave_out_folder_ls() {
    for (counts, status) in [(true, 403), (false, 200)] {
        let (_emulator, plain) = with(|rules| {
            rules.folder_ls_counts = counts;
            rules.folder_listing_interval = Some(HOUR);
        })
        .await;
        let ask = json!({"folder_id": 0, "files": 1});
        assert_eq!(plain.call("folder/ls.cgi", ask.clone()).await.0, 200);
        assert_eq!(plain.call("folder/ls.cgi", ask).await.0, status);
    }
}

#[tokio::test]
async fn an_upload_id_may_be_good_for_a_short_while_only() {
    for (kept, stored) in [(None, 1), (Some(HOUR), 1), (Some(Duration::ZERO), 0)] {
        let (emulator, plain) = with(|rules| rules.upload_id_kept = kept).await;
        let (status, _, _) = plain.post(&plain.slot().await, 0, &[("a", b"1")]).await.unwrap();
        assert_eq!(status == 302, stored == 1, "{kept:?}");
        assert_eq!(emulator.files().len(), stored, "{kept:?}");
        emulator.assert_no_violations();
    }
}

#[tokio::test]
async fn while_files_are_processed_their_result_is_empty_or_a_page() {
    for answer in [WhileProcessing::NoLinks, WhileProcessing::Page] {
        let (emulator, plain) = with(|rules| {
            rules.processing = HOUR;
            rules.while_processing = answer;
        })
        .await;
        let slot = plain.slot().await;
        plain.post(&slot, 0, &[("a", b"1")]).await.unwrap();
        let page = plain.result_text(&slot, &slot.id).await;
        assert_eq!(page.contains("anti-virus"), answer == WhileProcessing::Page, "{page}");
        assert_eq!(page.contains("\"links\":[]"), answer == WhileProcessing::NoLinks, "{page}");
        emulator.set_rules(Rules::lenient());
        assert_eq!(plain.result(&slot, &slot.id).await[0]["filename"], "a");
    }
}

#[tokio::test]
async fn the_links_of_a_result_come_as_sent_or_in_any_order() {
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    for as_sent in [false, true] {
        let (_emulator, plain) = with(|rules| rules.links_as_sent = as_sent).await;
        let links = plain.upload(0, &files).await;
        let told: Vec<&str> = links.iter().map(|link| link["filename"].as_str().unwrap()).collect();
        assert_eq!(told == names, as_sent, "{told:?}");
    }
}

#[tokio::test]
async fn files_for_which_there_is_no_room_are_refused_or_lost() {
    for (answer, status) in [(AtQuota::Refuse, 200), (AtQuota::Lose, 302)] {
        let (emulator, plain) = with(|rules| {
            rules.quota_bytes = 10;
            rules.at_quota = answer;
        })
        .await;
        assert_eq!(plain.upload(0, &[("a", b"1234567890")]).await.len(), 1);
        let slot = plain.slot().await;
        let (got, _, _) = plain.post(&slot, 0, &[("b", b"1")]).await.unwrap();
        assert_eq!(got, status, "{answer:?}");
        assert!(plain.result(&slot, &slot.id).await.is_empty());
        let (_, account) = plain.call("user/info.cgi", json!({})).await;
        assert_eq!((&account["available_cold_storage"], emulator.files().len()), (&json!(0), 1));
    }
}
