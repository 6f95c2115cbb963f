//! K16: nothing is decided because of a look that is cut short.

use std::fs;

use fichier_testkit::tree;
use fichier_testkit::{Machine, write};

use crate::PROGRAM;

const FOLDERS: usize = 40;

/// Forty folders with a file each.
fn filled() -> Machine {
    let mut world = Machine::of(PROGRAM);
    world.add_mirror("photos", "settle = \"20ms\"\n");
    for number in 0..FOLDERS {
        write(&world.source("photos").join(format!("{number:02}/file")), format!("file {number}"));
    }
    world
}

/// Lets the service die when its look reaches this folder.
fn dies_at_folder(world: &mut Machine, nth: usize) {
    world.environment = vec![("FAILPOINTS", format!("scan:folder={}*off->return", nth - 1))];
    world.launch();
    assert_eq!(world.take_service().ended(), None, "at folder {nth}");
    world.environment.clear();
}

/// The calls that would remove something from its place.
fn removing(calls: &[String]) -> Vec<&String> {
    let removing = ["file/rm.cgi", "file/mv.cgi", "folder/mv.cgi", "folder/rm.cgi"];
    calls.iter().filter(|call| removing.contains(&call.as_str())).collect()
}

#[test]
fn k16_a_first_look_that_dies_early_or_late_sends_everything_once_the_next_time() {
    for nth in [FOLDERS / 10, FOLDERS * 9 / 10] {
        let mut world = filled();
        dies_at_folder(&mut world, nth);
        assert_eq!(world.emulator.bytes_received(), 0, "before the look has ended");
        world.start();
        world.until_mirrored("photos");
        world.until_chores_done("photos");
        world.assert_mirrored();
        let size = tree::stored_bytes(&tree::on_disk(&world.source("photos")));
        let sent = world.emulator.bytes_received() - tree::snapshot_bytes(&world.emulator);
        assert_eq!(sent, size);
    }
}

#[test]
fn k16_a_look_that_dies_early_or_late_removes_nothing_and_the_next_removes_what_is_gone() {
    for nth in [FOLDERS / 10, FOLDERS * 9 / 10] {
        let mut world = filled();
        world.run(&["sync"]).expect(0);
        // Removed files are seen before the death and after it.
        for gone in ["00/file", "01/file", "38/file", "39/file"] {
            fs::remove_file(world.source("photos").join(gone)).unwrap();
        }
        fs::remove_dir_all(world.source("photos").join("02")).unwrap();
        fs::remove_dir_all(world.source("photos").join("37")).unwrap();
        let mark = world.emulator.calls();
        dies_at_folder(&mut world, nth);
        let calls = world.emulator.calls_since(mark);
        assert_eq!(removing(&calls), Vec::<&String>::new(), "after {nth} folders");
        world.start();
        world.until_mirrored("photos");
        world.assert_mirrored();
        let kept = world.emulator.files().into_iter();
        let kept = kept.filter(|file| file.path.contains("/.fichierd/versions")).count();
        assert_eq!(kept, 6, "in the versions");
    }
}
