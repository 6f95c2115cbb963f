//! Names, kinds and depths that real folders have.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use expect_test::{Expect, expect};
use fichier_api::Source as _;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::*;
use crate::disk::at::{folder_flags, open_folder};

/// Set for the copy of this test program that runs with few file descriptors.
const FEW_DESCRIPTORS: &str = "FICHIERD_TEST_FEW_DESCRIPTORS";

fn scanner(source: &Path) -> Scanner {
    Scanner::open(source, Arc::new(Filter::new(source, &[]).unwrap())).unwrap()
}

/// As a walk comes to it: the patterns are those of the `.fichierignore` files on the way.
fn read_folder(scanner: &mut Scanner, folder: &RelPath) -> io::Result<FolderScan> {
    let (mut filter, mut notices) = (scanner.bare_filter(), Vec::new());
    let mut above = RelPath::root();
    for name in folder.components() {
        let (rules, mut found) = scanner.with_own_rules(&above, filter)?;
        notices.append(&mut found);
        filter = rules.below(name);
        above = above.join(name);
    }
    let (mut found, _) = scanner.read_with(folder, filter)?;
    notices.append(&mut found.notices);
    Ok(FolderScan { notices, ..found })
}

fn path(text: &[u8]) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// Name, kind and size of all that is in a folder, then whether that is all, then the trouble.
fn check(found: &FolderScan, expected: Expect) {
    let mut lines = String::new();
    for seen in &found.entries {
        let what = match &seen.kind {
            SeenKind::File => format!("file {}", seen.stamp.size_bytes),
            SeenKind::Symlink(to) => format!("link to {}", to.escape_ascii()),
            SeenKind::Folder => "folder".to_owned(),
            SeenKind::Special => "special".to_owned(),
        };
        lines += &format!("{}: {what}\n", seen.name.escape_ascii());
    }
    lines += if found.complete { "complete\n" } else { "incomplete\n" };
    for trouble in &found.trouble {
        lines += &format!("{}: {}\n", trouble.path, trouble.error);
    }
    for notice in &found.notices {
        lines += &format!("{}: {}\n", notice.path, notice.what);
    }
    expected.assert_eq(&lines);
}

fn make_fifo(folder: &Path, name: &str) {
    let folder = fs::File::open(folder).unwrap();
    rustix::fs::mkfifoat(&folder, name, Mode::RUSR).unwrap();
}

#[test]
fn entries_come_sorted_by_their_bytes_whatever_they_are() {
    let source = tempfile::tempdir().unwrap();
    let at = |name: &[u8]| source.path().join(std::ffi::OsStr::from_bytes(name));
    fs::write(at(b"caf\xE9"), "1").unwrap();
    fs::write(at("caf\u{e9}".as_bytes()), "22").unwrap();
    fs::write(at("cafe\u{301}".as_bytes()), "333").unwrap();
    fs::write(at(b"CAF"), "").unwrap();
    fs::write(at(b"a\n\"b"), "4444").unwrap();
    fs::create_dir(at(b"dir")).unwrap();
    symlink("dir", at(b"link")).unwrap();
    symlink(std::ffi::OsStr::from_bytes(b"\xFF"), at(b"dangling")).unwrap();
    make_fifo(source.path(), "fifo");
    check(
        &read_folder(&mut scanner(source.path()), &RelPath::root()).unwrap(),
        expect![[r#"
            CAF: file 0
            a\n\"b: file 4
            cafe\xcc\x81: file 3
            caf\xc3\xa9: file 2
            caf\xe9: file 1
            dangling: link to \xff
            dir: folder
            fifo: special
            link: link to dir
            complete
        "#]],
    );
}

#[test]
fn excluded_names_are_not_looked_at_and_our_own_is_reported() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join(".fichierignore"), "*.tmp\n{bad\n/sub/deep\n").unwrap();
    for name in ["a", "b.tmp", ".fichierd"] {
        fs::write(source.path().join(name), "x").unwrap();
    }
    fs::create_dir_all(source.path().join("sub/deep")).unwrap();
    fs::write(source.path().join("sub/c.tmp"), "x").unwrap();
    fs::write(source.path().join("sub/d"), "x").unwrap();
    let mut scanner = scanner(source.path());
    check(
        &read_folder(&mut scanner, &RelPath::root()).unwrap(),
        expect![[r#"
            .fichierignore: file 21
            a: file 1
            sub: folder
            complete
            .fichierignore: line 2 cannot be read as a pattern and is left out: a brace is a brace in git, and no choice between names; write one pattern for each name, or `\{` for the brace
            .fichierd: the name is reserved for the target's own folder
        "#]],
    );
    let sub = read_folder(&mut scanner, &path(b"sub")).unwrap();
    let names: Vec<&[u8]> = sub.entries.iter().map(|seen| seen.name.as_slice()).collect();
    assert_eq!(names, [b"d"]);
}

#[test]
fn a_fichierignore_that_is_a_link_or_a_fifo_holds_no_patterns_and_hangs_nobody() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("patterns"), "*").unwrap();
    symlink("patterns", source.path().join(".fichierignore")).unwrap();
    fs::create_dir(source.path().join("sub")).unwrap();
    make_fifo(&source.path().join("sub"), ".fichierignore");
    let mut scanner = scanner(source.path());
    assert_eq!(read_folder(&mut scanner, &RelPath::root()).unwrap().entries.len(), 3);
    assert_eq!(read_folder(&mut scanner, &path(b"sub")).unwrap().entries.len(), 1);
}

#[test]
fn a_folder_whose_patterns_cannot_be_read_is_left_alone() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("secret"), "x").unwrap();
    let with = |patterns: String| {
        fs::write(source.path().join(".fichierignore"), patterns).unwrap();
        read_folder(&mut scanner(source.path()), &RelPath::root()).unwrap()
    };
    check(
        &with("#".repeat(64 * 1024 + 1)),
        expect![[r#"
            incomplete
            .fichierignore: more than 64 KiB of patterns
        "#]],
    );
    check(
        &with("secret\n".repeat(1_001)),
        expect![[r#"
            incomplete
            .fichierignore: more than 1,000 patterns
        "#]],
    );
    assert!(with("# a comment\n\n".repeat(1_001) + "secret").complete);
}

#[test]
fn links_are_never_followed_on_the_way() {
    let source = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), source.path().join("out")).unwrap();
    symlink(".", source.path().join("loop")).unwrap();
    let mut scanner = scanner(source.path());
    let error = read_folder(&mut scanner, &path(b"out")).unwrap_err();
    assert!(is_gone(&error), "{error}");
    assert_eq!(scanner.look(&path(b"out/secret")).unwrap(), None);
    assert_eq!(scanner.look(&path(b"loop/loop/out")).unwrap(), None);
    let error = scanner.open_file(&path(b"out/secret")).unwrap_err();
    assert!(is_gone(&error), "{error}");
    let error = Scanner::open(&source.path().join("out"), Arc::clone(&scanner.filter)).unwrap_err();
    assert!(is_gone(&error), "{error}");
}

#[test]
fn only_regular_files_are_opened() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "content").unwrap();
    fs::create_dir(source.path().join("dir")).unwrap();
    symlink("file", source.path().join("link")).unwrap();
    make_fifo(source.path(), "fifo");
    let scanner = scanner(source.path());
    let content = io::read_to_string(scanner.open_file(&path(b"file")).unwrap()).unwrap();
    assert_eq!(content, "content");
    for name in [b"dir".as_slice(), b"link", b"fifo"] {
        let error = scanner.open_file(&path(name)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path(name));
    }
}

#[test]
fn a_look_tells_gone_from_there() {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "x").unwrap();
    let scanner = scanner(source.path());
    assert_eq!(scanner.look(&path(b"file")).unwrap().unwrap().kind, SeenKind::File);
    assert_eq!(scanner.look(&RelPath::root()).unwrap().unwrap().kind, SeenKind::Folder);
    assert_eq!(scanner.look(&path(b"no")).unwrap(), None);
    assert_eq!(scanner.look(&path(b"no/deeper")).unwrap(), None);
    assert_eq!(scanner.look(&path(b"file/deeper")).unwrap(), None);
}

#[test]
fn extended_attributes_come_sorted_and_without_those_of_the_machine() {
    let source = tempfile::tempdir().unwrap();
    let file = source.path().join("file");
    fs::write(&file, "x").unwrap();
    let set = |name: &str, value: &[u8]| {
        rustix::fs::setxattr(&file, name, value, rustix::fs::XattrFlags::empty())
    };
    let long = [7; 3_000];
    match set("user.long", &long) {
        Err(Errno::OPNOTSUPP) => return eprintln!("skipped: no extended attributes here"),
        done => done.unwrap(),
    }
    set("user.a", b"\x00\xFF").unwrap();
    let found = scanner(source.path()).xattrs(&path(b"file")).unwrap();
    let expected = [(b"user.a".to_vec(), vec![0, 255]), (b"user.long".to_vec(), long.to_vec())];
    assert_eq!(found, expected);
}

/// Makes `depth` folders, each in the one before, with 250 bytes a name, and a file in the last.
fn make_deep(source: &Path, depth: usize) -> RelPath {
    let name = [b'n'; 250];
    let mut folder = rustix::fs::openat(CWD, source, folder_flags(), Mode::empty()).unwrap();
    let mut path = RelPath::root();
    for _ in 0..depth {
        rustix::fs::mkdirat(&folder, name.as_slice(), Mode::RWXU).unwrap();
        folder = open_folder(std::os::fd::AsFd::as_fd(&folder), &name).unwrap();
        path = path.join(&name);
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    rustix::fs::openat(&folder, "file", flags, Mode::RUSR).unwrap();
    path
}

#[test]
fn a_path_of_fifty_thousand_bytes_is_read_with_64_descriptors() {
    if std::env::var_os(FEW_DESCRIPTORS).is_none() {
        let this = std::env::current_exe().unwrap();
        let test = "disk::scan::tests::a_path_of_fifty_thousand_bytes_is_read_with_64_descriptors";
        let child = Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
            .arg(this)
            .arg(test)
            .env(FEW_DESCRIPTORS, "1")
            .output();
        let said = String::from_utf8(child.unwrap().stdout).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let source = tempfile::tempdir().unwrap();
    let folder = make_deep(source.path(), 200);
    let mut scanner = scanner(source.path());
    let found = read_folder(&mut scanner, &folder).unwrap();
    assert_eq!(found.entries[0].name, b"file");
    let file = folder.join(b"file");
    assert_eq!(scanner.look(&file).unwrap().unwrap().kind, SeenKind::File);
    assert_eq!(scanner.open_file(&file).unwrap().mark().unwrap().size_bytes, 0);
    assert_eq!(scanner.xattrs(&file).unwrap(), []);
    // Up and down again: what was closed on the way is opened anew.
    let mut up = folder.clone();
    while let Some(above) = up.parent() {
        let (found, _) = scanner.read_with(&above, scanner.bare_filter()).unwrap();
        assert_eq!(found.entries, [scanner.look(&up).unwrap().unwrap()]);
        up = above;
    }
}

#[test]
fn the_trail_follows_any_walk() {
    let source = tempfile::tempdir().unwrap();
    for folder in ["a/b/c", "a/b/d", "a/e", "f"] {
        fs::create_dir_all(source.path().join(folder)).unwrap();
        fs::write(source.path().join(folder).join(folder.replace('/', "-")), "").unwrap();
    }
    let mut scanner = scanner(source.path());
    for folder in ["a/b/c", "a/b/d", "a/e", "f", "a/b/c", "a/e", "a/b/d"] {
        let at = path(folder.as_bytes());
        let (found, _) = scanner.read_with(&at, scanner.bare_filter()).unwrap();
        let names: Vec<Vec<u8>> = found.entries.into_iter().map(|seen| seen.name).collect();
        assert_eq!(names, [folder.replace('/', "-").into_bytes()], "{at}");
    }
}

#[test]
fn a_folder_of_five_thousand_and_one_files_is_listed_whole() {
    let source = tempfile::tempdir().unwrap();
    let name = |number| source.path().join(format!("{number:05}"));
    fs::write(name(0), "").unwrap();
    for number in 1..5_001 {
        fs::hard_link(name(0), name(number)).unwrap();
    }
    let found = read_folder(&mut scanner(source.path()), &RelPath::root()).unwrap();
    assert_eq!(found.entries.len(), 5_001);
    assert!(found.entries.is_sorted_by(|one, other| one.name < other.name));
    assert!(found.complete);
}
