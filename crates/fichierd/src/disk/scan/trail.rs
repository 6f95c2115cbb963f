//! The open folders on the way from the source to where the walk is.
//!
//! A walk goes from a folder to its first sub-folder, to that one's sibling and back up; with
//! the way kept open each of these steps is one `openat`. But a tree may be deeper than the
//! number of descriptors that the process may have.
//!
//! Invariant: at most [`MAX_OPEN`] folders are open beside the source. The deepest are kept:
//! they are the ones that are needed next.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use fichier_state::RelPath;

use crate::disk::at::open_folder;

/// The number of open folders: far below the smallest usual limit (64 descriptors), and deep enough
/// for most trees. Beyond it the folders nearest the source are closed.
const MAX_OPEN: usize = 12;

/// A source and the folders that are open below it.
#[derive(Debug)]
pub(super) struct Trail {
    root: OwnedFd,
    /// The names on the way to `deepest`; the folders of a prefix of them are closed again.
    names: Vec<Vec<u8>>,
    /// The open folders at the end of the way: the last belongs to the last name.
    open: std::collections::VecDeque<OwnedFd>,
}

impl Trail {
    pub(super) fn new(root: OwnedFd) -> Trail {
        Trail { root, names: Vec::new(), open: std::collections::VecDeque::new() }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Closes all but the source.
    pub(super) fn forget(&mut self) {
        self.names.clear();
        self.open.clear();
    }

    /// Opens `folder`, by way of what is open already, and keeps it open.
    pub(super) fn enter(&mut self, folder: &RelPath) -> io::Result<BorrowedFd<'_>> {
        self.leave_to(folder);
        for name in folder.components().skip(self.names.len()) {
            let from = self.open.back().map_or(self.root.as_fd(), OwnedFd::as_fd);
            let opened = open_folder(from, name)?;
            self.names.push(name.to_vec());
            self.open.push_back(opened);
            if self.open.len() > MAX_OPEN {
                self.open.pop_front();
            }
        }
        Ok(self.open.back().map_or(self.root.as_fd(), OwnedFd::as_fd))
    }

    /// Opens the folder of `path` anew, component by component: for single looks, which must
    /// not be misled by a folder that was moved since it was opened.
    pub(super) fn open_parent(&self, path: &RelPath) -> io::Result<Parent<'_>> {
        let mut parent = None;
        let above = path.depth().saturating_sub(1);
        for name in path.components().take(above) {
            let from = parent.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
            parent = Some(open_folder(from, name)?);
        }
        Ok(parent.map_or(Parent::Root(self.root.as_fd()), Parent::Below))
    }

    /// Goes back up until the way is a part of the way to `folder` and its end is open.
    fn leave_to(&mut self, folder: &RelPath) {
        let shared = self
            .names
            .iter()
            .zip(folder.components())
            .take_while(|(ours, its)| ours == its)
            .count();
        let leave = self.names.len() - shared;
        if leave >= self.open.len() {
            // The folder at the end is closed: the way starts from the source again.
            self.forget();
            return;
        }
        self.names.truncate(shared);
        self.open.truncate(self.open.len() - leave);
    }
}

/// The open folder of a path.
pub(super) enum Parent<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl Parent<'_> {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Parent::Root(root) => *root,
            Parent::Below(folder) => folder.as_fd(),
        }
    }
}
