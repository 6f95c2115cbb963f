//! A small mirror that looks only at marked paths must end up equal to the disk.
//!
//! [`World::look`] does what the daemon does with dirty paths: it reads them from the disk. So a
//! mark that comes too early proves nothing here, and a lost one shows as a difference. The
//! rows W01 to W17 are those of docs/testing.md. `FICHIERD_TEST_SCALE=10` makes the
//! storms ten times larger.

mod moves;
mod namespaces;
mod storms;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fichier_state::RelPath;
use tempfile::TempDir;

use super::instances::WATCHES_PER_INSTANCE;
use super::{IsExcluded, MountWatch, Watch, WatchHealth};
use crate::disk::dirty::DirtyQueue;
use crate::disk::filter::Filter;

/// The time that a condition gets on a busy machine; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The watches of each instance: so few that a folder and its parent are often watched by different
/// instances, whose events come in no order. A single instance would hide half of the difficulties.
const FEW: usize = 3;

/// A time that does not pass within a test.
const NEVER: Duration = Duration::from_secs(3_600);

struct World {
    root: PathBuf,
    /// Beside the watched folder, on the same file system.
    outside: PathBuf,
    dirty: DirtyQueue,
    watch: Watch,
    mirror: RefCell<Mirror>,
    _dir: TempDir,
}

#[derive(Default)]
struct Mirror {
    /// Path to content, of files; folders end with a slash.
    entries: BTreeMap<String, Vec<u8>>,
    /// Every path that was marked; `*` for everything.
    marks: Vec<String>,
    /// Those of them that were not looked at yet.
    pending: Vec<String>,
}

impl World {
    fn start() -> World {
        World::prepared(|_| ())
    }

    /// Watches a folder that `prepare` has filled.
    fn prepared(prepare: impl FnOnce(&Path)) -> World {
        World::with(NEVER, |_| false, prepare)
    }

    fn with(
        poll: Duration,
        is_excluded: impl Fn(&RelPath) -> bool + Send + Sync + 'static,
        prepare: impl FnOnce(&Path),
    ) -> World {
        World::sharded(FEW, poll, is_excluded, prepare)
    }

    fn sharded(
        watches_per_instance: usize,
        poll: Duration,
        is_excluded: impl Fn(&RelPath) -> bool + Send + Sync + 'static,
        prepare: impl FnOnce(&Path),
    ) -> World {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let is_excluded = Arc::new(move |path: &RelPath, _is_dir: bool| is_excluded(path));
        World::begin(watches_per_instance, poll, (dir, root), is_excluded)
    }

    /// Watches a folder that `prepare` has filled, without what the patterns in it exclude.
    fn filtered(prepare: impl FnOnce(&Path)) -> World {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let filter = Arc::new(Filter::new(&root, &[]).unwrap());
        let is_excluded =
            Arc::new(move |path: &RelPath, is_dir: bool| filter.is_excluded(path, is_dir));
        World::begin(FEW, NEVER, (dir, root), is_excluded)
    }

    /// Watches the folder `root`, which lies in `dir`.
    fn begin(
        watches_per_instance: usize,
        poll: Duration,
        (dir, root): (TempDir, PathBuf),
        is_excluded: IsExcluded,
    ) -> World {
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let dirty = DirtyQueue::default();
        let mounts = MountWatch::start().unwrap();
        let queue = dirty.clone();
        let watch = Watch::start_with_instances(
            watches_per_instance,
            &root,
            poll,
            is_excluded,
            queue,
            mounts,
        )
        .unwrap();
        let mirror = RefCell::default();
        let world = World { root, outside, dirty, watch, mirror, _dir: dir };
        world.until("the tree is watched", || world.watch.health().ready);
        world.converge();
        world.mirror.borrow_mut().marks.clear();
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::write(self.path(path), content).unwrap();
    }

    fn mkdir(&self, path: &str) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn health(&self) -> WatchHealth {
        self.watch.health()
    }

    /// Takes the dirty paths, to look at them later.
    fn collect(&self) {
        let due = self.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        let mut mirror = self.mirror.borrow_mut();
        let everything = due.everything.then(|| "*".to_owned());
        let marks = due.paths.iter().map(ToString::to_string).chain(everything);
        let marks: Vec<String> = marks.collect();
        mirror.marks.extend_from_slice(&marks);
        mirror.pending.extend(marks);
    }

    /// Reads the dirty paths from disk.
    fn look(&self) {
        self.collect();
        let mut mirror = self.mirror.borrow_mut();
        let pending = std::mem::take(&mut mirror.pending);
        if pending.contains(&"*".to_owned()) {
            mirror.entries = read_tree(&self.root, &self.root);
            return;
        }
        for path in pending {
            let below = format!("{path}/");
            mirror.entries.remove(&path);
            let entries = mirror.entries.range(below.clone()..).map(|(entry, _)| entry.clone());
            let stale: Vec<_> = entries.take_while(|entry| entry.starts_with(&below)).collect();
            for entry in stale {
                mirror.entries.remove(&entry);
            }
            mirror.entries.extend(read_tree(&self.root, &self.root.join(&path)));
        }
    }

    fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition() {
            assert!(Instant::now() < deadline, "never happened: {what}; {:?}", self.watch);
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until everything that was reported is done, and `folders` are watched.
    fn until_watched(&self, folders: u64) {
        self.until(&format!("{folders} folders are watched"), || {
            self.look();
            let health = self.health();
            let done = self.watch.todo.is_at_rest() && self.dirty.is_empty();
            done && health.ready && health.watched_folders == folders
        });
    }

    /// Looks at dirty paths until the mirror equals the disk.
    fn converge(&self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.look();
            let disk = read_tree(&self.root, &self.root);
            if self.mirror.borrow().entries == disk {
                return;
            }
            if Instant::now() > deadline {
                let mirror = self.mirror.borrow();
                let missed = disk.iter().filter(|(path, content)| {
                    mirror.entries.get(*path).is_none_or(|known| known != *content)
                });
                let missed: Vec<_> = missed.map(|(path, _)| path).take(20).collect();
                let stale = mirror.entries.keys().filter(|path| !disk.contains_key(*path));
                let stale: Vec<_> = stale.take(20).collect();
                panic!("missed {missed:?}, stale {stale:?}, {:?}", self.watch);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// All marks since the last time, after everything that has happened was reported.
    fn marks(&self) -> Vec<String> {
        let probe = format!("probe-{:?}", Instant::now());
        self.write(&probe, "");
        self.until("the probe is marked", || {
            self.look();
            self.mirror.borrow().marks.contains(&probe)
        });
        let mut marks = std::mem::take(&mut self.mirror.borrow_mut().marks);
        marks.retain(|mark| !mark.starts_with("probe-"));
        marks
    }

    /// Writes a file into every folder: each must be watched, under the name that it has now.
    fn assert_all_watched(&self) {
        let folders: Vec<String> = read_tree(&self.root, &self.root)
            .into_keys()
            .filter(|path| path.ends_with('/'))
            .collect();
        for folder in &folders {
            self.write(&format!("{folder}watched"), "?");
        }
        self.converge();
        assert!(
            !self.mirror.borrow().marks.contains(&"*".to_owned()),
            "a full look proves nothing"
        );
        assert_eq!(self.health().watched_folders, folders.len() as u64 + 1);
    }
}

/// Everything at `path` and below, by its path relative to `root`. A file that vanishes meanwhile
/// is left out.
fn read_tree(root: &Path, path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut entries = BTreeMap::new();
    let mut stack = vec![path.to_owned()];
    while let Some(path) = stack.pop() {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() {
            if !name.is_empty() {
                entries.insert(name + "/", Vec::new());
            }
            let children = fs::read_dir(&path).into_iter().flatten().flatten();
            stack.extend(children.map(|child| child.path()));
        } else if metadata.is_symlink() {
            entries.extend(
                fs::read_link(&path).map(|to| (name, to.into_os_string().into_encoded_bytes())),
            );
        } else {
            entries.extend(fs::read(&path).map(|content| (name, content)));
        }
    }
    entries
}

/// The text that another process writes to `path`, once it has.
fn wait_for_file(path: &Path) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match fs::read_to_string(path) {
            Ok(text) => return text,
            Err(err) => assert!(Instant::now() < deadline, "no {}: {err}", path.display()),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// `FICHIERD_TEST_SCALE` times `count`.
fn scaled(count: usize) -> usize {
    let scale = std::env::var("FICHIERD_TEST_SCALE").ok();
    count * scale.map_or(1, |text| text.parse().expect("FICHIERD_TEST_SCALE is a number"))
}

#[test]
fn a_written_file_is_marked_and_nothing_else() {
    let world = World::prepared(|root| fs::create_dir(root.join("folder")).unwrap());
    world.write("folder/file", "content");
    world.converge();
    let mut marks = world.marks();
    marks.dedup();
    assert_eq!(marks, ["folder/file"]);
}

#[test]
fn after_the_start_everything_is_marked_once() {
    let world = World::prepared(|root| fs::create_dir_all(root.join("a/b/c")).unwrap());
    assert_eq!(world.health().watched_folders, 4);
    assert_eq!(world.health().mode, super::WatchMode::Watching);
    assert_eq!(world.marks(), Vec::<String>::new());
}

#[test]
fn a_symbolic_link_to_a_folder_is_marked_and_not_followed() {
    let world = World::start();
    fs::create_dir(world.outside.join("far")).unwrap();
    symlink(world.outside.join("far"), world.path("link")).unwrap();
    world.converge();
    world.marks();
    fs::write(world.outside.join("far/file"), "not ours").unwrap();
    assert_eq!(world.marks(), Vec::<String>::new());
    assert_eq!(world.health().watched_folders, 1);
}

#[test]
fn w15_reading_and_listing_marks_nothing() {
    let world = World::prepared(|root| {
        fs::create_dir(root.join("folder")).unwrap();
        fs::write(root.join("folder/file"), "content").unwrap();
    });
    for _ in 0..100 {
        read_tree(&world.root, &world.root);
    }
    assert_eq!(world.marks(), Vec::<String>::new());
}

#[test]
fn w16_an_excluded_folder_is_not_watched() {
    let is_excluded = |path: &RelPath| path.as_bytes().ends_with(b"cache");
    let world = World::with(NEVER, is_excluded, |root| {
        fs::create_dir_all(root.join("cache/deep")).unwrap();
    });
    world.mkdir("new/cache/deep");
    world.mkdir("another-cache/deep");
    world.until_watched(2);
    world.converge();
    world.marks();
    for folder in ["cache", "cache/deep", "new/cache", "new/cache/deep", "another-cache"] {
        world.write(&format!("{folder}/file"), "not ours");
    }
    let marks = world.marks();
    assert!(marks.is_empty(), "{marks:?}");
    assert_eq!(world.health().watched_folders, 2);
    assert_eq!(world.health().unwatched_folders, 0);
}

/// The number of times that the root was found to be another one, and what is told of it.
fn root_of(world: &World) -> (u64, super::WatchMode) {
    let health = world.health();
    (health.roots, health.mode)
}

#[test]
fn z45_a_root_that_goes_or_is_exchanged_is_watched_anew_without_a_poll() {
    let world = World::start();
    fs::rename(&world.root, world.outside.join("old")).unwrap();
    let absent = |mode| matches!(mode, super::WatchMode::Absent { .. });
    world.until("the loss is noticed", || absent(root_of(&world).1));
    let (before, super::WatchMode::Absent { reason }) = root_of(&world) else { panic!() };
    assert!(reason.ends_with("does not exist"), "{reason}");
    fs::create_dir(&world.root).unwrap();
    world.mkdir("a/b");
    world.until_watched(3);
    assert!(world.health().roots > before);
    assert_eq!(world.health().mode, super::WatchMode::Watching);
    world.mirror.borrow_mut().marks.clear();
    world.assert_all_watched();
}

#[test]
fn z45_a_root_below_a_folder_or_link_that_is_exchanged_is_watched_anew_without_a_poll() {
    let stage = tempfile::tempdir().unwrap();
    let dir = stage.path().to_owned();
    fs::create_dir_all(dir.join("one/way/root/a")).unwrap();
    symlink("one", dir.join("link")).unwrap();
    let root = dir.join("link/way/root");
    let world = World::begin(FEW, NEVER, (stage, root), Arc::new(|_, _| false));
    world.until_watched(2);
    // The folder above is exchanged: the watched folders exist elsewhere, and nothing tells so.
    fs::rename(dir.join("one/way"), dir.join("away")).unwrap();
    fs::create_dir_all(dir.join("one/way/root/a/b")).unwrap();
    world.until_watched(3);
    world.converge();
    world.write("a/b/file", "reported");
    world.converge();
    // The link leads elsewhere.
    fs::create_dir_all(dir.join("two/way/root/a/b/c")).unwrap();
    fs::remove_file(dir.join("link")).unwrap();
    symlink("two", dir.join("link")).unwrap();
    world.until_watched(4);
    world.converge();
    world.write("a/b/c/file", "reported");
    world.converge();
    assert_eq!(root_of(&world), (2, super::WatchMode::Watching));
}

#[test]
fn z46_a_folder_that_a_pattern_excludes_no_longer_is_watched() {
    let world = World::filtered(|root| {
        fs::create_dir_all(root.join("a/kept/deep")).unwrap();
        fs::create_dir_all(root.join("a/out/deep")).unwrap();
        fs::write(root.join("a/.fichierignore"), "out\n").unwrap();
    });
    world.until_watched(4);
    world.write("a/.fichierignore", "# nothing\n");
    world.until_watched(6);
    world.converge();
    world.write("a/out/deep/file", "reported");
    world.converge();
    fs::write(world.path(".fichierignore"), "kept\n").unwrap();
    world.until_watched(4);
    fs::remove_file(world.path(".fichierignore")).unwrap();
    world.until_watched(6);
}
