//! Other file systems below the destination, and full ones. These tests need root and a mount
//! namespace.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

/// In a process that may mount, with `source` mounted at `sub` of a destination.
fn with_mount(test: &str, options: &[&str]) -> Option<World> {
    if !is_inside(&format!("mounts::{test}"), OWN_MOUNTS) {
        return None;
    }
    let world = World::new();
    fs::create_dir(world.at("sub")).unwrap();
    mount(options, &world.at("sub"));
    Some(world)
}

fn mount(options: &[&str], at: &Path) {
    let done = Command::new("mount").args(options).arg(at).status().unwrap();
    assert!(done.success());
}

const SMALL: &[&str] = &["-t", "tmpfs", "-o", "size=1m", "tmpfs"];

/// Places one of everything in the mounted folder, and nothing is left behind.
fn check_everything_works_in_it(world: &mut World) {
    world.place("x", "above", false).unwrap();
    world.dest.make_folder(&path("sub/dir"), false).unwrap();
    world.place("1", "sub/dir/a", false).unwrap();
    world.place("2", "sub/dir/a", true).unwrap();
    assert_eq!(world.read("sub/dir/a"), "2");
    assert_eq!(world.at("sub/dir/a").metadata().unwrap().mode() & 0o7777, 0o600);
    let said = "a file stands in the way: sub/dir/a";
    assert_eq!(obstacle(world.place("3", "sub/dir/a", false)), said);
    world.dest.place_copy(&path("above"), &path("sub/dir/copy"), false, |_| Ok(())).unwrap();
    assert_eq!(world.read("sub/dir/copy"), "x");
    world.dest.make_link(&path("sub/dir/a"), &path("sub/dir/link"), false).unwrap();
    world.dest.make_link(&path("sub/dir/a"), &path("sub/dir/copy"), true).unwrap();
    assert_eq!(world.at("sub/dir/copy").metadata().unwrap().nlink(), 3);
    world.dest.make_symlink(b"to", &path("sub/dir/sym"), false, |_| Ok(())).unwrap();
    world.dest.make_empty(&path("sub/dir/empty"), false, |_| Ok(())).unwrap();
    let set_mode = |file: &fs::File| file.set_permissions(fs::Permissions::from_mode(0o4711));
    let part = world.dest.part(KEY).unwrap();
    world.dest.place(part, &path("sub/dir/moded"), false, set_mode).unwrap();
    assert_eq!(world.at("sub/dir/moded").metadata().unwrap().mode() & 0o7777, 0o4711);
    let across = world.dest.make_link(&path("above"), &path("sub/dir/no"), true).unwrap_err();
    assert_eq!(across.kind(), io::ErrorKind::CrossesDevices);
    world.dest.amend(&path("sub/dir"), |_| Ok(())).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(world.at("sub/dir")).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "copy", "empty", "link", "moded", "sym"]);
    assert_eq!(world.staged(), [""; 0]);
}

#[test]
fn a_file_system_mounted_below_is_filled_too() {
    let Some(mut world) = with_mount("a_file_system_mounted_below_is_filled_too", SMALL) else {
        return;
    };
    check_everything_works_in_it(&mut world);
    world.dest.finish().unwrap();
}

#[test]
fn a_bind_mount_of_the_same_file_system_is_filled_too() {
    // Its device number is the same, and yet a rename into it is refused.
    let other = tempfile::tempdir().unwrap();
    let options = ["--bind", other.path().to_str().unwrap()];
    let test = "a_bind_mount_of_the_same_file_system_is_filled_too";
    let Some(mut world) = with_mount(test, &options) else { return };
    assert_eq!(world.at("sub").metadata().unwrap().dev(), world.at("").metadata().unwrap().dev());
    check_everything_works_in_it(&mut world);
    world.dest.finish().unwrap();
}

#[test]
fn a_full_disk_says_so_and_leaves_neither_half_files_nor_clutter() {
    let test = "a_full_disk_says_so_and_leaves_neither_half_files_nor_clutter";
    let Some(mut world) = with_mount(test, SMALL) else { return };
    let megabytes = "x".repeat(3 << 20);
    world.place(&megabytes, "large", false).unwrap();
    let is_full = |result: io::Result<()>| result.unwrap_err().kind() == io::ErrorKind::StorageFull;
    fs::write(world.at("sub/large"), "old").unwrap();
    // A copy that comes from another file system:
    assert!(is_full(world.place(&megabytes, "sub/large", true)));
    assert_eq!(world.read("sub/large"), "old");
    assert_eq!(world.dest.part(KEY).unwrap().present_bytes(), 3 << 20, "kept for the next try");
    assert!(is_full(world.dest.place_copy(&path("large"), &path("sub/b"), false, |_| Ok(()))));
    assert_eq!(fs::read_dir(world.at("sub")).unwrap().count(), 1);
    // The destination itself is full:
    let mut dest = Dest::open(&world.at("sub")).unwrap();
    assert!(is_full(place(&mut dest, &megabytes, &path("c"), false)));
    let present = dest.part(KEY).unwrap().present_bytes();
    assert!((1..3 << 20).contains(&present), "what fits is kept: {present}");
    symlink("large", world.at("sub/link")).unwrap();
    assert!(!world.at("sub/c").exists());
}
