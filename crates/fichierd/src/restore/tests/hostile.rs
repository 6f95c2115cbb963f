//! Hostile records and disks cannot get anything written outside the destination.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// A destination beside a folder that nothing may be written to.
fn beside_a_victim() -> (World, tempfile::TempDir) {
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("file"), "untouched").unwrap();
    (World::new(), victim)
}

#[track_caller]
fn check_untouched(victim: &Path) {
    let names: Vec<_> = fs::read_dir(victim).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["file"]);
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "untouched");
}

#[test]
fn a_link_on_the_way_is_never_followed() {
    let (mut world, victim) = beside_a_victim();
    symlink(victim.path(), world.at("out")).unwrap();
    fs::create_dir(world.at("dir")).unwrap();
    symlink("dir", world.at("in")).unwrap();
    for link in ["out", "in"] {
        let said = format!("a symbolic link stands in the way: {link}");
        let below = format!("{link}/file");
        assert_eq!(obstacle(world.place("x", &below, true)), said);
        assert_eq!(obstacle(world.dest.look(&path(&below))), said);
        assert_eq!(obstacle(world.dest.open_file(&path(&below))), said);
        assert_eq!(obstacle(world.dest.make_folder(&path(&below), true)), said);
        assert_eq!(obstacle(world.dest.make_folder(&path(link), false)), said);
        assert_eq!(obstacle(world.dest.amend(&path(&below), |_| Ok(()))), said);
        let deeper = path(&format!("{link}/new/folder"));
        assert_eq!(obstacle(world.dest.make_folder(&deeper, true)), said);
        assert_eq!(obstacle(world.dest.make_symlink(b"x", &path(&below), true, |_| Ok(()))), said);
        assert_eq!(obstacle(world.dest.make_empty(&path(&below), true, |_| Ok(()))), said);
        fs::write(world.at("mine"), "mine").unwrap();
        assert_eq!(obstacle(world.dest.make_link(&path("mine"), &path(&below), true)), said);
        assert_eq!(obstacle(world.dest.make_link(&path(&below), &path("new"), true)), said);
        let copy = |world: &mut World, from: &str, to: &str| {
            world.dest.place_copy(&path(from), &path(to), true, |_| Ok(()))
        };
        assert_eq!(obstacle(copy(&mut world, &below, "new")), said);
        assert_eq!(obstacle(copy(&mut world, "mine", &below)), said);
    }
    check_untouched(victim.path());
    assert_eq!(fs::read_dir(world.at("dir")).unwrap().count(), 0);
}

#[test]
fn a_file_on_the_way_is_named_and_stays() {
    let mut world = World::new();
    fs::write(world.at("file"), "x").unwrap();
    make_fifo(&world.at("fifo"));
    assert_eq!(obstacle(world.place("y", "file/a/b", true)), "a file stands in the way: file");
    let fifo = "a device, socket or FIFO stands in the way: fifo";
    assert_eq!(obstacle(world.dest.make_folder(&path("fifo/a"), true)), fifo);
    assert_eq!(world.read("file"), "x");
}

#[test]
fn a_folder_that_becomes_a_link_does_not_lead_out() {
    let (mut world, victim) = beside_a_victim();
    world.dest.make_folder(&path("a/b"), false).unwrap();
    world.place("1", "a/b/1", false).unwrap();
    // The folder in which the last file was placed, then one above it.
    for (folder, aside) in [("a/b", "b"), ("a", "a-aside")] {
        rustix::fs::rename(world.at(folder), world.at(aside)).unwrap();
        symlink(victim.path(), world.at(folder)).unwrap();
        let _either = world.place("2", "a/b/file", true);
        let said = format!("a symbolic link stands in the way: {folder}");
        assert_eq!(obstacle(world.dest.look(&path("a/b/file"))), said);
        assert_eq!(obstacle(world.dest.amend(&path("a/b/file"), |_| Ok(()))), said);
        rustix::fs::unlink(world.at(folder)).unwrap();
        rustix::fs::rename(world.at(aside), world.at(folder)).unwrap();
    }
    check_untouched(victim.path());
}

#[test]
fn the_last_name_is_not_followed_either() {
    let (mut world, victim) = beside_a_victim();
    let target = victim.path().join("file");
    symlink(&target, world.at("a")).unwrap();
    let said = "a symbolic link stands in the way: a";
    assert_eq!(obstacle(world.place("x", "a", false)), said);
    assert_eq!(world.dest.open_file(&path("a")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    // Only the link is replaced.
    world.place("x", "a", true).unwrap();
    assert_eq!(world.read("a"), "x");
    check_untouched(victim.path());
    symlink(&target, world.at("b")).unwrap();
    assert!(world.dest.make_folder(&path("b"), true).unwrap());
    assert!(world.at("b").symlink_metadata().unwrap().is_dir());
    check_untouched(victim.path());
}

#[test]
fn the_destination_may_be_reached_by_a_link_but_must_be_a_folder() {
    let world = World::new();
    fs::create_dir(world.at("real")).unwrap();
    symlink("real", world.at("link")).unwrap();
    let mut dest = Dest::open(&world.at("link")).unwrap();
    place(&mut dest, "x", &path("a"), false).unwrap();
    assert_eq!(world.read("real/a"), "x");
    let error = Dest::open(&world.at("real/a")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    let error = Dest::open(&world.at("no")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_staging_folder_that_is_a_link_is_refused() {
    let (mut world, victim) = beside_a_victim();
    symlink(victim.path(), world.at(".fichierd-restore")).unwrap();
    let said = "a symbolic link stands in the way: .fichierd-restore";
    assert_eq!(obstacle(world.dest.part(KEY)), said);
    assert_eq!(obstacle(world.dest.make_empty(&path("a"), true, |_| Ok(()))), said);
    world.dest.finish().unwrap();
    assert!(world.dir.path().join(".fichierd-restore").is_symlink());
    check_untouched(victim.path());
}

#[test]
fn a_staging_folder_that_others_may_write_to_is_refused() {
    let mut world = World::new();
    let staging = world.at(".fichierd-restore");
    fs::create_dir(&staging).unwrap();
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o770)).unwrap();
    let error = world.dest.part(KEY).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o700)).unwrap();
    world.dest.part(KEY).unwrap();
    if is_root() {
        let mut other = World::new();
        let staging = other.at(".fichierd-restore");
        fs::create_dir(&staging).unwrap();
        fs::set_permissions(&staging, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(&staging, Some(65534), None).unwrap();
        let error = other.dest.part(KEY).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }
}

#[test]
fn two_restores_do_not_share_a_staging_folder() {
    let mut world = World::new();
    world.dest.part(KEY).unwrap();
    let mut other = Dest::open(world.dir.path()).unwrap();
    assert_eq!(other.part(KEY).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    other.finish().unwrap();
    assert_eq!(world.staged(), [KEY], "the other one leaves it alone");
}

#[test]
fn no_record_reaches_into_the_staging_folder() {
    let mut world = World::new();
    world.dest.part(KEY).unwrap();
    for name in [".fichierd-restore", ".fichierd-restore/c0ffee", ".FICHIERD-restore/x"] {
        let said = format!("the name of the folder for unfinished files stands in the way: {name}");
        assert_eq!(obstacle(world.place("x", name, true)), said);
        assert_eq!(obstacle(world.dest.make_folder(&path(name), true)), said);
        assert_eq!(obstacle(world.dest.look(&path(name))), said);
        assert_eq!(obstacle(world.dest.amend(&path(name), |_| Ok(()))), said);
    }
    // Further down it is a name like others: a source may hold an old destination.
    world.dest.make_folder(&path("a/.fichierd-restore"), false).unwrap();
    for key in ["", "../a", "new", "c0ffee/", &"a".repeat(129)] {
        assert_eq!(world.dest.part(key).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{key}");
    }
}

#[test]
fn names_are_any_bytes() {
    let mut world = World::new();
    let names: [&[u8]; 4] = [b"a\nb", b"\xFF\xFE", b"-rf *", &[b'n'; 255]];
    for name in names {
        let folder = RelPath::root().join(name);
        world.dest.make_folder(&folder, false).unwrap();
        place(&mut world.dest, "x", &folder.join(name), false).unwrap();
        let target = [name, b"/\xE9"].concat();
        let link = folder.join(b"l");
        world.dest.make_symlink(&target, &link, false, |_| Ok(())).unwrap();
        let on_disk = world.dir.path().join(os(name));
        assert_eq!(fs::read(on_disk.join(os(name))).unwrap(), b"x");
        assert_eq!(fs::read_link(on_disk.join("l")).unwrap().as_os_str(), os(&target));
        let found = world.dest.look(&link).unwrap().unwrap();
        assert_eq!(found.kind, crate::disk::SeenKind::Symlink(target));
    }
    let too_long = RelPath::root().join(&[b'n'; 256]);
    let error = place(&mut world.dest, "x", &too_long, false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
}

#[test]
fn a_path_of_fifty_thousand_bytes_is_written_with_64_descriptors() {
    let test = "hostile::a_path_of_fifty_thousand_bytes_is_written_with_64_descriptors";
    if !is_inside(test, FEW_DESCRIPTORS) {
        return;
    }
    let mut world = World::new();
    let name = [b'n'; 250];
    let deepest = (0..200).fold(RelPath::root(), |path, _| path.join(&name));
    assert!(world.dest.make_folder(&deepest, false).unwrap());
    assert!(!world.dest.make_folder(&deepest, false).unwrap());
    let file = deepest.join(b"file");
    place(&mut world.dest, "x", &file, false).unwrap();
    // The way back up, with a file in each folder.
    let mut folder = deepest;
    while let Some(above) = folder.parent() {
        let copy = above.join(b"copy");
        world.dest.place_copy(&file, &copy, false, |_| Ok(())).unwrap();
        world.dest.make_link(&copy, &above.join(b"link"), false).unwrap();
        world.dest.amend(&folder, |_| Ok(())).unwrap();
        folder = above;
    }
    let content = io::read_to_string(world.dest.open_file(&file).unwrap()).unwrap();
    assert_eq!(content, "x");
    assert_eq!(world.dest.look(&file).unwrap().unwrap().stamp.size_bytes, 1);
    world.dest.finish().unwrap();
}

#[test]
fn a_thousand_levels_are_made_one_by_one() {
    let mut world = World::new();
    let deepest = (0..1_000).fold(RelPath::root(), |path, _| path.join(b"d"));
    assert!(world.dest.make_folder(&deepest, false).unwrap());
    place(&mut world.dest, "x", &deepest.join(b"f"), false).unwrap();
    assert_eq!(world.dest.look(&deepest.join(b"f")).unwrap().unwrap().links, 1);
}
