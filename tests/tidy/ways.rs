//! The steps of "How to add …" in docs/architecture.md that neither the compiler nor a test of one
//! crate asks for.

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory;
use fichierd::cli::Cli;
use fichierd::daemon::control::Request;

use crate::floors::{calls_of_the_client, names};
use crate::{lines_of_code, read, root, rust_files};

/// The documents for people who use the program.
const MANUALS: [&str; 6] = [
    "README.md",
    "docs/configuration.md",
    "docs/json.md",
    "docs/limits.md",
    "docs/operations.md",
    "docs/restore.md",
];

#[test]
fn each_command_is_in_a_manual() {
    let manuals = MANUALS.map(read).join("\n");
    let command = Cli::command();
    let silent: Vec<&str> = command
        .get_subcommands()
        .map(|command| command.get_name())
        .filter(|name| {
            !names(&manuals, &format!("fichierd {name}")) && !manuals.contains(&format!("`{name}`"))
        })
        .collect();
    assert_eq!(silent, [""; 0], "in none of {MANUALS:?}");
}

#[test]
fn each_request_to_the_service_is_described() {
    let text = read("docs/json.md");
    let (_, table) = text.split_once("## The control socket").unwrap();
    // Serde names all that there are when it meets one that it does not know.
    let error = serde_json::from_str::<Request>("\"no_such_request\"").unwrap_err().to_string();
    let words: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(words.len() > 5, "{error}");
    let silent = words.into_iter().filter(|word| !table.contains(&format!("\"{word}\"")));
    assert_eq!(silent.collect::<Vec<_>>(), [""; 0], "docs/json.md, the control socket");
}

#[test]
fn each_call_of_the_client_is_tried_against_the_emulator() {
    let tests: String = rust_files()
        .iter()
        .filter(|file| file.starts_with(root().join("crates/fichier-api/tests")))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_tried = |call: &String| tests.contains(&format!(".{call}("));
    let untried: Vec<String> =
        calls_of_the_client().into_iter().filter(|call| !is_tried(call)).collect();
    assert_eq!(untried, [""; 0]);
}

#[test]
fn each_endpoint_of_the_client_is_in_the_notes() {
    let notes = read("docs/api-notes.md");
    let mut endpoints = BTreeSet::new();
    for file in rust_files() {
        if file.starts_with(root().join("crates/fichier-api/src")) {
            let code = lines_of_code(&fs::read_to_string(file).unwrap()).join("\n");
            let texts = code.split('"').filter_map(|text| text.strip_suffix(".cgi"));
            endpoints.extend(texts.map(str::to_owned));
        }
    }
    assert!(endpoints.len() > 15, "{endpoints:?}");
    let unknown: Vec<_> =
        endpoints.iter().filter(|name| !notes.contains(&format!("`{name}"))).collect();
    assert_eq!(unknown, [""; 0], "docs/api-notes.md");
}

/// The maps name modules (`plan::diff`) and files (`config/file.rs`): both must be there.
#[test]
fn modules_and_files_that_the_maps_name_exist() {
    let mut complaints = String::new();
    for map in ["docs/architecture.md", "crates/fichierd/src/lib.rs"] {
        let text = read(map);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        let modules = text.split(|c| !is_part(c)).map(|word| word.trim_matches(':'));
        // A word with a capital letter names a type or what belongs to one.
        let is_module_name =
            |word: &&str| word.contains("::") && !word.contains(|c: char| c.is_ascii_uppercase());
        let modules = modules.filter(is_module_name);
        for module in modules.filter(|module| !is_module(module)) {
            complaints += &format!("{map}: there is no module `{module}`\n");
        }
        let is_file = |word: &&str| word.ends_with('/') || word.ends_with(".rs");
        let files = text.split('`').skip(1).step_by(2).filter(is_file);
        for file in files.filter(|file| !file.starts_with(['<', '.']) && !is_there(file)) {
            complaints += &format!("{map}: there is no `{file}`\n");
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// `plan::diff` is one of the daemon, `fichier_state::past` one of another crate.
fn is_module(name: &str) -> bool {
    let (first, rest) = name.split_once("::").unwrap();
    let (krate, path) = match first {
        "fichier_api" | "fichier_state" | "fichier_emulator" | "rclone_formats" => {
            (first.replace('_', "-"), rest)
        }
        _ => ("fichierd".to_owned(), name),
    };
    let file = format!("crates/{krate}/src/{}.rs", path.replace("::", "/"));
    root().join(file).is_file()
}

/// A path of the project, of `crates/`, or of the daemon's sources.
fn is_there(path: &str) -> bool {
    ["", "crates", "crates/fichierd/src"].iter().any(|at| root().join(at).join(path).exists())
}

/// The endpoints that a file of the client names in a constant.
fn endpoints_in(text: &str) -> impl Iterator<Item = &str> {
    let constants = text.lines().filter(|line| line.contains("const ") && line.contains(": &str"));
    constants.filter_map(|line| line.split('"').nth(1))
}

#[test]
fn z100_each_endpoint_has_words_for_people() {
    let table = read("crates/fichier-api/src/error/tried.rs");
    let client = root().join("crates/fichier-api/src");
    let files = rust_files().into_iter().filter(|file| file.starts_with(&client));
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let all: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| endpoints_in(text))
        .filter(|name| name.ends_with(".cgi") || name.ends_with(".pl"))
        .filter(|name| !name.starts_with('/'))
        .collect();
    assert!(all.len() > 25, "{all:?}");
    let without = all.into_iter().filter(|name| !table.contains(&format!("(\"{name}\", ")));
    assert_eq!(without.collect::<Vec<_>>(), [""; 0], "crates/fichier-api/src/error/tried.rs");
}
