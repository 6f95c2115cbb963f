//! Very many files are replaced, emptied or renamed within a day: what they were does not expire
//! before a person has looked (F12).

use std::time::Duration;

use fichier_testkit::Bench;
use fichierd::config::Keep;
use fichierd::daemon::{How, approve};
use fichierd::upkeep::burst::burst;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A mirror of so many files, whose versions are kept for thirty days, and two of each path.
async fn of(files: usize) -> Bench {
    let mut world = Bench::with(
        |_| {},
        |config| {
            config.keep = Keep::For(30 * DAY);
            config.keep_versions = Some(2);
        },
    )
    .await;
    world.write_many((0..files).map(path));
    world.settle().await;
    world.all_chores().await;
    world.pass(2 * DAY);
    world
}

fn path(n: usize) -> String {
    format!("{}/file-{n:03}", n % 3)
}

fn is_burst(world: &Bench) -> bool {
    world.shared.state.read(|s| burst(s, world.worker.id)).unwrap().is_some()
}

fn approved(world: &Bench) -> String {
    approve(&world.shared.state, &world.config, How::default())
        .unwrap()
        .unwrap()
        .unwrap_or_default()
}

/// What a program that encrypts does to a file.
type Spoils = fn(&Bench, usize);

const WAYS: [(&str, Spoils); 4] = [
    ("replaced", |world, n| world.write(&path(n), format!("encrypted {n:>9}"))),
    ("emptied", |world, n| world.write(&path(n), "")),
    ("renamed", |world, n| world.rename(&path(n), &format!("{}.locked", path(n)))),
    ("replaced by one with a suffix", |world, n| {
        world.remove(&path(n));
        world.write(&format!("{}.locked", path(n)), format!("encrypted {n:>9}"));
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn z90_while_very_many_files_were_spoiled_no_version_expires_until_it_is_approved() {
    for (files, spoiled) in [(9, 6), (40, 21)] {
        for (what, spoil) in WAYS {
            let mut world = of(files).await;
            (0..spoiled).for_each(|n| spoil(&world, n));
            world.settle().await;
            assert!(is_burst(&world), "{what}: {spoiled} of {files}");
            let kept = world.versions();
            world.all_chores().await;
            let mut world = world.restart();
            world.worker.is_one_shot = true;
            for _ in 0..3 {
                world.pass(30 * DAY);
                world.settle().await;
                world.all_chores().await;
            }
            assert_eq!(world.versions(), kept, "{what}");
            assert!(is_burst(&world), "{what}");
            let said = approved(&world);
            assert!(said.contains("expire again") && said.contains(&spoiled.to_string()), "{said}");
            world.all_chores().await;
            assert_eq!(world.versions(), [], "{what}");
            assert!(!is_burst(&world), "{what}");
            world.assert_mirrored();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn z90_further_rewrites_push_no_good_version_out() {
    let mut world = of(40).await;
    for pass in 0..5 {
        (0..30).for_each(|n| world.write(&path(n), format!("{pass}, encrypted {n:>9}")));
        world.settle().await;
        world.all_chores().await;
        world.pass(DAY);
        world.all_chores().await;
    }
    assert_eq!(world.versions().len(), 5 * 30);
    let said = approved(&world);
    assert!(said.contains("30 files"), "{said}");
    world.all_chores().await;
    assert_eq!(world.versions().len(), 2 * 30);
    // As many in a day are usual now.
    (0..30).for_each(|n| world.write(&path(n), format!("dumped {n:>9}")));
    world.settle().await;
    assert!(!is_burst(&world));
    world.assert_mirrored();
}

#[tokio::test(flavor = "multi_thread")]
async fn z90_the_work_of_a_day_is_no_burst() {
    let mut world = of(40).await;
    for n in 0..12 {
        world.write(&path(n), format!("edited {n:>9}"));
        world.rename(&path(n + 12), &format!("archive/{n}"));
    }
    world.remove(&path(30));
    world.write(&path(31), "");
    for n in 0..4 {
        world.write(&path(n), format!("edited again {n:>9}"));
    }
    world.settle().await;
    assert!(!is_burst(&world));
    world.pass(31 * DAY);
    world.all_chores().await;
    assert_eq!(world.versions(), []);
    // Small mirrors are edited as a whole.
    let mut world = of(4).await;
    (0..4).for_each(|n| world.write(&path(n), format!("edited {n:>9}")));
    world.settle().await;
    assert!(!is_burst(&world));
}
