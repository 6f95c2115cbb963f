//! Reads one open folder: its names, what they are, and the patterns that are written there.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use fichier_state::RelPath;
use rustix::fs::{FileType, RawDir, SeekFrom};

use super::{FolderScan, Notice, Trouble};
use crate::disk::at::{is_gone, look_at, open_regular};
use crate::disk::disks::DiskModel;
use crate::disk::filter::{self, FolderFilter, RULES_FILE, Rules};

/// One `getdents` call: about a thousand names.
const BUFFER_BYTES: usize = 64 * 1024;

/// Advice for a line of patterns that cannot be read.
const BAD_LINE_HINT: &str =
    "correct the line: it excludes nothing until then, so more may be sent than was meant";
/// Advice for something with the reserved name.
const RESERVED_HINT: &str = "rename it to have it mirrored, or exclude it";

/// A listing in the making.
struct Reading<'a> {
    fd: BorrowedFd<'a>,
    folder: &'a RelPath,
    found: FolderScan,
}

/// What is in the folder `fd`, and the filter for it.
pub(super) fn read(
    fd: BorrowedFd<'_>,
    folder: &RelPath,
    filter: FolderFilter,
    buffer: &mut Vec<u8>,
) -> io::Result<(FolderScan, FolderFilter)> {
    let names = names(fd, buffer);
    let mut reading =
        Reading { fd, folder, found: FolderScan { complete: true, ..FolderScan::default() } };
    let names = names.unwrap_or_else(|error| {
        reading.give_up(folder.clone(), error);
        Vec::new()
    });
    let has_rules = names.iter().any(|(name, _)| name == RULES_FILE);
    let filter = if has_rules { reading.own_rules(filter) } else { filter };
    if reading.found.complete {
        reading.look_at_all(names, &filter);
    }
    Ok((reading.found, filter))
}

/// What is in a folder of a model, which has no patterns in its folders.
pub(super) fn of_model(
    model: &dyn DiskModel,
    folder: &RelPath,
    filter: &FolderFilter,
) -> io::Result<FolderScan> {
    let mut found = FolderScan { complete: true, ..FolderScan::default() };
    let mut names = model.names(folder)?;
    names.sort_unstable();
    for name in names {
        let path = folder.join(&name);
        match model.look(&path) {
            Ok(Some(seen)) if !filter.is_excluded(&name, seen.is_folder()) => {
                found.entries.push(seen);
            }
            Ok(_) => {}
            Err(error) => {
                found.complete = false;
                found.trouble.push(Trouble { path, error });
            }
        }
    }
    Ok(found)
}

/// `filter` with the patterns in the folder `fd`.
pub(super) fn with_own_rules(
    fd: BorrowedFd<'_>,
    folder: &RelPath,
    filter: FolderFilter,
) -> io::Result<(FolderFilter, Vec<Notice>)> {
    let (rules, bad) = match read_rules(fd) {
        Err(error) if is_gone(&error) => return Ok((filter, Vec::new())),
        rules => rules?,
    };
    let path = folder.join(RULES_FILE);
    let notices = bad
        .into_iter()
        .map(|bad| Notice { path: path.clone(), what: bad.to_string(), hint: BAD_LINE_HINT })
        .collect();
    Ok((filter.with_rules(rules), notices))
}

impl Reading<'_> {
    /// The filter with the patterns here. If they cannot be read, nothing in this folder is looked
    /// at: paths that should have been left out must not be sent by mistake.
    fn own_rules(&mut self, filter: FolderFilter) -> FolderFilter {
        match with_own_rules(self.fd, self.folder, filter.clone()) {
            Ok((filter, mut notices)) => {
                self.found.notices.append(&mut notices);
                filter
            }
            Err(error) => {
                self.give_up(self.folder.join(RULES_FILE), error);
                filter
            }
        }
    }

    fn look_at_all(&mut self, mut names: Vec<(Vec<u8>, FileType)>, filter: &FolderFilter) {
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.found.entries.reserve_exact(names.len());
        for (name, kind) in names {
            self.report_reserved(&name, filter);
            // Not every file system tells the kind; then it is known only after a look.
            let excluded = |is_dir| filter.is_excluded(&name, is_dir);
            if kind != FileType::Unknown && excluded(kind == FileType::Directory) {
                continue;
            }
            match look_at(self.fd, &name) {
                Ok(seen) if kind == FileType::Unknown && excluded(seen.is_folder()) => {}
                Ok(seen) => self.found.entries.push(seen),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.give_up(self.folder.join(&name), error),
            }
        }
    }

    fn report_reserved(&mut self, name: &[u8], filter: &FolderFilter) {
        if filter.is_reserved(name) {
            let path = self.folder.join(name);
            let what = "the name is reserved for the target's own folder".to_owned();
            self.found.notices.push(Notice { path, what, hint: RESERVED_HINT });
        }
    }

    fn give_up(&mut self, path: RelPath, error: io::Error) {
        self.found.complete = false;
        self.found.trouble.push(Trouble { path, error });
    }
}

/// All names in the folder, unsorted, with their kind where the file system tells it.
fn names(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    // The folder may have been read before through the same descriptor.
    rustix::fs::seek(fd, SeekFrom::Start(0))?;
    buffer.clear();
    buffer.reserve(BUFFER_BYTES);
    let mut names = Vec::new();
    let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(names)
}

/// The patterns in the folder; none in a `.fichierignore` that is not a regular file.
fn read_rules(
    fd: BorrowedFd<'_>,
) -> io::Result<(Option<Arc<Rules>>, Vec<impl std::error::Error + Send + Sync + 'static>)> {
    let file = match open_regular(fd, RULES_FILE) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok((None, Vec::new())),
        file => file?,
    };
    let (rules, bad) = Rules::parse(&filter::read_rules(file)?);
    Ok((Some(Arc::new(rules)), bad))
}
