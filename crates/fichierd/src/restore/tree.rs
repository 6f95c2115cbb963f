//! The tree of a mirror as it was at a moment, in the order of its paths.
//!
//! It is read folder by folder, so that memory grows with the largest folder and not with the tree.
//!
//! A state that was made from listings alone (`recover` without a snapshot) has no records, only
//! what the listings showed; until the mirror has run, its tree is that.

mod compare;
mod listed;

use std::ops::ControlFlow;

use fichier_state::{Error, FolderKey, Mirror, Moment, PastEntry, PastFolder, RelPath, Store};

use self::listed::NamedBy;
use super::keyring::{Keyring, NO_KEYS};
use crate::remote::looked;

pub use self::listed::Listed;
pub use compare::{Difference, What, differences};

/// The tree of a mirror at a moment.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    store: &'a Store,
    mirror: &'a Mirror,
    moment: Moment,
    keyring: &'a Keyring,
}

/// One name in the tree.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder; what is in it follows.
    Folder(PastFolder),
    /// A file or a link, and the device that its folder was on.
    Entry(PastEntry, u64),
    /// A remote file that is known only from a listing.
    Listed(Listed),
    /// Something under a name that no path can have; the path is that of the folder it is in. We
    /// never record such a name: the state was damaged, or somebody wrote into it.
    Unusable,
}

/// A folder that is being walked.
struct Level {
    path: RelPath,
    nodes: std::vec::IntoIter<(Vec<u8>, Node)>,
}

impl<'a> Tree<'a> {
    /// The tree of `mirror` at `moment`, read without any password.
    pub fn new(store: &'a Store, mirror: &'a Mirror, moment: Moment) -> Tree<'a> {
        Tree { store, mirror, moment, keyring: &NO_KEYS }
    }

    /// The same, read with these keys.
    #[must_use]
    pub fn with_keys(self, keyring: &'a Keyring) -> Tree<'a> {
        Tree { keyring, ..self }
    }

    pub(super) fn keyring(&self) -> &'a Keyring {
        self.keyring
    }

    pub(super) fn store(&self) -> &'a Store {
        self.store
    }

    pub(super) fn mirror(&self) -> &'a Mirror {
        self.mirror
    }

    pub(super) fn moment(&self) -> Moment {
        self.moment
    }

    /// The source itself; `None` if the mirror was not set up yet.
    ///
    /// # Errors
    ///
    /// Those of reading the state; the same for every method here.
    pub fn root(&self) -> Result<Option<PastFolder>, Error> {
        self.store.root_at(self.mirror.id, self.moment)
    }

    /// The file, link or folder that stood at a path.
    pub fn at(&self, path: &RelPath) -> Result<Option<Node>, Error> {
        let Some(parent) = path.parent() else { return Ok(self.root()?.map(Node::Folder)) };
        let folder = self.store.folder_then(self.mirror.id, &parent, self.moment)?;
        let Some(folder) = folder else { return Ok(None) };
        let nodes = self.inside(folder.key, folder.device)?;
        Ok(nodes.into_iter().find(|(name, _)| name == path.name()).map(|(_, node)| node))
    }

    /// The files, links and folders directly in a folder, by name.
    pub fn inside(&self, folder: FolderKey, device: u64) -> Result<Vec<(Vec<u8>, Node)>, Error> {
        let folders = self.store.folders_at(folder, self.moment)?;
        let entries = self.store.entries_at(folder, self.moment)?;
        let mut nodes: Vec<(Vec<u8>, Node)> = folders
            .into_iter()
            .map(|folder| (folder.name.clone(), Node::Folder(folder)))
            .chain(entries.into_iter().map(|e| (e.name.clone(), Node::Entry(e, device))))
            .collect();
        if self.is_listed_only()? {
            let named = NamedBy::of(self.keyring, self.mirror);
            for file in self.store.foreign(folder)? {
                let (name, listed) = named.look(file);
                nodes.push((name, Node::Listed(listed)));
            }
            // The first of twins is taken: nothing here tells which of them is newer.
            nodes.sort_by(|one, other| one.0.cmp(&other.0));
            nodes.dedup_by(|one, other| one.0 == other.0);
        }
        nodes.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(nodes)
    }

    /// Shows everything below `top`, parents before their contents, until `show` breaks off.
    pub fn walk(
        &self,
        top: &RelPath,
        mut show: impl FnMut(RelPath, Node) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let folder = self.store.folder_then(self.mirror.id, top, self.moment)?;
        let Some(folder) = folder else { return Ok(()) };
        let mut levels = vec![self.level(top.clone(), &folder)?];
        while let Some(level) = levels.last_mut() {
            let Some((name, node)) = level.nodes.next() else {
                levels.pop();
                continue;
            };
            if !is_name(&name) {
                if show(level.path.clone(), Node::Unusable).is_break() {
                    return Ok(());
                }
                continue;
            }
            let path = level.path.join(&name);
            let below = match &node {
                Node::Folder(folder) => Some(self.level(path.clone(), folder)?),
                Node::Entry(..) | Node::Listed(_) | Node::Unusable => None,
            };
            if show(path, node).is_break() {
                return Ok(());
            }
            levels.extend(below);
        }
        Ok(())
    }

    fn level(&self, path: RelPath, folder: &PastFolder) -> Result<Level, Error> {
        let nodes = self.inside(folder.key, folder.device)?.into_iter();
        Ok(Level { path, nodes })
    }

    /// Whether only listings are known: no cycle has ever ended with these records.
    fn is_listed_only(&self) -> Result<bool, Error> {
        let newest = self.store.newest_moment()?;
        Ok(self.moment == newest && !looked::has_looked(self.store, self.mirror)?)
    }
}

/// Whether a name is one name: a name that leads out of its folder is refused.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && RelPath::parse(name).is_ok_and(|path| path.depth() == 1)
}
