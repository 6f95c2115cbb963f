//! Whether a file is as long as its file system tells.
//!
//! Some file systems tell no length, or a wrong one for good: procfs tells 0, sysfs a page, FUSE and
//! Gluster whatever their program tells. An upload announces its length, so a file that cannot be
//! read to exactly that length is found out here, by two reads of a byte, before an upload begins.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use fichier_state::Stamp;

use crate::base::words::bytes;
use crate::disk::seen::{is_unchanged, stamp_of};

/// A length that a file system told, and that the contents do not have although nothing was
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength {
    /// Bytes that the file has, as its file system tells.
    pub told: u64,
    /// Whether more than these bytes can be read, and not fewer.
    pub is_longer: bool,
}

/// What to do about a [`WrongLength`].
pub const WRONG_LENGTH_HINT: &str =
    "exclude it, or look at its file system; it is tried again by itself, less and less often";

/// The finding about one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It can be read to the length that was told.
    AsTold,
    /// The file was changed since, so that its length says nothing.
    Changed,
    /// The file system told a wrong length.
    Wrong(WrongLength),
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (told, gives) = (bytes(self.told), if self.is_longer { "more" } else { "fewer" });
        write!(f, "its file system tells a length of {told} and gives {gives} bytes")
    }
}

/// Checks that `file`, which was seen with the stamp `seen`, ends where the stamp says.
///
/// # Errors
///
/// Those of `read` and `fstat`.
pub(crate) fn check_length(file: &File, seen: &Stamp) -> io::Result<Length> {
    let told = seen.size_bytes;
    let has_last = told == 0 || has_byte(file, told - 1)?;
    let has_more = has_last && has_byte(file, told)?;
    let now = stamp_of(&file.metadata()?);
    Ok(if !is_unchanged(seen, &now) {
        Length::Changed
    } else if has_last && !has_more {
        Length::AsTold
    } else if now.size_bytes == told {
        Length::Wrong(WrongLength { told, is_longer: has_more })
    } else {
        // No length is told, and the one that was measured is no longer right.
        Length::Changed
    })
}

fn has_byte(file: &File, at: u64) -> io::Result<bool> {
    loop {
        match file.read_at(&mut [0], at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return Ok(read? > 0),
        }
    }
}
