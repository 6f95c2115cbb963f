//! Plans as text, for worlds described in a few lines.
//!
//! Each line of the records is `PATH CONTENT`, where the content is one letter repeated: `a×5`.
//! Paths that end in `/` are folders. The disk is described in the same way; equal content means an
//! equal fingerprint, and a file whose line is in both is untouched.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use fichier_api::{FileUrl, Fingerprint, FolderId, Whirlpool};
use fichier_state::{
    Content, Entry, Folder, FolderKey, Metadata, MirrorId, Origin, RelPath, RemoteCopy, RemoteSpot,
    Stamp,
};

use super::{BatchLimits, GoneFolder, Known, Policy, plan};
use crate::disk::{Seen, SeenKind};
use crate::plan::change::Change;
use crate::plan::steps::{Note, Placement, Step};

mod batches;
mod choices;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.trim_end_matches('/').as_bytes()).unwrap()
}

fn fingerprint(content: &str) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes[..content.len()].copy_from_slice(content.as_bytes());
    Fingerprint::from_bytes(bytes)
}

fn size(content: &str) -> u64 {
    content.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn stamp(size_bytes: u64) -> Stamp {
    Stamp { size_bytes, mtime_ns: 1, ctime_ns: 1, inode: 1 }
}

fn entry(at: &str, content: &str) -> Entry {
    let id = at.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let copy = RemoteCopy {
        url: FileUrl::parse(&format!("https://1fichier.com/?{id:020}")).unwrap(),
        whirlpool: Whirlpool::from_bytes([0; 64]),
        fingerprint: fingerprint(content),
        remote_name: None,
        confirmed_s: 0,
        origin: Origin::Sent,
        unsettled: false,
        cipher: None,
    };
    Entry {
        folder: FolderKey(1),
        name: path(at).name().to_vec(),
        stamp: stamp(size(content)),
        metadata: Metadata::default(),
        content: Content::File(copy),
        racy: false,
        unmanaged: false,
    }
}

fn seen(at: &str, content: &str) -> Seen {
    Seen {
        name: path(at).name().to_vec(),
        kind: SeenKind::File,
        stamp: stamp(size(content)),
        metadata: Metadata::default(),
        device: 1,
        mount: None,
    }
}

fn folder(at: &str) -> Folder {
    Folder {
        key: FolderKey(2),
        mirror: MirrorId(1),
        parent: Some(FolderKey(1)),
        name: path(at).name().to_vec(),
        remote: Some(RemoteSpot { id: FolderId(9), made_by_us: true, listed: true }),
        remote_name: None,
        device: 1,
        inode: 2,
        ctime_ns: 3,
        metadata: Metadata::default(),
        unmanaged: false,
    }
}

fn lines(text: &str) -> BTreeMap<&str, &str> {
    text.lines().map(|line| line.trim().split_once(' ').unwrap_or((line.trim(), ""))).collect()
}

/// The changes between two descriptions, with everything that would have been gathered.
fn world(recorded: &str, on_disk: &str) -> (Vec<Change>, Known) {
    let (before, now) = (lines(recorded), lines(on_disk));
    let mut known = Known::default();
    let mut changes = Vec::new();
    let gone_folders: Vec<&str> =
        before.keys().copied().filter(|at| at.ends_with('/') && !now.contains_key(at)).collect();
    let below_gone =
        |at: &str| gone_folders.iter().find(|folder| at.starts_with(**folder)).copied();
    for at in before.keys().filter(|at| at.ends_with('/')) {
        known.remote_folders.insert(path(at));
    }
    for at in &gone_folders {
        let inside: Vec<_> = before
            .iter()
            .filter(|(file, _)| file.starts_with(at) && !file.ends_with('/'))
            .map(|(file, content)| (path(file), Box::new(entry(file, content))))
            .collect();
        let folders = vec![(path(at), Box::new(folder(at)))];
        let gone = GoneFolder { key: FolderKey(2), entries: inside, folders, wholly_ours: true };
        known.gone.insert(path(at), gone);
        changes.push(Change::FolderRemoved { path: path(at), folder: Box::new(folder(at)) });
    }
    let sizes: BTreeSet<u64> = before.values().filter(|c| !c.is_empty()).map(|c| size(c)).collect();
    for (at, content) in now.iter().filter(|(at, _)| !at.ends_with('/')) {
        let found = seen(at, content);
        match before.get(at) {
            Some(was) if was == content => continue,
            Some(was) => {
                changes.push(Change::Touched {
                    path: path(at),
                    seen: found,
                    was: Box::new(entry(at, was)),
                });
            }
            None => changes.push(Change::Added { path: path(at), seen: found }),
        }
        if sizes.contains(&size(content)) {
            known.fingerprints.insert(path(at), fingerprint(content));
            if let Some((source, _)) = before.iter().find(|(_, c)| *c == content) {
                let alike = (size(content), fingerprint(content));
                known.copies.insert(alike, entry(source, content));
            }
        }
    }
    for (at, was) in before.iter().filter(|(at, _)| !at.ends_with('/')) {
        if !now.contains_key(at) && below_gone(at).is_none() {
            changes.push(Change::Removed { path: path(at), was: Box::new(entry(at, was)) });
        }
    }
    (changes, known)
}

fn check_with(policy: &Policy, recorded: &str, on_disk: &str, expected: &Expect) {
    let (changes, known) = world(recorded, on_disk);
    expected.assert_eq(&plan(changes, known, policy).to_string());
}

fn policy() -> Policy {
    Policy { keep_versions: true, limits: BatchLimits::default() }
}

fn check(recorded: &str, on_disk: &str, expected: Expect) {
    check_with(&policy(), recorded, on_disk, &expected);
}

#[test]
fn additions_come_before_removals_and_folders_before_what_is_in_them() {
    check(
        "gone a5",
        "new/deep/file b6",
        expect![[r#"
            make folder new
            make folder new/deep
            send new/deep/file (6 B)
            retire gone
        "#]],
    );
}

#[test]
fn a_rename_is_found_by_content_and_sends_nothing() {
    check(
        "old a5",
        "new a5",
        expect![[r#"
        move old to new
    "#]],
    );
}

#[test]
fn a_removal_of_the_same_size_but_other_content_is_no_rename() {
    check(
        "old a5",
        "new b5",
        expect![[r#"
            send new (5 B)
            retire old
        "#]],
    );
}

#[test]
fn a_rename_onto_a_recorded_file_replaces_it() {
    let (changes, known) = world("a a5\nb b5", "b a5");
    let made = plan(changes, known, &policy());
    expect![[r#"
        move a to b
    "#]]
    .assert_eq(&made.to_string());
    assert_eq!(made.removals, 0);
}

#[test]
fn a_chain_moves_its_last_link_first() {
    check(
        "log a5\nlog.1 b6\nlog.2 c7",
        "log d8\nlog.1 a5\nlog.2 b6\nlog.3 c7",
        expect![[r#"
            move log.2 to log.3
            move log.1 to log.2
            move log to log.1
            send log (8 B)
        "#]],
    );
}

#[test]
fn in_a_swap_one_file_steps_aside() {
    check(
        "a a5\nb b5",
        "a b5\nb a5",
        expect![[r#"
            move a to b (steps aside)
            move b to a
            move a to b
        "#]],
    );
}

#[test]
fn a_deleted_folder_of_ours_goes_as_a_whole() {
    check(
        "dir/\ndir/a a5\ndir/b b6",
        "",
        expect![[r#"
            retire folder dir
        "#]],
    );
}

#[test]
fn what_moved_out_of_a_deleted_folder_is_saved_first() {
    check(
        "dir/\ndir/a a5\ndir/b b6",
        "saved a5",
        expect![[r#"
            move dir/a to saved
            retire folder dir
        "#]],
    );
}

#[test]
fn without_versions_files_are_removed_and_then_the_empty_folder() {
    let policy = Policy { keep_versions: false, ..policy() };
    let expected = expect![[r#"
        retire dir/a
        remove folder dir if empty
    "#]];
    check_with(&policy, "dir/\ndir/a a5", "", &expected);
}

#[test]
fn held_removals_are_left_out_and_everything_else_goes_on() {
    let (changes, known) = world("dir/\ndir/a d8\ngone b6\nold a5", "new a5\nmore c7");
    let made = plan(changes, known, &policy()).without_removals();
    expect![[r#"
        move old to new
        send more (7 B)
    "#]]
    .assert_eq(&made.to_string());
    assert_eq!(made.removals, 2, "they are reported all the same");
}

#[test]
fn a_copy_is_made_by_the_service_unless_an_upload_takes_fewer_calls() {
    let before = "big a9000000\nsmall b10\nd/\nd/other c11";
    check(
        before,
        "big a9000000\nbig2 a9000000\nsmall b10\nsmall2 b10\nd/\nd/other c11",
        expect![[r#"
            copy on the service to big2
            copy on the service to small2
        "#]],
    );
    // A file that is sent to the same folder takes a small one along, and none to another folder.
    check(
        before,
        "big a9000000\nbig2 a9000000\nsmall b10\nsmall2 b10\nnew n99\nd/\nd/other c11\nd/small2 b10",
        expect![[r#"
            copy on the service to big2
            copy on the service to d/small2
            send new (99 B)
            send small2 (10 B)
        "#]],
    );
    // Three calls and a move send as many as there are.
    let copies = |number: usize| -> String {
        let all: String = (0..number).map(|n| format!("\ncopy{n} b10")).collect();
        format!("small b10{all}")
    };
    for (number, sent) in [(1, 0), (4, 0), (5, 5), (40, 40)] {
        let (changes, known) = world("small b10", &copies(number));
        let made = plan(changes, known, &policy());
        assert_eq!(made.cost().files, sent, "{number}: {made}");
        assert!(made.cost().calls <= 4, "{number}: {made}");
    }
}

#[test]
fn removals_are_counted_with_those_inside_deleted_folders() {
    let (changes, known) = world("dir/\ndir/a a5\ndir/b b6\nc c7", "");
    assert_eq!(plan(changes, known, &policy()).removals, 3);
}

#[test]
fn uploads_keep_the_files_of_a_folder_together_and_are_bounded() {
    let disk: String = (0..6).map(|n| format!("{}/f{n} x{}\n", n / 2, n + 10)).collect();
    let limits = BatchLimits { files: 3, bytes: 1 << 20 };
    let (changes, known) = world("", disk.trim_end());
    let made = plan(changes, known, &Policy { limits, ..policy() });
    let sizes: Vec<usize> = made
        .steps
        .iter()
        .filter_map(|step| {
            let Step::Upload(files) = step else { return None };
            Some(files.len())
        })
        .collect();
    assert_eq!(sizes, [2, 2, 2]);
}

#[test]
fn the_cost_of_a_plan_is_known_before_it_is_carried_out() {
    let (changes, known) = world("", "a/x a5\na/y b6\nb/x c7");
    let cost = plan(changes, known, &policy()).cost();
    // Two folders; node, files, result, one rename for the twin `x`, two moves.
    assert_eq!((cost.calls, cost.files, cost.bytes), (2 + 6, 3, 18));
}

#[test]
fn s02_what_a_cycle_holds_of_each_change_is_small() {
    // Twenty thousand of these take a few megabytes, as long as records are boxed.
    let bytes = [size_of::<Change>(), size_of::<Note>(), size_of::<Placement>()];
    assert!(bytes.iter().all(|bytes| *bytes <= 248), "{bytes:?}");
}
