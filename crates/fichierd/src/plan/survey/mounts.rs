//! Nested mount points: is the file system there that was there when the records were made?
//!
//! A file system that is not mounted leaves an empty folder behind, which looks as if all had
//! been deleted. Mount points are told by the kernel's number of the mount, since a bind mount has
//! the device of the folder that it covers; that number is another one at each start, and a device
//! number may be after a reboot. So a number alone proves nothing: what counts is whether a folder
//! is on *another* mount than the folder above it, then and now. Where that changed, the folder is
//! believed only if most of what is on record is still there, as it is after data was moved to a
//! disk of its own.
//!
//! The records keep a number for each folder: of a source, the device; of a mount below it, one made
//! of the device and the inode of the folder that is mounted. It stays over restarts, and another
//! folder of the same file system that is mounted in its place has another.

use std::num::NonZeroU64;

use fichier_state::{Entry, Folder};

use crate::disk::{FolderScan, Seen};

/// The numbers of a folder and of the folder above it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mounts {
    /// The number on record; `None` for a new folder, or if it was never seen.
    recorded: Option<u64>,
    recorded_above: Option<u64>,
    now: Now,
    /// Whether another mount, or another file system, begins at the folder.
    is_mount: bool,
}

/// The mount that a folder is on.
#[derive(Clone, Copy, Debug)]
struct Now {
    device: u64,
    /// The kernel's number of the mount, where it tells.
    mount: Option<NonZeroU64>,
    /// The number that is kept on record.
    number: u64,
}

impl Mounts {
    /// The numbers of a source. Only [`crate::disk::root`] tells whether it is the right one, so
    /// here it never counts as a mount point.
    pub(super) fn of_root(recorded: u64, seen: &Seen) -> Mounts {
        let recorded = known(recorded);
        let now = Now { device: seen.device, mount: seen.mount, number: seen.device };
        Mounts { recorded, recorded_above: recorded, now, is_mount: false }
    }

    /// The numbers of the folder `seen` directly below.
    pub(super) fn below(self, recorded: Option<u64>, seen: &Seen) -> Mounts {
        let (device, mount) = (seen.device, seen.mount);
        let is_mount = device != self.now.device || mount != self.now.mount;
        let number = match mount {
            _ if !is_mount => self.now.number,
            Some(_) => number_of(device, seen.stamp.inode),
            None => device,
        };
        Mounts {
            recorded: recorded.and_then(known),
            recorded_above: self.recorded,
            now: Now { device, mount, number },
            is_mount,
        }
    }

    /// The number to keep on record.
    pub(super) fn number(self) -> u64 {
        self.now.number
    }

    /// Whether a mount point appeared, went away, or has another file system or folder mounted.
    pub(super) fn mount_changed(self) -> bool {
        let (Some(recorded), Some(recorded_above)) = (self.recorded, self.recorded_above) else {
            return false;
        };
        let was_mount = recorded != recorded_above;
        was_mount != self.is_mount || (self.is_mount && recorded != self.now.number)
    }

    /// Whether an open folder is on the mount on which it was seen, and not on one that came or
    /// went since.
    pub(super) fn is_on(self, device: u64, mount: Option<NonZeroU64>) -> bool {
        (device, mount) == (self.now.device, self.now.mount)
    }
}

/// One number for a folder of a file system: FNV-1a over both, never 0, which means unknown.
fn number_of(device: u64, inode: u64) -> u64 {
    let bytes = device.to_le_bytes().into_iter().chain(inode.to_le_bytes());
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    bytes.fold(0xCBF2_9CE4_8422_2325, mix).max(1)
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

/// A new record of a source has no number yet.
fn known(number: u64) -> Option<u64> {
    (number != 0).then_some(number)
}
