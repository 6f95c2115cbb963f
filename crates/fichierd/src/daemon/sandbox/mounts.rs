//! What the process's own list of mounts tells of the sandbox: pure, but for reading the list.
//!
//! systemd builds a sandbox of mounts: an empty folder of its own over what is hidden, a read-only
//! bind mount of a file system that is writable elsewhere, a folder `systemd-private-…` as `/tmp`.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The mounts that this process sees, the later above the earlier.
#[derive(Debug)]
pub(super) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// Which folder of the file system is mounted.
    root: String,
    /// Where it is mounted.
    at: PathBuf,
    /// Read-only here …
    is_read_only: bool,
    /// … and as a file system, for everybody.
    is_read_only_for_all: bool,
    kind: String,
}

impl Mounts {
    pub(super) fn read() -> io::Result<Mounts> {
        let text = std::fs::read("/proc/self/mountinfo")?;
        Ok(Mounts::parse(&String::from_utf8_lossy(&text)))
    }

    /// Lines of proc_pid_mountinfo(5); those that are none are passed over.
    pub(super) fn parse(text: &str) -> Mounts {
        let mount = |line: &str| {
            let (here, system) = line.split_once(" - ")?;
            let mut here = here.split(' ').skip(3);
            let (root, at, options) = (here.next()?, here.next()?, here.next()?);
            let mut system = system.split(' ');
            let (kind, _, for_all) = (system.next()?, system.next()?, system.next()?);
            let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
            Some(Mount {
                root: root.to_owned(),
                at: unescaped(at),
                is_read_only: is_read_only(options),
                is_read_only_for_all: is_read_only(for_all),
                kind: kind.to_owned(),
            })
        };
        Mounts(text.lines().filter_map(mount).collect())
    }

    /// The mount that a path lies on.
    fn of(&self, path: &Path) -> Option<&Mount> {
        let below = self.0.iter().filter(|mount| path.starts_with(&mount.at));
        below.max_by_key(|mount| mount.at.components().count())
    }

    /// Something that cannot be looked into was put over it.
    pub(super) fn is_hidden(&self, path: &Path) -> bool {
        self.of(path).is_some_and(|mount| mount.root.contains("/systemd/inaccessible/"))
    }

    /// It is not there, and lies in a file system that lives in memory.
    pub(super) fn is_emptied(&self, path: &Path) -> bool {
        let in_memory = self.of(path).is_some_and(|mount| mount.kind == "tmpfs");
        in_memory && !path.exists()
    }

    /// It lies in a `/tmp` of the service's own.
    pub(super) fn has_private_tmp(&self, path: &Path) -> bool {
        self.of(path).is_some_and(|mount| mount.root.contains("systemd-private-"))
    }

    /// It may not be written to here, and its file system may be written to elsewhere.
    pub(super) fn is_read_only_here_alone(&self, path: &Path) -> bool {
        self.of(path).is_some_and(|mount| mount.is_read_only && !mount.is_read_only_for_all)
    }
}

/// The kernel writes blanks, line breaks and backslashes as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let (mut plain, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let octal = after.first_chunk::<3>().filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_with_a_blank_is_found_and_odd_lines_are_passed_over() {
        let text = "nonsense\n20 1 8:1 / / rw - ext4 /dev/a rw\n\
                    21 20 8:2 / /srv/old\\040disk ro - ext4 /dev/b ro\n22 20 8:3 /\n";
        let mounts = Mounts::parse(text);
        assert!(mounts.of(Path::new("/srv/old disk/a")).is_some_and(|it| it.is_read_only_for_all));
        assert!(!mounts.is_read_only_here_alone(Path::new("/srv/old disk/a")));
        assert!(mounts.of(Path::new("/srv/other")).is_some_and(|it| !it.is_read_only));
    }
}
