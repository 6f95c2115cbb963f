//! The kinds of change on disk that the program is killed in.

use std::fs;

use fichier_testkit::{Machine, crypt, write};

/// One kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One file of half a megabyte, beside others.
    NewFile,
    /// 500 files in five folders, which are new.
    Batch,
    /// Three files in two folders get other contents.
    Replace,
    /// The same, and no versions are kept.
    ReplaceForGood,
    /// Two files get other names.
    Rename,
    /// A file is renamed onto another.
    RenameOnto,
    /// Two files go to other folders, one of them new.
    Move,
    /// A folder gets another name, in a folder that is new.
    RenameFolder,
    /// 120 of 122 files in two folders go.
    Delete,
    /// The same, and no versions are kept.
    DeleteForGood,
    /// A folder with others in it goes.
    DeleteFolder,
    /// New folders, three deep, with a file in the last.
    MakeFolders,
    /// A folder that left is back; one of its files has another name, and an edit is undone.
    ComeBack,
}

impl Change {
    /// The settings of the mirror in the configuration.
    pub fn settings(self) -> &'static str {
        if self == Change::ComeBack {
            "settle = \"20ms\"\nmax_removals = 500\nkeep_versions = 0\n"
        } else if self.keeps() {
            "settle = \"20ms\"\nmax_removals = 500\n"
        } else {
            "settle = \"20ms\"\nmax_removals = 500\nkeep = \"0\"\n"
        }
    }

    /// Whether removed files are kept.
    pub fn keeps(self) -> bool {
        !matches!(self, Change::ReplaceForGood | Change::DeleteForGood)
    }

    /// Makes the files that exist before the change, beside those that are never touched.
    pub fn before(self, world: &Machine) {
        let source = world.source("photos");
        let put = |paths: &[&str]| {
            for path in paths {
                write(&source.join(path), format!("first content of {path}"));
            }
        };
        match self {
            Change::NewFile | Change::Batch | Change::MakeFolders => {}
            Change::Replace | Change::ReplaceForGood => put(&["a/file", "b/file", "b/other"]),
            Change::Rename => put(&["f/a", "f/b"]),
            Change::RenameOnto => put(&["f/new", "f/old"]),
            Change::Move => put(&["a/x", "a/y", "b/x"]),
            Change::RenameFolder => {
                put(&["old/0/1", "old/0/2", "old/1/1", "old/1/2", "old/2"]);
            }
            Change::Delete | Change::DeleteForGood => {
                for number in 0..122 {
                    put(&[&format!("{}/file-{number}", number % 2)]);
                }
            }
            Change::ComeBack => put(&["back/0/1", "back/0/2", "back/1", "undone"]),
            Change::DeleteFolder => put(&["tree/0/1", "tree/0/2", "tree/1/1", "tree/2"]),
        }
    }

    /// Changes the disk once the files from before are mirrored. Returns whether it did.
    pub fn meanwhile(self, world: &Machine) -> bool {
        if self != Change::ComeBack {
            return false;
        }
        let source = world.source("photos");
        fs::remove_dir_all(source.join("back")).unwrap();
        write(&source.join("undone"), "an edit by mistake");
        true
    }

    /// Changes the disk. Returns the number of bytes that must be sent then.
    pub fn make(self, world: &Machine) -> u64 {
        let source = world.source("photos");
        let rename = |from: &str, to: &str| {
            fs::create_dir_all(source.join(to).parent().unwrap()).unwrap();
            fs::rename(source.join(from), source.join(to)).unwrap();
        };
        let mut bytes = 0;
        let mut put = |path: &str, content: &[u8]| {
            bytes += crypt::stored_bytes(content.len() as u64);
            write(&source.join(path), content);
        };
        match self {
            Change::NewFile => put("new", &vec![7; 500_000]),
            Change::Batch => {
                for number in 0..500 {
                    let content = format!("number {number} ").repeat(60);
                    put(&format!("{}/file-{number}", number % 5), content.as_bytes());
                }
            }
            Change::Replace | Change::ReplaceForGood => {
                for path in ["a/file", "b/file", "b/other"] {
                    put(path, format!("second content of {path} ").repeat(2_000).as_bytes());
                }
            }
            Change::Rename => {
                rename("f/a", "f/c");
                rename("f/b", "f/d");
            }
            Change::RenameOnto => rename("f/new", "f/old"),
            Change::Move => {
                rename("a/y", "b/z");
                rename("a/x", "c/x");
            }
            Change::RenameFolder => rename("old", "elsewhere/new"),
            Change::Delete | Change::DeleteForGood => {
                for number in 2..122 {
                    fs::remove_file(source.join(format!("{}/file-{number}", number % 2))).unwrap();
                }
            }
            Change::DeleteFolder => fs::remove_dir_all(source.join("tree")).unwrap(),
            Change::ComeBack => {
                let back = [("back/0/1", "back/0/1"), ("back/0/2", "back/0/two")];
                for (was, path) in
                    back.into_iter().chain([("back/1", "back/1"), ("undone", "undone")])
                {
                    write(&source.join(path), format!("first content of {was}"));
                }
            }
            Change::MakeFolders => put("one/two/three/file", &vec![8; 400_000]),
        }
        bytes
    }
}
