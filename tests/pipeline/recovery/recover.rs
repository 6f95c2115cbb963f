//! The process dies, or the network, at each request of each operation, before and after the
//! service has carried it out (K01 to K15). The mirror finishes the work: nothing is there twice,
//! nothing is left in staging, and no byte is sent more than twice.

mod begun;

use std::collections::BTreeMap;
use std::sync::Arc;

use fichier_api::FileUrl;
use fichier_emulator::{FolderTaken, NameTaken, Rules};
use fichier_state::Entry;
use fichier_testkit::{Bench, TARGET, tree};
use fichierd::config::Keep;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// One operation on disk: the files before it, and the change.
#[derive(Clone, Copy)]
struct Operation {
    before: fn(&Bench),
    change: fn(&Bench),
}

/// The failure at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The process dies before the service does anything.
    Sent,
    /// The process dies when the service has done it, and before its reply.
    CarriedOut,
    /// The network fails at that moment, and the process goes on.
    CutOff,
}

/// The settings of a service and a mirror that differ from the usual ones.
#[derive(Clone, Copy, Default)]
struct Setting {
    on_name_taken: Option<NameTaken>,
    on_folder_taken: Option<FolderTaken>,
    keeps_nothing: bool,
    links_change: bool,
}

/// Kills a mirror that carries out `operation` at each of its requests.
async fn survives(operation: Operation) {
    survives_in(Setting::default(), operation).await;
}

async fn survives_in(setting: Setting, operation: Operation) {
    let mut whole = prepared(setting, operation).await;
    let calls = whole.calls_of_cycle().await;
    whole.settle().await;
    whole.assert_mirrored();
    let at_once = Arc::new(Semaphore::new(12));
    let mut kills = JoinSet::new();
    for n in 0..calls.len() {
        for end in [End::Sent, End::CarriedOut, End::CutOff] {
            let (at_once, calls) = (Arc::clone(&at_once), calls.clone());
            kills.spawn(async move {
                let _one = at_once.acquire().await.unwrap();
                eprintln!("ended at request {n} of {calls:?}: {end:?}");
                ends_at(setting, operation, n, end).await;
            });
        }
    }
    while let Some(done) = kills.join_next().await {
        done.unwrap();
    }
}

async fn prepared(setting: Setting, operation: Operation) -> Bench {
    let rules = |rules: &mut Rules| {
        rules.on_name_taken = setting.on_name_taken.unwrap_or(rules.on_name_taken);
        rules.on_folder_taken = setting.on_folder_taken.unwrap_or(rules.on_folder_taken);
        rules.mv_changes_link = setting.links_change;
    };
    let mut world = Bench::with(rules, |config| {
        if setting.keeps_nothing {
            config.keep = Keep::None;
        }
    })
    .await;
    world.write("bystander", "is never touched");
    // Learns what the service does with taken names, as every mirror has after its first day.
    world.settle().await;
    world.write("bystander", "was touched once");
    world.settle().await;
    (operation.before)(&world);
    world.settle().await;
    world.assert_mirrored();
    (operation.change)(&world);
    world
}

async fn ends_at(setting: Setting, operation: Operation, n: usize, end: End) {
    let mut world = prepared(setting, operation).await;
    let versions = world.versions().len();
    let sent_before = world.emulator.bytes_received();
    let before = world.remote();
    let reached = match end {
        End::Sent => world.kill_at(n, false).await,
        End::CarriedOut => world.kill_at(n, true).await,
        End::CutOff => world.cut_off_at(n).await,
    };
    assert!(reached, "there is no request {n}");
    if setting.on_name_taken.is_none() {
        assert_nothing_is_lost(&world, &before);
    }
    let mut world = if end == End::CutOff { world } else { world.restart() };
    world.settle().await;
    world.assert_mirrored();
    assert_all_on_record(&world);
    let size = tree::stored_bytes(&world.local());
    let sent = world.emulator.bytes_received() - sent_before;
    assert!(sent <= 2 * size, "{sent} bytes were sent for {size}");
    if !setting.keeps_nothing {
        assert_kept(&world, &before, versions);
    }
}

/// Files are identified by their links.
fn assert_all_on_record(world: &Bench) {
    let hidden = format!("{TARGET}/.fichierd");
    for file in world.emulator.files().into_iter().filter(|f| !f.path.starts_with(&hidden)) {
        assert!(on_record(world, &file.link).is_some(), "`{}` is not on record", file.name);
    }
}

fn on_record(world: &Bench, link: &str) -> Option<Entry> {
    let url = FileUrl::parse(link).unwrap();
    world.shared.state.read(|s| s.entry_of_url(&url)).unwrap()
}

/// A path that stays is never without content (T4), except while its content waits under another
/// name to be swapped.
fn assert_nothing_is_lost(world: &Bench, before: &BTreeMap<String, Vec<u8>>) {
    let local = world.local();
    let there = world.visible();
    for (path, content) in before.iter().filter(|(path, _)| local.contains_key(*path)) {
        let is_there = there.iter().any(|(other, now)| other == path || now == content);
        assert!(is_there, "`{path}` is without content after the kill");
    }
}

/// Every earlier content still exists: in its place, in another, or in the versions.
fn assert_kept(world: &Bench, before: &BTreeMap<String, Vec<u8>>, versions: usize) {
    let after = world.remote();
    let kept = world.versions();
    for (path, content) in before {
        let is_there = after.values().any(|now| now == content);
        let is_kept = kept.iter().any(|(_, old)| old == content);
        assert!(is_there || is_kept, "the content of `{path}` is lost");
    }
    assert!(kept.len() >= versions, "versions went away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_arrives_once_whenever_the_process_dies() {
    survives(Operation { before: |_| {}, change: |w| w.write("new", "content") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_new_folders_arrives_once_whenever_the_process_dies() {
    let change = |w: &Bench| w.write_many((0..50).map(|n| format!("{}/file-{}", n % 3, n / 2)));
    for on_folder_taken in [FolderTaken::Refuse, FolderTaken::Duplicate] {
        let setting = Setting { on_folder_taken: Some(on_folder_taken), ..Setting::default() };
        survives_in(setting, Operation { before: |_| {}, change }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_files_have_one_copy_and_one_version_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many(["a/file", "b/file", "b/other"].map(str::to_owned)),
        change: |w| {
            for path in ["a/file", "b/file", "b/other"] {
                w.write(path, format!("later {path}"));
            }
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_is_renamed_once_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many(["folder/a".to_owned(), "folder/b".to_owned()]),
        change: |w| {
            w.rename("folder/a", "folder/c");
            w.rename("folder/b", "folder/d");
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_file_is_moved_once_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many(["a/x".to_owned(), "a/y".to_owned(), "b/x".to_owned()]),
        change: |w| {
            w.rename("a/y", "b/z");
            w.rename("a/x", "c/x");
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_renamed_onto_another_replaces_it_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many(["f/new".to_owned(), "f/old".to_owned()]),
        change: |w| w.rename("f/new", "f/old"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_ends_as_on_disk_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many(["f/a".to_owned(), "f/b".to_owned()]),
        change: |w| {
            w.rename("f/a", "f/c");
            w.rename("f/b", "f/a");
            w.rename("f/c", "f/b");
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_folder_is_moved_whole_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many((0..6).map(|n| format!("old/{}/file-{n}", n % 2))),
        change: |w| w.rename("old", "elsewhere/new"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_files_are_all_retired_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many((0..120).map(|n| format!("{}/file-{n}", n % 2))),
        change: |w| {
            for n in 2..120 {
                w.remove(&format!("{}/file-{n}", n % 2));
            }
        },
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_folder_is_retired_whole_whenever_the_process_dies() {
    survives(Operation {
        before: |w| w.write_many((0..6).map(|n| format!("tree/{}/file-{n}", n % 2))),
        change: |w| w.remove_tree("tree"),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_made_once_whenever_the_process_dies() {
    survives(Operation {
        before: |w| {
            w.write("large", vec![7; 5 << 20]);
            w.write("copy", "is replaced by a copy of the large one");
        },
        change: |w| w.write("copy", vec![7; 5 << 20]),
    })
    .await;
}

const REPLACE_MOVE_AND_DELETE: Operation = Operation {
    before: |w| {
        w.write_many(["f/replaced", "f/onto", "f/moved", "f/gone", "t/1", "t/2"].map(str::to_owned))
    },
    change: |w| {
        w.write("f/replaced", "other content");
        w.rename("f/moved", "f/onto");
        w.remove("f/gone");
        w.remove_tree("t");
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn names_that_must_be_free_end_as_on_disk_whenever_the_process_dies() {
    for on_name_taken in [NameTaken::Refuse, NameTaken::Rename] {
        let setting = Setting { on_name_taken: Some(on_name_taken), ..Setting::default() };
        survives_in(setting, REPLACE_MOVE_AND_DELETE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_old_name_is_taken_in_its_new_folder_replaces_none_whenever_the_process_dies()
{
    let operation = Operation {
        before: |w| w.write_many(["f/same name".to_owned(), "g/same name".to_owned()]),
        change: |w| w.rename("f/same name", "g/other name"),
    };
    for on_name_taken in [NameTaken::Overwrite, NameTaken::Refuse, NameTaken::Rename] {
        let setting = Setting { on_name_taken: Some(on_name_taken), ..Setting::default() };
        survives_in(setting, operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_kept_all_ends_as_on_disk_whenever_the_process_dies() {
    let setting = Setting { keeps_nothing: true, ..Setting::default() };
    survives_in(setting, REPLACE_MOVE_AND_DELETE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_whose_links_change_on_the_way_arrive_whenever_the_process_dies() {
    let setting = Setting { links_change: true, ..Setting::default() };
    survives_in(setting, REPLACE_MOVE_AND_DELETE).await;
    // Neither name is free, so both go there under temporary ones.
    let operation = Operation {
        before: |w| w.write_many(["f/a".to_owned(), "f/b".to_owned()]),
        change: |w| {
            w.rename("f/a", "g/b");
            w.rename("f/b", "g/a");
        },
    };
    survives_in(setting, operation).await;
}

/// It had its new link, and was looked for only in its old folder, where it was to go back to.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_moved_onto_another_is_there_once_whatever_link_it_has_by_then() {
    let operation = Operation {
        before: |w| w.write_many(["f/new".to_owned(), "g/old".to_owned()]),
        change: |w| w.rename("f/new", "g/old"),
    };
    for keeps_nothing in [true, false] {
        let setting = Setting { links_change: true, keeps_nothing, ..Setting::default() };
        survives_in(setting, operation).await;
    }
}
