//! Every fault of the catalogue in docs/testing.md has a test that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::{read, root, rust_files};

/// The number of faults in each part of the catalogue.
const PARTS: [(char, usize); 14] = [
    ('K', 25),
    ('P', 10),
    ('D', 10),
    ('T', 6),
    ('R', 13),
    ('W', 17),
    ('F', 12),
    ('N', 8),
    ('S', 5),
    ('H', 14),
    ('U', 17),
    ('C', 8),
    ('X', 8),
    ('O', 6),
];

/// The rows of the table whose first cell is the id of a fault: the fault, and the test that shows
/// it.
fn rows(text: &str) -> Vec<(&str, &str, &str)> {
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.splitn(3, " | ");
            let (id, fault, shown) = (cells.next()?, cells.next()?, cells.next()?);
            let (letter, number) = id.split_at_checked(1)?;
            let is_id = letter.chars().all(|c| c.is_ascii_uppercase())
                && number.len() == 2
                && number.parse::<u32>().is_ok();
            is_id.then_some((id, fault, shown))
        })
        .collect()
}

#[test]
fn every_fault_of_the_catalogue_is_in_the_table_once() {
    let text = read("docs/testing.md");
    let mut found = BTreeMap::<&str, usize>::new();
    for (id, fault, _) in rows(&text) {
        assert!(fault.len() > 5, "{id} does not say what it is");
        *found.entry(id).or_default() += 1;
    }
    let all: Vec<String> = PARTS
        .iter()
        .flat_map(|(part, rows)| (1..=*rows).map(move |number| format!("{part}{number:02}")))
        .collect();
    assert_eq!(all.len(), 159);
    for id in &all {
        assert_eq!(found.remove(id.as_str()), Some(1), "{id} is missing, or there twice");
    }
    // The numbers of these have gaps: each is in the block of what it is about.
    let is_once = |(id, times): (&str, usize)| id.starts_with(['E', 'Y', 'Z']) && times == 1;
    let others: Vec<_> = found.into_iter().filter(|row| !is_once(*row)).collect();
    assert!(others.is_empty(), "no such faults, or there twice: {others:?}");
}

/// A name in backticks is that of a test, a module of tests, or a path.
#[test]
fn every_fault_names_a_test_that_exists() {
    let text = read("docs/testing.md");
    let mut names = BTreeSet::new();
    for file in rust_files() {
        let text = fs::read_to_string(file).unwrap();
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        names.extend(functions.map(str::to_owned));
    }
    let mut complaints = String::new();
    for (id, _, shown) in rows(&text) {
        let quoted: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        let is_test = |word: &str| names.contains(word);
        let is_path = |word: &str| word.contains('/') && root().join(word).exists();
        if !quoted.iter().any(|word| is_test(word) || is_path(word)) {
            complaints += &format!("{id}: none of {quoted:?} is a test or a path\n");
        }
        for word in quoted.iter().filter(|word| word.starts_with("tests/")) {
            if !is_path(word.split(' ').next().unwrap()) {
                complaints += &format!("{id}: there is no {word}\n");
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}
