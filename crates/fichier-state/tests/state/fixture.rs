//! A store in a folder of its own, and values to put into it.

use std::ops::ControlFlow;
use std::path::Path;

use fichier_api::{FileUrl, Fingerprint, FolderId, Whirlpool};
use fichier_state::{
    Content, Entry, FolderFacts, FolderKey, Metadata, Mirror, Origin, RelPath, RemoteCopy, Result,
    Stamp, Store, Writing,
};
use tempfile::TempDir;

/// A store with one mirror.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) mirror: Mirror,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mirror = store.write(|state| add_mirror(state, "photos")).unwrap();
        Fixture { dir, store, mirror }
    }

    pub(crate) fn write<R>(&mut self, changes: impl FnOnce(&mut Writing<'_>) -> Result<R>) -> R {
        self.store.write(changes).unwrap()
    }

    /// A folder below the root or `parent`.
    pub(crate) fn folder(&mut self, parent: FolderKey, name: &[u8]) -> FolderKey {
        let mirror = self.mirror.id;
        self.write(|state| state.add_folder(mirror, parent, name, &facts(7, 8)))
    }

    /// The paths below `folder`, as the walk gives them.
    pub(crate) fn walk(&self, folder: FolderKey) -> Vec<String> {
        let mut paths = Vec::new();
        let mut show = |path: RelPath, _| {
            paths.push(path.to_string());
            ControlFlow::Continue(())
        };
        self.store.entries_below(folder, &mut show).unwrap();
        paths
    }
}

pub(crate) fn add_mirror(state: &mut Writing<'_>, name: &str) -> Result<Mirror> {
    state.add_mirror(name, Path::new("/srv/photos"), "/backup/photos")
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

pub(crate) fn url(number: u64) -> FileUrl {
    FileUrl::parse(&format!("https://1fichier.com/?{number:020}")).unwrap()
}

pub(crate) fn whirlpool(number: u64) -> Whirlpool {
    let mut bytes = [0x57; 64];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Whirlpool::from_bytes(bytes)
}

pub(crate) fn fingerprint(number: u64) -> Fingerprint {
    let mut bytes = [0xB3; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Fingerprint::from_bytes(bytes)
}

/// With values at the ends of their ranges.
pub(crate) fn stamp(size_bytes: u64) -> Stamp {
    Stamp { size_bytes, mtime_ns: -1, ctime_ns: 1_700_000_000_123_456_789, inode: u64::MAX }
}

pub(crate) fn metadata(mtime_ns: i64) -> Metadata {
    Metadata { mode: 0o100_644, uid: u32::MAX, gid: 1000, mtime_ns, ..Metadata::default() }
}

pub(crate) fn facts(device: u64, inode: u64) -> FolderFacts {
    FolderFacts { device, inode, ctime_ns: 5, metadata: metadata(0) }
}

/// A confirmed file; `number` tells its link, its size and its hashes from others'.
pub(crate) fn file(folder: FolderKey, name: &[u8], number: u64) -> Entry {
    entry(folder, name, number + 1, Content::File(copy(number)))
}

pub(crate) fn copy(number: u64) -> RemoteCopy {
    RemoteCopy {
        url: url(number),
        whirlpool: whirlpool(number),
        fingerprint: fingerprint(number),
        remote_name: None,
        confirmed_s: 1_763_900_000,
        origin: Origin::Sent,
        unsettled: false,
        cipher: None,
    }
}

pub(crate) fn entry(folder: FolderKey, name: &[u8], size_bytes: u64, content: Content) -> Entry {
    Entry {
        folder,
        name: name.to_vec(),
        stamp: stamp(size_bytes),
        metadata: metadata(-1),
        content,
        racy: false,
        unmanaged: false,
    }
}

pub(crate) fn remote(id: i64) -> fichier_state::RemoteSpot {
    fichier_state::RemoteSpot { id: FolderId(id), made_by_us: true, listed: true }
}
