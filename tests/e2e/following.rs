//! The running service follows changes in the folder, through its watch.

use std::fs;

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
