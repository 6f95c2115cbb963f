//! Carries out operations on the watched folder.
//!
//! The subject of an operation is looked up on the disk as it is now; an operation without a
//! subject does nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::operations::{Content, Operation};

/// Names that are difficult somewhere, and plain ones that meet each other often.
const NAMES: [&[u8]; 20] = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"log",
    b"log.1",
    b"A",
    b"index.html",
    b"quote \"d\" and 'd'",
    b"100 $ & <b> `c` #1",
    b"back\\slash",
    b" edge spaces ",
    b"no text \xff\xfe",
    b"cafe\xcc\x81",
    b"caf\xc3\xa9",
    b"\xe2\x80\x9bquoted \xe2\x90\xa0",
    b"new\nline\ttab",
    b".hidden",
    &[b'x'; 250],
    &[b'"'; 120],
];

/// The files at the beginning of a story.
const FIRST: [(&str, &str); 7] = [
    ("one/a", "AAA"),
    ("one/b", "first b"),
    ("one/below/a", "first below"),
    ("two/a", "first a of two"),
    ("two/log", "first log"),
    ("c", "first c"),
    ("d", "AAA"),
];

/// The depth of the deepest folder; folders that would be deeper go to the top.
const MAX_DEPTH: usize = 3;

/// A file that no operation touches: a source that becomes empty waits for a person.
const ANCHOR: &str = "anchor";

/// The watched folder.
pub struct Disk {
    root: PathBuf,
    /// What left the watched folder: its path in it, and where it is now.
    elsewhere: Vec<(PathBuf, PathBuf)>,
    /// Counts the contents, so that each new one differs from the others.
    fresh: u64,
}

impl Disk {
    pub fn new(root: &Path) -> Disk {
        fs::write(root.join(ANCHOR), "an emptied source is held").unwrap();
        for (path, content) in FIRST {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        }
        let elsewhere = Vec::new();
        Disk { root: root.to_owned(), elsewhere, fresh: 0 }
    }

    /// Files that are not links, in the order of their paths.
    pub fn files(&self) -> Vec<PathBuf> {
        self.walk().into_iter().filter(|path| kind(path) == Some(Kind::File)).collect()
    }

    /// Folders, the root first.
    fn folders(&self) -> Vec<PathBuf> {
        let below = self.walk().into_iter().filter(|path| kind(path) == Some(Kind::Folder));
        std::iter::once(self.root.clone()).chain(below).collect()
    }

    fn walk(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut left = vec![self.root.clone()];
        while let Some(folder) = left.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if kind(&path) == Some(Kind::Folder) {
                    left.push(path.clone());
                }
                if path != self.root.join(ANCHOR) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    fn file(&self, number: u8) -> Option<PathBuf> {
        pick(&self.files(), number)
    }

    /// A folder other than the root.
    fn folder(&self, number: u8) -> Option<PathBuf> {
        pick(&self.folders()[1..], number)
    }

    /// A path in some folder; nothing need be there.
    fn place(&self, folder: u8, name: u8) -> PathBuf {
        let shallow: Vec<PathBuf> = self
            .folders()
            .into_iter()
            .filter(|path| path.strip_prefix(&self.root).unwrap().components().count() < MAX_DEPTH)
            .collect();
        let name = NAMES[usize::from(name) % NAMES.len()];
        pick(&shallow, folder).unwrap().join(OsStr::from_bytes(name))
    }

    fn bytes(&mut self, content: Content) -> Vec<u8> {
        match content {
            Content::Known(which) => vec![b'A' + which; 3 + usize::from(which) % 2],
            Content::Large(which) => vec![b'L' + which; 4 << 20],
            Content::New { length } => {
                self.fresh += 1;
                let digits = format!("{:08}", self.fresh);
                digits.bytes().cycle().take(8 + usize::from(length)).collect()
            }
        }
    }

    /// Carries out the operation, if it is one for the disk.
    pub fn apply(&mut self, operation: &Operation) {
        // A missing subject ends an operation early.
        let _nothing_to_do = self.try_apply(operation);
    }

    fn try_apply(&mut self, operation: &Operation) -> Option<()> {
        match operation {
            Operation::Write { folder, name, content } => {
                let path = self.place(*folder, *name);
                free_or_file(&path)?;
                fs::write(path, self.bytes(*content)).unwrap();
            }
            Operation::Edit { file, content } | Operation::Fill { file, content } => {
                fs::write(self.file(*file)?, self.bytes(*content)).unwrap();
            }
            Operation::EditSameSize { file } => self.edit_same_size(&self.file(*file)?),
            Operation::EditUnderOldTime { file } => {
                let path = self.file(*file)?;
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                self.edit_same_size(&path);
                let times = FileTimes::new().set_modified(time);
                File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
            }
            Operation::Append { file } => {
                let mut file = File::options().append(true).open(self.file(*file)?).unwrap();
                file.write_all(b"+").unwrap();
            }
            Operation::DeleteFile { file } => fs::remove_file(self.file(*file)?).unwrap(),
            Operation::Empty { file } => fs::write(self.file(*file)?, b"").unwrap(),
            Operation::Link { folder, name } => {
                let path = self.place(*folder, *name);
                free_or_file(&path)?;
                // A reader sees the file become a link in one step.
                let _absent = fs::remove_file(&path);
                std::os::unix::fs::symlink("somewhere else", path).unwrap();
            }
            Operation::CaseTwins { folder, content } => {
                for name in [0, 6] {
                    let path = self.place(*folder, name);
                    free_or_file(&path)?;
                    fs::write(path, self.bytes(*content)).unwrap();
                }
            }
            Operation::FileToFolder { file, content } => {
                let path = self.file(*file)?;
                let bytes = self.bytes(*content);
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                fs::write(path.join("inside"), bytes).unwrap();
            }
            other => return self.try_move(other),
        }
        Some(())
    }

    fn try_move(&mut self, operation: &Operation) -> Option<()> {
        match operation {
            Operation::RenameFile { file, folder, name } => {
                let to = self.place(*folder, *name);
                free_or_file(&to)?;
                fs::rename(self.file(*file)?, to).unwrap();
            }
            Operation::RenameOverFile { file, other } => {
                fs::rename(self.file(*file)?, self.file(*other)?).unwrap();
            }
            Operation::SwapFiles { file, other } => {
                self.swap(&self.file(*file)?, &self.file(*other)?);
            }
            Operation::Rotate { file, content } => {
                let path = self.file(*file)?;
                let (first, second) = (with_suffix(&path, ".1")?, with_suffix(&path, ".2")?);
                free_or_file(&first)?;
                free_or_file(&second)?;
                if kind(&first).is_some() {
                    fs::rename(&first, second).unwrap();
                }
                fs::rename(&path, first).unwrap();
                fs::write(path, self.bytes(*content)).unwrap();
            }
            Operation::CopyFile { file, folder, name } => {
                let (from, to) = (self.file(*file)?, self.place(*folder, *name));
                free_or_file(&to)?;
                let bytes = fs::read(from).unwrap();
                fs::write(to, bytes).unwrap();
            }
            Operation::LeaveFile { file } => self.leave(self.file(*file)?),
            Operation::ComeBack { which } => self.come_back(*which)?,
            other => return self.try_folders(other),
        }
        Some(())
    }

    fn try_folders(&mut self, operation: &Operation) -> Option<()> {
        match operation {
            Operation::RenameFolder { folder, into, name } => {
                let (from, to) = (self.folder(*folder)?, self.place(*into, *name));
                free(&to)?;
                (!to.starts_with(&from)).then_some(())?;
                fs::rename(from, to).unwrap();
            }
            Operation::SwapFolders { folder, other } => {
                let (one, other) = (self.folder(*folder)?, self.folder(*other)?);
                let apart = !one.starts_with(&other) && !other.starts_with(&one);
                apart.then(|| self.swap(&one, &other))?;
            }
            Operation::DeleteFolder { folder } => {
                fs::remove_dir_all(self.folder(*folder)?).unwrap()
            }
            Operation::FolderToFile { folder, content } => {
                let (path, bytes) = (self.folder(*folder)?, self.bytes(*content));
                fs::remove_dir_all(&path).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Operation::LeaveFolder { folder } => self.leave(self.folder(*folder)?),
            Operation::EmptyFolder { folder, name } => {
                let path = self.place(*folder, *name);
                free(&path)?;
                fs::create_dir(path).unwrap();
            }
            _ => {}
        }
        Some(())
    }

    fn leave(&mut self, path: PathBuf) {
        let elsewhere = self.root.with_extension("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        self.fresh += 1;
        let now_at = elsewhere.join(self.fresh.to_string());
        fs::rename(&path, &now_at).unwrap();
        self.elsewhere.push((path, now_at));
    }

    fn come_back(&mut self, which: u8) -> Option<()> {
        let at = usize::from(which) % self.elsewhere.len().max(1);
        let (path, now_at) = self.elsewhere.get(at)?.clone();
        free(&path)?;
        // A file may have taken the place of a folder above it.
        fs::create_dir_all(path.parent()?).ok()?;
        fs::rename(now_at, path).unwrap();
        self.elsewhere.remove(at);
        Some(())
    }

    fn edit_same_size(&mut self, path: &Path) {
        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        self.fresh += 1;
        let bytes: Vec<u8> =
            format!("{:07}e", self.fresh).bytes().rev().cycle().take(length).collect();
        fs::write(path, bytes).unwrap();
    }

    fn swap(&self, one: &Path, other: &Path) {
        if one != other {
            let aside = self.root.join("aside of a swap");
            fs::rename(one, &aside).unwrap();
            fs::rename(other, one).unwrap();
            fs::rename(aside, other).unwrap();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Link,
}

fn kind(path: &Path) -> Option<Kind> {
    let found = fs::symlink_metadata(path).ok()?.file_type();
    Some(if found.is_dir() {
        Kind::Folder
    } else if found.is_symlink() {
        Kind::Link
    } else {
        Kind::File
    })
}

fn pick(all: &[PathBuf], number: u8) -> Option<PathBuf> {
    all.get(usize::from(number) % all.len().max(1)).cloned()
}

/// `name` with a suffix; `None` if that is too long for a name.
fn with_suffix(path: &Path, suffix: &str) -> Option<PathBuf> {
    let mut name: OsString = path.file_name()?.to_owned();
    name.push(suffix);
    (name.len() <= 255).then(|| path.with_file_name(name))
}

fn free(path: &Path) -> Option<()> {
    kind(path).is_none().then_some(())
}

fn free_or_file(path: &Path) -> Option<()> {
    matches!(kind(path), None | Some(Kind::File)).then_some(())
}
