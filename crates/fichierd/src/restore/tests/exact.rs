//! Metadata of a source and of its restored copy are the same to the scanner.

use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::sync::Arc;

use fichier_state::Metadata;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags};

use super::*;
use crate::disk::seen::nanoseconds;
use crate::disk::{Filter, Scanner};

/// A minimal ACL of the kernel's form: owner rw, user 4711 rwx, group r, mask rwx, others none.
const ACL: [u8; 44] = [
    2, 0, 0, 0, // version
    1, 0, 6, 0, 255, 255, 255, 255, // user::rw-
    2, 0, 7, 0, 0x67, 0x12, 0, 0, // user:4711:rwx
    4, 0, 4, 0, 255, 255, 255, 255, // group::r--
    0x10, 0, 7, 0, 255, 255, 255, 255, // mask::rwx
    0x20, 0, 0, 0, 255, 255, 255, 255, // other::---
];

/// Capabilities of the kernel's form (version 2): `cap_net_bind_service=ep`.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// 1955, and not on a whole second.
const BEFORE_1970_NS: i64 = -450_000_000_000_000_001;

fn metadata_in(folder: &Path, name: &str) -> Metadata {
    let scanner = Scanner::open(folder, Arc::new(Filter::new(folder, &[]).unwrap())).unwrap();
    let seen = scanner.look(&path(name)).unwrap().unwrap();
    Metadata { xattrs: scanner.xattrs(&path(name)).unwrap(), ..seen.metadata }
}

fn set_mtime(at: &Path, ns: i64) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 1, tv_nsec: 0 },
        last_modification: Timespec {
            tv_sec: ns.div_euclid(1_000_000_000),
            tv_nsec: ns.rem_euclid(1_000_000_000),
        },
    };
    rustix::fs::utimensat(CWD, at, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// False where the file system or our rights do not allow it.
fn set_xattr(at: &Path, name: &str, value: &[u8]) -> bool {
    let tried = rustix::fs::lsetxattr(at, name, value, XattrFlags::empty());
    tried.inspect_err(|error| eprintln!("skipped: {name}: {error}")).is_ok()
}

fn mode(at: &Path, mode: u32) {
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

/// A source with every kind of metadata that we may make here.
fn source() -> tempfile::TempDir {
    let source = tempfile::tempdir().unwrap();
    let at = |name: &str| source.path().join(name);
    for name in ["plain", "setuid", "locked", "acl", "capable", "owned"] {
        fs::write(at(name), name).unwrap();
        set_xattr(&at(name), "user.of", name.as_bytes());
    }
    set_xattr(&at("plain"), "user.binary", &[0, 255, 0]);
    set_xattr(&at("plain"), "user.empty", b"");
    if is_root() {
        chown(at("owned"), Some(4711), Some(4712)).unwrap();
        chown(at("setuid"), Some(4711), Some(4712)).unwrap();
        set_xattr(&at("capable"), "security.capability", &CAPABILITY);
    }
    set_xattr(&at("acl"), "system.posix_acl_access", &ACL);
    mode(&at("setuid"), 0o6755);
    mode(&at("locked"), 0o444);
    fs::create_dir(at("dir")).unwrap();
    set_xattr(&at("dir"), "system.posix_acl_default", &ACL);
    set_xattr(&at("dir"), "user.dir", b"d");
    mode(&at("dir"), 0o3555);
    symlink("no/where", at("link")).unwrap();
    if is_root() {
        lchown(at("link"), Some(4711), Some(4712)).unwrap();
    }
    for (ns, name) in (0..).step_by(123_456_789).zip(["plain", "setuid", "link", "dir", "acl"]) {
        set_mtime(&at(name), 1_700_000_000_000_000_000 + ns);
    }
    set_mtime(&at("locked"), BEFORE_1970_NS);
    source
}

/// Restores everything of a source, over what is there.
fn restore(source: &Path, world: &mut World, setter: &mut MetadataSetter) {
    for entry in fs::read_dir(source).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (at, recorded) = (path(&name), metadata_in(source, &name));
        match name.as_str() {
            "dir" => {
                world.dest.make_folder(&at, true).unwrap();
                world.dest.make_empty(&at.join(b"in it"), true, |_| Ok(())).unwrap();
            }
            "link" => {
                let set = |link: Subject<'_>| setter.set(link, &recorded, &at);
                world.dest.make_symlink(b"no/where", &at, true, set).unwrap();
            }
            _ => {
                let part = world.dest.part(KEY).unwrap();
                part.file().write_all(name.as_bytes()).unwrap();
                let set = |file: &fs::File| setter.set(file.into(), &recorded, &at);
                world.dest.place(part, &at, true, set).unwrap();
            }
        }
    }
    let (at, recorded) = (path("dir"), metadata_in(source, "dir"));
    world.dest.amend(&at, |folder| setter.set(folder, &recorded, &at)).unwrap();
}

#[track_caller]
fn check_equal(source: &Path, world: &World) {
    for entry in fs::read_dir(source).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(metadata_in(world.dir.path(), &name), metadata_in(source, &name), "{name}");
    }
}

#[test]
fn all_metadata_comes_back_as_the_scanner_saw_it() {
    let (source, mut world) = (source(), World::new());
    let mut setter = MetadataSetter::new(Owners::numeric());
    restore(source.path(), &mut world, &mut setter);
    check_equal(source.path(), &world);
    assert_eq!(*setter.unset(), Unset::default());
    // Once more, into a folder that is read-only now.
    restore(source.path(), &mut world, &mut setter);
    check_equal(source.path(), &world);
    assert!(setter.unset().is_empty());
}

#[test]
fn all_that_an_ordinary_user_may_set_comes_back_too() {
    let test = "exact::all_that_an_ordinary_user_may_set_comes_back_too";
    if is_root() && !is_inside(test, NOBODY) {
        return;
    }
    let (source, mut world) = (source(), World::new());
    let mut setter = MetadataSetter::default();
    restore(source.path(), &mut world, &mut setter);
    restore(source.path(), &mut world, &mut setter);
    check_equal(source.path(), &world);
    assert_eq!(*setter.unset(), Unset::default());
}

#[test]
fn an_ordinary_user_fills_folders_that_keep_him_out() {
    let test = "exact::an_ordinary_user_fills_folders_that_keep_him_out";
    if is_root() && !is_inside(test, NOBODY) {
        return;
    }
    let mut world = World::new();
    fs::create_dir_all(world.at("a/b")).unwrap();
    mode(&world.at("a/b"), 0o000);
    mode(&world.at("a"), 0o555);
    let error = world.place("x", "a/new", false).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "no folder on the way is opened up");
    assert!(!world.dest.make_folder(&path("a"), false).unwrap());
    assert!(!world.dest.make_folder(&path("a/b"), false).unwrap());
    assert!(world.dest.make_folder(&path("a/c"), false).unwrap());
    world.place("x", "a/b/new", false).unwrap();
    let recorded = Metadata { mode: 0o040_111, ..metadata_in(world.dir.path(), "a/b") };
    let mut setter = MetadataSetter::default();
    world.dest.amend(&path("a/b"), |it| setter.set(it, &recorded, &path("a/b"))).unwrap();
    assert_eq!(world.at("a/b").metadata().unwrap().mode() & 0o7777, 0o111);
    mode(&world.at("a/b"), 0o700);
}

#[test]
fn what_an_ordinary_user_may_not_set_is_counted_and_gives_no_rights() {
    let test = "exact::what_an_ordinary_user_may_not_set_is_counted_and_gives_no_rights";
    if is_root() && !is_inside(test, NOBODY) {
        return;
    }
    let mut world = World::new();
    let mut setter = MetadataSetter::default();
    for number in 0..7 {
        let at = path(&format!("a{number}"));
        world.place("x", &at.to_string(), false).unwrap();
        let recorded = Metadata {
            mode: 0o106_755,
            uid: 0,
            gid: u32::MAX,
            mtime_ns: 5,
            xattrs: vec![
                (b"security.capability".to_vec(), CAPABILITY.to_vec()),
                (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
                (b"user.kept".to_vec(), b"1".to_vec()),
            ],
            ..Metadata::default()
        };
        world.dest.amend(&at, |file| setter.set(file, &recorded, &at)).unwrap();
    }
    let found = metadata_in(world.dir.path(), "a3");
    assert_eq!((found.mode, found.mtime_ns), (0o100_755, 5));
    assert_eq!(found.xattrs, [(b"user.kept".to_vec(), b"1".to_vec())]);
    let first = (0..7).map(|number| path(&format!("a{number}"))).collect();
    let missed = Missed { count: 7, first };
    let Unset { owners, modes, xattrs, times } = setter.unset();
    assert_eq!([owners, modes, xattrs], [&missed; 3]);
    assert_eq!(*times, Missed::default());
}

#[test]
fn an_ordinary_user_gives_attributes_to_a_file_that_is_locked() {
    let test = "exact::an_ordinary_user_gives_attributes_to_a_file_that_is_locked";
    if is_root() && !is_inside(test, NOBODY) {
        return;
    }
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    if !set_xattr(&world.at("a"), "user.stale", b"1") {
        return;
    }
    mode(&world.at("a"), 0o444);
    let xattrs = vec![(b"user.new".to_vec(), b"2".to_vec())];
    let recorded = Metadata { xattrs, ..metadata_in(world.dir.path(), "a") };
    let mut setter = MetadataSetter::default();
    world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
    assert_eq!(metadata_in(world.dir.path(), "a"), recorded);
    assert!(setter.unset().is_empty());
}

#[test]
fn capabilities_come_only_with_their_owner() {
    let test = "exact::capabilities_come_only_with_their_owner";
    let wrapper = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"];
    if !is_root() {
        return eprintln!("skipped: needs root, to set capabilities");
    }
    if !is_inside(test, &wrapper) {
        return;
    }
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    let xattrs = vec![(b"security.capability".to_vec(), CAPABILITY.to_vec())];
    let mut setter = MetadataSetter::default();
    for (uid, expected) in [(4711, 0), (0, 1)] {
        let recorded =
            Metadata { uid, mode: 0o104_755, xattrs: xattrs.clone(), ..Metadata::default() };
        world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
        assert_eq!(metadata_in(world.dir.path(), "a").xattrs.len(), expected, "{uid}");
    }
    assert_eq!(setter.unset().xattrs.count, 1);
}

#[test]
fn half_an_owner_is_better_than_none() {
    let test = "exact::half_an_owner_is_better_than_none";
    let wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--groups=65534,4712"];
    if !is_inside(test, &wrapper) {
        return;
    }
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    let mut setter = MetadataSetter::default();
    let recorded = Metadata { mode: 0o106_755, uid: 4711, gid: 4712, ..Metadata::default() };
    world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
    let found = metadata_in(world.dir.path(), "a");
    assert_eq!((found.uid, found.gid, found.mode), (65534, 4712, 0o102_755));
    assert_eq!(setter.unset().owners.count, 1);
    assert_eq!(setter.unset().modes.count, 1);
}

#[test]
fn recorded_names_decide_about_owners_also_in_acls() {
    if !is_root() {
        return eprintln!("skipped: needs root, to give files away");
    }
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    let owners = || Owners::by_name([(4711, "nobody".to_owned())], [(4711, "tty".to_owned())]);
    let (uid, gid) = (owners().uid(4711), owners().gid(4711));
    assert!(uid != 4711 && gid != 4711);
    let mut setter = MetadataSetter::new(owners());
    let mut acl = ACL;
    if !set_xattr(&world.at("a"), "system.posix_acl_access", &ACL) {
        return;
    }
    let xattrs = vec![(b"system.posix_acl_access".to_vec(), ACL.to_vec())];
    let recorded = Metadata {
        mode: 0o104_670,
        uid: 4711,
        gid: 4711,
        mtime_ns: 1,
        xattrs,
        ..Metadata::default()
    };
    world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
    acl[16..20].copy_from_slice(&uid.to_le_bytes());
    let xattrs = vec![(b"system.posix_acl_access".to_vec(), acl.to_vec())];
    assert_eq!(metadata_in(world.dir.path(), "a"), Metadata { uid, gid, xattrs, ..recorded });
    assert!(setter.unset().is_empty());
}

#[test]
fn what_was_not_recorded_is_taken_away() {
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    let at = world.at("a");
    if !set_xattr(&at, "user.stale", b"1") || !set_xattr(&at, "user.changed", b"1") {
        return;
    }
    set_xattr(&at, "system.posix_acl_access", &ACL);
    if is_root() {
        set_xattr(&at, "security.capability", &CAPABILITY);
        set_xattr(&at, "trusted.not-ours", b"1");
    }
    mode(&at, 0o4777);
    let xattrs = vec![(b"user.changed".to_vec(), b"2".to_vec())];
    let recorded =
        Metadata { mode: 0o100_444, mtime_ns: 7, xattrs, ..metadata_in(world.dir.path(), "a") };
    let mut setter = MetadataSetter::default();
    world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
    assert_eq!(metadata_in(world.dir.path(), "a"), recorded);
    assert!(setter.unset().is_empty());
    if is_root() {
        let mut value = [0; 8];
        let length = rustix::fs::getxattr(&at, "trusted.not-ours", value.as_mut_slice());
        assert_eq!(length, Ok(1), "only recorded kinds are removed");
    }
    // The metadata is right already: not even the ctime changes.
    let before = at.metadata().unwrap();
    world.dest.amend(&path("a"), |file| setter.set(file, &recorded, &path("a"))).unwrap();
    let after = at.metadata().unwrap();
    assert_eq!((before.ctime(), before.ctime_nsec()), (after.ctime(), after.ctime_nsec()));
}

#[test]
fn the_destination_itself_keeps_the_time_it_is_given() {
    let mut world = World::new();
    world.place("x", "a", false).unwrap();
    let recorded = Metadata { mode: 0o040_750, mtime_ns: BEFORE_1970_NS, ..owned_by_us() };
    let root = RelPath::root();
    let mut setter = MetadataSetter::default();
    world.dest.amend(&root, |folder| setter.set(folder, &recorded, &root)).unwrap();
    let World { dir, mut dest } = world;
    dest.finish().unwrap();
    let found = metadata_of(dir.path());
    assert_eq!(found, recorded);
}

fn owned_by_us() -> Metadata {
    let dir = tempfile::tempdir().unwrap();
    metadata_of(dir.path())
}

/// All but the extended attributes.
fn metadata_of(path: &Path) -> Metadata {
    let found = path.metadata().unwrap();
    Metadata {
        mode: found.mode(),
        uid: found.uid(),
        gid: found.gid(),
        mtime_ns: nanoseconds(found.mtime(), found.mtime_nsec()),
        links: u32::try_from(found.nlink()).unwrap(),
        ..Metadata::default()
    }
}

#[test]
fn special_files_are_not_opened_for_their_metadata() {
    let world = World::new();
    make_fifo(&world.at("fifo"));
    let mut dest = world.dest;
    let said = obstacle(dest.amend(&path("fifo"), |_| Ok(())));
    assert_eq!(said, "a device, socket or FIFO stands in the way: fifo");
    let error = dest.amend(&path("no"), |_| Ok(())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let folder = fs::File::open(world.dir.path()).unwrap();
    let mut setter = MetadataSetter::default();
    let subject = Subject::Link { folder: folder.as_fd(), name: b"no" };
    let error = setter.set(subject, &Metadata::default(), &path("no")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "an error of the disk is not counted");
}

/// Which error ends a restore while a folder is open for writing.
fn closed_again(act: impl FnOnce(&mut Dest) -> bool) {
    let world = World::new();
    fs::create_dir_all(world.at("locked/deep")).unwrap();
    mode(&world.at("locked/deep"), 0o555);
    mode(&world.at("locked"), 0o511);
    let mut dest = Dest::open(world.dir.path()).unwrap();
    assert!(!dest.make_folder(&path("locked"), false).unwrap());
    assert!(!dest.make_folder(&path("locked/deep"), false).unwrap());
    dest.make_empty(&path("locked/deep/new"), false, |_| Ok(())).unwrap();
    let is_killed = act(&mut dest);
    if is_killed {
        std::mem::forget(dest);
        let mut next = Dest::open(world.dir.path()).unwrap();
        // The lock of the staging folder goes with the process; here it is taken away.
        rustix::fs::rename(world.at(".fichierd-restore"), world.at("moved")).unwrap();
        fs::create_dir(world.at(".fichierd-restore")).unwrap();
        mode(&world.at(".fichierd-restore"), 0o700);
        let note = "unfinished-folders";
        fs::copy(world.at("moved").join(note), world.at(".fichierd-restore").join(note)).unwrap();
        next.expect([].into_iter(), false).unwrap();
        next.close_folders().unwrap();
    } else {
        drop(dest);
    }
    let mode_of = |name: &str| world.at(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode_of("locked"), mode_of("locked/deep")), (0o511, 0o555));
    mode(&world.at("locked"), 0o755);
    mode(&world.at("locked/deep"), 0o755);
}

#[test]
fn z62_a_folder_that_was_opened_for_writing_is_closed_again_on_every_way_out() {
    let test = "exact::z62_a_folder_that_was_opened_for_writing_is_closed_again_on_every_way_out";
    if is_root() && !is_inside(test, NOBODY) {
        return;
    }
    closed_again(|_| false);
    closed_again(|_| true);
    closed_again(|dest| {
        dest.close_folders().unwrap();
        false
    });
    closed_again(|dest| {
        let failed = dest.make_empty(&path("locked/deep/other"), false, |_| {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        false
    });
}

#[test]
fn z74_a_time_that_cannot_be_set_is_told() {
    let mut world = World::new();
    for (name, mtime_ns, is_told) in [
        ("2262", i64::MAX - 1_000_000_000, false),
        ("beyond", i64::MAX, true),
        ("before", i64::MIN + 5, true),
    ] {
        let mut setter = MetadataSetter::default();
        world.place("x", name, false).unwrap();
        let at = path(name);
        let recorded = Metadata { mtime_ns, ..owned_by_us() };
        world.dest.amend(&at, |file| setter.set(file, &recorded, &at)).unwrap();
        let found = metadata_in(world.dir.path(), name).mtime_ns;
        // Some file systems end in 2038 or 2446, and say nothing.
        let is_other = found.abs_diff(mtime_ns) > 2_000_000_000;
        assert_eq!(setter.unset().times.count, u64::from(is_told || is_other), "{name}: {found}");
    }
}
