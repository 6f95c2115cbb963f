//! Tables: the records, the listing, and the changes.

use expect_test::{Expect, expect};
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{FolderFacts, FolderKey, Metadata, MirrorId, Origin, RemoteCopy, Stamp};

use super::*;

/// One line a name, sorted as the state and the scan give them. Words: `name kind size mtime`
/// with the flags `ctime=`, `inode=`, `device=`, `mode=`, `to=` (a link's target), `racy`,
/// `unsettled` and `unmanaged`; a kind is `file`, `link`, `dir` or `fifo`.
fn check(known: &str, found: &str, expected: Expect) {
    check_with(known, &scan(found, true), &[], expected);
}

fn check_with(known: &str, found: &FolderScan, excluded: &[&str], expected: Expect) {
    let mut folders = Vec::new();
    let mut entries = Vec::new();
    for line in known.lines().map(Line::parse) {
        match line.kind {
            "dir" => folders.push(line.folder()),
            _ => entries.push(line.entry()),
        }
    }
    folders.sort_by(|one, other| one.name.cmp(&other.name));
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let is_excluded = |name: &[u8], _| excluded.iter().any(|excluded| excluded.as_bytes() == name);
    let path = RelPath::parse(b"in").unwrap();
    let changes = diff_folder(&path, &folders, &entries, found, &is_excluded, None);
    expected.assert_eq(&changes.iter().map(printed).collect::<String>());
}

fn printed(change: &Change) -> String {
    let path = change.path();
    match change {
        Change::FolderAdded { facts: FolderFacts { device, inode, .. }, .. } => {
            format!("folder added {path} device {device} inode {inode}\n")
        }
        Change::FolderTouched { facts: FolderFacts { device, inode, metadata, .. }, .. } => {
            let mode = metadata.mode;
            format!("folder touched {path} device {device} inode {inode} mode {mode}\n")
        }
        Change::FolderRemoved { .. } => format!("folder removed {path}\n"),
        Change::FolderUnmanaged { .. } => format!("folder unmanaged {path}\n"),
        Change::FolderManaged { .. } => format!("folder managed {path}\n"),
        Change::Unmanaged { .. } => format!("unmanaged {path}\n"),
        Change::Managed { .. } => format!("managed {path}\n"),
        Change::Removed { .. } => format!("removed {path}\n"),
        Change::Added { .. } => format!("added {path}\n"),
        Change::Touched { .. } => format!("touched {path}\n"),
    }
}

fn scan(found: &str, complete: bool) -> FolderScan {
    let mut entries: Vec<Seen> = found.lines().map(|line| Line::parse(line).seen()).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    FolderScan { entries, complete, ..FolderScan::default() }
}

struct Line<'a> {
    name: &'a str,
    kind: &'a str,
    stamp: Stamp,
    device: u64,
    mode: u32,
    target: Vec<u8>,
    racy: bool,
    unsettled: bool,
    unmanaged: bool,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Line<'a> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let flag = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
        let number =
            |word: Option<&str>, default| word.map_or(default, |word| word.parse().unwrap());
        let numbers =
            words.iter().copied().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let numbers: Vec<&str> = numbers.collect();
        let mtime = number(numbers.get(1).copied(), 1);
        Line {
            name: words[0],
            kind: words[1],
            stamp: Stamp {
                size_bytes: number(numbers.first().copied(), 0),
                mtime_ns: i64::try_from(mtime).unwrap(),
                ctime_ns: i64::try_from(number(flag("ctime="), 1)).unwrap(),
                inode: number(flag("inode="), 7),
            },
            device: number(flag("device="), 1),
            mode: u32::try_from(number(flag("mode="), 420)).unwrap(),
            target: flag("to=").unwrap_or("x").as_bytes().to_vec(),
            racy: words.contains(&"racy"),
            unsettled: words.contains(&"unsettled"),
            unmanaged: words.contains(&"unmanaged"),
        }
    }

    fn metadata(&self) -> Metadata {
        Metadata { mode: self.mode, mtime_ns: self.stamp.mtime_ns, ..Metadata::default() }
    }

    fn seen(self) -> Seen {
        let kind = match self.kind {
            "file" => SeenKind::File,
            "link" => SeenKind::Symlink(self.target.clone()),
            "dir" => SeenKind::Folder,
            "fifo" => SeenKind::Special,
            other => panic!("{other}"),
        };
        let metadata = self.metadata();
        Seen {
            name: self.name.into(),
            kind,
            stamp: self.stamp,
            metadata,
            device: self.device,
            mount: None,
        }
    }

    fn folder(self) -> Folder {
        Folder {
            key: FolderKey(9),
            mirror: MirrorId(1),
            parent: Some(FolderKey(1)),
            name: self.name.into(),
            remote: None,
            remote_name: None,
            device: self.device,
            inode: self.stamp.inode,
            ctime_ns: self.stamp.ctime_ns,
            metadata: self.metadata(),
            unmanaged: self.unmanaged,
        }
    }

    fn entry(self) -> Entry {
        let content = match self.kind {
            "link" => Content::Symlink(self.target.clone()),
            _ if self.stamp.size_bytes == 0 => Content::Empty,
            _ => Content::File(RemoteCopy {
                url: FileUrl::parse("https://1fichier.com/?abcdefghij0123456789").unwrap(),
                whirlpool: Whirlpool::from_bytes([1; 64]),
                fingerprint: Fingerprint::from_bytes([1; 32]),
                remote_name: None,
                confirmed_s: 1,
                origin: Origin::Sent,
                unsettled: self.unsettled,
                cipher: None,
            }),
        };
        Entry {
            folder: FolderKey(1),
            name: self.name.into(),
            stamp: self.stamp,
            metadata: self.metadata(),
            content,
            racy: self.racy,
            unmanaged: self.unmanaged,
        }
    }
}

#[test]
fn what_is_as_recorded_is_no_change() {
    check(
        "a file 5 100\nb file 0 100\nc link 1 100 to=a\nd dir",
        "a file 5 100\nb file 0 100\nc link 1 100 to=a\nd dir",
        expect![""],
    );
}

#[test]
fn any_difference_in_the_stamp_is_a_touch() {
    check(
        "size file 5 100\nolder file 5 200\nctime file 5 100\ninode file 5 100\nsame file 5 100",
        "size file 6 100\nolder file 5 100\nctime file 5 100 ctime=2\ninode file 5 100 inode=8\nsame file 5 100",
        expect![[r#"
            touched in/ctime
            touched in/inode
            touched in/older
            touched in/size
        "#]],
    );
}

#[test]
fn a_racy_record_is_looked_at_again_though_the_stamp_is_equal() {
    check(
        "a file 5 100 racy",
        "a file 5 100",
        expect![[r#"
            touched in/a
        "#]],
    );
}

#[test]
fn a_file_that_was_sent_while_it_changed_is_looked_at_until_it_rests() {
    check(
        "a file 5 100 unsettled",
        "a file 5 100",
        expect![[r#"
            touched in/a
        "#]],
    );
}

#[test]
fn a_rename_is_a_removal_and_an_addition() {
    check(
        "old file 5 100\nsame file 1 100\nz dir inode=20",
        "new file 5 100\nsame file 1 100\ny dir inode=20",
        expect![[r#"
            added in/new
            removed in/old
            folder added in/y device 1 inode 20
            folder removed in/z
        "#]],
    );
}

#[test]
fn case_and_unicode_form_make_other_names() {
    check(
        "Readme file 5 100\ncaf\u{e9} file 5 100",
        "README file 5 100\nReadme file 5 100\ncafe\u{301} file 5 100\ncaf\u{e9} file 5 100",
        expect![[r#"
            added in/README
            added in/café
        "#]],
    );
}

#[test]
fn a_changed_kind_is_a_removal_before_an_addition_but_files_and_links_follow_each_other() {
    check(
        "a file 5 100\nb dir\nc file 5 100\nd link 1 1 to=x\ne link 1 1 to=x\nf dir",
        "a dir\nb file 5 100\nc link 5 100 to=x\nd file 1 1\ne link 1 1 to=y\nf link 0 1 to=b",
        expect![[r#"
            removed in/a
            folder added in/a device 1 inode 7
            folder removed in/b
            added in/b
            touched in/c
            touched in/d
            touched in/e
            folder removed in/f
            added in/f
        "#]],
    );
}

#[test]
fn what_cannot_be_mirrored_is_as_good_as_absent() {
    check(
        "a file 5 100\nb dir",
        "a fifo\nb fifo\nc fifo",
        expect![[r#"
            removed in/a
            folder removed in/b
        "#]],
    );
}

#[test]
fn a_folder_is_touched_by_its_own_facts() {
    check(
        "device dir\ninode dir\nmode dir\nsame dir\nsize dir 1\nmtime dir 0 1",
        "device dir device=2\ninode dir inode=8\nmode dir mode=448\nsame dir\nsize dir 2\nmtime dir 0 2",
        expect![[r#"
            folder touched in/device device 2 inode 7 mode 420
            folder touched in/inode device 1 inode 8 mode 420
            folder touched in/mode device 1 inode 7 mode 448
            folder touched in/mtime device 1 inode 7 mode 420
        "#]],
    );
}

#[test]
fn an_incomplete_listing_removes_nothing_and_leaves_changed_kinds_alone() {
    check_with(
        "a file 5 100\nb dir\nc file 5 100\nd dir\ne file 5 100",
        &scan("c dir\nd file 5 100\ne file 6 100\nf file 1 1\ng dir", false),
        &[],
        expect![[r#"
            touched in/e
            added in/f
            folder added in/g device 1 inode 7
        "#]],
    );
}

#[test]
fn a_new_exclude_is_not_a_removal_and_is_said_once() {
    check_with(
        "a file 5 100\nb dir\nc file 5 100 unmanaged\nd dir unmanaged\ne file 5 100",
        &scan("e file 5 100", true),
        &["a", "b", "c", "d"],
        expect![[r#"
            unmanaged in/a
            folder unmanaged in/b
        "#]],
    );
}

#[test]
fn what_is_unmanaged_comes_back_with_the_disk_and_is_never_removed() {
    check(
        "a file 5 100 unmanaged\nb dir unmanaged\nc file 5 100 unmanaged\nd dir unmanaged\ne file 5 1 unmanaged",
        "a file 5 100\nb dir\ne file 6 1",
        expect![[r#"
            managed in/a
            folder managed in/b
            touched in/e
        "#]],
    );
}
