//! The documentation does not say what the service does when a name is taken (G.1, row 12).
//! Whatever it does, the mirror ends equal to the disk and no content is lost: every replaced file
//! is among the versions, unless the service itself overwrites it.

use std::collections::BTreeMap;

use fichier_emulator::NameTaken;
use fichier_testkit::Bench;
use fichierd::remote::{By, Habits, habits};

const ALL: [NameTaken; 4] =
    [NameTaken::Duplicate, NameTaken::Refuse, NameTaken::Rename, NameTaken::Overwrite];

/// Makes the changes one after the other under each behaviour.
async fn converges(before: fn(&Bench), changes: &[fn(&Bench)]) {
    for behaviour in ALL {
        eprintln!("when a name is taken: {behaviour:?}");
        let mut world = Bench::with(|rules| rules.on_name_taken = behaviour, |_| {}).await;
        before(&world);
        world.settle().await;
        for change in changes {
            let old = world.remote();
            change(&world);
            world.settle().await;
            world.assert_mirrored();
            if behaviour != NameTaken::Overwrite {
                assert_all_kept(&world, &old);
            }
        }
    }
}

fn assert_all_kept(world: &Bench, old: &BTreeMap<String, Vec<u8>>) {
    let (now, versions) = (world.remote(), world.versions());
    for (path, content) in old {
        let is_kept = now.values().any(|now| now == content)
            || versions.iter().any(|(_, version)| version == content);
        assert!(is_kept, "the old content of `{path}` is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_replace_whatever_the_service_does() {
    let many: fn(&Bench) = |w| w.write_many((0..5).map(|n| format!("folder/file-{n}")));
    converges(
        many,
        &[
            |w| (0..4).for_each(|n| w.write(&format!("folder/file-{n}"), format!("once {n}"))),
            |w| (1..5).for_each(|n| w.write(&format!("folder/file-{n}"), format!("twice {n}"))),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_onto_a_recorded_name_replaces_whatever_the_service_does() {
    converges(
        |w| w.write_many(["f/a", "f/b", "g/a", "g/b"].map(str::to_owned)),
        &[|w| w.rename("f/a", "f/b"), |w| w.rename("f/b", "g/b"), |w| w.rename("g/a", "g/b")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_and_circles_end_as_on_disk_whatever_the_service_does() {
    converges(
        |w| w.write_many(["f/a", "f/b", "g/b", "h"].map(str::to_owned)),
        &[
            |w| {
                w.rename("f/a", "t");
                w.rename("f/b", "f/a");
                w.rename("t", "f/b");
            },
            |w| {
                w.rename("f/b", "t");
                w.rename("g/b", "f/b");
                w.rename("t", "g/b");
            },
            |w| {
                w.rename("f/a", "t");
                w.rename("g/b", "f/a");
                w.rename("h", "g/b");
                w.rename("t", "h");
            },
        ],
    )
    .await;
}

/// Each is renamed first, and then lies where the other one arrives under the same name.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_exchange_folders_and_get_one_new_name_end_as_on_disk() {
    converges(
        |w| w.write_many(["d/a", "d/e/a"].map(str::to_owned)),
        &[|w| {
            w.rename("d/a", "t");
            w.rename("d/e/a", "d/new");
            w.rename("t", "d/e/new");
        }],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_logs_follow_whatever_the_service_does() {
    let rotate: fn(&Bench) = |w| {
        for n in (0..4).rev() {
            w.rename(&format!("log.{n}"), &format!("log.{}", n + 1));
        }
        w.write("log.0", "a new log");
    };
    converges(|w| w.write_many((0..4).map(|n| format!("log.{n}"))), &[rotate]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_one_name_in_many_folders_are_replaced_whatever_the_service_does() {
    converges(
        |w| w.write_many((0..4).map(|n| format!("{n}/index.html"))),
        &[
            |w| (0..3).for_each(|n| w.write(&format!("{n}/index.html"), format!("once {n}"))),
            |w| (1..4).for_each(|n| w.write(&format!("{n}/index.html"), format!("twice {n}"))),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_replaces_whatever_the_service_does() {
    converges(
        |w| {
            w.write("large", vec![7; 5 << 20]);
            w.write("other", "stood here before");
        },
        &[|w| w.write("other", vec![7; 5 << 20]), |w| w.write("third", vec![7; 5 << 20])],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_work_meets_is_kept_among_the_answers_of_the_probe() {
    for (behaviour, expected) in ALL.into_iter().zip([
        habits::NameTaken::Twins,
        habits::NameTaken::Refused,
        habits::NameTaken::Renamed,
        habits::NameTaken::Overwritten,
    ]) {
        let mut world = Bench::with(|rules| rules.on_name_taken = behaviour, |_| {}).await;
        let known = |world: &Bench| world.shared.state.read(|s| Habits::read(s)).unwrap();
        world.write("file", "once");
        world.settle().await;
        assert_eq!(known(&world), Habits::default(), "{behaviour:?}");
        world.write("file", "twice");
        world.settle().await;
        let met = known(&world).name_taken.expect("a name was taken");
        assert_eq!((met.is, met.by), (expected, By::Work));
    }
}
