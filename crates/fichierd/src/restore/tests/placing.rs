//! Which things may be replaced, what an interrupted try leaves, and copies and links.

use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::disk::SeenKind;

/// One of each kind, and a folder with something in it.
fn with_everything() -> World {
    let world = World::new();
    fs::write(world.at("file"), "old").unwrap();
    symlink("nowhere", world.at("link")).unwrap();
    make_fifo(&world.at("fifo"));
    fs::create_dir_all(world.at("dir/below")).unwrap();
    world
}

#[test]
fn nothing_is_replaced_unless_asked_for() {
    let mut world = with_everything();
    let words = [
        ("file", "a file"),
        ("link", "a symbolic link"),
        ("fifo", "a device, socket or FIFO"),
        ("dir", "a folder"),
    ];
    fs::write(world.at("other"), "other").unwrap();
    for (name, what) in words {
        let said = format!("{what} stands in the way: {name}");
        let at = path(name);
        assert_eq!(obstacle(world.place("new", name, false)), said);
        assert_eq!(obstacle(world.dest.make_empty(&at, false, |_| Ok(()))), said);
        assert_eq!(obstacle(world.dest.make_symlink(b"x", &at, false, |_| Ok(()))), said);
        assert_eq!(obstacle(world.dest.make_link(&path("other"), &at, false)), said);
        let other = path("other");
        assert_eq!(obstacle(world.dest.place_copy(&other, &at, false, |_| Ok(()))), said);
        if name != "dir" {
            assert_eq!(obstacle(world.dest.make_folder(&at, false)), said);
        }
    }
    assert_eq!(world.read("file"), "old");
    assert_eq!(fs::read_link(world.at("link")).unwrap(), Path::new("nowhere"));
    assert_eq!(world.staged(), [KEY], "the part stays for the next try, temporary things do not");
}

#[test]
fn files_links_and_special_files_are_replaced_when_asked_for() {
    for name in ["file", "link", "fifo"] {
        let mut world = with_everything();
        let at = path(name);
        world.place("new", name, true).unwrap();
        assert_eq!(world.read(name), "new");
        world.dest.make_symlink(b"to", &at, true, |_| Ok(())).unwrap();
        assert_eq!(fs::read_link(world.at(name)).unwrap(), Path::new("to"));
        world.dest.make_empty(&at, true, |_| Ok(())).unwrap();
        assert_eq!(world.read(name), "");
        fs::write(world.at("other"), "other").unwrap();
        world.dest.place_copy(&path("other"), &at, true, |_| Ok(())).unwrap();
        assert_eq!(world.read(name), "other");
        world.dest.make_link(&path("other"), &at, true).unwrap();
        assert_eq!(
            world.at(name).metadata().unwrap().ino(),
            world.at("other").metadata().unwrap().ino()
        );
        assert!(world.dest.make_folder(&at, true).unwrap());
        assert_eq!(world.at(name).metadata().unwrap().mode() & 0o7777, 0o700);
        assert_eq!(world.staged(), [""; 0]);
    }
}

#[test]
fn a_folder_is_never_replaced_by_a_file() {
    let mut world = with_everything();
    fs::create_dir(world.at("empty")).unwrap();
    for name in ["dir", "empty"] {
        let (said, at) = (format!("a folder stands in the way: {name}"), path(name));
        assert_eq!(obstacle(world.place("x", name, true)), said);
        assert_eq!(obstacle(world.dest.make_symlink(b"x", &at, true, |_| Ok(()))), said);
        assert_eq!(obstacle(world.dest.make_link(&path("file"), &at, true)), said);
        assert!(!world.dest.make_folder(&at, true).unwrap(), "it is there");
    }
    assert!(world.at("dir/below").is_dir());
    assert_eq!(
        obstacle(world.place("x", "dir/below", true)),
        "a folder stands in the way: dir/below"
    );
}

#[test]
fn folders_on_the_way_are_made_by_make_folder_only() {
    let mut world = World::new();
    let error = world.place("x", "a/b/c", false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(world.dest.make_folder(&path("a/b"), false).unwrap());
    assert!(!world.dest.make_folder(&path("a"), false).unwrap());
    assert!(!world.dest.make_folder(&RelPath::root(), false).unwrap());
    world.place("x", "a/b/c", false).unwrap();
    assert_eq!(world.read("a/b/c"), "x");
    assert_eq!(world.at("a/b/c").metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(world.at("a").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_part_goes_on_where_an_earlier_try_ended() {
    let mut world = World::new();
    let part = world.dest.part(KEY).unwrap();
    assert_eq!(part.present_bytes(), 0);
    part.file().write_all(b"first half").unwrap();
    drop(part);
    let World { dir, mut dest } = world;
    dest.finish().unwrap();
    let mut world = World { dest: Dest::open(dir.path()).unwrap(), dir };
    let part = world.dest.part(KEY).unwrap();
    assert_eq!(part.present_bytes(), 10);
    assert_eq!(io::read_to_string(part.file()).unwrap(), "first half");
    part.file().seek(SeekFrom::End(0)).unwrap();
    part.file().write_all(b", second half").unwrap();
    world.dest.place(part, &path("a"), false, |_| Ok(())).unwrap();
    assert_eq!(world.read("a"), "first half, second half");
    let part = world.dest.part("0badf00d").unwrap();
    world.dest.discard(part).unwrap();
    world.dest.finish().unwrap();
    let names: Vec<_> =
        fs::read_dir(world.dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn a_part_that_is_linked_to_its_place_already_is_left_to_it() {
    // A crash between link and unlink, where the kernel has no rename that keeps others.
    let mut world = World::new();
    world.dest.part(KEY).unwrap();
    let staged = world.at(".fichierd-restore").join(KEY);
    fs::write(&staged, "whole").unwrap();
    fs::hard_link(&staged, world.at("a")).unwrap();
    let part = world.dest.part(KEY).unwrap();
    assert_eq!(part.present_bytes(), 0);
    part.file().write_all(b"other").unwrap();
    assert_eq!(world.read("a"), "whole");
}

#[test]
fn a_part_that_has_its_metadata_already_is_plain_again() {
    let mut world = World::new();
    world.dest.part(KEY).unwrap();
    let staged = world.at(".fichierd-restore").join(KEY);
    fs::write(&staged, "whole").unwrap();
    fs::set_permissions(&staged, fs::Permissions::from_mode(0o4555)).unwrap();
    let owner = if is_root() { 65534 } else { rustix::process::geteuid().as_raw() };
    std::os::unix::fs::chown(&staged, Some(owner), None).unwrap();
    let part = world.dest.part(KEY).unwrap();
    let found = part.file().metadata().unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid()), (0o600, rustix::process::geteuid().as_raw()));
    if is_root() {
        assert_eq!(part.present_bytes(), 5, "an ordinary user starts again");
    }
}

#[test]
fn what_is_completed_is_completed_before_it_has_its_name() {
    let mut world = World::new();
    fs::write(world.at("old"), "old").unwrap();
    let seen = |world_at: PathBuf| move || fs::read_to_string(&world_at).unwrap_or_default();
    let old = seen(world.at("old"));
    let part = world.dest.part(KEY).unwrap();
    part.file().write_all(b"new").unwrap();
    let refuse = |_: &fs::File| {
        assert_eq!(old(), "old");
        Err(io::Error::other("no"))
    };
    let error = world.dest.place(part, &path("old"), true, refuse).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert_eq!(world.read("old"), "old");
    assert_eq!(world.dest.part(KEY).unwrap().present_bytes(), 3);
    let error = world.dest.place_copy(&path("old"), &path("b"), false, refuse).unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert!(!world.at("b").exists());
    assert_eq!(world.staged(), [KEY]);
}

#[test]
fn a_link_to_a_file_is_one_more_name_of_it() {
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    world.dest.make_folder(&path("dir"), false).unwrap();
    world.dest.make_link(&path("a"), &path("dir/b"), false).unwrap();
    let look = |name: &str| world.dest.look(&path(name)).unwrap().unwrap();
    assert_eq!(look("a"), look("dir/b"));
    assert_eq!(look("a").links, 2);
    // The link is there already: nothing to do, with or without replacing.
    world.dest.make_link(&path("a"), &path("dir/b"), true).unwrap();
    world.dest.make_link(&path("a"), &path("dir/b"), false).unwrap();
    assert_eq!(world.staged(), [""; 0]);
    symlink("a", world.at("l")).unwrap();
    let said = obstacle(world.dest.make_link(&path("l"), &path("c"), false));
    assert_eq!(said, "a symbolic link stands in the way: l");
    let error = world.dest.make_link(&path("no"), &path("c"), false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_look_says_what_lstat_says() {
    let world = with_everything();
    let kind = |name: &str| world.dest.look(&path(name)).unwrap().map(|found| found.kind);
    assert_eq!(kind("file"), Some(SeenKind::File));
    assert_eq!(kind("link"), Some(SeenKind::Symlink(b"nowhere".to_vec())));
    assert_eq!(kind("fifo"), Some(SeenKind::Special));
    assert_eq!(kind("dir"), Some(SeenKind::Folder));
    assert_eq!(kind("no"), None);
    assert_eq!(kind("no/deeper"), None);
    let (found, expected) =
        (world.dest.look(&RelPath::root()).unwrap().unwrap(), world.at("").metadata().unwrap());
    assert_eq!((found.stamp.inode, found.device), (expected.ino(), expected.dev()));
    assert_eq!((found.mode, found.links), (expected.mode(), expected.nlink()));
    for name in ["fifo", "link", "dir"] {
        let error = world.dest.open_file(&path(name)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
    }
    let said = obstacle(world.dest.look(&path("file/below")));
    assert_eq!(said, "a file stands in the way: file");
}
