//! What is to be put back: the tree of a moment, sorted by what has to be done for it.
//!
//! Reads the state only. Contents are grouped, because the service wants a call for each
//! download: what is wanted under several paths is fetched once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Error, Metadata, PastContent, RelPath, Store, StoredCopy};

use super::dest::STAGING_NAME;
use super::select::Selection;
use crate::restore::tree::{Node, Tree};

/// More copies of one content are not tried.
const MOST_COPIES: usize = 4;

/// Everything that a restore is to do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Folders, parents first, with what is known of them. The root is among them if the whole
    /// tree is wanted.
    pub folders: Vec<(RelPath, Metadata)>,
    /// Symbolic links.
    pub links: Vec<(RelPath, Vec<u8>, Metadata)>,
    /// Files without contents.
    pub empties: Vec<Place>,
    /// Files with contents, by content.
    pub contents: Vec<Content>,
    /// Paths that cannot be put back here, and why.
    pub refused: Vec<(RelPath, String)>,
}

/// Some bytes, and where they belong.
#[derive(Clone, Debug)]
pub struct Content {
    /// How many.
    pub size_bytes: u64,
    /// What tells them from others.
    pub id: ContentId,
    /// Where the service has them; the first is tried first. Empty: no longer kept.
    pub copies: Vec<StoredCopy>,
    /// The files that hold them.
    pub places: Vec<Place>,
}

/// What tells one content from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentId {
    /// Files that we have read.
    Known([u8; 32]),
    /// Files of which only a listing is known.
    Listed([u8; 64]),
}

/// One file.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where.
    pub path: RelPath,
    /// Mode, owner, times, attributes, holes. A mode of 0: not known.
    pub metadata: Metadata,
    /// Files with the same number were one inode with several names.
    pub inode: Option<(u64, u64)>,
}

impl Plan {
    /// Plans to put back what `selection` wants of the tree.
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
        planning.finish(store)
    }

    /// Files, bytes and calls, if nothing of it is there yet.
    pub fn totals(&self) -> Totals {
        let files = self.contents.iter().map(|content| content.places.len() as u64).sum::<u64>();
        let sizes = self.contents.iter().map(|c| c.size_bytes * c.places.len() as u64);
        let to_fetch = self.contents.iter().filter(|content| !content.copies.is_empty());
        Totals {
            files: files + self.empties.len() as u64,
            bytes: sizes.sum(),
            download_files: to_fetch.clone().count() as u64,
            download_bytes: to_fetch.map(|content| content.size_bytes).sum(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
            && self.links.is_empty()
            && self.empties.is_empty()
            && self.contents.is_empty()
    }
}

/// How much a plan is.
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
    contents: BTreeMap<(ContentId, u64), (Vec<Place>, Option<StoredCopy>)>,
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
            let why = "the name is that of the restore's own folder; restore it into another place";
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
                    PastContent::Empty => self.plan.empties.push(Place { path, metadata, inode }),
                    PastContent::File { size_bytes, fingerprint } => {
                        let id = ContentId::Known(*fingerprint.as_bytes());
                        let place = Place { path, metadata, inode };
                        self.contents.entry((id, size_bytes)).or_default().0.push(place);
                    }
                }
            }
        }
    }

    /// A file that only a listing knows. Without a hash nothing could be proved of it.
    fn add_listed(&mut self, path: RelPath, file: &fichier_state::ForeignFile) {
        let Some(whirlpool) = file.whirlpool else {
            let why = "the service told no hash of it; fetch it with: fichierd remote download";
            self.plan.refused.push((path, why.to_owned()));
            return;
        };
        let id = ContentId::Listed(*whirlpool.as_bytes());
        let copy = StoredCopy { url: file.url.clone(), whirlpool };
        let place = Place { path, metadata: Metadata::default(), inode: None };
        let known = self.contents.entry((id, file.size_bytes)).or_default();
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

    fn finish(mut self, store: &Store) -> Result<Plan, Error> {
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
            let copies = match (&id, listed) {
                (ContentId::Known(hash), _) => {
                    store.copies_of(size_bytes, &Fingerprint::from_bytes(*hash), MOST_COPIES)?
                }
                (ContentId::Listed(_), listed) => listed.into_iter().collect(),
            };
            self.plan.contents.push(Content { size_bytes, id, copies, places });
        }
        // In the order of the paths, so that whoever watches sees where it is.
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

/// Links are secrets: how many there are is all that may be printed.
impl Content {
    /// The links to try, in order.
    pub fn urls(&self) -> impl Iterator<Item = (&FileUrl, &Whirlpool)> {
        self.copies.iter().map(|copy| (&copy.url, &copy.whirlpool))
    }
}
