//! The source becomes another folder during a cycle, as when its disk is mounted at that very
//! moment: files of one are never recorded as files of the other (I6). Found by the simulation
//! (tests/sim).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fichier_testkit::{Bench, crypt};
use fichierd::base::Access;
use fichierd::mirror::{CycleEnd, Trouble};
use tempfile::TempDir;

/// The files at the source's path when another disk is mounted there: names and contents.
fn disk(files: &[&str]) -> TempDir {
    let disk = TempDir::new().unwrap();
    for name in files {
        fs::write(disk.path().join(name), format!("content of {name}")).unwrap();
    }
    disk
}

fn exchange(one: &Path, other: &Path) {
    let aside = other.with_extension("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}

/// Runs a cycle; as soon as it has identified the source, and written the first row after so many
/// others, another folder is mounted there.
async fn cycle_with_exchange(world: &mut Bench, other: &Path, rows_before: usize) -> CycleEnd {
    let (source, other) = (world.source().to_owned(), other.to_owned());
    let written = AtomicUsize::new(0);
    let untapped = world.shared.state.clone();
    world.shared.state = untapped.clone().tapped(Arc::new(move |access| {
        if access == Access::AfterWrite && written.fetch_add(1, Ordering::SeqCst) == rows_before {
            exchange(&source, &other);
        }
        Ok(())
    }));
    let end = world.cycle().await;
    world.shared.state = untapped;
    end
}

#[track_caller]
fn assert_held_as_exchanged(end: &CycleEnd) {
    let Some(Trouble::Held(why)) = &end.trouble else { panic!("{:?}", end.trouble) };
    assert!(why.to_string().contains("became another one while it was looked at"), "{why}");
}

/// The disk was recorded under the identity of the folder below it, and held from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_mounted_during_the_first_cycle_is_mirrored_as_itself() {
    let mut world = Bench::new().await;
    let mounted = disk(&["photo-1", "photo-2", "photo-3"]);
    for name in ["left-1", "left-2", "left-3"] {
        world.write(name, "lies below the mountpoint");
    }
    // Before it looks at the source, a new encrypted mirror records its form.
    let rows_before = usize::from(crypt::is_on());
    let end = cycle_with_exchange(&mut world, mounted.path(), rows_before).await;
    assert!(world.path("photo-1").exists());
    assert_held_as_exchanged(&end);
    assert_eq!(world.remote().len(), 0);
    let end = world.cycle().await;
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    world.settle().await;
    world.assert_mirrored();
}

/// Files below the mount point were sent as if they were on the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_unmounted_during_a_cycle_loses_and_gets_nothing() {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("photo-{n}")));
    world.settle().await;
    let before = world.remote();
    let below = disk(&["left"]);
    // A start writes a row before it looks at the contents of the source.
    let mut world = world.restart();
    let end = cycle_with_exchange(&mut world, below.path(), 0).await;
    assert!(world.path("left").exists());
    assert_held_as_exchanged(&end);
    assert_eq!(world.remote(), before);
    exchange(world.source(), below.path());
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.versions(), []);
}

/// Preparing the target wrote the row of the mirror back as it had been before: with the identity
/// of an earlier look, or none, and the next cycle took any folder for the source.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_is_recognised_by_outlasts_the_making_of_its_target() {
    let mut world = Bench::new().await;
    world.write_many((0..3).map(|n| format!("photo-{n}")));
    let end = world.cycle().await;
    assert_eq!(end.report.uploaded_files, 3, "{:?}", end.trouble);
    let before = world.remote();
    let other = disk(&["song-1", "song-2", "song-3"]);
    exchange(world.source(), other.path());
    let end = world.cycle().await;
    let Some(Trouble::Held(why)) = &end.trouble else { panic!("{:?}", end.trouble) };
    assert!(why.to_string().contains("is not the folder it was"), "{why}");
    assert_eq!(world.remote(), before);
    exchange(world.source(), other.path());
    world.settle().await;
    world.assert_mirrored();
}
