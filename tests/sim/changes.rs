//! Carries out the user's changes, and tells which paths a watcher would have seen.

use fichier_state::RelPath;

use crate::disk::Disk;
use crate::script::{Change, Content};

/// Names that are difficult somewhere, and plain ones that meet each other often.
const NAMES: [&[u8]; 12] = [
    b"a",
    b"b",
    b"c",
    b"log",
    b"log.1",
    b"A",
    b"quote \"d\" & 'd'",
    b" edge ",
    b"no text \xff",
    b"cafe\xcc\x81",
    &[b'x'; 250],
    &[b'"'; 120],
];

/// The files at the beginning of a scenario.
const FIRST: [(&str, &str); 6] = [
    ("one/a", "AAA"),
    ("one/b", "first b"),
    ("one/below/a", "first below"),
    ("two/a", "first a of two"),
    ("c", "first c"),
    // No change touches this one: a source that becomes empty waits for a person.
    (ANCHOR, "an emptied source is held"),
];

const ANCHOR: &str = "anchor";
/// The depth of the deepest folder; folders that would be deeper go to the top.
const MAX_DEPTH: usize = 3;

pub fn lay_out(disk: &Disk) {
    for (path, content) in FIRST {
        disk.write(&RelPath::parse(path.as_bytes()).unwrap(), content.as_bytes());
    }
}

/// The path with this number, modulo their count.
pub fn chosen(paths: &[RelPath], number: u8) -> Option<RelPath> {
    let paths: Vec<&RelPath> =
        paths.iter().filter(|path| path.as_bytes() != ANCHOR.as_bytes()).collect();
    (!paths.is_empty()).then(|| paths[usize::from(number) % paths.len()].clone())
}

/// Carries out a change if its subject exists; returns the paths that were touched.
pub fn apply(disk: &Disk, change: &Change, fresh: &mut u64) -> Vec<RelPath> {
    Changing { disk, fresh }.apply(change).unwrap_or_default()
}

struct Changing<'a> {
    disk: &'a Disk,
    fresh: &'a mut u64,
}

impl Changing<'_> {
    fn file(&self, number: u8) -> Option<RelPath> {
        chosen(&self.disk.paths(false), number)
    }

    fn folder(&self, number: u8) -> Option<RelPath> {
        chosen(&self.disk.paths(true), number)
    }

    /// A path in some folder; nothing need be there.
    fn place(&self, folder: u8, name: u8) -> RelPath {
        let mut folders = self.disk.paths(true);
        folders.retain(|path| path.depth() < MAX_DEPTH);
        folders.push(RelPath::root());
        let folder = &folders[usize::from(folder) % folders.len()];
        folder.join(NAMES[usize::from(name) % NAMES.len()])
    }

    /// A path at which there is no folder.
    fn file_place(&self, folder: u8, name: u8) -> Option<RelPath> {
        let place = self.place(folder, name);
        (!self.disk.paths(true).contains(&place)).then_some(place)
    }

    fn bytes(&mut self, content: Content) -> Vec<u8> {
        match content {
            Content::Known(which) => vec![b'A' + which; 3 + usize::from(which) % 2],
            Content::New { length } => {
                *self.fresh += 1;
                let digits = format!("{:08}", self.fresh);
                digits.bytes().cycle().take(8 + usize::from(length)).collect()
            }
        }
    }

    fn apply(&mut self, change: &Change) -> Option<Vec<RelPath>> {
        let disk = self.disk;
        Some(match change {
            Change::Write { folder, name, content } => {
                let (path, bytes) = (self.file_place(*folder, *name)?, self.bytes(*content));
                disk.write(&path, &bytes);
                vec![path]
            }
            Change::Edit { file, content } => {
                let (path, bytes) = (self.file(*file)?, self.bytes(*content));
                disk.write(&path, &bytes);
                vec![path]
            }
            Change::EditSecretly { file } => {
                let path = self.file(*file)?;
                disk.edit_secretly(&path);
                vec![path]
            }
            Change::Empty { file } => {
                let path = self.file(*file)?;
                disk.write(&path, b"");
                vec![path]
            }
            Change::RenameFile { file, folder, name } => {
                let (from, to) = (self.file(*file)?, self.file_place(*folder, *name)?);
                disk.rename(&from, &to);
                vec![from, to]
            }
            Change::SwapFiles { file, other } => {
                let (one, other) = (self.file(*file)?, self.file(*other)?);
                disk.swap(&one, &other);
                vec![one, other]
            }
            Change::CopyFile { file, folder, name } => {
                let (from, to) = (self.file(*file)?, self.file_place(*folder, *name)?);
                let bytes = disk.files().get(&from)?.bytes.clone();
                disk.write(&to, &bytes);
                vec![to]
            }
            Change::RemoveFile { file } => {
                let path = self.file(*file)?;
                disk.remove(&path);
                vec![path]
            }
            Change::Link { folder, name } => {
                let path = self.file_place(*folder, *name)?;
                disk.link(&path);
                vec![path]
            }
            Change::FileToFolder { file, content } => {
                let (path, bytes) = (self.file(*file)?, self.bytes(*content));
                disk.remove(&path);
                disk.write(&path.join(b"inside"), &bytes);
                vec![path]
            }
            Change::MakeFolder { folder, name } => {
                let path = self.file_place(*folder, *name)?;
                (!disk.paths(false).contains(&path)).then(|| disk.make_folder(&path))?;
                vec![path]
            }
            Change::RenameFolder { folder, into, name } => {
                let (from, to) = (self.folder(*folder)?, self.file_place(*into, *name)?);
                (!disk.paths(false).contains(&to)).then(|| disk.rename(&from, &to))?;
                vec![from, to]
            }
            Change::SwapFolders { folder, other } => {
                let (one, other) = (self.folder(*folder)?, self.folder(*other)?);
                disk.swap(&one, &other);
                vec![one, other]
            }
            Change::RemoveFolder { folder } => {
                let path = self.folder(*folder)?;
                disk.remove(&path);
                vec![path]
            }
            Change::Leave { path, folder } => {
                let path = if *folder { self.folder(*path)? } else { self.file(*path)? };
                disk.leave(&path);
                vec![path]
            }
            Change::ComeBack { which } => vec![disk.come_back(*which)?],
            Change::FolderToFile { folder, content } => {
                let (path, bytes) = (self.folder(*folder)?, self.bytes(*content));
                disk.remove(&path);
                disk.write(&path, &bytes);
                vec![path]
            }
        })
    }
}
