//! Nested mount points: is the file system there that was there when the records were made?
//!
//! A file system that is not mounted leaves an empty folder behind, which looks as if all had
//! been deleted. Device numbers tell where mount points are, but they change over reboots, so
//! a number alone proves nothing: what counts is whether a folder is on *another* device than
//! the folder above it, then and now. Where that changed, the folder is believed only if most
//! of what is on record is still there, as it is after data was moved to a disk of its own.

use fichier_state::{Entry, Folder};

use crate::disk::FolderScan;

/// The device numbers of a folder and of the folder above it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Devices {
    /// The number on record; `None` for a new folder, or if it was never seen.
    recorded: Option<u64>,
    recorded_above: Option<u64>,
    now: u64,
    now_above: u64,
}

impl Devices {
    /// The numbers of a source. Only [`crate::disk::root`] tells whether it is the right one, so
    /// here it never counts as a mount point.
    pub(super) fn of_root(recorded: u64, now: u64) -> Devices {
        let recorded = known(recorded);
        Devices { recorded, recorded_above: recorded, now, now_above: now }
    }

    /// The numbers of a folder directly below.
    pub(super) fn below(self, recorded: Option<u64>, now: u64) -> Devices {
        Devices {
            recorded: recorded.and_then(known),
            recorded_above: self.recorded,
            now,
            now_above: self.now,
        }
    }

    /// Whether a mount point appeared, went away, or changed its file system.
    pub(super) fn mount_changed(self) -> bool {
        let (Some(recorded), Some(recorded_above)) = (self.recorded, self.recorded_above) else {
            return false;
        };
        let was_mount = recorded != recorded_above;
        let is_mount = self.now != self.now_above;
        was_mount != is_mount || (is_mount && recorded != self.now)
    }
}

/// Whether most of the recorded names are still there. True if none are on record: then no record
/// can be lost.
pub(super) fn is_familiar(folders: &[Folder], entries: &[Entry], found: &FolderScan) -> bool {
    let folders = folders.iter().filter(|folder| !folder.unmanaged).map(|folder| &folder.name);
    let entries = entries.iter().filter(|entry| !entry.unmanaged).map(|entry| &entry.name);
    let (mut recorded, mut there) = (0, 0);
    for name in folders.chain(entries) {
        recorded += 1;
        there += usize::from(found.entries.binary_search_by(|seen| seen.name.cmp(name)).is_ok());
    }
    there * 2 >= recorded
}

/// A new record of a source has no device number yet.
fn known(device: u64) -> Option<u64> {
    (device != 0).then_some(device)
}
