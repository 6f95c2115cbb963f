//! Folders that are renamed, moved in and out, deleted and made again.

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fichier_state::RelPath;

use super::super::events::Events;
use super::super::instances::Instances;
use super::super::todo::{Look, Todo};
use super::super::tree::Tree;
use super::{DEADLINE, World};
use crate::disk::dirty::DirtyQueue;

/// A folder with two levels below it and a file in each.
fn populated(root: &std::path::Path, name: &str) {
    let folder = root.join(name);
    fs::create_dir_all(folder.join("sub/deep")).unwrap();
    for file in ["file", "sub/file", "sub/deep/file"] {
        fs::write(folder.join(file), name).unwrap();
    }
}

#[test]
fn w07_a_populated_folder_that_is_moved_in_is_found_whole() {
    let world = World::start();
    populated(&world.outside, "album");
    fs::rename(world.outside.join("album"), world.path("album")).unwrap();
    world.converge();
    world.until_watched(4);
    world.assert_all_watched();
}

#[test]
fn w07_nothing_is_reported_from_a_folder_that_was_moved_out() {
    let world = World::prepared(|root| populated(root, "album"));
    fs::rename(world.path("album"), world.outside.join("album")).unwrap();
    world.converge();
    world.until_watched(1);
    world.marks();
    for folder in ["album", "album/sub", "album/sub/deep"] {
        fs::write(world.outside.join(folder).join("more"), "not ours").unwrap();
    }
    assert_eq!(world.marks(), Vec::<String>::new());
}

#[test]
fn w08_a_renamed_folder_reports_under_its_new_name() {
    let world = World::prepared(|root| populated(root, "before"));
    world.rename("before", "after");
    world.converge();
    world.until_watched(4);
    world.assert_all_watched();
    let marks = world.marks();
    assert!(!marks.iter().any(|mark| mark.starts_with("before/")), "{marks:?}");
}

#[test]
fn w08_the_watch_of_a_new_name_outlives_that_of_the_old_one_in_whatever_order_they_are_looked_at() {
    for name in ["a", "b"] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        let source = Arc::new(dir.path().canonicalize().unwrap());
        let (dirty, todo) = (DirtyQueue::default(), Arc::new(Todo::default()));
        // Two watches each: the instance of one folder has no other.
        let instances = Instances::new(2, |alive| Events {
            source: Arc::clone(&source),
            dirty: dirty.clone(),
            todo: Arc::clone(&todo),
            overflows: Arc::default(),
            alive,
        });
        let mut tree = Tree::new(Arc::clone(&source), Arc::new(|_, _| false), todo, instances);
        tree.plant(&source).unwrap();
        tree.grow(|_| ());

        fs::rename(dir.path().join(name), dir.path().join("new")).unwrap();
        let (old, new) = (RelPath::root().join(name.as_bytes()), RelPath::root().join(b"new"));
        assert!(tree.look(&new, Look::Moved));
        assert!(!tree.look(&old, Look::Moved));
        assert_eq!(tree.watched(), 3);
        let (file, deadline) = (new.join(b"file"), Instant::now() + DEADLINE);
        // Repeated, because a mark of the folder would swallow that of the file.
        while !dirty.take_settled(Duration::ZERO, Duration::ZERO).paths.contains(&file) {
            assert!(Instant::now() < deadline, "the renamed folder is not watched");
            fs::write(dir.path().join("new/file"), "").unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn w08_swapped_rotated_and_recased_folders_report_under_their_new_names() {
    let world = World::prepared(|root| {
        for name in ["a", "b", "c", "d", "e", "case"] {
            populated(root, name);
        }
    });
    for (from, to) in [
        ("a", "tmp"),
        ("b", "a"),
        ("tmp", "b"), // a swap
        ("c", "tmp"),
        ("d", "c"),
        ("e", "d"),
        ("tmp", "e"), // a rotation
        ("case", "Case"),
    ] {
        world.rename(from, to);
    }
    world.converge();
    world.until_watched(19);
    world.assert_all_watched();
}

#[test]
fn w08_a_folder_that_is_renamed_and_renamed_back_is_still_watched() {
    let world = World::prepared(|root| populated(root, "album"));
    for _ in 0..20 {
        world.rename("album", "other");
        world.rename("other", "album");
        world.marks();
        world.until_watched(4);
        world.assert_all_watched();
    }
}

#[test]
fn w08_a_folder_that_is_moved_into_another_and_renamed_there_is_followed() {
    let world = World::prepared(|root| {
        populated(root, "a");
        populated(root, "z");
    });
    world.rename("z", "a/sub/z");
    world.rename("a/sub", "sub");
    world.rename("sub/z", "sub/y");
    world.rename("a", "sub/y/a");
    world.converge();
    world.until_watched(7);
    world.assert_all_watched();
}

#[test]
fn w10_a_file_moved_out_and_one_moved_in_are_both_marked() {
    let world = World::prepared(|root| fs::write(root.join("ours"), "1").unwrap());
    fs::write(world.outside.join("theirs"), "2").unwrap();
    fs::rename(world.path("ours"), world.outside.join("ours")).unwrap();
    fs::rename(world.outside.join("theirs"), world.path("theirs")).unwrap();
    world.converge();
    assert_eq!(world.mirror.borrow().entries.keys().collect::<Vec<_>>(), ["theirs"]);
}

#[test]
fn w11_a_folder_deleted_and_made_again_at_once_is_watched() {
    let world = World::prepared(|root| populated(root, "album"));
    for round in 0..50 {
        fs::remove_dir_all(world.path("album")).unwrap();
        populated(&world.root, "album");
        world.write("album/sub/round", &round.to_string());
    }
    world.converge();
    world.until_watched(4);
    world.assert_all_watched();
}

#[test]
fn w11_a_folder_that_was_made_again_before_its_deletion_is_read_is_watched_anew() {
    let world = World::prepared(|root| populated(root, "album"));
    let stale = RelPath::parse(b"album").unwrap();
    world.watch.todo.look(stale, Look::Gone);
    world.until("it has been looked at", || !world.dirty.is_empty());
    world.until_watched(4);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}

#[test]
fn w12_what_is_gone_before_its_event_is_read_does_no_harm() {
    let world = World::start();
    for _ in 0..200 {
        world.write("short-lived", "");
        fs::remove_file(world.path("short-lived")).unwrap();
        world.mkdir("passing/by");
        fs::remove_dir_all(world.path("passing")).unwrap();
    }
    world.converge();
    world.until_watched(1);
    assert_eq!(world.health().mode, super::super::WatchMode::Watching);
    assert_eq!(world.health().unwatched_folders, 0);
}
