//! A source that exists in memory only: files, folders and links with inodes and times, and the
//! faults of disks.
//!
//! It keeps the promises of `stat`: any change of a file gives it a new ctime, a rename keeps the
//! inode, an inode number may be used again. The files that the user *has* ([`Disk::files`]) and
//! those that can be *seen* differ while the disk is not mounted or a folder cannot be read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fichier_api::{Clock, FileMark, Source};
use fichier_state::{Metadata, RelPath, Stamp};
use fichier_testkit::crypt;
use fichierd::disk::{DiskModel, RootIdentity, RootTrouble, Seen, SeenKind};

const NS_PER_S: i64 = 1_000_000_000;
const ROOT: u64 = 2;
const DEVICE: u64 = 7;

/// The model of a disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug)]
struct Tree {
    clock: Clock,
    nodes: BTreeMap<u64, Node>,
    next_inode: u64,
    /// A new number for each path that is made: it tells "the same file, edited" from "another
    /// file".
    next_birth: u64,
    /// Counts changes, so that no two of them have the same time.
    ticks: i64,
    /// Bytes that were ever written, as they are stored.
    written: u64,
    mounted: bool,
    unreadable: BTreeSet<u64>,
    broken: BTreeSet<u64>,
    /// Changes of contents that happen while a file is read, after so many more reads.
    ambushes: Vec<(u32, Ambush)>,
    /// Paths that left the watched folder, with their inodes.
    elsewhere: Vec<(RelPath, u64)>,
    /// Whether the next look at the root is one at everything.
    awaits_look: bool,
    /// The last look at everything, until it is taken.
    look: Option<Looked>,
}

/// What a look at everything found.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    pub files: BTreeMap<RelPath, Owned>,
    /// Those of them that could not be read.
    pub unread: BTreeSet<RelPath>,
}

/// A change of a file while it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambush {
    Grow,
    Shrink,
    Rewrite,
}

#[derive(Clone, Debug)]
struct Node {
    what: What,
    mtime_ns: i64,
    ctime_ns: i64,
}

#[derive(Clone, Debug)]
enum What {
    File(Vec<u8>),
    Link(Vec<u8>),
    Folder(BTreeMap<Vec<u8>, Child>),
}

#[derive(Clone, Copy, Debug)]
struct Child {
    inode: u64,
    birth: u64,
}

/// A file that the user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub bytes: Vec<u8>,
    /// Stays the same as long as it is the same file under the same path.
    pub birth: u64,
}

impl Disk {
    pub fn new(clock: Clock) -> Disk {
        let mut tree = Tree {
            clock,
            nodes: BTreeMap::new(),
            next_inode: ROOT + 1,
            next_birth: 0,
            ticks: 0,
            written: 0,
            mounted: true,
            unreadable: BTreeSet::new(),
            broken: BTreeSet::new(),
            ambushes: Vec::new(),
            elsewhere: Vec::new(),
            awaits_look: false,
            look: None,
        };
        let now = tree.now();
        let what = What::Folder(BTreeMap::new());
        tree.nodes.insert(ROOT, Node { what, mtime_ns: now, ctime_ns: now });
        Disk { tree: Arc::new(Mutex::new(tree)) }
    }

    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a file, in place if it exists; makes its folder.
    pub fn write(&self, path: &RelPath, bytes: &[u8]) {
        self.lock().write(path, bytes);
    }

    /// Writes other bytes of the same length, and keeps the old mtime.
    pub fn edit_secretly(&self, path: &RelPath) {
        let mut tree = self.lock();
        let now = tree.now();
        let Some(node) = tree.inode(path).and_then(|inode| tree.nodes.get_mut(&inode)) else {
            return;
        };
        if let What::File(bytes) = &mut node.what {
            let length = crypt::stored_bytes(bytes.len() as u64);
            bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            node.ctime_ns = now;
            tree.written += length;
        }
    }

    pub fn link(&self, path: &RelPath) {
        self.lock().put(path, What::Link(b"somewhere".to_vec()));
    }

    pub fn make_folder(&self, path: &RelPath) {
        self.lock().folder(path);
    }

    pub fn remove(&self, path: &RelPath) {
        self.lock().take(path);
    }

    /// Replaces a file in its new place, as `rename` does.
    pub fn rename(&self, from: &RelPath, to: &RelPath) {
        let mut tree = self.lock();
        if to.starts_with(from) || from.starts_with(to) || tree.inode(from).is_none() {
            return;
        }
        let Some(inode) = tree.take_out(from) else { return };
        tree.take(to);
        let now = tree.now();
        if let Some(node) = tree.nodes.get_mut(&inode) {
            node.ctime_ns = now;
        }
        tree.put_in(to, inode);
    }

    pub fn swap(&self, one: &RelPath, other: &RelPath) {
        if one.starts_with(other) || other.starts_with(one) {
            return;
        }
        let aside = RelPath::root().join(b"aside of a swap");
        self.rename(one, &aside);
        self.rename(other, one);
        self.rename(&aside, other);
    }

    /// Takes the path out of the watched folder, with all that is below it.
    pub fn leave(&self, path: &RelPath) {
        let mut tree = self.lock();
        if let Some(inode) = tree.take_out(path) {
            tree.elsewhere.push((path.clone(), inode));
        }
    }

    /// Brings back one of those that left, to its place, or to the top if its folder is gone.
    /// Returns where it is now; `None` if something else is there.
    pub fn come_back(&self, which: u8) -> Option<RelPath> {
        let mut tree = self.lock();
        let at = usize::from(which) % tree.elsewhere.len().max(1);
        let (left, inode) = tree.elsewhere.get(at)?.clone();
        let parent = tree.inode(&left.parent()?);
        let is_folder = |inode| matches!(tree.nodes[&inode].what, What::Folder(_));
        let is_there = parent.is_some_and(is_folder);
        let to = if is_there { left } else { RelPath::root().join(left.name()) };
        if tree.inode(&to).is_some() {
            return None;
        }
        tree.elsewhere.remove(at);
        let now = tree.now();
        if let Some(node) = tree.nodes.get_mut(&inode) {
            node.ctime_ns = now;
        }
        tree.put_in(&to, inode);
        Some(to)
    }

    pub fn set_mounted(&self, mounted: bool) {
        self.lock().mounted = mounted;
    }

    /// The user touches a file.
    pub fn touch(&self, path: &RelPath) {
        let mut tree = self.lock();
        let now = tree.now();
        if let Some(node) = tree.inode(path).and_then(|inode| tree.nodes.get_mut(&inode)) {
            (node.mtime_ns, node.ctime_ns) = (now, now);
        }
    }

    /// From now on nothing below can be listed or opened.
    pub fn lock_out(&self, path: &RelPath) {
        let mut tree = self.lock();
        if let Some(inode) = tree.inode(path).filter(|inode| *inode != ROOT) {
            tree.unreadable.insert(inode);
        }
    }

    /// From now on the content of this file cannot be read.
    pub fn break_file(&self, path: &RelPath) {
        let mut tree = self.lock();
        if let Some(inode) = tree.inode(path) {
            tree.broken.insert(inode);
        }
    }

    /// The next look is one at everything.
    pub fn await_look(&self) {
        self.lock().awaits_look = true;
    }

    /// What the last look at everything found, once.
    pub fn take_look(&self) -> Option<Looked> {
        self.lock().look.take()
    }

    pub fn ambush(&self, after: u32, how: Ambush) {
        self.lock().ambushes.push((after, how));
    }

    /// Everything can be seen and read again.
    pub fn end_faults(&self) {
        let mut tree = self.lock();
        tree.mounted = true;
        tree.unreadable.clear();
        tree.broken.clear();
        tree.ambushes.clear();
    }

    /// Bytes that were ever written into files, as they are stored on the service.
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    /// The user's files, whether they can be seen or not. Files without bytes are on the service only if
    /// they are enciphered.
    pub fn files(&self) -> BTreeMap<RelPath, Owned> {
        self.lock().files()
    }

    /// Paths of all files, links and folders.
    pub fn paths(&self, folders: bool) -> Vec<RelPath> {
        let tree = self.lock();
        let mut found = Vec::new();
        tree.walk(&RelPath::root(), ROOT, &mut |path, _, node| {
            if matches!(node.what, What::Folder(_)) == folders {
                found.push(path);
            }
        });
        found
    }
}

impl Tree {
    fn now(&mut self) -> i64 {
        let since = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap();
        self.ticks += 1;
        i64::try_from(since.as_nanos()).unwrap() + self.ticks
    }

    fn files(&self) -> BTreeMap<RelPath, Owned> {
        let mut found = BTreeMap::new();
        self.walk(&RelPath::root(), ROOT, &mut |path, child, node| {
            if let What::File(bytes) = &node.what
                && (!bytes.is_empty() || crypt::is_on())
            {
                found.insert(path, Owned { bytes: bytes.clone(), birth: child.birth });
            }
        });
        found
    }

    fn look_at_everything(&self) -> Looked {
        let files = if self.mounted { self.files() } else { BTreeMap::new() };
        let can_be_read = |path: &&RelPath| {
            let inode = self.reach(path).ok().flatten();
            inode.is_some_and(|inode| !self.broken.contains(&inode))
        };
        let unread = files.keys().filter(|path| !can_be_read(path)).cloned().collect();
        Looked { files, unread }
    }

    fn inode(&self, path: &RelPath) -> Option<u64> {
        path.components().try_fold(ROOT, |inode, name| match &self.nodes.get(&inode)?.what {
            What::Folder(children) => children.get(name).map(|child| child.inode),
            What::File(_) | What::Link(_) => None,
        })
    }

    fn walk(&self, path: &RelPath, inode: u64, see: &mut impl FnMut(RelPath, Child, &Node)) {
        let Some(What::Folder(children)) = self.nodes.get(&inode).map(|node| &node.what) else {
            return;
        };
        for (name, child) in children {
            let Some(node) = self.nodes.get(&child.inode) else { continue };
            see(path.join(name), *child, node);
            self.walk(&path.join(name), child.inode, see);
        }
    }

    fn write(&mut self, path: &RelPath, bytes: &[u8]) {
        let now = self.now();
        self.written += crypt::stored_bytes(bytes.len() as u64);
        if let Some(inode) = self.inode(path)
            && let Some(node) = self.nodes.get_mut(&inode)
        {
            if let What::File(content) = &mut node.what {
                *content = bytes.to_vec();
                (node.mtime_ns, node.ctime_ns) = (now, now);
            }
            return;
        }
        self.put(path, What::File(bytes.to_vec()));
    }

    fn put(&mut self, path: &RelPath, what: What) {
        let now = self.now();
        self.take(path);
        let inode = self.next_inode;
        self.next_inode += 1;
        self.nodes.insert(inode, Node { what, mtime_ns: now, ctime_ns: now });
        self.put_in(path, inode);
    }

    /// The folder at `path`, made if it is not there; a file in its place is replaced.
    fn folder(&mut self, path: &RelPath) -> u64 {
        if let Some(inode) = self.inode(path)
            && matches!(self.nodes[&inode].what, What::Folder(_))
        {
            return inode;
        }
        self.put(path, What::Folder(BTreeMap::new()));
        self.inode(path).unwrap_or(ROOT)
    }

    fn put_in(&mut self, path: &RelPath, inode: u64) {
        let parent = self.folder(&path.parent().unwrap_or_else(RelPath::root));
        let now = self.now();
        let child = Child { inode, birth: self.next_birth };
        self.next_birth += 1;
        self.renew_births(inode);
        if let Some(node) = self.nodes.get_mut(&parent)
            && let What::Folder(children) = &mut node.what
        {
            children.insert(path.name().to_vec(), child);
            (node.mtime_ns, node.ctime_ns) = (now, now);
        }
    }

    /// Everything below a folder that is moved counts as made anew.
    fn renew_births(&mut self, inode: u64) {
        let Some(Node { what: What::Folder(children), .. }) = self.nodes.get(&inode) else {
            return;
        };
        let inodes: Vec<u64> = children.values().map(|child| child.inode).collect();
        let first = self.next_birth;
        self.next_birth += inodes.len() as u64;
        if let Some(Node { what: What::Folder(children), .. }) = self.nodes.get_mut(&inode) {
            for (birth, child) in (first..).zip(children.values_mut()) {
                child.birth = birth;
            }
        }
        for inode in inodes {
            self.renew_births(inode);
        }
    }

    /// Removes the path and everything below.
    fn take(&mut self, path: &RelPath) {
        if let Some(inode) = self.take_out(path) {
            self.forget(inode);
        }
    }

    fn take_out(&mut self, path: &RelPath) -> Option<u64> {
        let parent = self.inode(&path.parent()?)?;
        let now = self.now();
        let node = self.nodes.get_mut(&parent)?;
        let What::Folder(children) = &mut node.what else { return None };
        let child = children.remove(path.name())?;
        (node.mtime_ns, node.ctime_ns) = (now, now);
        Some(child.inode)
    }

    fn forget(&mut self, inode: u64) {
        if let Some(Node { what: What::Folder(children), .. }) = self.nodes.remove(&inode) {
            for child in children.into_values() {
                self.forget(child.inode);
            }
        }
    }

    /// The inode of a path; an error if a folder on the way is locked.
    fn reach(&self, path: &RelPath) -> io::Result<Option<u64>> {
        if !self.mounted && !path.is_root() {
            return Ok(None);
        }
        let mut inode = ROOT;
        for name in path.components() {
            if self.unreadable.contains(&inode) {
                return Err(io::Error::from_raw_os_error(13));
            }
            let Some(What::Folder(children)) = self.nodes.get(&inode).map(|node| &node.what) else {
                return Ok(None);
            };
            let Some(child) = children.get(name) else { return Ok(None) };
            inode = child.inode;
        }
        Ok(Some(inode))
    }

    fn stamp(&self, inode: u64) -> Option<Stamp> {
        let node = self.nodes.get(&inode)?;
        let size_bytes = match &node.what {
            What::File(bytes) | What::Link(bytes) => bytes.len() as u64,
            What::Folder(_) => 0,
        };
        Some(Stamp { size_bytes, mtime_ns: node.mtime_ns, ctime_ns: node.ctime_ns, inode })
    }

    /// Carries out the changes that wait for a reader of this file.
    fn spring(&mut self, inode: u64) {
        let mut struck = None;
        self.ambushes.retain_mut(|(after, how)| {
            let strikes = *after == 0 && struck.is_none();
            if strikes {
                struck = Some(*how);
            }
            *after = after.saturating_sub(1);
            !strikes
        });
        let now = self.now();
        let Some(node) = self.nodes.get_mut(&inode) else { return };
        let (Some(how), What::File(bytes)) = (struck, &mut node.what) else { return };
        match how {
            Ambush::Grow => bytes.extend_from_slice(b"+ more"),
            Ambush::Shrink => bytes.truncate(bytes.len() / 2),
            Ambush::Rewrite => bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(3)),
        }
        (node.mtime_ns, node.ctime_ns) = (now, now);
        self.written += crypt::stored_bytes(bytes.len() as u64);
    }
}

impl DiskModel for Disk {
    fn identity(&self) -> Result<RootIdentity, RootTrouble> {
        let tree = self.lock();
        let source_path = PathBuf::from("/source");
        if !tree.mounted {
            // An empty folder on another disk, as it is left when nothing is mounted.
            return Ok(RootIdentity { uuid: Some("other".to_owned()), inode: 77, top: Vec::new() });
        }
        match &tree.nodes[&ROOT].what {
            What::Folder(children) => Ok(RootIdentity {
                uuid: Some("disk".to_owned()),
                inode: ROOT,
                top: children.keys().take(64).cloned().collect(),
            }),
            What::File(_) | What::Link(_) => Err(RootTrouble::Missing { source_path }),
        }
    }

    fn names(&self, folder: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        let mut tree = self.lock();
        if folder.is_root() && std::mem::take(&mut tree.awaits_look) {
            tree.look = Some(tree.look_at_everything());
        }
        if !tree.mounted {
            return Ok(Vec::new());
        }
        let inode = tree.reach(folder)?.ok_or_else(|| io::Error::from_raw_os_error(2))?;
        if tree.unreadable.contains(&inode) {
            return Err(io::Error::from_raw_os_error(13));
        }
        match &tree.nodes[&inode].what {
            What::Folder(children) => Ok(children.keys().cloned().collect()),
            What::File(_) | What::Link(_) => Err(io::Error::from_raw_os_error(20)),
        }
    }

    fn look(&self, path: &RelPath) -> io::Result<Option<Seen>> {
        let tree = self.lock();
        let Some(inode) = tree.reach(path)? else { return Ok(None) };
        let (Some(node), Some(stamp)) = (tree.nodes.get(&inode), tree.stamp(inode)) else {
            return Ok(None);
        };
        let (kind, mode) = match &node.what {
            What::File(_) => (SeenKind::File, 0o100_644),
            What::Link(to) => (SeenKind::Symlink(to.clone()), 0o120_777),
            What::Folder(_) => (SeenKind::Folder, 0o040_755),
        };
        let metadata = Metadata { mode, mtime_ns: stamp.mtime_ns, ..Metadata::default() };
        let name = if path.is_root() { Vec::new() } else { path.name().to_vec() };
        let device = if tree.mounted { DEVICE } else { DEVICE + 1 };
        Ok(Some(Seen { name, kind, stamp, metadata, device, mount: None }))
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Source>> {
        let tree = self.lock();
        let inode = tree.reach(path)?.ok_or_else(|| io::Error::from_raw_os_error(2))?;
        if !matches!(tree.nodes[&inode].what, What::File(_)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Box::new(OpenFile { disk: self.clone(), inode, at: 0, last: tree.stamp(inode) }))
    }
}

/// A file that stays open when its name is removed; from then on it reads as it was.
struct OpenFile {
    disk: Disk,
    inode: u64,
    at: usize,
    last: Option<Stamp>,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut tree = self.disk.lock();
        if tree.broken.contains(&self.inode) {
            return Err(io::Error::from_raw_os_error(5));
        }
        tree.spring(self.inode);
        let Some(Node { what: What::File(bytes), .. }) = tree.nodes.get(&self.inode) else {
            return Ok(0);
        };
        let rest = bytes.get(self.at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Source for OpenFile {
    fn mark(&self) -> io::Result<FileMark> {
        let stamp = self.disk.lock().stamp(self.inode).or(self.last);
        let stamp = stamp.ok_or_else(|| io::Error::from_raw_os_error(2))?;
        let time = |ns: i64| (ns.div_euclid(NS_PER_S), ns.rem_euclid(NS_PER_S));
        Ok(FileMark {
            size_bytes: stamp.size_bytes,
            mtime: time(stamp.mtime_ns),
            ctime: time(stamp.ctime_ns),
            inode: stamp.inode,
        })
    }
}
