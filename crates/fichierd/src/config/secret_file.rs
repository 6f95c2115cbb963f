//! Reads a file that holds a secret: the API key, a password, a salt.
//!
//! A file that others may read is refused, since they may have read it. What was read is
//! overwritten when it is dropped, and no error shows any of it (invariant I10).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use zeroize::Zeroizing;

/// Bytes of a secret at most; a longer one is refused, and never cut.
pub(super) const LONGEST: usize = 4096;
/// Bytes that what is read has room for, so that it leaves no copy behind by growing.
pub(super) const ROOM: usize = 2 * LONGEST;

/// Who may be able to read the file.
pub(super) enum Permissions {
    /// Its owner alone.
    OwnerOnly,
    /// Those whom systemd lets: if a unit runs as a user, systemd grants access by an ACL, whose mask
    /// shows up as permissions of the group.
    AsTheyAre,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// Other users of this machine may read it, and may have read it.
    #[error("{}; run: chmod 600 {}", self.what(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is too long to be what it should be.
    #[error("{} is longer than {LONGEST} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// It is not UTF-8.
    #[error("{} does not hold text: it is not valid UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

impl SecretFileError {
    /// What is wrong, without the remedy.
    pub(crate) fn what(&self) -> String {
        match self {
            SecretFileError::TooOpen { path, mode } => {
                format!("{} may be read by others (mode {mode:04o})", path.display())
            }
            SecretFileError::Unreadable { .. }
            | SecretFileError::TooLong { .. }
            | SecretFileError::NotText { .. } => self.to_string(),
        }
    }
}

/// Reads the whole file.
///
/// # Errors
///
/// [`SecretFileError`]
pub(super) fn read(
    path: &Path,
    permissions: Permissions,
) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_path_buf(), source };
    // A pipe that nobody writes to would be waited for; it is opened at once, and then refused.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty()).map_err(|errno| unreadable(errno.into()))?;
    let file = File::from(file);
    // The mode is that of the open file, so that the file cannot be exchanged between the check and
    // the reading.
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let mode = metadata.mode() & 0o7777;
    if matches!(permissions, Permissions::OwnerOnly) && mode & 0o077 != 0 {
        return Err(SecretFileError::TooOpen { path: path.to_path_buf(), mode });
    }
    let bytes = read_bounded(file).map_err(unreadable)?;
    if bytes.len() > LONGEST {
        return Err(SecretFileError::TooLong { path: path.to_path_buf() });
    }
    let text = str::from_utf8(&bytes);
    let text = text.map_err(|_| SecretFileError::NotText { path: path.to_path_buf() })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads a secret, and one byte more than there may be.
pub(super) fn read_bounded(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn refusal(path: &Path) -> String {
        let error = read(path, Permissions::OwnerOnly).unwrap_err();
        error.to_string().replace(path.to_str().unwrap(), "FILE")
    }

    #[test]
    fn the_longest_secret_is_read_whole_and_a_longer_one_is_not_cut() {
        let (_dir, path) = file(&[b'x'; LONGEST], 0o600);
        assert_eq!(read(&path, Permissions::OwnerOnly).unwrap().len(), LONGEST);
        let (_dir, path) = file(&[b'x'; LONGEST + 1], 0o600);
        assert_eq!(refusal(&path), "FILE is longer than 4096 bytes");
    }

    #[test]
    fn what_is_no_text_is_refused_and_not_shown() {
        let (_dir, path) = file(b"secret \xFF", 0o600);
        assert_eq!(refusal(&path), "FILE does not hold text: it is not valid UTF-8");
        let error = read(&path, Permissions::OwnerOnly).unwrap_err();
        assert!(!format!("{error:?}").contains("115"), "{error:?}");
    }

    #[test]
    fn a_pipe_without_a_writer_is_refused_instead_of_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert_eq!(refusal(&path), "FILE cannot be read: it is no regular file");
        assert_eq!(refusal(dir.path()), "FILE cannot be read: it is no regular file");
    }
}
