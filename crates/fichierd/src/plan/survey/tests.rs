//! Surveys of real folders against a real state.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Content, FolderFacts, Metadata, Origin, RemoteCopy, Writing};

use super::*;
use crate::disk::Filter;

mod moments;

/// A source, a state, and the mirror that joins them.
struct World {
    source: tempfile::TempDir,
    _state: tempfile::TempDir,
    store: Mutex<Store>,
    mirror: Mirror,
    exclude: Vec<String>,
    settle: Duration,
    max_additions: usize,
}

impl World {
    /// A source with these files; a name that ends in `/` is a folder.
    fn new(names: &[&str]) -> World {
        let source = tempfile::tempdir().unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut store = Store::open(state.path()).unwrap();
        let mirror = store.write(|state| state.add_mirror("m", source.path(), "/m")).unwrap();
        let world = World {
            source,
            _state: state,
            store: Mutex::new(store),
            mirror,
            exclude: Vec::new(),
            settle: Duration::ZERO,
            max_additions: 1_000,
        };
        names.iter().for_each(|name| world.make(name));
        world
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.source.path().join(name)
    }

    fn make(&self, name: &str) {
        let at = self.at(name);
        fs::create_dir_all(if name.ends_with('/') { &at } else { at.parent().unwrap() }).unwrap();
        if !name.ends_with('/') {
            fs::write(at, name).unwrap();
        }
    }

    fn survey(&self, paths: Option<&[&str]>) -> Survey {
        self.survey_forced(paths, &|_| false)
    }

    fn survey_forced(&self, paths: Option<&[&str]>, force: &dyn Fn(&RelPath) -> bool) -> Survey {
        let parse = |path: &&str| RelPath::parse(path.as_bytes()).unwrap();
        let paths: Option<Vec<RelPath>> = paths.map(|paths| paths.iter().map(parse).collect());
        let filter = Filter::new(self.source.path(), &self.exclude).unwrap();
        let mut scanner = Scanner::open(self.source.path(), Arc::new(filter)).unwrap();
        let request = SurveyRequest {
            mirror: &self.mirror,
            paths: paths.as_deref(),
            settle: self.settle,
            now: SystemTime::now(),
            force,
            skip: &|_| false,
            max_additions: self.max_additions,
            keys: None,
        };
        survey(&mut scanner, &self.store, &request).unwrap()
    }

    /// Puts everything that a survey finds on record, as if the service had confirmed it.
    fn record(&self) {
        let changes = self.survey(None).changes;
        self.store
            .lock()
            .unwrap()
            .write(|state| changes.iter().try_for_each(|change| self.apply(state, change)))
            .unwrap();
        let left = self.survey(None);
        assert_eq!(left.changes, [], "a recorded file is not a change");
    }

    fn apply(&self, state: &mut Writing<'_>, change: &Change) -> fichier_state::Result<()> {
        match change {
            Change::FolderAdded { path, facts } => {
                let parent = state.folder_at(self.mirror.id, &path.parent().unwrap())?.unwrap().key;
                state.add_folder(self.mirror.id, parent, path.name(), facts).map(|_| ())
            }
            Change::FolderTouched { key, facts, .. } => state.set_folder_facts(*key, facts),
            Change::FolderRemoved { folder, .. } => state.remove_folder(folder.key),
            Change::FolderUnmanaged { folder, .. } => state.set_folder_unmanaged(folder.key, true),
            Change::FolderManaged { folder, .. } => state.set_folder_unmanaged(folder.key, false),
            Change::Unmanaged { was, .. } => state.set_unmanaged(was.folder, &was.name, true),
            Change::Managed { was, .. } => state.set_unmanaged(was.folder, &was.name, false),
            Change::Removed { was, .. } => {
                state.remove_entry(was.folder, &was.name)?;
                Ok(())
            }
            Change::Added { path, seen } | Change::Touched { path, seen, .. } => {
                let folder = state.folder_at(self.mirror.id, &path.parent().unwrap())?.unwrap();
                state.put_entry(&entry(folder.key, seen))
            }
        }
    }

    fn set_device(&self, path: &str, device: u64) {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let mut store = self.store.lock().unwrap();
        let folder = store.folder_at(self.mirror.id, &path).unwrap().unwrap();
        let Folder { key, inode, ctime_ns, metadata, .. } = folder;
        let facts = FolderFacts { device, inode, ctime_ns, metadata };
        store.write(|state| state.set_folder_facts(key, &facts)).unwrap();
    }
}

fn entry(folder: FolderKey, seen: &Seen) -> Entry {
    let content = match &seen.kind {
        SeenKind::Symlink(to) => Content::Symlink(to.clone()),
        SeenKind::Special | SeenKind::Folder => panic!("never on record"),
        SeenKind::File if seen.stamp.size_bytes == 0 => Content::Empty,
        SeenKind::File => Content::File(RemoteCopy {
            url: FileUrl::parse(&format!("https://1fichier.com/?{:020}", seen.stamp.inode))
                .unwrap(),
            whirlpool: Whirlpool::from_bytes([1; 64]),
            fingerprint: Fingerprint::from_bytes([1; 32]),
            remote_name: None,
            confirmed_s: 1,
            origin: Origin::Sent,
            unsettled: false,
            cipher: None,
        }),
    };
    Entry {
        folder,
        name: seen.name.clone(),
        stamp: seen.stamp,
        metadata: seen.metadata.clone(),
        content,
        racy: false,
        unmanaged: false,
    }
}

fn check(survey: &Survey, expected: Expect) {
    let mut lines = String::new();
    for change in &survey.changes {
        let path = change.path();
        lines += &match change {
            Change::FolderAdded { .. } => format!("+ {path}/\n"),
            Change::FolderTouched { .. } => format!("~ {path}/\n"),
            Change::FolderRemoved { .. } => format!("- {path}/\n"),
            Change::FolderUnmanaged { .. } => format!("unmanaged {path}/\n"),
            Change::FolderManaged { .. } => format!("managed {path}/\n"),
            Change::Unmanaged { .. } => format!("unmanaged {path}\n"),
            Change::Managed { .. } => format!("managed {path}\n"),
            Change::Removed { .. } => format!("- {path}\n"),
            Change::Added { .. } => format!("+ {path}\n"),
            Change::Touched { .. } => format!("~ {path}\n"),
        };
    }
    let more = [
        ("unsettled", &survey.unsettled),
        ("incomplete", &survey.incomplete),
        ("unavailable", &survey.unavailable),
    ];
    for (what, paths) in more {
        lines.extend(paths.iter().map(|path| format!("{what}: {path}\n")));
    }
    if survey.left_out > 0 {
        lines += &format!("left out: {}\n", survey.left_out);
    }
    expected.assert_eq(&lines);
}

#[test]
fn a_new_tree_is_added_folders_first_and_an_idle_one_is_no_change() {
    let world = World::new(&["b/c/d", "a", "b/x", "b-c/y", "empty/"]);
    symlink("a", world.at("link")).unwrap();
    let survey = world.survey(None);
    check(
        &survey,
        expect![[r#"
            ~ /
            + a
            + b/
            + b/c/
            + b/c/d
            + b/x
            + b-c/
            + b-c/y
            + empty/
            + link
        "#]],
    );
    assert_eq!(survey.looked_at, 9);
    world.record();
}

#[test]
fn a_removed_tree_is_reported_once_at_its_top() {
    let world = World::new(&["a/b/c/d", "a/b/e", "f"]);
    world.record();
    rustix::fs::rename(world.at("a/b"), world.source.path().with_extension("gone")).unwrap();
    check(
        &world.survey(None),
        expect![[r#"
            ~ a/
            - a/b/
        "#]],
    );
    rustix::fs::rename(world.source.path().with_extension("gone"), world.at("g")).unwrap();
    check(
        &world.survey(None),
        expect![[r#"
            ~ /
            ~ a/
            - a/b/
            + g/
            + g/c/
            + g/c/d
            + g/e
        "#]],
    );
}

#[test]
fn single_paths_find_what_happened_there_and_nothing_else() {
    let world = World::new(&["a/same", "a/edit", "a/gone", "b/gone"]);
    world.record();
    fs::write(world.at("a/edit"), "longer than before").unwrap();
    world.make("a/new");
    world.make("c/d/e");
    rustix::fs::unlink(world.at("a/gone")).unwrap();
    rustix::fs::unlink(world.at("b/gone")).unwrap();
    check(
        &world.survey(Some(&["a/edit", "a/gone", "a/new", "a/same", "a/never", "never/at/all"])),
        expect![[r#"
            ~ /
            ~ a/
            ~ a/edit
            - a/gone
            + a/new
        "#]],
    );
    // The folder is new too, and found once though it is asked for twice.
    check(
        &world.survey(Some(&["c/d/e", "c/d/f"])),
        expect![[r#"
            ~ /
            + c/
            + c/d/
            + c/d/e
        "#]],
    );
    check(
        &world.survey(Some(&["b"])),
        expect![[r#"
            ~ /
            ~ b/
            - b/gone
        "#]],
    );
}

#[test]
fn a_path_below_something_that_became_a_file_is_settled_there() {
    let world = World::new(&["a/b/c", "z"]);
    world.record();
    rustix::fs::rename(world.at("a/b"), world.at("moved")).unwrap();
    world.make("a/b");
    check(
        &world.survey(Some(&["a/b/c"])),
        expect![[r#"
            ~ /
            ~ a/
            - a/b/
            + a/b
        "#]],
    );
}

#[test]
fn a_young_file_waits_and_a_forced_one_does_not() {
    let mut world = World::new(&["a", "b", "dir/c"]);
    symlink("a", world.at("link")).unwrap();
    world.settle = Duration::from_secs(3_600);
    check(
        &world.survey(None),
        expect![[r#"
            ~ /
            + dir/
            + link
            unsettled: a
            unsettled: b
            unsettled: dir/c
        "#]],
    );
    let survey = world.survey_forced(None, &|path| path.name() == b"b");
    check(
        &survey,
        expect![[r#"
            ~ /
            + b
            + dir/
            + link
            unsettled: a
            unsettled: dir/c
        "#]],
    );
}

#[test]
fn a_file_settles_by_its_latest_time_that_is_not_in_the_future() {
    let world = World::new(&[]);
    let filter = Filter::new(world.source.path(), &[]).unwrap();
    let mut scanner = Scanner::open(world.source.path(), Arc::new(filter)).unwrap();
    let request = SurveyRequest {
        mirror: &world.mirror,
        paths: None,
        settle: Duration::from_nanos(10),
        now: std::time::UNIX_EPOCH + Duration::from_nanos(100),
        force: &|_| false,
        skip: &|_| false,
        max_additions: 1,
        keys: None,
    };
    let walk = Walk {
        scanner: &mut scanner,
        store: &world.store,
        request: &request,
        survey: Survey::default(),
        additions: 0,
    };
    let settled = |mtime_ns, ctime_ns| {
        walk.has_settled(&Stamp { size_bytes: 1, mtime_ns, ctime_ns, inode: 1 })
    };
    assert!(settled(90, 90));
    assert!(!settled(91, 90));
    assert!(!settled(5, 91));
    assert!(!settled(i64::MAX, 91), "an mtime in the future hides nothing");
    assert!(settled(i64::MAX, 90));
    assert!(settled(101, 101), "waiting for the future could take years");
}

#[test]
fn additions_beyond_the_bound_are_counted_and_come_next_time() {
    let mut world = World::new(&["a", "b/c", "b/d", "e"]);
    world.max_additions = 3;
    check(
        &world.survey(None),
        expect![[r#"
            ~ /
            + a
            + b/
            + e
            left out: 2
        "#]],
    );
}

#[test]
fn new_patterns_take_nothing_away() {
    let mut world = World::new(&["a.tmp", "keep", "cache/x", "sub/y.tmp"]);
    world.record();
    world.exclude = vec!["*.tmp".to_owned(), "cache/".to_owned()];
    let expected = || {
        expect![[r#"
            unmanaged a.tmp
            unmanaged cache/
            unmanaged sub/y.tmp
        "#]]
    };
    check(&world.survey(None), expected());
    check(&world.survey(Some(&["a.tmp", "cache/x", "sub/y.tmp"])), expected());
    world.record();
    world.exclude.clear();
    check(
        &world.survey(None),
        expect![[r#"
            managed a.tmp
            managed cache/
            managed cache/x
            managed sub/y.tmp
        "#]],
    );
}

#[test]
fn a_changed_fichierignore_concerns_all_of_its_folder() {
    let world = World::new(&["sub/a", "sub/b/c.log", "other.log"]);
    world.record();
    fs::write(world.at("sub/.fichierignore"), "*.log").unwrap();
    check(
        &world.survey(Some(&["sub/.fichierignore"])),
        expect![[r#"
            ~ sub/
            + sub/.fichierignore
            unmanaged sub/b/c.log
        "#]],
    );
}

#[test]
fn special_files_are_counted_and_links_end_the_walk() {
    let world = World::new(&["a"]);
    let folder = fs::File::open(world.source.path()).unwrap();
    rustix::fs::mkfifoat(&folder, "fifo", rustix::fs::Mode::RUSR).unwrap();
    symlink("..", world.at("up")).unwrap();
    symlink("loop", world.at("loop")).unwrap();
    let survey = world.survey(None);
    check(
        &survey,
        expect![[r#"
            ~ /
            + a
            + loop
            + up
        "#]],
    );
    assert_eq!(survey.specials, 1);
}

#[test]
fn a_mount_point_whose_file_system_is_gone_is_unavailable() {
    let world = World::new(&["disk/a", "disk/sub/b", "other"]);
    world.record();
    // On record the folder was on another device than the one above it; now it is not.
    world.set_device("disk", 12_345);
    world.set_device("disk/sub", 12_345);
    rustix::fs::unlink(world.at("disk/a")).unwrap();
    rustix::fs::rename(world.at("disk/sub"), world.source.path().with_extension("sub")).unwrap();
    let expected = || {
        expect![[r#"
            unavailable: disk
        "#]]
    };
    check(&world.survey(None), expected());
    check(&world.survey(Some(&["disk/a", "disk/sub/b"])), expected());
    check(&world.survey(Some(&["disk"])), expected());
    // With most of its contents there, it is believed: the data was moved to the disk above.
    rustix::fs::rename(world.source.path().with_extension("sub"), world.at("disk/sub")).unwrap();
    check(
        &world.survey(None),
        expect![[r#"
            ~ disk/
            - disk/a
            ~ disk/sub/
        "#]],
    );
}

#[test]
fn new_device_numbers_after_a_reboot_are_not_a_lost_mount() {
    let world = World::new(&["a/b/c", "a/d", "a/e", "a/f"]);
    world.record();
    for folder in ["a", "a/b"] {
        world.set_device(folder, 12_345);
    }
    let root = world.mirror.root;
    let metadata = Metadata::default();
    let elsewhere = FolderFacts { device: 12_345, inode: 1, ctime_ns: 0, metadata };
    world.store.lock().unwrap().write(|state| state.set_folder_facts(root, &elsewhere)).unwrap();
    for gone in ["a/d", "a/e", "a/f"] {
        rustix::fs::unlink(world.at(gone)).unwrap();
    }
    check(
        &world.survey(None),
        expect![[r#"
            ~ /
            ~ a/
            ~ a/b/
            - a/d
            - a/e
            - a/f
        "#]],
    );
}

/// Root reads everything; another user of this machine does not, so the walk runs as one.
#[test]
fn nothing_is_removed_at_or_below_a_folder_that_cannot_be_read() {
    const AS_NOBODY: &str = "FICHIERD_TEST_AS_NOBODY";
    if rustix::process::geteuid().is_root() && std::env::var_os(AS_NOBODY).is_none() {
        let test =
            "plan::survey::tests::nothing_is_removed_at_or_below_a_folder_that_cannot_be_read";
        let copy = tempfile::tempdir().unwrap();
        let program = copy.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        fs::set_permissions(copy.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = std::process::Command::new(&program);
        std::os::unix::process::CommandExt::uid(&mut child, 65_534);
        child.args(["--exact", test]).env(AS_NOBODY, "1").current_dir("/");
        let said = String::from_utf8(child.output().unwrap().stdout).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let world = World::new(&["open/a", "shut/b", "shut/deep/c"]);
    world.record();
    let shut = |mode| {
        fs::set_permissions(world.at("shut"), fs::Permissions::from_mode(mode)).unwrap();
    };
    rustix::fs::unlink(world.at("open/a")).unwrap();
    rustix::fs::unlink(world.at("shut/b")).unwrap();
    shut(0o000);
    let everything = world.survey(None);
    let single = world.survey(Some(&["shut/b", "shut/deep/c"]));
    shut(0o700);
    check(
        &everything,
        expect![[r#"
            ~ open/
            - open/a
            ~ shut/
            incomplete: shut
        "#]],
    );
    check(
        &single,
        expect![[r#"
            ~ shut/
            incomplete: shut/b
            incomplete: shut/deep
        "#]],
    );
    assert_eq!(everything.trouble[0].error.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_tree_two_hundred_folders_deep_is_walked() {
    let world = World::new(&[]);
    let deep = vec!["d"; 200].join("/");
    world.make(&format!("{deep}/file"));
    let survey = world.survey(None);
    assert_eq!(survey.looked_at, 201);
    assert_eq!(survey.changes.last().unwrap().path().depth(), 201);
    world.record();
    fs::write(world.at(&deep).join("file"), "other").unwrap();
    let single = world.survey(Some(&[&format!("{deep}/file")]));
    assert_eq!(single.changes.len(), 1);
}

#[test]
fn a_file_that_became_a_folder_is_not_walked_before_the_listing_is_complete() {
    let world = World::new(&["folder/a"]);
    let filter = Filter::new(world.source.path(), &[]).unwrap();
    let mut scanner = Scanner::open(world.source.path(), Arc::new(filter)).unwrap();
    let (mut found, _) = scanner.read_with(&RelPath::root(), scanner.bare_filter()).unwrap();
    let was = Seen { kind: SeenKind::File, ..found.entries[0].clone() };
    let recorded = [entry(world.mirror.root, &was)];
    let root = scanner.look(&RelPath::root()).unwrap().unwrap();
    let above = Mounts::of_root(root.device, &root);
    assert_eq!(subfolders(above, &[], &recorded, &mut found).len(), 1);
    found.complete = false;
    assert_eq!(subfolders(above, &[], &recorded, &mut found).len(), 0);
    assert_eq!(subfolders(above, &[], &[], &mut found).len(), 1);
}

#[test]
fn a_mirror_without_a_record_is_an_error() {
    let mut world = World::new(&["a"]);
    world.mirror.root = FolderKey(99);
    let filter = Filter::new(Path::new("/"), &[]).unwrap();
    let mut scanner = Scanner::open(world.source.path(), Arc::new(filter)).unwrap();
    let request = SurveyRequest {
        mirror: &world.mirror,
        paths: None,
        settle: Duration::ZERO,
        now: SystemTime::now(),
        force: &|_| false,
        skip: &|_| false,
        max_additions: 1,
        keys: None,
    };
    let error = survey(&mut scanner, &world.store, &request).unwrap_err();
    assert!(matches!(error, SurveyError::UnknownMirror), "{error}");
}
