//! House rules that no compiler checks.
//!
//! Each test reads the sources and the documents as text and lists all that is wrong at once.
//! A rule that has to be bent is bent here, in the open, with its reason.

#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod catalogue;
mod documents;
mod floors;
mod readable;
mod ways;

/// The most lines of a source file, tests included; a longer one is hard to read in one sitting.
const MAX_LINES: usize = 600;

/// The crate that the tests share: a library to the compiler, and a part of the tests to these
/// rules.
const TESTKIT: &str = "crates/fichier-testkit/";

#[test]
fn every_source_file_is_short_and_says_what_it_is_for() {
    let complaints = complain(&rust_files(), |_, text| {
        let lines = text.lines().count();
        let long = (lines > MAX_LINES).then(|| format!("{lines} lines, at most {MAX_LINES}"));
        let mute = !text.starts_with("//! ") || text.starts_with("//! \n");
        long.into_iter().chain(mute.then(|| "does not begin with `//! `".to_owned())).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn only_the_api_crate_speaks_http_to_the_service() {
    let clients = ["reqwest", "ureq", "hyper_rustls", "1fichier.com/v1"];
    // Tests speak to the emulator, and the sample's default address is a setting.
    let may = |path: &str| {
        path.starts_with("crates/fichier-api/")
            || path.contains("/tests")
            || path.starts_with("tests/")
            || path.starts_with(TESTKIT)
            || path.starts_with("crates/fichierd/src/config")
            // Receivers of alerts are no part of the service.
            || path == "crates/fichierd/src/daemon/alerts/send.rs"
    };
    let complaints = complain(&rust_files(), |path, text| {
        if may(path) {
            return Vec::new();
        }
        let code = lines_of_code(text);
        clients
            .iter()
            .filter(|client| code.iter().any(|line| line.contains(*client)))
            .map(|client| format!("speaks to the service by itself: `{client}`"))
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn the_emulator_depends_on_none_of_ours() {
    let manifest = read("crates/fichier-emulator/Cargo.toml");
    for ours in ["fichier-api", "fichier-state", "fichierd."] {
        assert!(!manifest.contains(ours), "a misreading could hide: the emulator uses {ours}");
    }
    let api = read("crates/fichier-api/Cargo.toml");
    let state = read("crates/fichier-state/Cargo.toml");
    let run_time = |manifest: &str| manifest.split("[dev-dependencies]").next().unwrap().to_owned();
    assert!(!run_time(&api).contains("fichier-state"), "the API crate knows the state");
    for manifest in [&api, &state] {
        assert!(!run_time(manifest).contains("fichier-emulator"), "a library needs the emulator");
    }
}

/// The crate is for others as well, who have neither our service nor our runtime.
#[test]
fn the_formats_depend_on_none_of_ours_and_do_no_input_or_output() {
    let manifest = read("crates/rclone-formats/Cargo.toml");
    let run_time = manifest.split("[dev-dependencies]").next().unwrap();
    for other in ["fichier", "tokio", "rustix", "getrandom", "fastrand"] {
        assert!(!run_time.contains(other), "rclone-formats needs {other}");
    }
    let outside = ["std::fs", "std::io", "std::net", "std::env", "std::process", "std::time"];
    let complaints = complain(&rust_files(), |path, text| {
        if !path.starts_with("crates/rclone-formats/src/") {
            return Vec::new();
        }
        let code = lines_of_code(text);
        let found = outside.iter().filter(|word| code.iter().any(|line| line.contains(*word)));
        found.map(|word| format!("is not pure: `{word}`")).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn only_tests_depend_on_the_testkit() {
    for name in ["fichier-api", "fichier-emulator", "fichier-state", "fichierd", "rclone-formats"] {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        let run_time = manifest.split("[dev-dependencies]").next().unwrap();
        assert!(!run_time.contains("fichier-testkit"), "{name} needs the testkit");
    }
}

/// The guard that keeps tests from reaching another machine (`loopback` of the testkit) sees only
/// the clients and programs that the testkit makes.
#[test]
fn tests_make_clients_and_start_the_program_through_the_testkit() {
    let is_own_way = |line: &str| {
        let sets_address = line.split(".api_url(").skip(1).any(|rest| !rest.starts_with(')'));
        let starts = line.contains("CARGO_BIN_EXE_") && !line.contains("Program::at(env!(");
        line.contains("Client::builder(") || sets_address || starts
    };
    let complaints = complain(&rust_files(), |path, text| {
        let is_test = path.starts_with("tests/") || path.starts_with("crates/fichierd/benches/");
        if !is_test || path.starts_with("tests/tidy/") {
            return Vec::new();
        }
        let found = lines_of_code(text).into_iter().filter(|line| is_own_way(line));
        found.map(|line| format!("passes by the guard: `{}`", line.trim())).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// Invariant I5 as far as text can show it: the daemon changes files in few places, none of
/// which knows a source.
#[test]
fn only_named_files_write_to_the_disk() {
    let writes = [
        "File::create",
        "fs::write",
        ".write(true)",
        ".append(true)",
        "fs::remove_",
        "fs::rename",
        "create_dir",
        "set_permissions",
        "fs::copy",
        "hard_link",
        "fs::symlink(",
        "unlinkat",
        "renameat",
        "mkdirat",
        "OFlags::WRONLY",
        "OFlags::RDWR",
        "OFlags::CREATE",
        ".set_len(",
        "utimensat",
    ];
    // The things that each of them writes, none of them below a source:
    let may = [
        "crates/fichierd/src/cli/check.rs", // tries out the state folder
        "crates/fichierd/src/cli/demo",     // a folder of its own
        "crates/fichierd/src/cli/emulator.rs", // key and certificate beside the files
        "crates/fichierd/src/cli/man.rs",   // the manual pages
        "crates/fichierd/src/cli/output.rs", // standard output
        "crates/fichierd/src/cli/remote/download", // where the user says
        "crates/fichierd/src/daemon/control/", // the control socket
        "crates/fichierd/src/daemon/web/textfile.rs", // a file for node_exporter, in no source
        "crates/fichierd/src/restore/drill.rs", // a folder of its own in the state folder
        "crates/fichierd/src/remote/probe/clean.rs", // a note in the state folder
        "crates/fichierd/src/restore/recovery/files.rs", // the state folder
        "crates/fichierd/src/disk/holes.rs", // punches holes where restore says
        "crates/fichierd/src/restore/",     // the destination of a restore
        "crates/fichierd/src/upkeep/snapshot/files.rs", // beside the state
    ];
    let complaints = complain(&rust_files(), |path, text| {
        let concerned = path.starts_with("crates/fichierd/src/") && !path.contains("tests");
        if !concerned || may.iter().any(|may| path.starts_with(may)) {
            return Vec::new();
        }
        let code = lines_of_code(text);
        let found = writes.iter().filter(|word| code.iter().any(|line| line.contains(*word)));
        found.map(|word| format!("writes to the disk: `{word}`")).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn only_the_command_line_prints() {
    let complaints = complain(&rust_files(), |path, text| {
        let may = path.starts_with("crates/fichierd/src/cli")
            || path.contains("/tests")
            || path.starts_with(TESTKIT);
        let library = path.starts_with("crates/") && path.contains("/src/");
        if may || !library {
            return Vec::new();
        }
        let code = lines_of_code(text);
        let found = ["println!", "eprintln!", "print!(", "dbg!"];
        let found = found.iter().filter(|word| code.iter().any(|line| line.contains(*word)));
        found.map(|word| format!("prints: `{word}`")).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn nothing_is_left_for_later() {
    let left = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut files = rust_files();
    files.extend(documents::all());
    let complaints = complain(&files, |_, text| {
        let words = left.iter().filter(|word| has_word(text, word));
        words.map(|what| format!("contains `{what}`")).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
}

/// The lines before the inline tests that are not comments.
fn lines_of_code(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect()
}

fn complain(files: &BTreeSet<PathBuf>, check: impl Fn(&str, &str) -> Vec<String>) -> String {
    assert!(files.len() > 10, "the sources were not found");
    let mut complaints = String::new();
    for file in files {
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        let text = fs::read_to_string(file).unwrap();
        for complaint in check(name, &text) {
            complaints += &format!("{name}: {complaint}\n");
        }
    }
    complaints
}

fn rust_files() -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for top in ["crates", "tests"] {
        collect(&root().join(top), "rs", &mut files);
    }
    files
}

fn collect(folder: &Path, extension: &str, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.insert(path);
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
