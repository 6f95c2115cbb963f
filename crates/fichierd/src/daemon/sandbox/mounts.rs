//! Finds signs of a sandbox in the table of mounts of this process.
//!
//! systemd builds a sandbox of mounts: an empty folder of its own over what is hidden, a read-only
//! bind mount of a file system that is writable elsewhere, a folder `systemd-private-…` as `/tmp`.

use std::path::Path;

use crate::disk::MountTable;

/// Whether systemd has put an inaccessible file or folder over it.
pub(super) fn is_hidden(mounts: &MountTable, path: &Path) -> bool {
    mounts.of(path).is_some_and(|mount| mount.root.contains("/systemd/inaccessible/"))
}

/// Whether it is missing, and its place is in a file system that lives in memory.
pub(super) fn is_emptied(mounts: &MountTable, path: &Path) -> bool {
    let in_memory = mounts.of(path).is_some_and(|mount| mount.kind == "tmpfs");
    in_memory && !path.exists()
}

/// Whether it is in a `/tmp` of the service's own.
pub(super) fn has_private_tmp(mounts: &MountTable, path: &Path) -> bool {
    mounts.of(path).is_some_and(|mount| mount.root.contains("systemd-private-"))
}

/// Whether it is read-only here while its file system is writable elsewhere.
pub(super) fn is_read_only_here_alone(mounts: &MountTable, path: &Path) -> bool {
    mounts.of(path).is_some_and(|mount| mount.is_read_only && !mount.is_read_only_for_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_read_only_for_all_is_no_sandbox() {
        let text = b"20 1 8:1 / / rw - ext4 /dev/a rw\n\
                     21 20 8:2 / /srv/old\\040disk ro - ext4 /dev/b ro\n\
                     22 20 8:3 / /srv/kept ro - ext4 /dev/b rw\n";
        let mounts = MountTable::parse(text);
        let is_here_alone = |path: &str| is_read_only_here_alone(&mounts, Path::new(path));
        assert!(!is_here_alone("/srv/old disk/a"));
        assert!(!is_here_alone("/srv/other"));
        assert!(is_here_alone("/srv/kept/a"));
    }
}
