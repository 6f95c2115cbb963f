//! The watched folder, as one cycle reads it.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use fichier_state::{Metadata, RelPath, Stamp};

use crate::disk::{Disks, Length, RootIdentity, RootTrouble, Scanner, Seen};
use crate::remote::error::RemoteError;

/// The local side of one cycle of one mirror. Reads only (I5).
pub struct Source {
    /// The watched folder.
    pub path: PathBuf,
    /// The identity that `path` must still have before anything is removed.
    pub identity: Option<RootIdentity>,
    /// The file systems that `path` may lie on.
    pub disks: Disks,
    /// Opens files below `path`.
    pub scanner: Arc<Scanner>,
    /// Files that keep changing, and are sent as they are read.
    pub restless: BTreeSet<RelPath>,
    /// When the cycle began: no file was read before.
    pub started: SystemTime,
}

impl Source {
    /// Looks at the file or folder at `path` now; an error means that the watched folder cannot be
    /// trusted.
    pub(super) fn look(&self, path: &RelPath) -> Result<Option<Seen>, RemoteError> {
        self.scanner.look(path).map_err(|error| {
            let source_path = self.path.join(path.as_path());
            RemoteError::Root(RootTrouble::Unreadable { source_path, error })
        })
    }

    /// Checks that the file at `path` can be read to the length that it was seen with.
    pub(super) fn check_length(&self, path: &RelPath, seen: &Stamp) -> io::Result<Length> {
        self.scanner.check_length(path, seen)
    }

    /// The metadata with what a look does not tell: the extended attributes that `path` has now,
    /// and the holes of a sparse file. Without them if they cannot be read.
    pub(crate) fn whole_metadata(&self, path: &RelPath, metadata: &Metadata) -> Metadata {
        let xattrs = self.scanner.xattrs(path).unwrap_or_default();
        let holes = self.scanner.holes(path).unwrap_or_default();
        Metadata { xattrs, holes, ..metadata.clone() }
    }
}
