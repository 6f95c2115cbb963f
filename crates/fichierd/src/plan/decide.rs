//! Decides which calls mirror a set of changes.
//!
//! Pure: no I/O and no clock. Everything that the decision must know about the world is gathered
//! beforehand into [`Known`]; the result is a [`Plan`], whose order is safe to stop at any point.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fichier_api::Fingerprint;
use fichier_state::{
    Entry, Folder, FolderKey, ForeignFile, KeysId, RelPath, RemoteCopy, Retired, Version,
};

use crate::plan::change::Change;
use crate::plan::steps::{Plan, Retirement, Step};

mod back;
mod batch;
mod contents;
mod copies;
mod recognise;
#[cfg(test)]
mod tests;

pub use batch::BatchLimits;

/// Facts that the plan is based on besides the changes themselves.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The keys with which files are enciphered; `None` if plain bytes are stored. A copy of
    /// another form is no copy.
    pub keys: Option<KeysId>,
    /// Fingerprints of the files that were read before planning, because some record has
    /// their size. A path that is missing here has content that no record has.
    pub fingerprints: HashMap<RelPath, Fingerprint>,
    /// One live remote copy for each content that is on record, to copy from.
    pub copies: HashMap<(u64, Fingerprint), Entry>,
    /// A version for each path whose content is on disk again: each version once.
    pub versions: BTreeMap<RelPath, Version>,
    /// Remote files that are not ours but stand where one of the added files belongs.
    pub in_the_way: HashMap<RelPath, ForeignFile>,
    /// Those of `in_the_way` whose size and Whirlpool hash equal the local file's.
    pub identical: BTreeSet<RelPath>,
    /// Those of `in_the_way` that may be the local file, enciphered: they have the size that it would
    /// have, and a hash that tells whether they are, once their nonce is known.
    pub alike: BTreeSet<RelPath>,
    /// Folders that exist on the service already.
    pub remote_folders: BTreeSet<RelPath>,
    /// The records below each folder that is gone, by the folder's path.
    pub gone: BTreeMap<RelPath, GoneFolder>,
}

impl Known {
    /// Whether empty files are stored on the service.
    fn stores_empty_files(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether a copy has the form in which files are stored now.
    fn is_of_form(&self, copy: &RemoteCopy) -> bool {
        copy.cipher.map(|cipher| cipher.keys()) == self.keys
    }
}

/// The records of a folder that is no longer on disk.
#[derive(Clone, Debug)]
pub struct GoneFolder {
    /// The key of its record.
    pub key: FolderKey,
    /// Every file record below it.
    pub entries: Vec<(RelPath, Box<Entry>)>,
    /// Its folders with a remote counterpart, itself included, children first.
    pub folders: Vec<(RelPath, Box<Folder>)>,
    /// Whether it may be moved as a whole: we made every folder, and nothing below is unmanaged or
    /// a foreign file.
    pub wholly_ours: bool,
}

/// The settings of a plan.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether replaced and deleted files go to the versions, or are removed at once.
    pub keep_versions: bool,
    /// Bounds of one upload.
    pub limits: BatchLimits,
}

/// Decides what to do about `changes`. Takes them by value: a second copy of many would be as
/// large.
pub fn plan(changes: Vec<Change>, mut known: Known, policy: &Policy) -> Plan {
    let gone = std::mem::take(&mut known.gone);
    let mut sorted = contents::sort(changes, gone, &known, &policy.limits);
    let removals = sorted.removals();
    let mut steps = Vec::new();
    if !sorted.notes.is_empty() {
        steps.push(Step::Note(std::mem::take(&mut sorted.notes)));
    }
    steps.extend(folders_to_make(&sorted, &known));
    steps.extend(sorted.adoptions.into_iter().map(|(place, file)| Step::Adopt(place, file)));
    steps.extend(batch::relocations(sorted.relocations).into_iter().map(Step::Relocate));
    steps.extend(sorted.late_adoptions.into_iter().map(|(place, file)| Step::Adopt(place, file)));
    steps.extend(batch::by_folder(sorted.brought_back).into_iter().map(Step::BringBack));
    steps.extend(sorted.copies.into_iter().map(|(place, from)| Step::Copy(place, Box::new(from))));
    steps.extend(sorted.alike.into_iter().map(|(place, file)| Step::Recognise(place, file)));
    steps.extend(batch::uploads(sorted.uploads, &policy.limits).into_iter().map(Step::Upload));
    steps.extend(removing(sorted.gone_files, sorted.gone_folders, policy));
    Plan { steps, removals }
}

/// The folders that files go into and that do not exist yet, parents first.
fn folders_to_make(sorted: &contents::Sorted, known: &Known) -> Vec<Step> {
    let mut missing = BTreeSet::new();
    for place in sorted.placements() {
        let mut folder = place.path.parent();
        while let Some(path) = folder {
            if path.is_root() || known.remote_folders.contains(&path) {
                break;
            }
            folder = path.parent();
            if !missing.insert(path) {
                break;
            }
        }
    }
    // `RelPath` sorts a folder directly before its contents, so parents come first.
    missing.into_iter().map(Step::MakeFolder).collect()
}

/// Retires or removes what is gone from the disk: files first, then folders, children before
/// parents.
fn removing(
    files: Vec<Retirement>,
    folders: Vec<(RelPath, GoneFolder)>,
    policy: &Policy,
) -> Vec<Step> {
    let mut files = files;
    let mut last = Vec::new();
    for (path, gone) in folders {
        let top = gone.folders.last().filter(|(top, _)| *top == path);
        match top {
            Some((path, folder)) if gone.wholly_ours && policy.keep_versions => {
                last.push(Step::RetireFolder(path.clone(), folder.clone()));
            }
            Some(_) | None => {
                files.extend(gone.entries.into_iter().map(|(path, was)| Retirement {
                    path,
                    was,
                    reason: Retired::Deleted,
                    then: None,
                }));
                last.extend(gone.folders.into_iter().map(|(path, f)| Step::RemoveFolder(path, f)));
            }
        }
    }
    let mut steps: Vec<Step> = batch::retirements(files).into_iter().map(Step::Retire).collect();
    steps.extend(last);
    steps
}
