//! All input from outside may be hostile: replies, pages, files, names, requests.
//!
//! The entry functions that the fuzz targets (`tests/fuzz`) call are called here with each file of
//! their corpus and with mutations of them, the same ones in every run. For others, or more:
//! `HOSTILE_SEED=7 HOSTILE_CASES=100000 cargo test -p fichierd --test hostile`.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails")]

mod mutate;
mod server;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fichier_testkit::entries;
use fichier_testkit::setting::setting;
use mutate::Mutations;

/// The number of mutations of each corpus in the ordinary run; entries that open databases get
/// fewer.
const CASES: usize = 1_500;
const SLOW: [(&str, usize); 4] =
    [("snapshots", 60), ("control_requests", 400), ("patterns", 400), ("config", 400)];

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[track_caller]
fn run(entry: fn(&[u8]), input: &[u8], from: &dyn Fn() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| entry(input))) {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        panic!(
            "{}: {}\ninput: {:?}",
            from(),
            what.unwrap_or_default(),
            input.escape_ascii().to_string()
        );
    }
}

#[test]
fn h07_every_input_of_the_corpus_is_read_or_refused() {
    for (name, entry) in entries::ALL {
        for (path, input) in corpus(name) {
            run(entry, &input, &|| path.display().to_string());
        }
    }
}

#[test]
fn h07_no_mutation_of_the_corpus_breaks_what_must_hold() {
    for (name, entry) in entries::ALL {
        let inputs: Vec<_> = corpus(name).into_iter().map(|(_, input)| input).collect();
        let few = SLOW.iter().find(|(slow, _)| *slow == name).map(|(_, cases)| *cases);
        let cases = setting("HOSTILE_CASES").map(|cases| usize::try_from(cases).unwrap());
        let seed = setting("HOSTILE_SEED").unwrap_or(1);
        let mutations = Mutations::new(&inputs, seed);
        for (number, input) in mutations.take(cases.or(few).unwrap_or(CASES)).enumerate() {
            run(entry, &input, &|| format!("{name}, mutation {number} of seed {seed}"));
        }
    }
}

#[test]
fn every_entry_has_a_fuzz_target_of_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in entries::ALL {
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("entries::{name}(data)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}

#[test]
fn patterns_that_an_ordinary_user_can_write_take_a_bounded_amount_of_memory() {
    let held = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    };
    let before = held();
    for patterns in [1_000, 20_000, 300_000] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".fichierignore"), "?*\n".repeat(patterns)).unwrap();
        let filter = std::sync::Arc::new(fichierd::disk::Filter::new(dir.path(), &[]).unwrap());
        let path = fichier_state::RelPath::parse(b"x/y").unwrap();
        filter.is_excluded(&path, false);
    }
    let most = held() - before;
    assert!(most < 64, "{most} MiB");
}
