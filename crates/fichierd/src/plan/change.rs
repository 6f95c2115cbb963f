//! The differences between the disk and the records, as a value.
//!
//! A change says what was found and what was on record, never what to do about it: that is
//! decided by `plan`. It carries what was seen, so that nobody looks at the disk a second
//! time to find out what the first look meant.
//!
//! A cycle holds tens of thousands of them, most of which are additions: what is on record is
//! boxed, so that these do not pay for it.

use fichier_state::{Entry, Folder, FolderFacts, FolderKey, RelPath};

use crate::disk::scan::Seen;

/// One path whose state on disk is not the one on record.
///
/// A path that changed its kind gives two changes: the old one removed, the new one added. So
/// does a renamed one; who removed and who added the same content is found by fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A folder without a record.
    FolderAdded {
        /// Where.
        path: RelPath,
        /// What it is like; by its inode a renamed folder is recognised.
        facts: FolderFacts,
    },
    /// A folder whose own facts differ; says nothing about what is in it.
    FolderTouched {
        /// Where.
        path: RelPath,
        /// Its record.
        key: FolderKey,
        /// What it is like now.
        facts: FolderFacts,
    },
    /// A recorded folder that is not there any more, with everything that was below it: of a
    /// removed tree only the topmost folder is reported.
    FolderRemoved {
        /// Where it was.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// A recorded folder that an exclude covers now. Not a removal: the copies are kept.
    FolderUnmanaged {
        /// Where.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// An unmanaged folder that no exclude covers any more and that is on the disk.
    FolderManaged {
        /// Where.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// A recorded file or link that an exclude covers now. Not a removal.
    Unmanaged {
        /// Where.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// An unmanaged file or link that no exclude covers any more, otherwise as recorded.
    Managed {
        /// Where.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// A recorded file or link that is not there any more.
    Removed {
        /// Where it was.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// A file or link without a record.
    Added {
        /// Where.
        path: RelPath,
        /// What was found.
        seen: Seen,
    },
    /// A file or link whose stamp differs, or whose record was made too close to a write. The
    /// content may well be the same: that is for `hash` to say.
    Touched {
        /// Where.
        path: RelPath,
        /// What was found.
        seen: Seen,
        /// Its record.
        was: Box<Entry>,
    },
}

impl Change {
    /// The path that the change is about.
    pub fn path(&self) -> &RelPath {
        match self {
            Change::FolderAdded { path, .. }
            | Change::FolderTouched { path, .. }
            | Change::FolderRemoved { path, .. }
            | Change::FolderUnmanaged { path, .. }
            | Change::FolderManaged { path, .. }
            | Change::Unmanaged { path, .. }
            | Change::Managed { path, .. }
            | Change::Removed { path, .. }
            | Change::Added { path, .. }
            | Change::Touched { path, .. } => path,
        }
    }
}
