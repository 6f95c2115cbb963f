//! What is done with a file, case by case, and how the plan shows it.

use fichier_api::names::RemoteName;
use fichier_state::ForeignFile;

use super::*;
use crate::plan::steps::{Note, Occupant, Plan, Step};

fn planned(changes: &[Change], known: &Known) -> String {
    plan(changes.to_vec(), known.clone(), &policy()).to_string()
}

fn touched(seen: Seen, was: Entry) -> [Change; 1] {
    [Change::Touched { path: path("a"), seen, was: Box::new(was) }]
}

#[test]
fn what_the_service_cannot_hold_is_kept_in_the_state() {
    check(
        "",
        "empty e0",
        expect![[r#"
        note: empty is kept in the state only
    "#]],
    );
    let link = Seen { kind: SeenKind::Symlink(b"target".to_vec()), ..seen("link", "t6") };
    let changes = [Change::Added { path: path("link"), seen: link }];
    expect![[r#"
        note: link is kept in the state only
    "#]]
    .assert_eq(&planned(&changes, &Known::default()));
}

#[test]
fn a_plan_with_nothing_to_write_down_has_no_step_for_it() {
    let (changes, known) = world("", "a a5");
    let made = plan(changes, known, &policy());
    assert!(matches!(&made.steps[..], [Step::Upload(_)]), "{made}");
}

#[test]
fn a_file_that_was_emptied_is_retired_unless_a_person_has_said_that_it_stays() {
    let retired = expect![[r#"
        retire a
    "#]];
    retired.assert_eq(&planned(&touched(seen("a", "e0"), entry("a", "a5")), &Known::default()));
    let kept = Entry { unmanaged: true, ..entry("a", "a5") };
    assert_eq!(planned(&touched(seen("a", "e0"), kept), &Known::default()), "");
}

#[test]
fn a_touched_file_with_the_same_content_costs_a_note_and_one_of_another_size_does_not() {
    let mut known = Known::default();
    known.fingerprints.insert(path("a"), fingerprint("a5"));
    let same = touched(seen("a", "a5"), entry("a", "a5"));
    expect![[r#"
        note: a has the same content
    "#]]
    .assert_eq(&planned(&same, &known));
    // Equal fingerprints of unequal sizes are no evidence of anything.
    let longer = touched(seen("a", "a6"), entry("a", "a5"));
    expect![[r#"
        replace a (6 B)
    "#]]
    .assert_eq(&planned(&longer, &known));
}

#[test]
fn of_equal_files_that_are_gone_the_one_of_the_same_name_has_moved_then_that_of_the_folder() {
    let before = "p/\np/x a5\nq/\nq/y a5\nr/\nr/z a5";
    check(
        before,
        "p/\nq/\nr/\nnew/y a5",
        expect![[r#"
        make folder new
        move q/y to new/y
        retire p/x
        retire r/z
    "#]],
    );
    check(
        before,
        "p/\nq/\nr/\nr/other a5",
        expect![[r#"
        move r/z to r/other
        retire p/x
        retire q/y
    "#]],
    );
}

#[test]
fn a_folder_that_is_gone_is_forgotten_only_if_nothing_of_it_is_anywhere() {
    check(
        "dir/",
        "",
        expect![[r#"
        retire folder dir
    "#]],
    );
    let gone = |entries, folders| {
        let mut known = Known::default();
        let gone = GoneFolder { key: FolderKey(2), entries, folders, wholly_ours: true };
        known.gone.insert(path("dir"), gone);
        planned(&[], &known)
    };
    expect![[r#"
        note: folder dir is gone
    "#]]
    .assert_eq(&gone(Vec::new(), Vec::new()));
    // Others moved its files to where the folder has no counterpart.
    expect![[r#"
        retire dir/a
    "#]]
    .assert_eq(&gone(vec![(path("dir/a"), Box::new(entry("dir/a", "a5")))], Vec::new()));
}

#[test]
fn each_note_says_what_is_written_down() {
    let (a, dir) = (|| path("a"), || Box::new(folder("dir")));
    let was = |content| Box::new(entry("a", content));
    let notes = [
        Note::Refresh(a(), seen("a", "a5"), was("a5")),
        Note::Unsendable(a(), seen("a", "e0")),
        Note::Forget(a(), was("e0")),
        Note::ForgetFolder(path("dir"), FolderKey(2)),
        Note::Manage(a(), was("a5"), true),
        Note::Manage(a(), was("a5"), false),
        Note::ManageFolder(path("dir"), dir(), true),
        Note::ManageFolder(path("dir"), dir(), false),
    ];
    expect![[r#"
        note: a has the same content
        note: a is kept in the state only
        note: a is gone
        note: folder dir is gone
        note: a is mirrored again
        note: a is excluded now, and stays on 1fichier
        note: folder dir is mirrored again
        note: folder dir is excluded now, and stays on 1fichier
    "#]]
    .assert_eq(&notes.map(|note| note.to_string()).concat());
}

#[test]
fn what_is_in_the_way_is_known_by_its_link() {
    let was = entry("a", "a5");
    let link = was.remote().unwrap().url.clone();
    assert_eq!(Occupant::Ours(Box::new(was.clone())).url(), Some(&link));
    let file = ForeignFile {
        url: link.clone(),
        name: RemoteName::encode(b"a"),
        size_bytes: 5,
        whirlpool: None,
    };
    assert_eq!(Occupant::Foreign(Box::new(file)).url(), Some(&link));
    let empty = Entry { content: Content::Empty, ..was };
    assert_eq!(Occupant::Ours(Box::new(empty)).url(), None);
}

/// The files that stand where others belong, and may have their contents, enciphered.
fn alike(on_disk: &str) -> (Vec<Change>, Known) {
    let (changes, mut known) = world("", on_disk);
    for change in &changes {
        let Change::Added { path, seen } = change else { continue };
        let file = ForeignFile {
            url: entry("a", "a5").remote().unwrap().url.clone(),
            name: RemoteName::encode(path.name()),
            size_bytes: seen.stamp.size_bytes + 48,
            whirlpool: None,
        };
        known.in_the_way.insert(path.clone(), file);
        known.alike.insert(path.clone());
    }
    (changes, known)
}

/// The numbers of files that are compared and sent.
fn compared_and_sent(on_disk: &str) -> (usize, usize) {
    let (changes, known) = alike(on_disk);
    let made = plan(changes, known, &policy());
    let text = made.to_string();
    let starting = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
    (starting("compare "), starting("replace "))
}

#[test]
fn enciphered_files_are_compared_or_sent_as_that_takes_less_time() {
    let small = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("f{n} x{}", n + 10)).collect();
        lines.join("\n")
    };
    // To send them would be node, files, result, move and retirement.
    assert_eq!(compared_and_sent(&small(5)), (5, 0));
    assert_eq!(compared_and_sent(&small(6)), (0, 6));
    // At 256 MiB a minute, 5 MiB take longer than a call.
    let large: Vec<String> = (0..10).map(|n| format!("l{n} x{}", (5 << 20) + n)).collect();
    let both = format!("{}\n{}", large.join("\n"), small(6));
    assert_eq!(compared_and_sent(&both), (10, 6));
}

#[test]
fn a_file_that_has_moved_or_is_a_version_is_not_compared() {
    let (changes, mut known) = world("old a5", "new a5");
    let file = ForeignFile {
        url: entry("a", "a5").remote().unwrap().url.clone(),
        name: RemoteName::encode(b"new"),
        size_bytes: 53,
        whirlpool: None,
    };
    known.in_the_way.insert(path("new"), file);
    known.alike.insert(path("new"));
    expect![[r#"
        move old to new
    "#]]
    .assert_eq(&planned(&changes, &known));
}

#[test]
fn both_prices_of_a_comparison_are_told() {
    let (changes, known) = alike("a x20\nb x30");
    let made = plan(changes, known, &policy());
    let told = made.comparison().unwrap();
    expect![
        "2 files may be on 1fichier already: 2 calls to compare, where sending would take 5 calls and 50 B"
    ]
    .assert_eq(&told);
    assert_eq!(made.cost().calls, 2);
    assert_eq!(Plan::default().comparison(), None);
}
