//! Reads a file that a look has seen, and makes sure that it is still that file.

use std::cmp::Ordering;
use std::io;

use fichier_state::{RelPath, Stamp};

use crate::disk::seen::is_unchanged;
use crate::disk::{Hashed, Opened, Scanner, Seen, WrongLength};

/// Why the content of a file is not known.
#[derive(Debug)]
pub enum Unread {
    /// It changed while it was read.
    Changed,
    /// It does not have the length that its file system tells.
    Wrong(WrongLength),
    /// It cannot be read.
    Failed(io::Error),
}

/// Reads the file at `path` with `hash`; it must be, and stay, as it was `seen`.
///
/// # Errors
///
/// [`Unread`]: what was read is not the content of that file.
pub(crate) fn read(
    scanner: &Scanner,
    path: &RelPath,
    seen: &Seen,
    hash: impl FnOnce(Opened) -> io::Result<Hashed>,
) -> Result<Hashed, Unread> {
    let file = scanner.open_file(path).map_err(Unread::Failed)?;
    let hashed = hash(file).map_err(Unread::Failed)?;
    let (told, given) = (seen.stamp.size_bytes, hashed.size_bytes);
    let is_same = |stamp: &Stamp| is_unchanged(&seen.stamp, stamp);
    if !is_same(&hashed.stamp_before) || !is_same(&hashed.stamp_after) {
        return Err(Unread::Changed);
    }
    match given.cmp(&told) {
        Ordering::Equal => Ok(hashed),
        // The size was measured, since none is told, and has changed.
        _ if hashed.stamp_after.size_bytes != told => Err(Unread::Changed),
        Ordering::Greater => Err(Unread::Wrong(WrongLength { told, is_longer: true })),
        Ordering::Less => Err(Unread::Wrong(WrongLength { told, is_longer: false })),
    }
}
