//! The differences between the disk and the records, as a value.
//!
//! A change tells what was found and what was on record, never what to do about it: `decide`
//! decides that. It carries everything that the scan saw, so that the disk is not read a second
//! time to find out what the first look meant.
//!
//! A cycle holds tens of thousands of them, most of which are additions: the records are boxed, so
//! that additions do not take room for them.

use fichier_state::{Entry, Folder, FolderFacts, FolderKey, RelPath};

use crate::disk::Seen;

/// One path whose state on disk is not the one on record.
///
/// A path that changed its kind gives two changes: the old one removed, the new one added. A
/// renamed path does so too; which removal and which addition have the same content is found by
/// fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A folder without a record.
    FolderAdded {
        /// The path of the folder.
        path: RelPath,
        /// The folder's facts; a renamed folder is recognised by its inode.
        facts: FolderFacts,
    },
    /// A folder whose own facts differ; tells nothing about its contents.
    FolderTouched {
        /// The path of the folder.
        path: RelPath,
        /// Its record.
        key: FolderKey,
        /// The folder's facts now.
        facts: FolderFacts,
    },
    /// A recorded folder that is gone, with everything that was below it: of a removed tree only
    /// the topmost folder is reported.
    FolderRemoved {
        /// The path on record.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// A recorded folder that an exclude covers now. Not a removal: the copies are kept.
    FolderUnmanaged {
        /// The path of the folder.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// An unmanaged folder that no exclude covers any more and that is on the disk.
    FolderManaged {
        /// The path of the folder.
        path: RelPath,
        /// Its record.
        folder: Box<Folder>,
    },
    /// A recorded file or link that an exclude covers now. Not a removal.
    Unmanaged {
        /// The path of the file or link.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// An unmanaged file or link that no exclude covers any more, otherwise as recorded.
    Managed {
        /// The path of the file or link.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// A recorded file or link that is gone.
    Removed {
        /// The path on record.
        path: RelPath,
        /// Its record.
        was: Box<Entry>,
    },
    /// A file or link without a record.
    Added {
        /// The path of the file or link.
        path: RelPath,
        /// The file or link as the scan saw it.
        seen: Seen,
    },
    /// A file or link whose stamp differs, or whose record was made too close to a write. The
    /// content may still be the same, which only `hash` can tell.
    Touched {
        /// The path of the file or link.
        path: RelPath,
        /// The file or link as the scan saw it.
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
