//! Every pattern excludes what it excludes in git, or is refused.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;

/// A folder ends in `/`.
const TREE: [&str; 40] = [
    "a",
    "b",
    "ab",
    "abc",
    "a.log",
    "a.log ",
    "a.log\t",
    "x.tmp",
    "-",
    "]",
    "[",
    "{",
    "}",
    "{a,b}",
    "a,b",
    "!",
    "!x",
    "#x",
    "\\",
    "é",
    "ä",
    " a",
    "a b",
    "A",
    "d/",
    "d/a",
    "d/ab",
    "d/e/",
    "d/e/a",
    "d/e/f/",
    "d/e/f/a",
    "foo/",
    "foo/bar",
    "foo/d/",
    "foo/d/bar",
    "a-d/",
    "a-d/é.log",
    "**",
    "d/**x",
    "[a]",
];

const PATTERNS: [&str; 92] = [
    "a",
    "*",
    "?",
    "??",
    "/a",
    "a/",
    "d/",
    "/d/",
    "d/a",
    "d/*",
    "d/**",
    "**/a",
    "**/d/",
    "d/**/a",
    "/**/a",
    "**",
    "**/",
    "/**",
    "/*",
    "/",
    "//",
    "d//a",
    "./a",
    "../a",
    "d/.",
    "*/a",
    "*/*",
    "*/*/a",
    "a*",
    "*a",
    "a**",
    "**a",
    "a**c",
    "d/e**",
    "d**/a",
    "d/**a",
    "**/e/**",
    "*.log",
    "a.log  ",
    "a.log\\ ",
    "a.log\\  ",
    "a.log\t",
    "a.log\t ",
    "[ab]",
    "[!ab]",
    "[^ab]",
    "[a-c]",
    "[a-]",
    "[-a]",
    "[]]",
    "[]a]",
    "[!]]",
    "[[]",
    "[[]a]",
    "[a",
    "[",
    "[]",
    "[!]",
    "[z-a]",
    "[[:alpha:]]",
    "[[:upper:]]",
    "[![:alpha:]]",
    "[é]",
    "[a/b]",
    "d[/]a",
    "[\\]]",
    "[\\a]",
    "\\a",
    "\\*",
    "\\[a]",
    "a\\",
    "\\\\",
    "\\!x",
    "\\#x",
    "#x",
    "!x",
    "!",
    " a",
    "a b",
    "é",
    "?.log",
    "??.log",
    "{a,b}",
    "\\{a,b\\}",
    "a{",
    "}",
    "[{]",
    "foo/**/bar",
    "foo/",
    "foo/*/",
    "d\\/a",
    "D",
];

fn has_git() -> bool {
    let version = Command::new("git").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The paths that git leaves out because of one pattern.
fn ignored_by_git(repository: &Path, pattern: &str) -> Vec<&'static str> {
    fs::write(repository.join(".gitignore"), format!("{pattern}\n")).unwrap();
    let mut git = Command::new("git")
        .args(["-c", "core.excludesFile=/dev/null", "-c", "safe.directory=*"])
        .args(["check-ignore", "--no-index", "-z", "--stdin"])
        .current_dir(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let names: Vec<&str> = TREE.iter().map(|path| path.trim_end_matches('/')).collect();
    let asked = names.iter().fold(String::new(), |text, name| text + name + "\0");
    git.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let told = String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap();
    let told: Vec<&str> = told.split('\0').collect();
    TREE.into_iter().filter(|path| told.contains(&path.trim_end_matches('/'))).collect()
}

#[test]
fn z52_every_pattern_excludes_what_it_excludes_in_git_or_is_refused() {
    if !has_git() {
        return eprintln!("skipped: there is no git");
    }
    let dir = tempfile::tempdir().unwrap();
    let init = Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status();
    assert!(init.unwrap().success());
    for path in TREE {
        let at = dir.path().join(path);
        fs::create_dir_all(if path.ends_with('/') { &at } else { at.parent().unwrap() }).unwrap();
        if !path.ends_with('/') {
            fs::write(at, "").unwrap();
        }
    }
    let mut refused = Vec::new();
    let mut different = String::new();
    for pattern in PATTERNS {
        let (rules, bad) = Rules::parse(format!("{pattern}\n").as_bytes());
        let in_config = Filter::new(dir.path(), &[pattern.to_owned()]);
        assert_eq!(bad.is_empty(), in_config.is_ok(), "{pattern:?} in a file and in the config");
        if !bad.is_empty() {
            refused.push(pattern);
            continue;
        }
        let filter = Arc::new(Filter::new(dir.path(), &[]).unwrap());
        let root = filter.bare().with_rules(Some(Arc::new(rules)));
        let ours = TREE.into_iter().filter(|path| is_excluded(&root, path)).collect::<Vec<_>>();
        let gits = ignored_by_git(dir.path(), pattern);
        if ours != gits {
            different += &format!("{pattern:?}: {ours:?}, and git {gits:?}\n");
        }
    }
    assert_eq!(different, "");
    assert!(refused.len() < PATTERNS.len() / 3, "{refused:?}");
}

/// Whether the path, or a folder above it, is excluded.
fn is_excluded(root: &FolderFilter, path: &str) -> bool {
    let names: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let mut filter = root.clone();
    names.iter().enumerate().any(|(at, name)| {
        let is_folder = at + 1 < names.len() || path.ends_with('/');
        let excluded = filter.is_excluded(name.as_bytes(), is_folder);
        filter = filter.below(name.as_bytes());
        excluded
    })
}
