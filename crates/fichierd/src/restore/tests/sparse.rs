//! Holes are found, made, kept by copies, and never made out of data.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use fichier_state::Holes;

use super::*;

const MIB: u64 = 1 << 20;

/// A file of eight MiB with data in the second, the third and the last; `None` where the file
/// system has no holes.
fn sparse(at: &Path) -> Option<fs::File> {
    let file = fs::File::options().read(true).write(true).create_new(true).open(at).unwrap();
    file.set_len(8 * MIB).unwrap();
    for mib in [1, 2, 7] {
        file.write_all_at(&vec![7; 1 << 20], mib * MIB).unwrap();
    }
    file.sync_all().unwrap();
    let found = file.metadata().unwrap();
    if is_sparse(found.blocks(), found.size()) && !holes_of(&file).unwrap().is_empty() {
        return Some(file);
    }
    eprintln!("skipped: no holes on this file system");
    None
}

fn its_holes() -> Holes {
    Holes::try_from(vec![(0, MIB), (3 * MIB, 4 * MIB)]).unwrap()
}

#[test]
fn holes_come_back_and_take_no_room() {
    let mut world = World::new();
    let Some(first) = sparse(&world.at("first")) else { return };
    let holes = holes_of(&first).unwrap();
    assert_eq!(holes, its_holes());
    let content = fs::read(world.at("first")).unwrap();
    let part = world.dest.part(KEY).unwrap();
    part.file().write_all(&content).unwrap();
    world.dest.place(part, &path("again"), false, |file| punch_holes(file, &holes)).unwrap();
    assert_eq!(fs::read(world.at("again")).unwrap(), content);
    let blocks = |name: &str| world.at(name).metadata().unwrap().blocks();
    assert_eq!(blocks("again"), blocks("first"));
    world.dest.place_copy(&path("again"), &path("copy"), false, |_| Ok(())).unwrap();
    assert_eq!(fs::read(world.at("copy")).unwrap(), content);
    let copy = world.dest.open_file(&path("copy")).unwrap();
    assert_eq!(holes_of(&copy).unwrap(), holes);
    assert_eq!(copy.metadata().unwrap().blocks(), first.metadata().unwrap().blocks());
}

#[test]
fn no_data_is_lost_to_a_wrong_list() {
    let world = World::new();
    let Some(file) = sparse(&world.at("a")) else { return };
    file.write_all_at(b"x", 4 * MIB - 1).unwrap();
    file.sync_all().unwrap();
    let before = (fs::read(world.at("a")).unwrap(), file.metadata().unwrap().blocks());
    // Over data, over one byte of data, beyond the end and across it.
    let lists: [&[(u64, u64)]; 4] =
        [&[(MIB, 10)], &[(3 * MIB, 4 * MIB)], &[(9 * MIB, MIB)], &[(7 * MIB, u64::MAX >> 2)]];
    for list in lists {
        punch_holes(&file, &Holes::try_from(list.to_vec()).unwrap()).unwrap();
        assert_eq!((fs::read(world.at("a")).unwrap(), file.metadata().unwrap().blocks()), before);
    }
}

#[test]
fn a_file_that_is_one_hole_and_one_that_has_none() {
    let world = World::new();
    let file = fs::File::create_new(world.at("a")).unwrap();
    assert_eq!(holes_of(&file).unwrap(), Holes::default());
    file.write_all_at(b"x", 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(holes_of(&file).unwrap(), Holes::default());
    file.set_len(0).unwrap();
    file.set_len(1 << 40).unwrap();
    let holes: Vec<_> = holes_of(&file).unwrap().into();
    assert!(holes.is_empty() || holes == [(0, 1 << 40)], "{holes:?}");
}

#[test]
fn blocks_tell_whether_a_look_for_holes_is_worth_it() {
    assert!(is_sparse(0, 1));
    assert!(is_sparse(7, 4096));
    assert!(!is_sparse(8, 4096));
    assert!(!is_sparse(8, 1));
    assert!(!is_sparse(0, 0));
    assert!(!is_sparse(u64::MAX, u64::MAX));
}
