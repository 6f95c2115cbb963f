//! Examples of paths that are left out.

use expect_test::{Expect, expect};

use super::*;

mod as_git;

/// A tree of `.fichierignore` files and questions; a question that ends in `/` is a folder.
fn check(exclude: &[&str], files: &[(&str, &str)], questions: &str, expected: Expect) {
    let source = tempfile::tempdir().unwrap();
    for (folder, text) in files {
        let folder = source.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(".fichierignore"), text).unwrap();
    }
    let exclude: Vec<String> = exclude.iter().map(|pattern| pattern.to_string()).collect();
    let filter = Arc::new(Filter::new(source.path(), &exclude).unwrap());
    let mut lines = String::new();
    for question in questions.lines() {
        let path = RelPath::parse(question.trim_end_matches('/').as_bytes()).unwrap();
        let is_dir = question.ends_with('/');
        let verdict = filter.explain(&path, is_dir);
        assert_eq!(filter.is_excluded(&path, is_dir), verdict != FilterVerdict::Included);
        lines += &match verdict {
            FilterVerdict::Included => format!("{question}: in\n"),
            FilterVerdict::Excluded { at, by, from } => {
                format!("{question}: out at {at} by {by} ({from})\n")
            }
        };
    }
    expected.assert_eq(&lines);
}

#[test]
fn patterns_of_the_config_have_gitignore_syntax() {
    check(
        &["*.tmp", "/cache", "build/", "!keep.tmp", "a/**/z"],
        &[],
        "x.tmp\nd/x.tmp\nkeep.tmp\ncache\nd/cache\nbuild\nbuild/\na/b/c/z\n.tmp",
        expect![[r#"
            x.tmp: out at x.tmp by *.tmp (exclude in the config)
            d/x.tmp: out at d/x.tmp by *.tmp (exclude in the config)
            keep.tmp: in
            cache: out at cache by /cache (exclude in the config)
            d/cache: in
            build: in
            build/: out at build by build/ (exclude in the config)
            a/b/c/z: out at a/b/c/z by a/**/z (exclude in the config)
            .tmp: out at .tmp by *.tmp (exclude in the config)
        "#]],
    );
}

#[test]
fn the_deepest_file_decides_and_in_it_the_last_line() {
    check(
        &[],
        &[("", "# logs\n*.log\n/only-here\n"), ("a/b", "!*.log\n\ndebug.log\n")],
        "x.log\na/x.log\na/b/x.log\na/b/c/x.log\na/b/debug.log\nonly-here\na/only-here",
        expect![[r#"
            x.log: out at x.log by *.log (.fichierignore, line 2)
            a/x.log: out at a/x.log by *.log (.fichierignore, line 2)
            a/b/x.log: in
            a/b/c/x.log: in
            a/b/debug.log: out at a/b/debug.log by debug.log (a/b/.fichierignore, line 3)
            only-here: out at only-here by /only-here (.fichierignore, line 3)
            a/only-here: in
        "#]],
    );
}

#[test]
fn a_file_in_the_tree_cannot_undo_the_config() {
    check(
        &["*.key", "!public.key"],
        &[("a", "!secret.key\npublic.key\n")],
        "a/secret.key\na/public.key",
        expect![[r#"
            a/secret.key: out at a/secret.key by *.key (exclude in the config)
            a/public.key: in
        "#]],
    );
}

#[test]
fn nothing_below_an_excluded_folder_comes_back() {
    check(
        &[],
        &[("", "gone/\n"), ("gone", "!x\n")],
        "gone/\ngone/x\ngone/deep/er",
        expect![[r#"
            gone/: out at gone by gone/ (.fichierignore, line 1)
            gone/x: out at gone by gone/ (.fichierignore, line 1)
            gone/deep/er: out at gone by gone/ (.fichierignore, line 1)
        "#]],
    );
}

#[test]
fn our_own_name_is_reserved_at_the_root_only() {
    check(
        &["!.fichierd"],
        &[],
        ".fichierd/\n.fichierd/x\na/.fichierd/",
        expect![[r#"
            .fichierd/: out at .fichierd by .fichierd (the name is reserved for the target's own folder)
            .fichierd/x: out at .fichierd by .fichierd (the name is reserved for the target's own folder)
            a/.fichierd/: in
        "#]],
    );
}

#[test]
fn the_unfinished_files_of_a_restore_are_left_out_anywhere() {
    check(
        &["!.fichierd-restore"],
        &[],
        ".fichierd-restore/\n.fichierd-restore\na/.fichierd-restore/x",
        expect![[r#"
            .fichierd-restore/: out at .fichierd-restore by .fichierd-restore (a restore keeps its unfinished files there)
            .fichierd-restore: in
            a/.fichierd-restore/x: out at a/.fichierd-restore by .fichierd-restore (a restore keeps its unfinished files there)
        "#]],
    );
}

#[test]
fn a_changed_file_counts_at_once() {
    let source = tempfile::tempdir().unwrap();
    let filter = Arc::new(Filter::new(source.path(), &[]).unwrap());
    let path = RelPath::parse(b"a.txt").unwrap();
    assert!(!filter.is_excluded(&path, false));
    fs::write(source.path().join(".fichierignore"), "*.txt").unwrap();
    assert!(filter.is_excluded(&path, false));
    fs::write(source.path().join(".fichierignore"), "*.mp3").unwrap();
    assert!(!filter.is_excluded(&path, false));
}

#[test]
fn a_name_that_is_not_utf_8_is_matched_by_its_bytes() {
    let filter = Filter::new(Path::new("/nowhere"), &["caf*.txt".to_owned()]).unwrap();
    let root = Arc::new(filter).root();
    assert!(root.is_excluded(b"caf\xE9.txt", false));
    assert!(!root.is_excluded(b"th\xE9.txt", false));
}

#[test]
fn a_bad_pattern_of_the_config_is_named() {
    let refused = |pattern: &str| {
        let patterns = ["ok".to_owned(), pattern.to_owned()];
        Filter::new(Path::new("/srv"), &patterns).unwrap_err()
    };
    let error = refused("a[z-a]");
    assert_eq!(error.pattern, "a[z-a]");
    assert!(error.to_string().starts_with("the pattern `a[z-a]` cannot be read: invalid range"));
    let error = refused("[[:alpha:]]").to_string();
    assert!(error.ends_with("is not known here; write the characters: [a-zA-Z]"), "{error}");
}

#[test]
fn a_bad_line_is_reported_and_the_others_hold() {
    let (rules, bad) = Rules::parse(b"\xEF\xBB\xBF*.log  \n{a\ncaf\xE9\n*.tmp\r\n");
    let lines: Vec<u32> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [2, 3]);
    assert!(rules.matched(Path::new("x.log"), false).is_ignore());
    assert!(rules.matched(Path::new("x.tmp"), false).is_ignore());
    assert_eq!(rules.line_of("*.tmp"), 4);
}

#[test]
fn a_line_is_found_though_blanks_at_its_end_are_left_out() {
    let (rules, bad) = Rules::parse(b"a  \r\nb\\  \nc\\\\ \nd\t\r\n");
    let bad: Vec<u32> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(bad, [4], "the tab would be a part of the pattern in git");
    for (name, line) in [("a", 1), ("b ", 2), ("c\\", 3)] {
        let Match::Ignore(glob) = rules.matched(Path::new(name), false) else {
            panic!("{name} is not excluded");
        };
        assert_eq!(rules.line_of(glob.original()), line, "{name}");
    }
}
