//! What happens in the demonstration, act by act, and what each would cost rclone.
//!
//! rclone's calls are computed, not measured in each run: the formulas are fitted, exactly, to
//! runs of rclone 1.75.2 against an emulated service. Its backend needs four calls a file that
//! it sends, and one a file that it removes; each run but the first lists the whole target first.

use std::io;

use super::album::{Album, Deed};

/// One act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    FirstMirror,
    Edits,
    NewFiles,
    Renames,
    FolderRename,
    Moves,
    Copies,
    Deletes,
    Nothing,
}

/// In the order in which they are played.
pub(super) const ACTS: [Act; 9] = [
    Act::FirstMirror,
    Act::Edits,
    Act::NewFiles,
    Act::Renames,
    Act::FolderRename,
    Act::Moves,
    Act::Copies,
    Act::Deletes,
    Act::Nothing,
];

impl Act {
    /// What it is called in the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Act::FirstMirror => "first mirror",
            Act::Edits => "edits, same size",
            Act::NewFiles => "new files",
            Act::Renames => "renames",
            Act::FolderRename => "a folder renamed",
            Act::Moves => "moves",
            Act::Copies => "copies, one of 5 MiB",
            Act::Deletes => "deletes, with a tree",
            Act::Nothing => "a look at everything",
        }
    }

    /// Does it to the folder.
    pub(super) fn play(self, album: &mut Album) -> io::Result<Deed> {
        match self {
            Act::FirstMirror => album.fill(),
            Act::Edits => album.edit(),
            Act::NewFiles => album.add(),
            Act::Renames => album.rename(),
            Act::FolderRename => album.rename_folder(),
            Act::Moves => album.relocate(),
            Act::Copies => album.copy(),
            Act::Deletes => album.delete(),
            Act::Nothing => Ok(Deed::default()),
        }
    }

    /// The calls of rclone's backend for the same, where the target had `folders` folders before.
    pub(super) fn rclone_calls(self, deed: Deed, folders: u64) -> u64 {
        let listing = 2 * (folders + 1) + 1;
        let sent = 4 * deed.files;
        let replaced = 5 * deed.files;
        match self {
            Act::FirstMirror => sent + 2 * deed.folders + 5,
            // With --checksum: without it, edits that keep the size are not seen at all.
            Act::Edits | Act::NewFiles | Act::Copies => listing + sent,
            Act::Renames | Act::Moves => listing + replaced,
            Act::FolderRename => listing + replaced + 3,
            Act::Deletes => listing + deed.files + deed.folders,
            Act::Nothing => listing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files and folders of the act, folders before it, calls counted.
    fn check(act: Act, files: u64, folders: u64, before: u64, calls: u64) {
        assert_eq!(act.rclone_calls(Deed { files, folders }, before), calls, "{act:?}");
    }

    #[test]
    fn the_formulas_give_what_rclone_was_counted_to_need() {
        check(Act::FirstMirror, 30, 3, 0, 131);
        check(Act::FirstMirror, 20, 20, 0, 125);
        check(Act::FirstMirror, 40, 2, 0, 169);
        check(Act::FirstMirror, 40, 10, 0, 185);
        check(Act::Edits, 1, 0, 1, 9);
        check(Act::Edits, 1, 0, 100, 207);
        check(Act::Renames, 1, 0, 100, 208);
        check(Act::Nothing, 0, 0, 100, 203);
        check(Act::Deletes, 10_000, 100, 100, 10_303);
    }
}
