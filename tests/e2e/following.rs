//! The running service follows changes in the folder, through its watch.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use fichier_testkit::tree;
use fichier_testkit::{Machine, until, write};

use crate::PROGRAM;

#[test]
fn every_kind_of_change_is_followed_and_rest_costs_nothing() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let at = |path: &str| source.join(path);
    for place in ["a.txt", "album/one.jpg", "album/two.jpg", "album/deep/three.jpg"] {
        write(&at(place), format!("first {place}"));
    }
    world.start();
    world.until_mirrored("photos");

    write(&at("new/in/it.txt"), "added in new folders");
    world.until_mirrored("photos");
    fs::write(at("a.txt"), "FIRST a.txt").unwrap(); // as long as before
    world.until_mirrored("photos");
    fs::rename(at("a.txt"), at("b.txt")).unwrap();
    world.until_mirrored("photos");
    let before = world.emulator.bytes_received();
    fs::rename(at("album"), at("trip")).unwrap();
    world.until_mirrored("photos");
    assert_eq!(world.emulator.bytes_received(), before, "a renamed folder is not sent again");
    fs::remove_dir_all(at("trip")).unwrap();
    world.until_mirrored("photos");

    write(&at("shape"), "a file");
    world.until_mirrored("photos");
    fs::remove_file(at("shape")).unwrap();
    write(&at("shape").join("inside"), "a folder now");
    world.until_mirrored("photos");
    fs::remove_dir_all(at("shape")).unwrap();
    write(&at("shape"), "a file again");
    write(&at("case"), "small");
    write(&at("Case"), "large");
    world.until_mirrored("photos");

    until("folders follow too", || {
        let local = tree::folders_of(&tree::on_disk(&source));
        (tree::folders_in_account(&world.emulator, "/backup/photos") == local).then_some(())
    });
    world.assert_at_rest();
    assert_eq!(world.mirror("photos")["state"], "idle");
}

/// Its next timed look is an hour away, and so is that of a held mirror.
#[test]
fn z45_a_source_whose_way_is_exchanged_is_followed_anew_within_seconds() {
    let mut world = Machine::of(PROGRAM);
    let (real, link) = (world.path("real"), world.path("link"));
    let source = link.join("way/mirrored");
    world.add_mirror("photos", &format!("source = \"{}\"", source.display()));
    write(&real.join("way/mirrored/album/one"), "one");
    write(&real.join("way/mirrored/two"), "two");
    symlink(&real, &link).unwrap();
    world.start();
    let has = |world: &Machine, path: &str| {
        until(&format!("`{path}` is there"), || {
            tree::in_account(&world.emulator, "/backup/photos").contains_key(path).then_some(())
        });
    };
    let is_watched = |world: &Machine| {
        until("it is watched", || {
            (world.mirror("photos")["watch"]["mode"] == "watching").then_some(())
        });
    };
    has(&world, "album/one");
    world.run(&["sync"]).expect(0);

    // The folder above it goes, and comes back with a change.
    fs::rename(real.join("way"), world.path("away")).unwrap();
    until("it is held", || (world.mirror("photos")["state"] == "held").then_some(()));
    let degraded = world.status().unwrap()["degraded"].to_string();
    assert!(degraded.contains("source_missing") && !degraded.contains("inotify"), "{degraded}");
    write(&world.path("away/mirrored/while it was away"), "x");
    fs::rename(world.path("away"), real.join("way")).unwrap();
    has(&world, "while it was away");
    is_watched(&world);
    write(&source.join("album/back"), "x");
    has(&world, "album/back");

    // The link leads to a copy on another disk, as it were.
    let copied = Command::new("cp").arg("-a").args([&real, &world.path("copy")]).status();
    assert!(copied.unwrap().success());
    write(&world.path("copy/way/mirrored/only here"), "x");
    fs::remove_file(&link).unwrap();
    symlink(world.path("copy"), &link).unwrap();
    has(&world, "only here");
    is_watched(&world);
    write(&source.join("album/of the copy"), "x");
    has(&world, "album/of the copy");
    let degraded = world.status().unwrap()["degraded"].to_string();
    assert!(!degraded.contains("watched"), "{degraded}");
}

#[test]
fn z51_an_edit_through_a_hard_link_is_followed_under_all_names_also_in_another_mirror() {
    // Two mirrors begin with the same listings.
    let mut world = Machine::at_scale(PROGRAM, 200);
    world.add_mirror("docs", "");
    let (photos, docs) = (world.source("photos"), world.source("docs"));
    write(&photos.join("a/one"), "first");
    write(&photos.join("other"), "x");
    write(&docs.join("other"), "y");
    fs::create_dir(photos.join("b")).unwrap();
    fs::hard_link(photos.join("a/one"), photos.join("b/two")).unwrap();
    fs::hard_link(photos.join("a/one"), docs.join("three")).unwrap();
    world.start();
    world.until_mirrored("photos");
    world.until_mirrored("docs");
    world.run(&["sync"]).expect(0);
    // In place: the inode stays.
    fs::write(photos.join("a/one"), "second").unwrap();
    world.until_mirrored("photos");
    world.until_mirrored("docs");
    fs::write(docs.join("three"), "third!").unwrap();
    world.until_mirrored("docs");
    world.until_mirrored("photos");
    world.assert_at_rest();
}

#[test]
fn z46_a_folder_that_is_excluded_no_longer_is_followed() {
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join(".fichierignore"), "raw/\n");
    write(&source.join("one"), "one");
    write(&source.join("raw/two"), "two");
    world.start();
    until("the other file is there", || {
        tree::in_account(&world.emulator, "/backup/photos").contains_key("one").then_some(())
    });
    write(&source.join(".fichierignore"), "");
    world.until_mirrored("photos");
    write(&source.join("raw/three"), "three");
    world.until_mirrored("photos");
    world.assert_at_rest();
}
