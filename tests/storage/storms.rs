//! A great many changes happen in a source at once.

use std::fs;

use fichier_testkit::tree;
use fichier_testkit::{Machine, until, write};

use crate::PROGRAM;
use crate::scale::is_large;

#[test]
fn w08_a_storm_of_renames_ends_in_the_exact_state_and_sends_nothing_again() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let at = |place: &str| source.join(place);
    for number in 0..200 {
        write(&at(&format!("ring/{number:03}")), format!("content of {number}"));
    }
    write(&at("a"), "was a");
    write(&at("b"), "was b");
    write(&at("case"), "lower");
    write(&at("album/deep/one"), "one");
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");
    let (sent, calls) = (world.emulator.bytes_received(), world.emulator.calls());

    for _ in 0..10 {
        // Everything moves on by one place.
        fs::rename(at("ring/000"), at("ring/aside")).unwrap();
        for number in 1..200 {
            let (from, to) = (format!("ring/{number:03}"), format!("ring/{:03}", number - 1));
            fs::rename(at(&from), at(&to)).unwrap();
        }
        fs::rename(at("ring/aside"), at("ring/199")).unwrap();
        for (from, to) in [("a", "aside"), ("b", "a"), ("aside", "b"), ("case", "Case")] {
            fs::rename(at(from), at(to)).unwrap();
        }
        fs::rename(at("Case"), at("case")).unwrap();
    }
    // An uneven number of swaps, and a name that differs in case only.
    for (from, to) in [("a", "aside"), ("b", "a"), ("aside", "b"), ("case", "Case")] {
        fs::rename(at(from), at(to)).unwrap();
    }
    fs::rename(at("album"), at("trip")).unwrap();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let snapshots = tree::snapshot_bytes(&world.emulator);
    assert!(world.emulator.bytes_received() - sent <= snapshots, "nothing is sent again");
    let there = tree::in_account(&world.emulator, "/backup/photos");
    assert_eq!((there["a"].as_slice(), there["b"].as_slice()), (&b"was b"[..], &b"was a"[..]));
    // A rename is a call, also that of a folder, and one more if a name has to be free first. The
    // storm went by in a few settle times, and each look moved everything once at most.
    let calls = world.emulator.calls() - calls;
    assert!(calls < 200, "{calls} calls for 204 names, which go in batches");
}

#[test]
fn w09_a_file_that_is_written_while_thousands_of_folders_are_deleted_is_seen_at_once() {
    let folders = if is_large() { 30_000 } else { 3_000 };
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "rescan = \"1h\"");
    // Empty folders: the service has nothing to do for them, the watch everything.
    let tree = world.source("photos").join("tree");
    for number in 0..folders {
        fs::create_dir_all(tree.join(format!("{}/{number}", number % 100))).unwrap();
    }
    write(&world.source("photos").join("first"), "first");
    world.start();
    world.until_mirrored("photos");
    until("all are watched", || {
        let watch = world.mirror("photos")["watch"].clone();
        (watch["watched"].as_u64().unwrap() >= folders && watch["mode"] == "watching").then_some(())
    });
    let deleting = std::thread::spawn(move || fs::remove_dir_all(&tree).unwrap());
    let probe = world.source("photos").join("probe");
    write(&probe, "written while they go");
    world.until_mirrored("photos");
    deleting.join().unwrap();
    // The watch still works afterwards, though no rescan comes for an hour.
    write(&probe, "written after they went");
    world.until_mirrored("photos");
    until("the watches have gone with their folders", || {
        (world.mirror("photos")["watch"]["watched"].as_u64().unwrap() < 10).then_some(())
    });
    world.assert_at_rest();
}
