//! Many changes at once, made by another thread while the mirror looks.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::{NEVER, WATCHES_PER_INSTANCE, World, scaled};

/// Lets `storm` change the folder while the mirror looks, then waits until they are equal.
fn survive(world: &World, storm: impl FnOnce(&Path) + Send) {
    let root = world.root.clone();
    thread::scope(|scope| {
        let storm = scope.spawn(move || storm(&root));
        while !storm.is_finished() {
            world.look();
            thread::yield_now();
        }
        storm.join().unwrap();
    });
    world.converge();
}

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

#[test]
fn w05_files_made_right_after_their_folder_are_all_found() {
    let world = World::sharded(WATCHES_PER_INSTANCE, NEVER, |_| false, |_| ());
    survive(&world, |root| {
        for number in 0..scaled(300) {
            let folder = root.join(number.to_string());
            fs::create_dir(&folder).unwrap();
            // From none to some 180 microseconds.
            let start = Instant::now();
            while start.elapsed().as_micros() < (number % 10 * 20) as u128 {
                std::hint::spin_loop();
            }
            fs::write(folder.join("file"), "content").unwrap();
        }
    });
    assert_eq!(world.health().overflows, 0);
    assert!(!world.marks().contains(&"*".to_owned()));
}

#[test]
fn w06_files_deep_in_new_folders_are_all_found() {
    let world = World::sharded(WATCHES_PER_INSTANCE, NEVER, |_| false, |_| ());
    survive(&world, |root| {
        for number in 0..scaled(300) {
            let folder = root.join(format!("{number}/b/c/d"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), "content").unwrap();
        }
    });
    assert_eq!(world.health().overflows, 0);
    assert!(!world.marks().contains(&"*".to_owned()));
}

#[test]
fn w06_folders_made_while_their_parent_is_being_watched_are_watched_too() {
    let world = World::sharded(WATCHES_PER_INSTANCE, NEVER, |_| false, |_| ());
    survive(&world, |root| {
        for parent in 0..scaled(20) {
            fs::create_dir(root.join(parent.to_string())).unwrap();
            for number in 0..20 {
                fs::create_dir(root.join(format!("{parent}/{number}"))).unwrap();
            }
        }
    });
    world.until_watched(1 + 21 * scaled(20) as u64);
    world.assert_all_watched();
}

#[test]
fn w08_after_a_storm_of_renames_every_folder_is_watched() {
    let world = World::start();
    survive(&world, |root| {
        let mut dice = Dice(7);
        let pick = |dice: &mut Dice| {
            root.join(["a", "b", "c", "d/a", "d/b", "a/b", "b/d", "c/a/b"][dice.roll(8)])
        };
        for _ in 0..scaled(2_000) {
            let (from, to) = (pick(&mut dice), pick(&mut dice));
            // Some are impossible and change nothing.
            match dice.roll(4) {
                0 => drop(fs::create_dir_all(&to)),
                1 => drop(fs::remove_dir(&to)),
                2 => drop(fs::write(to.join("file"), dice.0.to_string())),
                _ => drop(fs::rename(from, to)),
            }
        }
    });
    let folders = super::read_tree(&world.root, &world.root)
        .keys()
        .filter(|path| path.ends_with('/'))
        .count();
    world.until_watched(folders as u64 + 1);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}

#[test]
fn w09_a_file_written_while_a_large_tree_is_deleted_is_found() {
    let folders = scaled(3_000);
    let world = World::sharded(
        WATCHES_PER_INSTANCE,
        NEVER,
        |_| false,
        |root| {
            for number in 0..folders {
                fs::create_dir_all(root.join(format!("tree/{}/{number}", number / 100))).unwrap();
            }
            fs::create_dir(root.join("busy")).unwrap();
        },
    );
    let (mut latest, mut slowest) = (0, 0);
    thread::scope(|scope| {
        let tree = world.path("tree");
        let storm = scope.spawn(move || fs::remove_dir_all(tree).unwrap());
        let mut number = 0;
        let mut after = 0;
        // Goes on for a while after the tree is gone: the events come late, not the deletion.
        while after < 5 {
            after += usize::from(storm.is_finished());
            number += 1;
            let probe = format!("busy/{number}");
            world.write(&probe, "");
            let written = Instant::now();
            world.until("the probe is marked", || {
                world.collect();
                world.mirror.borrow().pending.iter().rev().any(|mark| *mark == probe || mark == "*")
            });
            latest = written.elapsed().as_millis();
            slowest = latest.max(slowest);
            // Taken without a look, to be quick; the look comes once, below.
            world.mirror.borrow_mut().pending.clear();
        }
        storm.join().unwrap();
    });
    println!(
        "{folders} folders deleted: a probe was seen after {slowest} ms at most, {latest} ms at last"
    );
    world.dirty.mark_everything();
    world.converge();
    world.until_watched(2);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}
