//! Opens the destination itself, and makes it if it is missing.
//!
//! A destination is usually a path that its user has just typed, and links on the way are followed.
//! A restore in place goes to a path that was chosen long ago, where somebody else may have put a
//! link since: there only trusted links are followed (`disk::trusted`), and the last name is none.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::trusted::{open_trusted, untrusted_link};

/// Opens the folder at `path`.
pub(super) fn open(path: &Path, in_place: bool) -> io::Result<OwnedFd> {
    if in_place {
        return open_trusted(path).map_err(|error| explain(path, error));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// Makes the folder at `path`, and those above it, open to us alone. Returns whether it was made.
///
/// # Errors
///
/// Those of `mkdir` and `open`; in place also that of a link that is not followed.
pub fn make_top(path: &Path, in_place: bool) -> io::Result<bool> {
    let error = match open(path, in_place) {
        Ok(_) => return Ok(false),
        Err(error) => error,
    };
    let (Some(name), io::ErrorKind::NotFound) = (path.file_name(), error.kind()) else {
        return Err(error);
    };
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = above.unwrap_or(Path::new("."));
    make_top(above, in_place)?;
    let folder = open(above, in_place)?;
    match rustix::fs::mkdirat(&folder, name, Mode::RWXU) {
        Ok(()) => Ok(true),
        // Somebody else has made it just now; or a link that leads to nothing is there.
        Err(Errno::EXIST) => open(path, in_place).map(|_| false),
        Err(error) => Err(error.into()),
    }
}

/// Says what is wrong with a destination that is a link, where none is followed.
fn explain(path: &Path, error: io::Error) -> io::Error {
    let is_link = || path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    if untrusted_link(&error).is_none() && error.kind() == io::ErrorKind::NotADirectory && is_link()
    {
        let shown = path.display();
        let text = format!(
            "{shown} is a link, which a restore in place does not follow; write the path it leads to"
        );
        return io::Error::new(io::ErrorKind::NotADirectory, text);
    }
    error
}
