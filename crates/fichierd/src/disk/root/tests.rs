//! Things that may stand in the place of a source.

use std::os::unix::fs::symlink;

use expect_test::{Expect, expect};

use super::*;

fn source_with(names: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for name in names {
        fs::write(source.join(name), "x").unwrap();
    }
    (dir, source)
}

/// The message, or `fine`; with the path of the source as SOURCE.
fn check(source: &Path, recorded: Option<&RootIdentity>, recorded_files: u64, expected: Expect) {
    let on_record = OnRecord { files: recorded_files, approved: false };
    let text = match check_root(source, recorded, on_record) {
        Ok(_) => "fine".to_owned(),
        Err(trouble) => trouble.to_string().replace(&source.display().to_string(), "SOURCE"),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_missing_source_says_so() {
    let (_dir, source) = source_with(&[]);
    check(&source.join("no"), None, 0, expect!["the source SOURCE does not exist"]);
}

#[test]
fn a_file_or_a_link_in_its_place_is_not_a_source() {
    let (dir, source) = source_with(&["file"]);
    let file = source.join("file");
    check(&file, None, 0, expect!["the source SOURCE is a file, not a folder"]);
    let link = dir.path().join("link");
    symlink(&source, &link).unwrap();
    let text = check_root(&link, None, OnRecord::default()).unwrap_err().to_string();
    let (link, source) = (link.display(), source.display());
    assert_eq!(
        text,
        format!("the source {link} is a symbolic link to {source}, and not a folder itself")
    );
}

#[test]
fn an_empty_source_with_records_is_taken_for_an_unmounted_disk() {
    let (_dir, source) = source_with(&[]);
    fs::create_dir(source.join("lost+found")).unwrap();
    check(&source, None, 0, expect!["fine"]);
    check(
        &source,
        None,
        12,
        expect!["the source SOURCE is empty, but 12 files of it are on record"],
    );
}

#[test]
fn the_same_folder_is_believed_though_all_in_it_was_renamed() {
    let (_dir, source) = source_with(&["a", "b", "c"]);
    let mut recorded = identify(&source).unwrap();
    recorded.uuid.get_or_insert_with(|| "stands in for a UUID".to_owned());
    if identify(&source).unwrap().uuid.is_none() {
        return eprintln!("skipped: this file system has no identifier");
    }
    for name in ["a", "b", "c"] {
        let moved = source.join(format!("{name}-renamed"));
        fs::copy(source.join(name), moved).unwrap();
    }
    recorded.top = vec![b"all".to_vec(), b"gone".to_vec()];
    check(&source, Some(&recorded), 3, expect!["fine"]);
}

#[test]
fn another_folder_is_believed_only_with_most_of_the_names() {
    let (_dir, source) = source_with(&["a", "b", "c"]);
    let now = identify(&source).unwrap();
    let recorded = |names: &[&str]| RootIdentity {
        inode: now.inode + 1,
        top: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        ..now.clone()
    };
    check(&source, Some(&recorded(&["a", "b", "x", "y"])), 4, expect!["fine"]);
    check(
        &source,
        Some(&recorded(&["a", "x", "y"])),
        3,
        expect!["the source SOURCE is not the folder it was: of 3 names at its top, 1 are left"],
    );
    check(&source, Some(&recorded(&["x"])), 0, expect!["fine"]);
}

#[test]
fn another_file_system_is_held_however_familiar_it_looks() {
    let (_dir, source) = source_with(&["a"]);
    let mut now = identify(&source).unwrap();
    if now.uuid.is_none() {
        return eprintln!("skipped: this file system has no identifier");
    }
    now.uuid = Some("ext-0123".to_owned());
    let trouble =
        check_root(&source, Some(&now), OnRecord { files: 1, approved: false }).unwrap_err();
    assert!(
        matches!(&trouble, RootTrouble::OtherFileSystem { recorded, .. } if recorded == "ext-0123"),
        "{trouble}"
    );
}

#[test]
fn without_an_identifier_the_names_decide_even_if_the_inode_is_the_same() {
    let (_dir, source) = source_with(&["a", "b"]);
    let now = identify(&source).unwrap();
    let recorded = RootIdentity { uuid: None, top: vec![b"x".to_vec(), b"y".to_vec()], ..now };
    let trouble =
        check_root(&source, Some(&recorded), OnRecord { files: 2, approved: false }).unwrap_err();
    assert!(matches!(trouble, RootTrouble::Replaced { names_left: 0, .. }), "{trouble}");
}

#[test]
fn an_identity_survives_as_text_and_keeps_a_bounded_number_of_names() {
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_dir, source) = source_with(&names);
    let identity = identify(&source).unwrap();
    assert_eq!(identity.top.len(), MAX_TOP_NAMES);
    assert_eq!(identity.top.last().unwrap(), b"063");
    assert_eq!(RootIdentity::parse(&identity.to_text()), Some(identity));
    assert_eq!(RootIdentity::parse("from another program"), None);
}

#[test]
fn another_file_system_is_believed_while_nothing_is_on_record() {
    let (_dir, source) = source_with(&["a"]);
    let before = RootIdentity { uuid: Some("under the mount".to_owned()), inode: 1, top: vec![] };
    let now = RootIdentity { uuid: Some("the disk".to_owned()), ..identify(&source).unwrap() };
    let judged = |files, approved| {
        let on_record = OnRecord { files, approved };
        judge(&source, now.clone(), Some(&before), on_record, |_| true).is_ok()
    };
    assert!(judged(0, false));
    assert!(!judged(1, false));
    assert!(!judged(1, true), "an approval is not for another disk");
}
