//! The calls that mirror a set of changes, in an order that is safe to stop at any point.
//!
//! Values only: `--dry-run` prints a [`Plan`], the tests compare plans as text, and only
//! `remote` ever talks to the service. `decide` makes them.
//!
//! Invariant: everything that adds comes before anything that removes, so a plan cut short leaves a
//! copy too many and never one too few. Folders appear before their contents and disappear after
//! them.

use fichier_api::{FileUrl, Fingerprint};
use fichier_state::{Entry, Folder, FolderKey, ForeignFile, RelPath, Retired, Version};

use crate::disk::Seen;

mod show;

/// The steps of one cycle, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// To be executed one after the other, except uploads, which may run side by side.
    pub steps: Vec<Step>,
    /// Records that lose their live copy without a successor; the guard counts these.
    pub removals: u64,
}

/// One call to the service, or one batch of them, or a note in the state.
///
/// The order of the variants is the order of execution.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write down facts that need no call: new stamps, empty files, links.
    Note(Vec<Note>),
    /// Make a folder on the service; its parent is there by then. One call.
    MakeFolder(RelPath),
    /// Take a file on record that was there before us and is identical. No call.
    Adopt(Placement, ForeignFile),
    /// Give known content its new path: a batched move, a batched rename, or both.
    Relocate(Vec<Relocation>),
    /// Move versions of one folder back whose content is on disk again: a batched move, and a
    /// batched rename for those that have another name.
    BringBack(Vec<(Placement, Version)>),
    /// Copy known content on the service. One call, and another for a file that it replaces.
    Copy(Placement, Box<Entry>),
    /// Take an enciphered file on record that was there before us, if it turns out to be the local one;
    /// the local one is sent otherwise. One call.
    Recognise(Placement, ForeignFile),
    /// Send files and publish them: three calls, and one for each folder they go to.
    Upload(Vec<Placement>),
    /// Move superseded and deleted files to the versions, or remove them. One call.
    Retire(Vec<Retirement>),
    /// Move a folder that is gone to the versions, with everything in it. One call.
    RetireFolder(RelPath, Box<Folder>),
    /// Remove a folder that is gone, if a listing shows it empty. Two calls.
    RemoveFolder(RelPath, Box<Folder>),
}

/// Something to write into the state that costs no call.
#[derive(Clone, Debug)]
pub enum Note {
    /// The file is the same as recorded; only its stamp or metadata are new.
    Refresh(RelPath, Seen, Box<Entry>),
    /// An empty file or a link, which the service cannot hold.
    Unsendable(RelPath, Seen),
    /// An empty file or a link is gone.
    Forget(RelPath, Box<Entry>),
    /// A folder is gone that never had a counterpart on the service.
    ForgetFolder(RelPath, FolderKey),
    /// An exclude covers this record now, or does so no longer.
    Manage(RelPath, Box<Entry>, bool),
    /// An exclude covers this folder and all below it now, or does so no longer.
    ManageFolder(RelPath, Box<Folder>, bool),
}

/// A local file whose content belongs at `path` on the service.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its path on disk and on the service.
    pub path: RelPath,
    /// The file as the scan saw it.
    pub seen: Seen,
    /// Its content, if it was read before planning.
    pub fingerprint: Option<Fingerprint>,
    /// The remote file that stands there now and goes when the new content is in its place.
    pub replaces: Option<Occupant>,
}

/// A remote file that stands where another one belongs.
#[derive(Clone, Debug)]
pub enum Occupant {
    /// Our own earlier copy.
    Ours(Box<Entry>),
    /// A file that was there before us.
    Foreign(Box<ForeignFile>),
}

impl Occupant {
    /// The link of the occupant.
    pub fn url(&self) -> Option<&FileUrl> {
        match self {
            Occupant::Ours(entry) => entry.remote().map(|copy| &copy.url),
            Occupant::Foreign(file) => Some(&file.url),
        }
    }
}

/// A remote file that gets a new path.
#[derive(Clone, Debug)]
pub struct Relocation {
    /// The path on record.
    pub from: RelPath,
    /// The record at that path.
    pub was: Box<Entry>,
    /// The new place.
    pub to: Placement,
    /// The empty file or link that stands at the old path by now, if any.
    pub then: Option<Seen>,
    /// Its name cannot be given at once because a swap occupies it. The file waits under a
    /// temporary name, and the relocation appears a second time without this mark.
    pub aside: bool,
}

/// A remote file that leaves its place.
#[derive(Clone, Debug)]
pub struct Retirement {
    /// The path it had.
    pub path: RelPath,
    /// The record that is removed.
    pub was: Box<Entry>,
    /// The reason.
    pub reason: Retired,
    /// The empty file or link that takes the record's place, if any.
    pub then: Option<Seen>,
}

impl Plan {
    /// Whether nothing is done but to write notes.
    pub fn is_local(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Note(_)))
    }

    /// The plan without its removing steps, for a time when records may not lose their live copy
    /// (see `guard`).
    #[must_use]
    pub fn without_removals(mut self) -> Plan {
        self.steps.retain(|step| !step.removes());
        self
    }
}

impl Step {
    /// Whether records lose their live copy by this step.
    pub fn removes(&self) -> bool {
        match self {
            Step::Retire(_) | Step::RetireFolder(..) | Step::RemoveFolder(..) => true,
            Step::Note(_)
            | Step::MakeFolder(_)
            | Step::Adopt(..)
            | Step::Relocate(_)
            | Step::BringBack(_)
            | Step::Copy(..)
            | Step::Recognise(..)
            | Step::Upload(_) => false,
        }
    }

    /// Whether bytes of files are sent by this step, or may be.
    pub fn sends(&self) -> bool {
        matches!(self, Step::Recognise(..) | Step::Upload(_))
    }
}

impl Placement {
    /// The folder it belongs to.
    pub fn folder(&self) -> RelPath {
        self.path.parent().unwrap_or_else(RelPath::root)
    }

    /// Its length in bytes, before it is enciphered.
    pub fn size_bytes(&self) -> u64 {
        self.seen.stamp.size_bytes
    }
}
