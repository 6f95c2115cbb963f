//! The table of mounts that this process sees, `/proc/self/mountinfo`, read in one place for the watch
//! on it and for the look at the sandbox.
//!
//! A line that cannot be read is skipped. A mount keeps its line, which tells more than the fields that
//! are read: two tables are equal only if the kernel wrote the same lines.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// The file in which the kernel shows the table; see proc_pid_mountinfo(5).
pub(super) const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// The mounts that a process sees, the later above the earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountTable(Vec<Mount>);

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Its line, as the kernel writes it.
    pub line: Vec<u8>,
    /// The folder of the file system that is mounted.
    pub root: String,
    /// The path at which it is mounted.
    pub at: PathBuf,
    /// The file system's type.
    pub kind: String,
    /// Nothing can be written through this mount.
    pub is_read_only: bool,
    /// Nothing can be written to the file system through any mount.
    pub is_read_only_for_all: bool,
}

impl MountTable {
    /// The table as it is now.
    ///
    /// # Errors
    ///
    /// When `/proc` is not mounted, or hidden.
    pub fn read() -> io::Result<MountTable> {
        Ok(MountTable::parse(&std::fs::read(MOUNT_TABLE)?))
    }

    /// Reads the table from a text.
    pub fn parse(text: &[u8]) -> MountTable {
        MountTable(text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect())
    }

    /// The mount that contains `path`, which must be absolute and without symbolic links.
    pub fn of(&self, path: &Path) -> Option<&Mount> {
        let above = self.0.iter().filter(|mount| path.starts_with(&mount.at));
        above.max_by_key(|mount| mount.at.components().count())
    }

    /// The mounts at, above and below such a path.
    pub fn concerning(&self, path: &Path) -> impl Iterator<Item = &Mount> {
        self.0.iter().filter(move |mount| path.starts_with(&mount.at) || mount.at.starts_with(path))
    }
}

impl Mount {
    /// Number, parent, device, root, mount point, options, optional fields, ` - `, type, source,
    /// options of the file system.
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ');
        let (root, at, options) = (fields.nth(3)?, fields.next()?, fields.next()?);
        fields.find(|field| *field == b"-")?;
        let (kind, _, for_all) = (fields.next()?, fields.next()?, fields.next()?);
        let is_read_only = |options: &[u8]| options.split(|byte| *byte == b',').any(|o| o == b"ro");
        Some(Mount {
            line: line.to_vec(),
            root: String::from_utf8_lossy(root).into_owned(),
            at: PathBuf::from(OsString::from_vec(unescaped(at))),
            kind: String::from_utf8_lossy(kind).into_owned(),
            is_read_only: is_read_only(options),
            is_read_only_for_all: is_read_only(for_all),
        })
    }
}

/// A field as it was before the kernel wrote blanks, line breaks and backslashes as three octal digits
/// (`\040` for a blank).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(field.len()), field);
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        plain.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:2 / /srv rw shared:2 master:1 - ext4 /dev/sda2 rw
31 30 8:3 / /srv/photos/old\\040disk rw,ro - ext4 /dev/sdb1 rw
nonsense
32 30 8:4 / /srv/photos-2 ro - tmpfs  ro
40 22 0:9 / /run/user/1000
33 30 8:5 /deep /srv rw - ext4 /dev/sdd1 rw
";

    fn numbers<'a>(mounts: impl IntoIterator<Item = &'a Mount>) -> Vec<String> {
        let first = |mount: &Mount| mount.line.split(|byte| *byte == b' ').next().unwrap().to_vec();
        mounts.into_iter().map(|mount| String::from_utf8(first(mount)).unwrap()).collect()
    }

    #[test]
    fn mounts_at_above_and_below_a_path_concern_it() {
        let table = MountTable::parse(TABLE.as_bytes());
        let concerning = |path: &str| numbers(table.concerning(Path::new(path)));
        assert_eq!(concerning("/srv/photos"), ["22", "30", "31", "33"]);
        assert_eq!(concerning("/srv/photos/old disk/1999"), ["22", "30", "31", "33"]);
        assert_eq!(concerning("/srv"), ["22", "30", "31", "32", "33"]);
        assert_eq!(concerning("/home"), ["22"]);
    }

    #[test]
    fn a_path_is_on_the_deepest_mount_and_of_two_on_the_later() {
        let table = MountTable::parse(TABLE.as_bytes());
        let of = |path: &str| table.of(Path::new(path)).unwrap();
        let on = |path: &str| numbers([of(path)]);
        assert_eq!(
            [on("/home"), on("/srv/a"), on("/srv/photos/old disk/a")].concat(),
            ["22", "33", "31"]
        );
        assert_eq!(of("/srv/a").root, "/deep");
        let (old, other) = (of("/srv/photos/old disk"), of("/srv/photos-2/a"));
        assert!(old.is_read_only && !old.is_read_only_for_all);
        assert!(other.is_read_only && other.is_read_only_for_all && other.kind == "tmpfs");
    }
}
