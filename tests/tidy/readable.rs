//! The documents are easy to read: short lines, short paragraphs, links that lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::{complain, documents, read, root};

/// The most columns of a line of prose; a longer line wraps in a terminal and in a diff.
const MOST_COLUMNS: usize = 100;
/// The most lines of the README, which is read in one sitting; details go to docs/.
const MOST_README_LINES: usize = 120;
/// The most lines of one paragraph of docs/operations.md, which is read in a hurry.
const MOST_PARAGRAPH_LINES: usize = 5;

#[test]
fn lines_of_prose_are_short() {
    let complaints = complain(&manuals(), |_, text| {
        let long = |(number, line): (usize, &str)| {
            let columns = without_targets(line).chars().count();
            (columns > MOST_COLUMNS && !is_row(line))
                .then(|| format!("line {number} has {columns} columns, at most {MOST_COLUMNS}"))
        };
        prose(text).into_iter().filter_map(long).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= MOST_README_LINES, "{lines} lines, at most {MOST_README_LINES}");
}

#[test]
fn paragraphs_for_operators_are_short() {
    let text = read("docs/operations.md");
    let mut complaints = String::new();
    let mut paragraph = 0;
    for (number, line) in prose(&text) {
        let ends = line.trim().is_empty() || line.starts_with(['|', '#']);
        let begins = line.trim_start().starts_with("* ");
        paragraph = if ends { 0 } else { 1 + if begins { 0 } else { paragraph } };
        if paragraph == MOST_PARAGRAPH_LINES + 1 {
            complaints += &format!("line {number}: longer than {MOST_PARAGRAPH_LINES} lines\n");
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn a_link_into_a_document_leads_to_one_of_its_headings() {
    let mut complaints = String::new();
    for document in manuals() {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let Some((path, anchor)) = link.split_once('#') else { continue };
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let there = fs::read_to_string(target).is_ok_and(|t| anchors(&t).contains(anchor));
            if !there {
                complaints += &format!("{}: no heading for {link}\n", document.display());
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn anchors_are_those_that_a_browser_is_sent_to() {
    let text = "# Two words\n```sh\n# no heading\n```\n## A `.fichierignore`, and `[pace]`\n";
    assert_eq!(Vec::from_iter(anchors(text)), ["a-fichierignore-and-pace", "two-words"]);
}

/// The Markdown files that people read.
fn manuals() -> BTreeSet<PathBuf> {
    let found = documents::all();
    let found = BTreeSet::from_iter(
        found.into_iter().filter(|path| path.extension() == Some("md".as_ref())),
    );
    assert!(found.contains(&root().join("README.md")), "the documents were not found");
    found
}

/// The lines outside code blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_fence = line.trim_start().starts_with("```");
        if !in_code && !is_fence {
            lines.push((number, line));
        }
        in_code ^= is_fence;
    }
    lines
}

/// A row of a table cannot be wrapped.
fn is_row(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

/// The line without the addresses of its links, which cannot be wrapped either.
fn without_targets(line: &str) -> String {
    let mut parts = line.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, rest| {
        shown + "]" + rest.split_once(')').map_or("", |(_, behind)| behind)
    })
}

/// What stands behind `#` in a link to each heading, as GitHub makes it.
fn anchors(text: &str) -> BTreeSet<String> {
    let titles = prose(text).into_iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| title.trim())
    });
    let anchor = |title: &str| {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    titles.map(anchor).collect()
}
