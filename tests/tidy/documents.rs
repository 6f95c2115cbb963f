//! The documents and the code agree: what one names, the other has.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fichierd::base::Exit;

use crate::{collect, complain, read, root, rust_files};

/// Every document, sample and script.
pub(crate) fn all() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for (top, extension) in [("docs", "md"), ("systemd", "md"), ("config", "toml")] {
        collect(&root().join(top), extension, &mut files);
    }
    for extension in ["service", "conf", "example"] {
        collect(&root().join("systemd"), extension, &mut files);
    }
    files.extend(["README.md", "CHANGELOG.md", ".ci/run", "deny.toml"].map(|f| root().join(f)));
    for folder in ["tests/systemd", "tests/interop"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    files
}

#[test]
fn a_section_that_is_cited_exists() {
    let notes = read("docs/api-notes.md");
    let sections: BTreeSet<&str> = notes
        .lines()
        .filter_map(|line| line.strip_prefix("# ").or_else(|| line.strip_prefix("## ")))
        .filter_map(|title| title.split([' ', '.']).next().map(|first| (first, title)))
        .map(|(first, title)| {
            title
                .split(' ')
                .next()
                .filter(|t| t.contains('.'))
                .map_or(first, |t| t.trim_end_matches('.'))
        })
        .collect();
    for section in ["A", "A.1", "B.22", "C.8", "D", "E", "F.3", "G.3"] {
        assert!(sections.contains(section), "section {section} is gone; found {sections:?}");
    }
    let complaints = complain(&rust_files(), |path, text| {
        if path.starts_with("tests/tidy/") {
            return Vec::new();
        }
        cited(text)
            .into_iter()
            .filter(|section| !sections.contains(section.as_str()))
            .map(|section| {
                format!("cites section {section} of docs/api-notes.md, which it has not")
            })
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// The sections that stand behind each mention of the notes: "B.8 to B.11", "C.7, G.1 row 17".
fn cited(text: &str) -> Vec<String> {
    let joined = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches("//!").trim_start_matches("///"))
        .map(|line| line.trim_start_matches("//").trim())
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = Vec::new();
    for behind in joined.split("api-notes.md,").skip(1) {
        for word in behind.split_whitespace() {
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            if is_section(bare) {
                found.push(bare.to_owned());
            } else if !["section", "and", "to", "row", "rows", "rule"].contains(&bare)
                && bare.parse::<u32>().is_err()
            {
                break;
            }
            if word.ends_with([')', '.', ':', ';']) {
                break;
            }
        }
    }
    found
}

fn is_section(word: &str) -> bool {
    let mut parts = word.split('.');
    let letter = parts.next().is_some_and(|p| p.len() == 1 && ("A"..="G").contains(&p));
    let number = parts.next().is_none_or(|p| p.parse::<u8>().is_ok());
    letter && number && parts.next().is_none()
}

#[test]
fn sections_are_read_out_of_a_citation() {
    assert_eq!(cited("/// (docs/api-notes.md, B.8 to B.11)."), ["B.8", "B.11"]);
    assert_eq!(cited("//! (docs/api-notes.md,\n//! section C). A b"), ["C"]);
    assert_eq!(cited("docs/api-notes.md, C.7, G.1 row 17) E.1"), ["C.7", "G.1"]);
    assert_eq!(cited("docs/api-notes.md, A.5: 3 a second) D.9"), ["A.5"]);
}

#[test]
fn every_exit_code_is_explained() {
    let codes = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Problems,
        Exit::Held,
        Exit::Unavailable,
        Exit::TryLater,
        Exit::Refused,
        Exit::Config,
        Exit::Interrupted,
    ];
    let is_row = |line: &str, exit: Exit| line.starts_with(&format!("| {} |", exit.code()));
    let text = read("docs/operations.md");
    for exit in codes {
        let rows = text.lines().filter(|line| is_row(line, exit)).count();
        assert_eq!(rows, 1, "rows for exit code {} in docs/operations.md", exit.code());
    }
    for document in all().difference(&BTreeSet::from([root().join("docs/operations.md")])) {
        let text = fs::read_to_string(document).unwrap();
        let second = text.lines().any(|line| is_row(line, Exit::Config));
        assert!(!second, "{}: a second table of exit codes", document.display());
    }
    let unit = read("systemd/fichierd.service");
    let never =
        format!("RestartPreventExitStatus={} {}", Exit::Refused.code(), Exit::Config.code());
    assert!(unit.contains(&never), "the unit restarts what only a person can fix");
}

#[test]
fn every_invariant_is_described_and_every_one_that_is_cited_exists() {
    let text = read("docs/architecture.md");
    for number in 1..=12 {
        let row = format!("| **I{number}** |");
        assert!(text.contains(&row), "docs/architecture.md does not describe I{number}");
    }
    let complaints = complain(&rust_files(), |_, text| {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        let numbers = words.filter_map(|word| word.strip_prefix('I')?.parse::<u32>().ok());
        numbers
            .filter(|number| !(1..=12).contains(number))
            .map(|number| format!("cites invariant I{number}, which does not exist"))
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn what_the_documents_link_to_is_there() {
    let documents: Vec<PathBuf> =
        all().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    let mut complaints = String::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let outside = path.is_empty() || path.contains("://");
            if !outside && !document.parent().unwrap().join(path).exists() {
                complaints += &format!("{}: nothing at {link}\n", document.display());
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// A test that was renamed must not live on in the table of what is covered.
#[test]
fn tests_that_are_named_as_proof_exist() {
    let mut names = BTreeSet::new();
    for file in rust_files() {
        let text = fs::read_to_string(file).unwrap();
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        names.extend(functions.map(str::to_owned));
    }
    let mut complaints = String::new();
    for document in ["docs/testing.md", "docs/architecture.md"] {
        for word in read(document).split('`').skip(1).step_by(2) {
            let is_name = word.matches('_').count() >= 3
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_name && !names.contains(word) {
                complaints += &format!("{document}: there is no test `{word}`\n");
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}
