//! The folders of one mirror that are watched, and those that should be and are not.
//!
//! A watch belongs to a folder, but `notify` reports its events under the path by which it
//! was set, even after the folder was renamed, and `unwatch` by an old path can end the watch
//! that has been set by a new one. So this map knows which folder (device and inode) each
//! path stood for, and a rename ends all watches below the old name before any is set below the
//! new one, in whatever order its two events arrive.
//!
//! A new folder is watched first and listed second: files made after the watch are reported, and
//! earlier ones are in the listing. `mkdir -p a/b/c` is found whole, although only `a` is reported.
//! The caller marks the folder dirty afterwards, which covers the files.
//!
//! Invariant: each of `folders` was found at its path both before and after its watch was set.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use fichier_state::RelPath;

use super::IsExcluded;
use super::folder::{Identity, OpenFolder};
use super::folders::{Folders, Watched};
use super::instances::{InstanceId, Instances, Refusal};
use super::todo::{Look, Todo};

/// Watches of one mirror, folder by folder.
pub(super) struct Tree {
    source: Arc<PathBuf>,
    is_excluded: IsExcluded,
    todo: Arc<Todo>,
    instances: Instances,
    folders: Folders,
    unwatched: BTreeMap<RelPath, Unwatched>,
    // Folders that are still to be watched, each below a watched one.
    frontier: Vec<RelPath>,
    // No more watches can be had: asking again for each of a million folders would be of no use.
    exhausted: bool,
}

/// A folder without a watch. The folders below it have none either.
#[derive(Clone, Debug)]
pub(super) struct Unwatched {
    pub(super) why: Refusal,
    /// This folder and all below it, as far as they were counted.
    pub(super) folders: u64,
}

impl Tree {
    pub(super) fn new(
        source: Arc<PathBuf>,
        is_excluded: IsExcluded,
        todo: Arc<Todo>,
        instances: Instances,
    ) -> Tree {
        Tree {
            source,
            is_excluded,
            todo,
            instances,
            folders: Folders::new(),
            unwatched: BTreeMap::new(),
            frontier: Vec::new(),
            exhausted: false,
        }
    }

    /// The number of watched folders.
    pub(super) fn watched(&self) -> u64 {
        self.folders.len() as u64
    }

    /// The folders without a watch, each with the reason.
    pub(super) fn unwatched(&self) -> &BTreeMap<RelPath, Unwatched> {
        &self.unwatched
    }

    /// Forgets all watches and sets the one of the root, which is at `source` now; [`Self::grow`]
    /// does the rest.
    pub(super) fn plant(&mut self, source: &Arc<PathBuf>) -> Result<(), Refusal> {
        self.clear();
        self.source = Arc::clone(source);
        self.instances.belong_to(source);
        let root = RelPath::root();
        let subfolders = self.add_folder(&root)?;
        self.frontier.extend(subfolders);
        Ok(())
    }

    /// Forgets all watches.
    pub(super) fn clear(&mut self) {
        self.folders = Folders::new();
        self.unwatched.clear();
        self.frontier.clear();
        self.exhausted = false;
        self.instances.close();
    }

    /// Watches the folders that are still to be watched, and calls `progress` now and then.
    pub(super) fn grow(&mut self, mut progress: impl FnMut(&Tree)) {
        while let Some(path) = self.frontier.pop() {
            if self.todo.is_stopped() {
                return;
            }
            self.add(path, 0);
            if self.folders.len().is_multiple_of(1_000) {
                progress(self);
            }
        }
    }

    /// Corrects the watches at `path` and below. Returns whether there is a new folder, which must
    /// be marked dirty then: files may have been made in it before it was watched.
    pub(super) fn look(&mut self, path: &RelPath, look: Look) -> bool {
        let absolute = self.source.join(path.as_path());
        let found = Identity::at(&absolute);
        let known = self.folders.get(path).map(|folder| folder.identity);
        match look {
            Look::New if found.is_some() && found == known => return false,
            // Its subfolders are reported by themselves: they were deleted or moved before.
            Look::Gone if found.is_none() => {
                self.forget(path, |instances, instance, _| instances.dropped(instance));
                self.unwatched.remove(path);
                return false;
            }
            Look::New | Look::Gone | Look::Moved => self.forget_below(path),
        }
        let parent_is_watched =
            path.parent().is_some_and(|above| self.folders.get(&above).is_some());
        if found.is_none() || !parent_is_watched || (self.is_excluded)(path, true) {
            return false;
        }
        self.frontier.push(path.clone());
        self.grow(|_| ());
        true
    }

    /// Tries again to watch the folders that could not be watched; returns the folders to mark
    /// dirty.
    pub(super) fn retry(&mut self) -> Vec<RelPath> {
        self.exhausted = false;
        let unwatched = std::mem::take(&mut self.unwatched);
        let mut dirty = Vec::with_capacity(unwatched.len());
        for (path, before) in unwatched {
            if self.todo.is_stopped() {
                break;
            }
            if !(self.is_excluded)(&path, true) {
                self.add(path.clone(), before.folders);
                self.grow(|_| ());
                dirty.push(path);
            }
        }
        dirty
    }

    /// Watches one folder, and puts those in it on the list. `count` is the number of folders that
    /// are known to be there if it fails, or 0.
    fn add(&mut self, path: RelPath, count: u64) {
        match self.add_folder(&path) {
            Ok(subfolders) => self.frontier.extend(subfolders),
            Err(Refusal::Gone) => {}
            Err(why) => {
                let at_limit = why == Refusal::WatchLimit;
                self.exhausted |= at_limit;
                let uncounted = at_limit && count == 0;
                let folders = if uncounted { self.count(&path) } else { count.max(1) };
                self.unwatched.insert(path, Unwatched { why, folders });
            }
        }
    }

    fn add_folder(&mut self, path: &RelPath) -> Result<Vec<RelPath>, Refusal> {
        let absolute = self.source.join(path.as_path());
        let folder = OpenFolder::open(&absolute)?;
        let identity = folder.identity;
        if self.crosses_device(path, identity)
            && let Some(name) = folder.silent_file_system()
        {
            return Err(Refusal::SilentFileSystem(name));
        }
        if let Some(other) = self.folders.path_of(identity) {
            if other != *path && Identity::at(&self.source.join(other.as_path())) == Some(identity)
            {
                return Err(Refusal::Twice);
            }
            // The folder was moved, and the event that tells so is yet to come.
            self.forget_below(&other);
        }
        if self.exhausted {
            return Err(Refusal::WatchLimit);
        }
        let instance = self.instances.watch(&absolute)?;
        if Identity::at(&absolute) != Some(identity) {
            // The folder was replaced meanwhile; the watch may be on either.
            self.instances.unwatch(instance, &absolute);
            self.todo.look(path.clone(), Look::Moved);
            return Err(Refusal::Gone);
        }
        self.folders.insert(path, Watched { identity, instance });
        self.subfolders(path, folder)
    }

    /// Those of the folders in `folder` that belong to the mirror. A listing that fails leaves
    /// the folder watched, on the list of those to be tried again.
    fn subfolders(&mut self, path: &RelPath, folder: OpenFolder) -> Result<Vec<RelPath>, Refusal> {
        match folder.into_subfolders() {
            Ok(names) => {
                let paths = names.iter().map(|name| path.join(name));
                Ok(paths.filter(|path| !(self.is_excluded)(path, true)).collect())
            }
            Err(errno) => {
                self.forget_below(path);
                Err(errno.into())
            }
        }
    }

    /// Whether another file system begins here; the root always counts.
    fn crosses_device(&self, path: &RelPath, identity: Identity) -> bool {
        let above = path.parent().and_then(|above| self.folders.get(&above));
        above.is_none_or(|above| above.identity.device != identity.device)
    }

    /// The number of folders at and below `path`, without watching them.
    fn count(&self, path: &RelPath) -> u64 {
        let mut count = 0;
        let mut stack = vec![path.clone()];
        while let Some(path) = stack.pop() {
            if self.todo.is_stopped() {
                break;
            }
            count += 1;
            let folder = OpenFolder::open(&self.source.join(path.as_path()));
            if let Ok(names) = folder.and_then(OpenFolder::into_subfolders) {
                let paths = names.iter().map(|name| path.join(name));
                stack.extend(paths.filter(|path| !(self.is_excluded)(path, true)));
            }
        }
        count
    }

    fn forget_below(&mut self, path: &RelPath) {
        for path in self.folders.at_and_below(path) {
            self.forget(&path, |instances, instance, absolute| {
                instances.unwatch(instance, &absolute)
            });
        }
        let from = (Bound::Included(path), Bound::Unbounded);
        let unwatched = self.unwatched.range::<RelPath, _>(from).map(|(below, _)| below.clone());
        let below: Vec<_> = unwatched.take_while(|below| below.starts_with(path)).collect();
        for path in below {
            self.unwatched.remove(&path);
        }
        self.frontier.retain(|planned| !planned.starts_with(path));
    }

    fn forget(&mut self, path: &RelPath, end: impl FnOnce(&mut Instances, InstanceId, PathBuf)) {
        if let Some(folder) = self.folders.remove(path) {
            end(&mut self.instances, folder.instance, self.source.join(path.as_path()));
        }
    }
}
