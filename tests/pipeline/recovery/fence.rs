//! Two hosts use one target, or a state is older than the files on the service (C08, P09): the
//! program notices it at its start, and removes nothing from the target because of stale records.

use std::fs;

use fichier_api::Client;
use fichier_api::names::RemoteName;
use fichier_emulator::{Emulator, FolderTaken, Rules, StoredFile};
use fichier_testkit::{Bench, TARGET, loopback};
use fichierd::config::Keep;
use fichierd::mirror::Trouble;
use fichierd::remote::claims::{self, MACHINE_NOTE, left_to_look_at};
use tempfile::TempDir;

/// Calls that change something at the service, except for making folders.
fn changes(calls: &[String]) -> Vec<&String> {
    let only_looks =
        ["folder/ls.cgi", "folder/mkdir.cgi", "file/info.cgi", "download/get_token.cgi"];
    calls.iter().filter(|call| !only_looks.contains(&call.as_str())).collect()
}

fn claims(world: &Bench) -> Vec<String> {
    let epoch = format!("{TARGET}/.fichierd/epoch/");
    let folders = world.emulator.folders();
    let mut found: Vec<String> =
        folders.iter().filter_map(|path| path.strip_prefix(&epoch)).map(str::to_owned).collect();
    found.sort();
    found
}

fn is_doubted(world: &Bench) -> bool {
    world.shared.state.read(|s| left_to_look_at(s, world.worker.id)).unwrap().is_some()
}

fn take_over(world: &Bench) {
    let flag = claims::take_over(&world.config.name);
    world.shared.state.write(|w| flag.set(w, true)).unwrap();
}

/// A mirror that has gone on since its state was saved: edits, removals, renames, additions, a
/// folder renamed and one removed. No versions are kept, so that removed files are lost.
async fn gone_on() -> (Bench, TempDir) {
    let mut world = Bench::with(|_| {}, |config| config.keep = Keep::None).await;
    let before = ["a/stays", "a/edited", "a/deleted", "a/renamed", "b/one", "b/c/two", "d/gone"];
    world.write_many(before.iter().map(|path| (*path).to_owned()));
    world.settle().await;
    let (mut world, saved) = world.save_state();
    world.write("a/edited", "edited");
    world.remove("a/deleted");
    world.rename("a/renamed", "a/new name");
    world.rename("b", "other");
    world.remove_tree("d");
    world.write("e/new", "new");
    world.write("other/c/also new", "also new");
    // A new file at the path that another one had when the state was saved.
    world.write("a/renamed", "another");
    world.settle().await;
    world.assert_mirrored();
    (world, saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_an_older_state_looks_at_the_whole_target_before_it_changes_anything() {
    let (world, saved) = gone_on().await;
    let sent = world.sent_bytes();
    let files = world.emulator.files();
    let mut world = world.put_back_state(saved);
    let before = world.emulator.calls();
    world.settle().await;
    world.assert_mirrored();
    assert!(!is_doubted(&world));
    let calls = world.emulator.calls_since(before);
    assert_eq!(changes(&calls), Vec::<&String>::new(), "{calls:?}");
    assert_eq!(world.sent_bytes(), sent);
    let now = world.emulator.files();
    for file in files {
        assert!(now.iter().any(|other| other.link == file.link), "`{}` is gone", file.name);
    }
    // Then removals go on.
    world.remove("a/stays");
    world.settle().await;
    world.assert_mirrored();
}

/// Where `mkdir` makes a second folder of one name, the listing of the claims is the only witness of
/// newer ones.
#[tokio::test(flavor = "multi_thread")]
async fn y53_a_listing_that_lacks_claims_does_not_make_an_older_state_the_newest() {
    use fichier_emulator::{Action, Fault};
    let nothing = r#"{"status":"OK","name":"epoch","files":0,"items":[],"sub_folders":[]}"#;
    let incomplete = r#"{"status":"OK","name":"epoch","files":0,"items":[],
        "sub_folders":[{"name":"host-installation-1"},{"id":0,"name":"1"}]}"#;
    for (reply, times) in [(nothing, 1), (incomplete, 1), (incomplete, 4)] {
        let rules = |rules: &mut Rules| rules.on_folder_taken = FolderTaken::Duplicate;
        let mut world = Bench::with(rules, |_| {}).await;
        world.write_many(["a/one".to_owned(), "a/two".to_owned()]);
        world.settle().await;
        let mut world = world.restart();
        world.settle().await;
        let (mut world, saved) = world.save_state();
        world.write("a/one", "edited");
        world.remove("a/two");
        world.settle().await;
        let mut world = world.put_back_state(saved);
        let before = world.emulator.calls();
        // The first listing is that of the staging folder.
        let fault = Fault::once("folder/ls.cgi", Action::Json(200, reply.to_owned())).after(1);
        world.emulator.inject(Fault { times, ..fault });
        let end = world.cycle().await;
        let calls = world.emulator.calls_since(before);
        assert_eq!(changes(&calls), Vec::<&String>::new(), "{calls:?}");
        if times > 1 {
            let Some(Trouble::Failing(why)) = end.trouble else { panic!("{:?}", end.trouble) };
            assert!(why.contains("may lack others"), "{why}");
            assert!(!is_doubted(&world), "nothing was concluded");
        }
        world.emulator.clear_faults();
        world.settle().await;
        world.assert_mirrored();
        let calls = world.emulator.calls_since(before);
        assert_eq!(changes(&calls), Vec::<&String>::new(), "{reply}: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_a_machine_set_back_with_its_disk_ends_equal_to_the_disk() {
    let (world, saved) = gone_on().await;
    world.remove_tree("a");
    world.remove_tree("other");
    world.remove_tree("e");
    let before = ["a/stays", "a/edited", "a/deleted", "a/renamed", "b/one", "b/c/two", "d/gone"];
    world.write_many(before.iter().map(|path| (*path).to_owned()));
    let mut world = world.put_back_state(saved);
    world.settle().await;
    // Files that are newer than the snapshot are on no record, and stay (X03).
    let (local, remote) = (world.local(), world.remote());
    for (path, content) in local {
        assert_eq!(remote.get(&path), Some(&content), "{path}");
    }
    world.emulator.assert_no_violations();
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_the_look_may_be_killed_at_each_request() {
    for carried_out in [false, true] {
        for n in 0.. {
            let (world, saved) = gone_on().await;
            let sent = world.sent_bytes();
            let mut world = world.put_back_state(saved);
            let reached = world.kill_at(n, carried_out).await;
            let mut world = world.restart();
            world.settle().await;
            world.assert_mirrored();
            assert!(!is_doubted(&world));
            assert_eq!(world.sent_bytes(), sent, "killed at {n}");
            if !reached {
                assert!(n > 8, "only {n} requests");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_a_listing_that_wrongly_shows_nothing_makes_no_record_stale() {
    use fichier_emulator::{Action, Fault};
    let world = Bench::new().await;
    let mut world = world;
    world.write_many((0..5).map(|n| format!("folder/file-{n}")));
    world.settle().await;
    let (world, saved) = world.save_state();
    let mut world = world;
    world.cycle().await;
    let sent = world.sent_bytes();
    let mut world = world.put_back_state(saved);
    // Of staging, of the claims, of the target; then of the folder.
    world.emulator.inject(Fault::once("folder/ls.cgi", Action::EmptyListing).after(3));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.sent_bytes(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_may_be_killed_at_each_request_and_ends_the_same() {
    for carried_out in [false, true] {
        for n in 0..4 {
            let mut world = Bench::new().await;
            world.write("a/one", "one");
            world.settle().await;
            let mut world = world.restart();
            world.kill_at(n, carried_out).await;
            world.remove("a/one");
            world.write("a/two", "two");
            let mut world = world.restart();
            world.settle().await;
            world.assert_mirrored();
            assert!(!is_doubted(&world));
            // Files in doubt because of a crash do not prove a second writer.
            let mut world = world.restart();
            assert!(world.cycle().await.trouble.is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_costs_two_calls_and_old_claims_do_not_pile_up() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    // Where the target was made a moment ago, nobody else can have worked.
    assert_eq!(claims(&world), Vec::<String>::new());
    // The folder of the claims is made, and it is learnt that `mkdir` refuses a name in use.
    world = world.restart();
    let (ls, mkdir) = ("folder/ls.cgi", "folder/mkdir.cgi");
    assert_eq!(world.calls_of_cycle().await, [ls, ls, mkdir, mkdir, mkdir, mkdir]);
    assert_eq!(claims(&world), ["1", "host-installation-1"]);
    for _ in 1..21 {
        world = world.restart();
        assert_eq!(world.calls_of_cycle().await, [ls, mkdir]);
        assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
        while world.worker.chores(&world.shared).await.next.is_zero() {}
    }
    let left = claims(&world);
    assert!(left.len() <= 9 && left.contains(&"21".to_owned()), "{left:?}");
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn c08_a_copy_on_another_machine_is_refused_until_it_takes_over() {
    let (world, saved) = gone_on().await;
    let files = world.emulator.files();
    let mut other = world.put_back_state(saved);
    other.shared.state.write(|w| w.set_note(MACHINE_NOTE, Some("other"))).unwrap();
    other.write("a/stays", "of the other");
    for _ in 0..2 {
        let end = other.cycle().await;
        let Some(Trouble::Held(why)) = end.trouble else { panic!("{:?}", end.trouble) };
        let why = why.text("photos");
        assert!(why.contains("another machine") && why.contains("--take-over photos"), "{why}");
    }
    assert_eq!(other.emulator.files(), files);
    // A known result costs no call, also after a start.
    let mut other = other.restart();
    let before = other.emulator.calls();
    assert!(matches!(other.cycle().await.trouble, Some(Trouble::Held(_))));
    assert_eq!(other.emulator.calls(), before);
    take_over(&other);
    other.settle().await;
    other.assert_mirrored();
    assert!(claims(&other).contains(&"host-other".to_owned()));
    // It is taken over once and for all.
    let mut other = other.restart();
    assert!(other.cycle().await.trouble.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn c08_two_copies_that_take_turns_are_held() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    let (mut world, copy) = world.save_state();
    world.settle().await;
    let (world, first) = world.save_state();
    // The copy is an older state …
    let mut world = world.put_back_state(copy);
    world.settle().await;
    let (world, copy) = world.save_state();
    // … and so is the first, when it is its turn.
    let mut world = world.put_back_state(first);
    world.settle().await;
    world.write("a/one", "other");
    world.remove("a/one");
    let files = world.emulator.files();
    let mut world = world.put_back_state(copy);
    let end = world.cycle().await;
    let Some(Trouble::Held(why)) = end.trouble else { panic!("{:?}", end.trouble) };
    let why = why.text("photos");
    assert!(why.contains("two copies"), "{why}");
    assert_eq!(world.emulator.files(), files);
    take_over(&world);
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn c08_a_running_copy_that_was_replaced_removes_nothing() {
    let mut world = Bench::new().await;
    world.write_many(["a/one".to_owned(), "a/two".to_owned()]);
    world.settle().await;
    for is_first in [true, false] {
        if !is_first {
            world = world.restart();
            world.settle().await;
        }
        let files = world.emulator.files();
        let client = world.shared.client.clone();
        claim_elsewhere(&client).await;
        world.later(2);
        world = replaced(world, &files).await;
        world.write("a/one", "one");
    }
}

/// A removal is held, also after a restart, until the target is taken over.
async fn replaced(mut world: Bench, files: &[StoredFile]) -> Bench {
    world.remove("a/one");
    for _ in 0..2 {
        let end = world.cycle().await;
        assert!(matches!(end.trouble, Some(Trouble::Held(_))), "{:?}", end.trouble);
    }
    assert_eq!(world.emulator.files(), files);
    let mut world = world.restart();
    assert!(matches!(world.cycle().await.trouble, Some(Trouble::Held(_))));
    take_over(&world);
    world.settle().await;
    world.assert_mirrored();
    world
}

/// A clone of the machine starts, and makes the folder of the claims if there is none.
async fn claim_elsewhere(client: &Client) {
    let mut at = fichier_api::FolderId::ROOT;
    for name in ["backup", "photos", ".fichierd", "epoch"] {
        let name = RemoteName::encode(name.as_bytes());
        let listing = client.list_folder(at).await.unwrap();
        at = match listing.folders.iter().find(|folder| folder.name == name) {
            Some(folder) => folder.id,
            None => client.make_folder(at, &name).await.unwrap().id,
        };
    }
    let claims = client.list_folder(at).await.unwrap().folders;
    let newest = claims.iter().filter_map(|claim| claim.name.as_str().parse::<u64>().ok()).max();
    let next = (newest.unwrap_or(0) + 1).to_string();
    client.make_folder(at, &RemoteName::encode(next.as_bytes())).await.unwrap();
}

/// An account is read, so that the state knows whose records it has.
async fn read_account(world: &mut Bench) {
    world.later(25);
    world.write("a/new", "so that there is something to tell");
    world.settle().await;
    while world.worker.chores(&world.shared).await.next.is_zero() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn d06_the_records_of_another_account_are_refused() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    read_account(&mut world).await;
    let elsewhere = Emulator::builder().rules(Rules::scaled(2_000)).key("another-key");
    let elsewhere = elsewhere.start().await.unwrap();
    elsewhere.set_email("somebody.else@example.com");
    let mut lost = world.lose_machine();
    let home = std::mem::replace(&mut lost.emulator, elsewhere);
    let mut world = lost.start();
    for _ in 0..2 {
        let end = world.cycle().await;
        let Some(Trouble::OtherAccount(why)) = end.trouble else { panic!("{:?}", end.trouble) };
        assert!(why.contains("another 1fichier account"), "{why}");
    }
    assert_eq!(world.emulator.calls_since(0), ["user/info.cgi"]);
    // With its own account it goes on.
    let mut lost = world.lose_machine();
    lost.emulator = home;
    let mut world = lost.start();
    world.settle().await;
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn d06_a_new_key_of_the_same_account_costs_one_call_once() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    read_account(&mut world).await;
    world.emulator.set_key("a-new-key");
    let pacer = world.shared.client.pacer().clone();
    let client = loopback::client("a-new-key", pacer, &world.emulator.api_url());
    world.shared.client = client.build().unwrap();
    assert_eq!(world.calls_of_cycle().await, ["user/info.cgi", "folder/ls.cgi"]);
    assert_eq!(world.calls_of_cycle().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn p09_an_older_state_is_noticed_whatever_mkdir_says_about_a_name_in_use() {
    for switch in [FolderTaken::Refuse, FolderTaken::Existing, FolderTaken::Duplicate] {
        let mut world = Bench::with(|rules| rules.on_folder_taken = switch, |_| {}).await;
        world.write("a/one", "one");
        world.write("stays", "stays");
        world.settle().await;
        let (mut world, saved) = world.save_state();
        world.rename("a/one", "a/two");
        world.settle().await;
        let mut world = world.put_back_state(saved);
        let before = world.emulator.calls();
        world.settle().await;
        world.assert_mirrored();
        let calls = world.emulator.calls_since(before);
        assert_eq!(changes(&calls), Vec::<&String>::new(), "{switch:?}: {calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_lost_takes_the_claims_as_they_are() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    let mut world = world.restart();
    world.settle().await;
    let sent = world.sent_bytes();
    let mut world = world.lose_state();
    world.settle().await;
    world.assert_mirrored();
    assert!(!is_doubted(&world));
    assert_eq!(world.sent_bytes(), sent);
    assert!(claims(&world).contains(&"2".to_owned()), "{:?}", claims(&world));
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_somebody_removed_are_made_again() {
    let mut world = Bench::new().await;
    world.write("a/one", "one");
    world.settle().await;
    let mut world = world.restart();
    world.settle().await;
    world.emulator.remove_folder(&format!("{TARGET}/.fichierd/epoch"));
    world.later(2);
    world.remove("a/one");
    world.write("a/two", "two");
    world.settle().await;
    let mut world = world.restart();
    world.settle().await;
    world.assert_mirrored();
    assert!(claims(&world).contains(&"2".to_owned()), "{:?}", claims(&world));
    assert!(fs::exists(world.state_file()).unwrap());
}
