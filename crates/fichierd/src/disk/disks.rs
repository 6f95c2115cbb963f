//! The place of sources: on the disks of this machine, or, in a simulation, in its model of one.
//!
//! All code that looks at a source, or reads in it, goes through here or through a [`Scanner`] that
//! was made here (invariant I5: nothing here can write).

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use fichier_api::{FileMark, Source};
use fichier_state::RelPath;

use crate::disk::filter::Filter;
use crate::disk::root::{self, OnRecord, RootIdentity, RootTrouble};
use crate::disk::scan::Scanner;
use crate::disk::seen::Seen;

/// A model of one source.
pub trait DiskModel: fmt::Debug + Send + Sync {
    /// The identity of the source now.
    ///
    /// # Errors
    ///
    /// [`RootTrouble`], if the source is missing.
    fn identity(&self) -> Result<RootIdentity, RootTrouble>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// Those of `openat` and `getdents`.
    fn names(&self, folder: &RelPath) -> io::Result<Vec<Vec<u8>>>;

    /// Looks at a path; the root is a folder.
    ///
    /// # Errors
    ///
    /// Those of `fstatat`; `None` if nothing is there.
    fn look(&self, path: &RelPath) -> io::Result<Option<Seen>>;

    /// Opens a regular file.
    ///
    /// # Errors
    ///
    /// Those of `openat`.
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Source>>;
}

/// The disks of this machine, or a model.
#[derive(Clone, Debug, Default)]
pub struct Disks {
    model: Option<Arc<dyn DiskModel>>,
}

impl Disks {
    /// A model, which stands for every source.
    pub fn modelled(model: Arc<dyn DiskModel>) -> Disks {
        Disks { model: Some(model) }
    }

    /// Opens a source.
    ///
    /// # Errors
    ///
    /// Those of [`Scanner::open`].
    pub(crate) fn scanner(&self, source: &Path, filter: Arc<Filter>) -> io::Result<Scanner> {
        match &self.model {
            Some(model) => Ok(Scanner::of_model(Arc::clone(model), filter)),
            None => Scanner::open(source, filter),
        }
    }

    /// [`root::place`].
    pub(crate) fn place(&self, source: &Path) -> Result<RootIdentity, RootTrouble> {
        self.model.as_ref().map_or_else(|| root::place(source), |model| model.identity())
    }

    /// [`root::check_root`].
    pub(crate) fn check_root(
        &self,
        source: &Path,
        recorded: Option<&RootIdentity>,
        on_record: OnRecord,
    ) -> Result<RootIdentity, RootTrouble> {
        let Some(model) = &self.model else {
            return root::check_root(source, recorded, on_record);
        };
        let now = model.identity()?;
        let is_there = |name: &[u8]| {
            let path = RelPath::root().join(name);
            model.look(&path).is_ok_and(|seen| seen.is_some())
        };
        root::judge(source, now, recorded, on_record, is_there)
    }
}

/// An open file of a source.
pub enum Opened {
    /// One of this machine.
    File(File),
    /// One of a model.
    Modelled(Box<dyn Source>),
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Opened::File(file) => file.read(buffer),
            Opened::Modelled(file) => file.read(buffer),
        }
    }
}

impl Source for Opened {
    fn mark(&self) -> io::Result<FileMark> {
        match self {
            Opened::File(file) => file.mark(),
            Opened::Modelled(file) => file.mark(),
        }
    }
}
