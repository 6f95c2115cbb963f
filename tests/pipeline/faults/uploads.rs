//! Upload nodes that say other things than expected, late, in part or not at all: a file that has
//! arrived is found, sent once and never removed, and what did not arrive is pending (rows Y40 to
//! Y47, U17).

use std::time::{Duration, Instant};

use fichier_emulator::{
    Action, AtQuota, EndPage, Fault, HashLag, LongName, NamesChanged, NoHash, NodeRefusal, Rules,
};
use fichier_testkit::bench::TIME_SCALE;
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::mirror::{CycleEnd, Trouble};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The time after which something that should have been said is missing.
const DEADLINE: Duration = Duration::from_secs(60);
pub(super) const FOR_EVER: Duration = Duration::from_secs(1000 * 24 * 3600);

pub(super) const FILES: [&str; 5] = ["folder/a", "folder/b", "folder/c", "other/a", "top"];

pub(super) async fn with_files(rules: impl FnOnce(&mut Rules)) -> Bench {
    let world = Bench::with(rules, |_| {}).await;
    world.write_many(FILES.map(str::to_owned));
    world
}

/// The bytes of the first files, as each is to be sent once.
pub(super) fn bytes() -> u64 {
    crypt::bytes_of(&FILES.map(|path| format!("content of {path}")))
}

/// Changes two files, and expects that everything was sent once and that nothing was removed.
async fn arrives_once(mut world: Bench, name: &str) -> Bench {
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), bytes(), "{name}");
    world.write("folder/a", "an edit");
    world.write("new", "new");
    world.settle().await;
    world.assert_mirrored();
    let edits = crypt::bytes_of(&["an edit", "new"]);
    assert_eq!(world.emulator.bytes_received(), bytes() + edits, "{name}");
    assert_eq!(world.asked("file/rm.cgi"), 0, "{name}: something was removed");
    assert_eq!(world.versions(), [("a".to_owned(), b"content of folder/a".to_vec())], "{name}");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn y40_whatever_page_stands_for_a_result_the_files_are_found_in_the_staging_folder() {
    let temporary = "<html><title>File upload</title>This is a temporary page and is not \
                     accessible any more</html>";
    let scanner = "<html>Veuillez patienter. Please wait until the file has been scanned</html>";
    let cases = [
        (temporary, FOR_EVER),
        ("<html><body>Cette page n'existe plus</body></html>", FOR_EVER),
        ("Please wait", FOR_EVER),
        (scanner, FOR_EVER),
        (scanner, 5 * MINUTE),
        ("", FOR_EVER),
        (r#"{"status":"OK"}"#, FOR_EVER),
        (r#"{"incoming":0,"links":null}"#, FOR_EVER),
    ];
    let mut worlds = tokio::task::JoinSet::new();
    for (text, lasts) in cases {
        worlds.spawn(async move {
            let page = EndPage { text: text.to_owned(), lasts };
            let world = with_files(|rules| rules.end_page = Some(page)).await;
            arrives_once(world, text).await;
        });
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y41_a_hash_that_is_told_late_is_waited_for_and_no_file_is_removed_or_sent_again() {
    let (late, later) = (5 * MINUTE, 40 * MINUTE);
    let lags = [
        HashLag { result: FOR_EVER, ..HashLag::default() },
        HashLag { result: late, listing: late, info: FOR_EVER },
        HashLag { result: FOR_EVER, listing: FOR_EVER, info: Duration::ZERO },
        HashLag { result: FOR_EVER, listing: later, info: late },
        HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER },
    ];
    let mut worlds = tokio::task::JoinSet::new();
    for lag in lags {
        for no_hash in [NoHash::Empty, NoHash::Null, NoHash::LeftOut, NoHash::Word] {
            worlds.spawn(async move {
                let name = format!("{lag:?} {no_hash:?}");
                let world = with_files(|rules| {
                    rules.hash_lag = lag;
                    rules.no_hash = no_hash;
                })
                .await;
                arrives_once(world, &name).await;
            });
        }
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y41_a_file_whose_hash_is_never_told_is_not_confirmed_until_the_audit_has_compared_it() {
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let rules = |rules: &mut Rules| rules.hash_lag = lag;
    let mut world = Bench::with(rules, |config| config.audit = Some(7 * DAY)).await;
    // Too large to be proved by a download.
    world.write("a", vec![7; 5 << 20]);
    let end = world.cycle().await;
    assert_eq!((end.report.uploads_pending, end.report.uploaded_files), (1, 0), "{end:?}");
    let end = world.settle().await;
    assert!(end.completeness.is_complete() && end.completeness.by_size == 1, "{end:?}");
    world.assert_mirrored();
    assert_eq!(world.asked("download/get_token.cgi"), 0);
    assert_eq!(not_confirmed(&world), 1);
    assert!(!world.record_of("a").unwrap().remote().unwrap().is_confirmed());

    let sent = world.sent_bytes();
    let rules = Rules::scaled(TIME_SCALE);
    world.emulator.set_rules(rules);
    for _ in 0..8 {
        world.pass(DAY);
        world.all_chores().await;
    }
    assert_eq!(not_confirmed(&world), 0);
    assert!(world.record_of("a").unwrap().remote().unwrap().is_confirmed());
    assert_eq!(world.sent_bytes(), sent);
    world.assert_mirrored();
}

pub(super) fn not_confirmed(world: &Bench) -> u64 {
    let open = world.shared.state.read(|s| s.not_confirmed(world.worker.id, 0)).unwrap();
    open.files + open.large_files
}

/// With `keep = "0"` the old copy is removed for good, and a hash that is not told confirms no new
/// one (I4).
#[tokio::test(flavor = "multi_thread")]
async fn y41_without_versions_the_old_copy_stays_until_the_hash_of_the_new_one_is_told() {
    let mut world = Bench::with(|_| {}, |config| config.keep = fichierd::config::Keep::None).await;
    world.write("a", "old");
    world.settle().await;
    let lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
    let rules = Rules::scaled(TIME_SCALE);
    let download_refusal = Some("Maintenance des téléchargements".to_owned());
    world.emulator.set_rules(Rules { hash_lag: lag, download_refusal, ..rules.clone() });
    world.write("a", "new");
    world.cycle().await;
    world.later(1);
    for _ in 0..3 {
        let end = world.cycle().await;
        assert_eq!((end.report.uploads_pending, end.report.retired), (1, 0), "{end:?}");
    }
    assert_eq!(world.remote()["a"], b"old");
    world.emulator.set_rules(rules);
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.emulator.bytes_received(), crypt::bytes_of(&["old", "new"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn y43_a_removal_link_for_our_own_upload_removes_nothing_and_is_looked_into_once() {
    let world = with_files(|rules| rules.remove_told = true).await;
    let mut world = arrives_once(world, "a removal link is told").await;
    world.write("one more", "content");
    let calls = world.calls_of_cycle().await;
    assert!(!calls.contains(&"folder/ls.cgi".to_owned()), "it is known by now: {calls:?}");
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn u17_a_node_that_knows_nobody_is_not_sent_the_files_again_and_again() {
    let mut world = with_files(|_| {}).await;
    world.emulator.inject(Fault::always("upload.cgi", Action::Anonymous));
    let (mut refused, began) = (0, Instant::now());
    while refused < 2 {
        assert!(began.elapsed() < DEADLINE, "a person is told: {refused}");
        let end = world.cycle().await;
        refused += usize::from(matches!(end.trouble, Some(Trouble::Refused(_))));
        world.pass(MINUTE);
    }
    assert!(world.asked("upload.cgi") <= 3, "{}", world.asked("upload.cgi"));
    assert_eq!(world.asked("file/rm.cgi"), 0);
    world.emulator.clear_faults();
    world.later(2);
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn y45_a_result_that_tells_some_files_first_and_all_of_them_later_is_waited_for() {
    for listing_lag in [Duration::ZERO, 5 * MINUTE] {
        let mut world = with_files(|rules| {
            rules.first_links = Some((2, 5 * MINUTE));
            rules.listing_lag = listing_lag;
        })
        .await;
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.emulator.bytes_received(), bytes(), "{listing_lag:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y47_a_node_that_stores_the_first_files_only_is_sent_no_more_than_these_from_then_on() {
    let mut world = with_files(|rules| rules.files_stored = Some(2)).await;
    let end = world.cycle().await;
    assert!(end.report.uploads_pending > 0, "the others are pending: {end:?}");
    world.settle().await;
    world.assert_mirrored();
    assert!(world.emulator.bytes_received() <= 2 * bytes());

    let (sent, mark) = (world.emulator.bytes_received(), world.emulator.calls());
    (0..6).for_each(|n| world.write(&format!("more/{n}"), "content"));
    world.settle().await;
    world.assert_mirrored();
    let once = crypt::bytes_of(&["content"; 6]);
    assert_eq!(world.emulator.bytes_received() - sent, once, "each is sent once");
    let calls = world.emulator.calls_since(mark);
    assert_eq!(calls.iter().filter(|call| *call == "upload.cgi").count(), 3, "{calls:?}");
}

/// Runs cycles without a break, as changes on disk would. Returns the calls and the last end.
async fn busy(world: &mut Bench, cycles: usize) -> (Vec<String>, CycleEnd) {
    let mark = world.emulator.calls();
    let mut end = world.cycle().await;
    for n in 1..cycles {
        world.write(&format!("busy/{n}"), format!("change {n}"));
        end = world.cycle().await;
    }
    (world.emulator.calls_since(mark), end)
}

#[tokio::test(flavor = "multi_thread")]
async fn y46_a_node_that_refuses_rests_and_its_words_are_shown_without_links() {
    let page = "<html><body><h1>Dépassement</h1> voir https://1fichier.com/?abcde</body></html>";
    let mut worlds = tokio::task::JoinSet::new();
    for status in [403, 413, 500, 502, 200] {
        worlds.spawn(async move {
            let refusal = NodeRefusal { status, page: page.to_owned(), above_files: 0 };
            let mut world = with_files(|rules| rules.node_refusal = Some(refusal)).await;
            let end = world.cycle().await;
            assert!(end.trouble.is_none(), "{status}: {:?}", end.trouble);
            let said = end.report.uploads_refused.clone().expect("it is said");
            assert!(said.contains("Dépassement voir (link)"), "{said}");
            assert!(end.report.problems > 0, "{status}: the files are not safe");
            let posts = world.asked("upload.cgi");
            assert!(posts <= 4, "{status}: {posts} uploads");
            assert!(world.asked("end.pl") <= posts, "{status}: each is asked for once");
            assert_eq!(world.problems()[0].0, "");
            assert!(world.problems()[0].1.contains("Dépassement"), "{:?}", world.problems());
            world.emulator.set_rules(Rules::scaled(TIME_SCALE));
            world.later(2);
            world.settle().await;
            world.assert_mirrored();
            assert_eq!(world.problems(), []);
        });
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y46_while_uploads_rest_other_changes_are_carried_out_and_no_upload_is_begun() {
    let refusal = NodeRefusal { status: 503, page: "no".to_owned(), above_files: 0 };
    let mut world = with_files(|_| {}).await;
    world.settle().await;
    let rules = Rules::scaled(TIME_SCALE);
    world.emulator.set_rules(Rules { node_refusal: Some(refusal), ..rules.clone() });
    world.write("new", "content");
    world.cycle().await;
    // The clock of the rests is that of the state: it stands still, but for the time that the test
    // takes.
    world.shared.state.write(keep_resting).unwrap();
    world.rename("folder/a", "folder/renamed");
    let (calls, end) = busy(&mut world, 5).await;
    assert!(world.remote().contains_key("folder/renamed"));
    for call in ["upload.cgi", "upload/get_upload_server.cgi", "end.pl"] {
        assert!(!calls.contains(&call.to_owned()), "{calls:?}");
    }
    assert!(end.report.uploads_refused.is_some(), "{end:?}");
    world.emulator.set_rules(rules);
    world.later(2);
    world.settle().await;
    world.assert_mirrored();
}

/// Lets the rest that has begun last for half an hour.
fn keep_resting(w: &mut fichier_state::Writing<'_>) -> Result<(), fichier_state::Error> {
    let name = "upload nodes that refuse";
    let mut note: serde_json::Value = serde_json::from_str(&w.note(name)?.unwrap()).unwrap();
    note["until_s"] = (w.now_s() + 1800).into();
    w.set_note(name, Some(&note.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn y46_a_node_that_refuses_large_batches_gets_smaller_ones() {
    for status in [413, 500] {
        let refusal = NodeRefusal { status, page: "too many".to_owned(), above_files: 3 };
        let mut world = with_files(|rules| rules.node_refusal = Some(refusal)).await;
        world.write_many((0..20).map(|n| format!("folder/file-{n}")));
        world.settle().await;
        world.assert_mirrored();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y106_a_batch_that_is_too_large_for_a_node_is_not_sent_a_second_time() {
    for (status, posts) in [(413, 3), (500, 4)] {
        let refusal = NodeRefusal { status, page: "too many".to_owned(), above_files: 3 };
        let mut world = with_files(|rules| rules.node_refusal = Some(refusal)).await;
        world.settle().await;
        world.assert_mirrored();
        assert_eq!(world.asked("upload.cgi"), posts, "{status}: all files, and then both halves");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y46_that_the_account_is_full_is_known_from_the_account_whatever_the_page_says() {
    let mut world = with_files(|_| {}).await;
    world.settle().await;
    let rules = Rules::scaled(TIME_SCALE);
    let (quota_bytes, at_quota) = (bytes(), AtQuota::Refuse);
    let quota_page = "Plus de place, désolé".to_owned();
    world.emulator.set_rules(Rules { quota_bytes, at_quota, quota_page, ..rules.clone() });
    world.write("new", "content");
    // What the account said when it was set up is remembered for ten minutes.
    let (mut said, began) = (String::new(), Instant::now());
    while !said.contains("the account is full") {
        assert!(began.elapsed() < DEADLINE, "it is said: {said}");
        world.pass(20 * MINUTE);
        said = world.cycle().await.report.uploads_refused.unwrap_or(said);
    }
    assert!(said.contains("Plus de place"), "{said}");
    world.emulator.set_rules(rules);
    world.later(2);
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn y44_a_name_that_the_service_changes_is_given_once_and_then_kept_as_it_is() {
    type Case = (&'static str, fn(&mut Rules));
    let cases: [Case; 4] = [
        ("composed", |rules| rules.compose_names = true),
        ("escaped", |rules| rules.escape_names = true),
        ("without its dot", |rules| rules.drop_last_dot = true),
        ("cut", |rules| {
            rules.name_max = 20;
            rules.long_names = LongName::Cut;
        }),
    ];
    let names =
        ["folder/e\u{301}te", "folder/a & b", "folder/end.", "folder/a name of thirty bytes .txt"];
    let mut worlds = tokio::task::JoinSet::new();
    for (case, set) in cases {
        for names_changed in [NamesChanged::AtUpload, NamesChanged::Always] {
            worlds.spawn(async move {
                let rules = |rules: &mut Rules| {
                    set(rules);
                    rules.names_changed = names_changed;
                };
                let mut world = Bench::with(rules, |config| config.audit = Some(7 * DAY)).await;
                names.iter().for_each(|name| world.write(name, format!("content of {name}")));
                world.settle().await;
                let sent = world.emulator.bytes_received();
                assert_eq!(world.visible().len(), 4, "{case}");
                let renames = world.asked("file/rename.cgi");
                // The service changes no letter of an enciphered name, but cuts it.
                let expected = if crypt::is_on() && case != "cut" { 0..=0 } else { 1..=2 };
                assert!(expected.contains(&renames), "{case} {names_changed:?}: {renames}");
                if names_changed == NamesChanged::AtUpload {
                    world.assert_mirrored();
                }
                for _ in 0..8 {
                    world.pass(DAY);
                    world.all_chores().await;
                }
                world.settle().await;
                let names: Vec<String> =
                    world.visible().into_iter().map(|(path, _)| path).collect();
                assert_eq!(names.len(), 4, "{case} {names_changed:?}: {names:?}");
                assert_eq!(world.asked("file/rename.cgi"), renames, "{case}: it is left so");
                assert_eq!(world.sent_bytes(), sent, "{case}: nothing is sent again");
                assert_eq!(world.problems(), [], "{case}");
            });
        }
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

/// Names that are changed by renames alone, and by both: the stored one is on record, and files
/// are neither sent again nor renamed again and again.
#[tokio::test(flavor = "multi_thread")]
async fn y52_a_name_that_a_rename_changes_is_given_once_and_then_kept_as_it_is() {
    type Case = (&'static str, fn(&mut Rules));
    let cases: [Case; 4] = [
        ("composed", |rules| rules.compose_names = true),
        ("escaped", |rules| rules.escape_names = true),
        ("without its dot", |rules| rules.drop_last_dot = true),
        ("cut", |rules| rules.name_max = 20),
    ];
    let mut worlds = tokio::task::JoinSet::new();
    for (case, set) in cases {
        for names_changed in [NamesChanged::AtRename, NamesChanged::Always] {
            worlds.spawn(async move {
                let rules = |rules: &mut Rules| {
                    set(rules);
                    rules.names_changed = names_changed;
                };
                let mut world = Bench::with(rules, |config| config.audit = Some(7 * DAY)).await;
                let (plain, odd) = (
                    ["a/one", "a/two", "a/three", "a/four", "a/x", "b/five"],
                    ["a/e\u{301}te", "a/a & b", "a/end.", "a/a name of thirty bytes .txt", "a/x."],
                );
                plain.iter().for_each(|name| world.write(name, format!("content of {name}")));
                world.settle().await;
                let sent = world.sent_bytes();
                for (from, to) in plain.iter().zip(odd) {
                    world.rename(from, to);
                }
                // One moves and gets such a name, and two exchange their names on the way.
                world.rename("b/five", "a/moved & named.");
                let before = world.asked("file/rename.cgi");
                world.settle().await;
                let asked = world.asked("file/rename.cgi") - before;
                assert!((1..=4).contains(&asked), "{case} {names_changed:?}: {asked}");
                assert_eq!(world.problems(), [], "{case}");
                world.rename(odd[0], "a/aside");
                world.rename(odd[1], odd[0]);
                world.rename("a/aside", odd[1]);
                world.settle().await;
                assert_eq!(world.problems(), [], "{case}: exchanged");
                let asked = world.asked("file/rename.cgi");
                for _ in 0..8 {
                    world.pass(DAY);
                    world.all_chores().await;
                }
                world.settle().await;
                assert_eq!(world.asked("file/rename.cgi"), asked, "{case}: it is left so");
                assert_eq!(world.sent_bytes(), sent, "{case}: nothing is sent again");
                let files = world.visible();
                assert_eq!(files.len(), plain.len(), "{case}: {files:?}");
                for (path, content) in files {
                    let record = odd.iter().chain(&["a/moved & named."]).find(|local| {
                        let entry = world.record_of(local).unwrap();
                        format!("a/{}", crypt::plain_file(entry.remote_name().as_str())) == path
                    });
                    let local = record.unwrap_or_else(|| panic!("{case}: {path} is on no record"));
                    assert_eq!(std::fs::read(world.path(local)).unwrap(), content, "{case}");
                }
            });
        }
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn y42_other_bytes_are_removed_only_when_node_and_listing_tell_the_same_of_them() {
    let mut world = with_files(|_| {}).await;
    world.settle().await;
    let before = world.remote();
    world.write("folder/a", "an edit");
    world.emulator.inject(Fault::once("upload.cgi", Action::WrongWhirlpool));
    let end = world.cycle().await;
    assert_eq!((end.report.uploaded_files, end.report.problems), (0, 1), "{end:?}");
    assert_eq!(world.remote(), before);
    let staging = format!("{TARGET}/.fichierd/incoming");
    assert!(!world.emulator.files().iter().any(|file| file.path.starts_with(&staging)));
    world.settle().await;
    world.assert_mirrored();
}
