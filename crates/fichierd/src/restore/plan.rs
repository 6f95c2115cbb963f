//! The plan of a restore: the tree of a moment, sorted by what has to be done for it.
//!
//! Only the state is read. Files are grouped by content, because each download costs a call: a
//! content that is wanted under several paths is fetched once.

mod copies;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use fichier_api::{Fingerprint, Whirlpool};
use fichier_state::{Error, Metadata, PastContent, RelPath, Store};

use self::copies::Copies;
use super::awaited;
use super::dest::STAGING_NAME;
use super::keyring::{Keyring, LOCKED};
use super::select::Selection;
use crate::restore::tree::{Listed, Node, Tree};

pub use self::copies::KeptCopy;

/// Everything that a restore is to do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Folders, parents first, with their recorded metadata. The root is among them if the whole
    /// tree is wanted.
    pub folders: Vec<(RelPath, Metadata)>,
    /// Symbolic links.
    pub links: Vec<(RelPath, Vec<u8>, Metadata)>,
    /// Files without contents. Nothing is fetched for them, though one that is stored enciphered has
    /// a header.
    pub empties: Vec<DestPlace>,
    /// Files with contents, by content.
    pub contents: Vec<Content>,
    /// Paths that cannot be put back here, and why.
    pub refused: Vec<(RelPath, String)>,
}

/// One content, and the files that have it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its size.
    pub size_bytes: u64,
    /// Its identity.
    pub id: ContentId,
    /// The copies at the service that can be read; the first is tried first. An empty list means
    /// that none is kept, or none that can be read.
    pub copies: Vec<KeptCopy>,
    /// The number of other copies, whose keys are not at hand.
    pub locked: usize,
    /// The files that hold them.
    pub places: Vec<DestPlace>,
}

/// The identity of a content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentId {
    /// The fingerprint of a file that we have read.
    Known([u8; 32]),
    /// The hash of the bytes stored of a file that is known only from a listing.
    Listed([u8; 64]),
}

/// One file to restore.
#[derive(Clone, Debug)]
pub struct DestPlace {
    /// Its path.
    pub path: RelPath,
    /// Mode, owner, times, attributes, holes. A mode of 0 means that none of it is known.
    pub metadata: Metadata,
    /// Device and inode: files with the same numbers were one inode with several names.
    pub inode: Option<(u64, u64)>,
}

impl Plan {
    /// Plans the restore of those paths of the tree that `selection` wants, from the copies that can
    /// be read with the keys of the tree.
    ///
    /// # Errors
    ///
    /// Those of reading the state.
    pub fn of(store: &Store, tree: &Tree<'_>, selection: &Selection) -> Result<Plan, Error> {
        let mut planning = Planning::new(selection);
        planning.root = tree.root()?.map(|root| root.metadata);
        tree.walk(&RelPath::root(), |path, node| {
            planning.add(path, node);
            ControlFlow::Continue(())
        })?;
        for path in awaited::in_tree(tree)? {
            if selection.wants(&path, false) {
                planning.plan.refused.push((path, awaited::WHY.to_owned()));
            }
        }
        planning.finish(store, tree.keyring())
    }

    /// Files, bytes and calls, if none of the files is there yet.
    pub fn totals(&self) -> Totals {
        let files = self.contents.iter().map(|content| content.places.len() as u64).sum::<u64>();
        let sizes = self.contents.iter().map(|c| c.size_bytes * c.places.len() as u64);
        let to_fetch = self.contents.iter().filter(|content| !content.copies.is_empty());
        Totals {
            files: files + self.empties.len() as u64,
            bytes: sizes.sum(),
            download_files: to_fetch.clone().count() as u64,
            download_bytes: to_fetch.filter_map(Content::first_bytes).sum(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.links.is_empty()
            && self.empties.is_empty()
            && self.contents.is_empty()
            && self.refused.is_empty()
    }
}

/// The size of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files, empty ones too.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Downloads: one call each.
    pub download_files: u64,
    /// Bytes that come from the service.
    pub download_bytes: u64,
}

struct Planning<'a> {
    selection: &'a Selection,
    root: Option<Metadata>,
    plan: Plan,
    /// Folders that are needed only if something in them is wanted.
    above: BTreeMap<RelPath, Metadata>,
    wanted_above: BTreeSet<RelPath>,
    contents: BTreeMap<(ContentId, u64), (Vec<DestPlace>, Option<KeptCopy>)>,
}

impl<'a> Planning<'a> {
    fn new(selection: &'a Selection) -> Planning<'a> {
        Planning {
            selection,
            root: None,
            plan: Plan::default(),
            above: BTreeMap::new(),
            wanted_above: BTreeSet::new(),
            contents: BTreeMap::new(),
        }
    }

    fn add(&mut self, path: RelPath, node: Node) {
        let is_folder = matches!(node, Node::Folder(_));
        if !self.selection.wants(&path, is_folder) {
            if let Node::Folder(folder) = node {
                self.above.insert(path, folder.metadata);
            }
            return;
        }
        if path.components().next() == Some(STAGING_NAME) {
            let why = "a restore uses this name for its own folder; restore it into another place";
            self.plan.refused.push((path, why.to_owned()));
            return;
        }
        self.want_folders_above(&path);
        match node {
            Node::Folder(folder) => self.plan.folders.push((path, folder.metadata)),
            Node::Listed(file) => self.add_listed(path, &file),
            Node::Unusable => {
                let why = "something in it has a name that no file can have, and is left out";
                self.plan.refused.push((path, why.to_owned()));
            }
            Node::Entry(entry, device) => {
                let metadata = entry.metadata;
                let inode = (metadata.links > 1).then_some((device, entry.inode));
                match entry.content {
                    PastContent::Symlink(to) => self.plan.links.push((path, to, metadata)),
                    PastContent::Empty | PastContent::File { size_bytes: 0, .. } => {
                        self.plan.empties.push(DestPlace { path, metadata, inode })
                    }
                    PastContent::File { size_bytes, fingerprint } => {
                        let id = ContentId::Known(*fingerprint.as_bytes());
                        let place = DestPlace { path, metadata, inode };
                        self.contents.entry((id, size_bytes)).or_default().0.push(place);
                    }
                }
            }
        }
    }

    /// Adds a file that is known only from a listing. Without a hash its content could not be
    /// checked.
    fn add_listed(&mut self, path: RelPath, listed: &Listed) {
        let refused = if listed.is_locked {
            Err(LOCKED)
        } else {
            let why = "the service gave no hash for it; fetch it with: fichierd remote download";
            listed.file.whirlpool.ok_or(why)
        };
        let whirlpool = match refused {
            Ok(whirlpool) => whirlpool,
            Err(why) => {
                self.plan.refused.push((path, why.to_owned()));
                return;
            }
        };
        let id = ContentId::Listed(*whirlpool.as_bytes());
        let (url, stored_bytes) = (listed.file.url.clone(), listed.file.size_bytes);
        let copy = KeptCopy { url, whirlpool, stored_bytes, reader: listed.reader.clone() };
        let place = DestPlace { path, metadata: Metadata::default(), inode: None };
        let known = self.contents.entry((id, listed.size_bytes)).or_default();
        known.0.push(place);
        known.1.get_or_insert(copy);
    }

    fn want_folders_above(&mut self, path: &RelPath) {
        let mut above = path.parent();
        while let Some(folder) = above {
            above = folder.parent();
            if !self.wanted_above.insert(folder) {
                break;
            }
        }
    }

    fn finish(mut self, store: &Store, keyring: &Keyring) -> Result<Plan, Error> {
        for folder in self.wanted_above {
            if let Some(metadata) = self.above.remove(&folder) {
                self.plan.folders.push((folder, metadata));
            }
        }
        if self.selection.is_everything() {
            self.plan.folders.extend(self.root.map(|metadata| (RelPath::root(), metadata)));
        }
        self.plan.folders.sort_by(|one, other| one.0.cmp(&other.0));
        for ((id, size_bytes), (places, listed)) in self.contents {
            let Copies { readable: copies, locked } = match (&id, listed) {
                (ContentId::Known(hash), _) => {
                    let hash = Fingerprint::from_bytes(*hash);
                    Copies::of(store, keyring, size_bytes, &hash)?
                }
                (ContentId::Listed(_), listed) => {
                    Copies { readable: listed.into_iter().collect(), locked: 0 }
                }
            };
            self.plan.contents.push(Content { size_bytes, id, copies, locked, places });
        }
        // The order of the paths, which shows a watching person how far the restore is.
        self.plan.contents.sort_by(|one, other| {
            one.places.first().map(|p| &p.path).cmp(&other.places.first().map(|p| &p.path))
        });
        Ok(self.plan)
    }
}

impl ContentId {
    /// The name of an unfinished download: the hash in hex.
    pub fn key(&self) -> String {
        match self {
            ContentId::Known(hash) => Fingerprint::from_bytes(*hash).to_hex(),
            ContentId::Listed(hash) => Whirlpool::from_bytes(*hash).to_hex(),
        }
    }
}

impl Content {
    /// The bytes to download, if the first copy is whole.
    fn first_bytes(&self) -> Option<u64> {
        self.copies.first().map(|copy| copy.stored_bytes)
    }

    /// Whether the nonce of its first copy must be read from the service before a file can be
    /// compared with it.
    pub(super) fn is_incomparable(&self) -> bool {
        let reader = self.copies.first().and_then(|copy| copy.reader.as_ref());
        matches!(self.id, ContentId::Listed(_)) && reader.is_some_and(|it| it.nonce().is_none())
    }

    /// Why it cannot be restored: no copy of it can be read. `None` if one can.
    pub fn why_lost(&self) -> Option<&'static str> {
        match (self.copies.is_empty(), self.locked) {
            (false, _) => None,
            (true, 0) => Some("it is no longer kept"),
            (true, _) => Some(LOCKED),
        }
    }
}
