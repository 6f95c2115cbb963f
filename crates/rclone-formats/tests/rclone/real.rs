//! The real rclone reads a folder that this crate encrypted, and the other way round.
//!
//! `.ci/run witness` sets `RCLONE`, the path of the program. Without it nothing is compared.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rclone_formats::conf::{Conf, CryptSection, obscure};
use rclone_formats::crypt::Nonce;
use rclone_formats::crypt::names::{Kind, Names, StoredName, standard};
use tempfile::TempDir;

use crate::contents::{decrypt, encrypt};
use crate::data::{PASSWORD, PASSWORD2, plain};

/// Relative paths, and contents.
type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

const OPTIONS: [&str; 6] = [
    "",
    "filename_encoding = base64",
    "filename_encoding = base32768",
    "directory_name_encryption = false",
    "filename_encryption = off",
    "filename_encryption = off\nsuffix = .enc",
];

#[test]
fn the_real_rclone_reads_what_we_make_and_makes_what_we_read() {
    let Some(program) = std::env::var_os("RCLONE") else {
        return eprintln!("skipped: RCLONE names no rclone");
    };
    let tree = tree();
    for (number, options) in OPTIONS.iter().enumerate() {
        let world = World::new(&program, options, number % 2 == 1);
        world.write("ours", &world.encrypted(&tree));
        world.rclone(&["copy", "ours:", "back"]);
        assert!(world.read("back") == tree, "{options}: it reads other files");

        world.write("plain", &tree);
        world.rclone(&["copy", "plain", "theirs:"]);
        let theirs = world.read("theirs");
        assert!(world.deciphered(&theirs) == tree, "{options}: it wrote other files");
        let names = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&world.encrypted(&tree)), names(&theirs), "{options}");
    }
}

/// Everything that is special, but for what rclone cannot copy from a disk.
fn tree() -> Tree {
    let names: [&[u8]; 16] = [
        b"hello.txt",
        b"nl\nx\x7F",
        "␊ and ␡".as_bytes(),
        b"latin1-\xe9",
        b" spaces ",
        b"back\\slash",
        "／．".as_bytes(),
        "日本語のファイル.txt".as_bytes(),
        b"-dash",
        b"a-v2001-02-03-040506-123.txt",
        b".txt-v2001-02-03-040506-123",
        b"a-v2001-02-29-040506-123.txt",
        &[b'x'; 143],
        b"folder/in folder-v2001-02-03-040506-123.d/file",
        "folder/ü\n/␊".as_bytes(),
        b"folder/folder/folder/folder",
    ];
    let sizes = [0, 1, 15, 16, 65_535, 65_536, 65_537, 200_000];
    let contents = sizes.iter().cycle().copied().map(plain);
    names.iter().map(|name| name.to_vec()).zip(contents).collect()
}

/// A folder with a configuration of rclone.
struct World {
    folder: TempDir,
    program: PathBuf,
    section: CryptSection,
}

impl World {
    /// The passwords in the configuration are those that this crate obscured.
    fn new(program: &OsStr, options: &str, has_salt: bool) -> World {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let password = obscure(PASSWORD, [5; 16]);
        let salt = if has_salt { obscure(PASSWORD2, [6; 16]) } else { String::new() };
        let section = |name| {
            format!(
                "[{name}]\ntype = crypt\nremote = {at}/{name}\npassword = {password}\n\
                 password2 = {salt}\n{options}\n"
            )
        };
        let text = ["ours", "theirs"].map(section).concat();
        fs::write(folder.path().join("rclone.conf"), &text).unwrap();
        let conf = Conf::parse(&text).unwrap();
        let section = CryptSection::read(conf.section("ours").unwrap()).unwrap();
        World { folder, program: program.into(), section }
    }

    fn rclone(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        // `--quiet`: it only tells errors, and not each name that is not UTF-8.
        let options = ["--quiet", "--config", "rclone.conf"];
        command.current_dir(self.folder.path()).args(options).args(arguments);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{arguments:?}: {told}");
    }

    fn encrypted(&self, tree: &Tree) -> Tree {
        let keys = self.section.keys().unwrap();
        let names = Names::new(&keys, self.section.names.clone());
        let stored = |kind, name: &[u8]| match names.encrypt(kind, name).unwrap() {
            // rclone keeps it on a disk as it keeps any other name.
            StoredName::Cipher(text) => standard::to_disk(text.as_bytes()),
            StoredName::Plain(name) => name,
        };
        let nonce = Nonce::from_bytes([8; 24]);
        let files = tree.iter();
        files.map(|(path, plain)| (each_name(path, stored), encrypt(&keys, nonce, plain))).collect()
    }

    fn deciphered(&self, tree: &Tree) -> Tree {
        let keys = self.section.keys().unwrap();
        let names = Names::new(&keys, self.section.names.clone());
        let plain = |kind, name: &[u8]| {
            let form = standard::from_disk(name);
            let stored = if names.are_enciphered(kind) { &form } else { name };
            names.decrypt(kind, stored).unwrap()
        };
        let content = |stored| {
            let (plain, end) = decrypt(&keys, stored);
            assert_eq!(end, Ok(plain.len() as u64));
            plain
        };
        tree.iter().map(|(path, stored)| (each_name(path, plain), content(stored))).collect()
    }

    fn write(&self, name: &str, tree: &Tree) {
        let root = self.folder.path().join(name);
        for (path, content) in tree {
            let file = root.join(OsStr::from_bytes(path));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
    }

    fn read(&self, name: &str) -> Tree {
        let root = self.folder.path().join(name);
        let mut tree = Tree::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    tree.insert(below(&path, &root), fs::read(&path).unwrap());
                }
            }
        }
        tree
    }
}

fn below(path: &Path, root: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap().to_owned().into_os_string().into_vec()
}

/// The path with another name in the place of each.
fn each_name(path: &[u8], mut name_of: impl FnMut(Kind, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut changed: Vec<Vec<u8>> = Vec::new();
    while let Some(name) = names.next() {
        let kind = if names.peek().is_some() { Kind::Folder } else { Kind::File };
        changed.push(name_of(kind, name));
    }
    changed.join(&b'/')
}
