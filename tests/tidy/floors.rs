//! The folders of each crate stand on floors: each uses only those of the floors below.
//!
//! A crate whose folders use each other in circles cannot be understood a folder at a time. The
//! `lib.rs` of each crate says what is in its folders; the lists here say which may use which.

use std::collections::BTreeSet;

use crate::{complain, lines_of_code, read, root, rust_files};

/// The sources of a crate, and its folders and the files beside them from the ground up. Those of
/// one floor do not use each other either.
struct House {
    sources: &'static str,
    floors: &'static [&'static [&'static str]],
}

const API: House = House {
    sources: "crates/fichier-api/src/",
    floors: &[
        &["error"],
        &["clock"],
        &["hash"],
        &["names"],
        &["link"],
        &["key"],
        &["types"],
        &["wire"],
        &["pace"],
        &["transport"],
        &["client"],
        &["calls"],
        &["upload"],
        &["download"],
        &["untrusted"],
        &["lib"],
    ],
};

const STATE: House = House {
    sources: "crates/fichier-state/src/",
    floors: &[
        &["base"],
        &["schema"],
        &["store"],
        &["records"],
        &["past"],
        &["snapshots"],
        &["lib"],
    ],
};

const EMULATOR: House = House {
    sources: "crates/fichier-emulator/src/",
    floors: &[
        &["base"],
        &["habits", "faults", "storage"],
        &["rules"],
        &["world"],
        &["reply"],
        &["api", "node", "download"],
        &["net"],
        &["harness"],
        &["lib"],
    ],
};

const FORMATS: House =
    House { sources: "crates/rclone-formats/src/", floors: &[&["crypt"], &["conf"], &["lib"]] };

const DAEMON: House = House {
    sources: "crates/fichierd/src/",
    floors: &[
        &["base"],
        &["config"],
        &["status"],
        &["disk"],
        &["plan"],
        &["remote"],
        &["upkeep"],
        &["mirror"],
        &["restore"],
        &["daemon"],
        &["cli"],
        // The map, and the way in.
        &["lib"],
        &["main"],
    ],
};

#[test]
fn each_folder_uses_only_those_below_it() {
    for house in [API, STATE, EMULATOR, FORMATS, DAEMON] {
        let complaints = complain(&rust_files(), |path, text| house.judge(path, text));
        assert!(complaints.is_empty(), "\n{complaints}");
    }
}

impl House {
    fn floor(&self, folder: &str) -> Option<usize> {
        self.floors.iter().position(|folders| folders.contains(&folder))
    }

    /// Lists the forbidden imports of one file. Tests may import anything.
    fn judge(&self, path: &str, text: &str) -> Vec<String> {
        let Some(inside) = path.strip_prefix(self.sources) else { return Vec::new() };
        if inside.contains("tests") || inside.starts_with("bin/") {
            return Vec::new();
        }
        let folder = inside.split(['/', '.']).next().unwrap();
        let Some(floor) = self.floor(folder) else {
            return vec![format!("`{folder}` stands on no floor")];
        };
        let code = lines_of_code(text).join("\n");
        let is_wrong =
            |used: &&str| *used != folder && self.floor(used).is_none_or(|other| other >= floor);
        let mut wrong: Vec<String> = used_folders(&code)
            .into_iter()
            .filter(is_wrong)
            .map(|used| format!("uses `{used}`, which is not below `{folder}`"))
            .collect();
        let depth = inside.trim_end_matches(".rs").split('/').count();
        if code.contains(&"super::".repeat(depth)) {
            wrong.push("leaves its folder by `super`".to_owned());
        }
        wrong
    }
}

/// The first names after each `crate::`, also those of a group in braces.
fn used_folders(code: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            used.extend(first_word(rest));
            continue;
        };
        let mut depth = 1;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => begins |= depth == 1,
                _ if begins && c.is_alphabetic() => {
                    used.extend(first_word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|word| !word.is_empty())
}

#[test]
fn an_import_from_above_beside_or_around_is_found() {
    let daemon =
        |file: &str, text: &str| DAEMON.judge(&format!("crates/fichierd/src/{file}"), text);
    assert!(daemon("plan/diff.rs", "use crate::disk::Seen;").is_empty());
    assert!(daemon("plan/diff.rs", "use super::survey;").is_empty());
    assert!(daemon("plan/diff/tests.rs", "use crate::cli;").is_empty());
    for text in [
        "use crate::remote::Remote;",
        "fn f() { crate::daemon::run() }",
        "use crate::{base::words, disk::{scan, watch}, cli};",
        "use super::super::cli::run;",
        "use crate::Everything;",
    ] {
        assert_eq!(daemon("plan/diff.rs", text).len(), 1, "{text}");
    }
    assert_eq!(daemon("attic.rs", "").len(), 1);
    let beside = EMULATOR.judge("crates/fichier-emulator/src/api/x.rs", "use crate::node::Node;");
    assert_eq!(beside.len(), 1);
}

#[test]
fn the_root_of_each_folder_says_what_may_use_it_and_what_it_uses() {
    let mut silent = Vec::new();
    for House { sources, floors } in [API, STATE, EMULATOR, FORMATS, DAEMON] {
        let is_folder = |name: &&&str| root().join(sources).join(name).is_dir();
        for folder in floors.iter().copied().flatten().filter(is_folder) {
            let file = format!("{sources}{folder}.rs");
            let text = read(&file).to_lowercase();
            let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
            let words = header.split(|c: char| !c.is_alphanumeric());
            let said = words.filter(|word| ["use", "used", "uses", "needs"].contains(word)).count();
            if said < 2 {
                silent.push(file);
            }
        }
    }
    assert_eq!(silent, [""; 0], "what may use these, and what do they use?");
}

/// The names that only some folders of the daemon may use, and the folders or files that may not.
struct Rule {
    what: &'static str,
    words: &'static [&'static str],
    /// Beginnings of paths below the daemon's sources.
    concerns: &'static [&'static str],
    /// Exceptions, each with its reason.
    but: &'static [&'static str],
}

const RULES: [Rule; 4] = [
    Rule {
        what: "a plan is made without the service",
        words: &["Client"],
        concerns: &["plan"],
        but: &[],
    },
    Rule {
        what: "the disk is looked at without the service and without the records",
        words: &["Client", "Store", "Records", "Writing", "base::state", "base::State"],
        concerns: &["disk"],
        but: &[],
    },
    Rule {
        what: "only `remote` and `upkeep` change the service",
        words: &CHANGES,
        concerns: &[
            "base", "config", "status", "disk", "plan", "mirror", "restore", "daemon", "cli",
            "main",
        ],
        but: &[
            "cli/remote/",         // what a person types for the account itself
            "cli/check/online.rs", // sends a tiny file of its own and removes it
        ],
    },
    Rule {
        what: "a restore only reads the state",
        words: &[".write(|"],
        concerns: &["restore"],
        but: &[
            "restore/proof.rs", // what a verification or a drill has found
            "restore/recovery", // makes the state
        ],
    },
];

/// The calls of the client that change the service.
const CHANGES: [&str; 20] = [
    "client.add_ftp_user",
    "client.change_attributes",
    "client.copy_files",
    "client.make_folder",
    "client.move_and_rename_file",
    "client.move_files",
    "client.move_folder",
    "client.open_upload",
    "client.process_ftp",
    "client.remove_files",
    "client.remove_folder",
    "client.remove_ftp_user",
    "client.remove_strays",
    "client.rename_files",
    "client.rename_folder",
    "client.request_remote_upload",
    "client.send_files",
    "client.set_account",
    "client.share_folder",
    "client.use_voucher",
];

/// The calls of the client that change nothing.
const READS: [&str; 18] = [
    "client.account",
    "client.check_voucher",
    "client.download",
    "client.download_start",
    "client.download_url",
    "client.file_info",
    "client.ftp_users",
    "client.list_account",
    "client.list_files",
    "client.list_folder",
    "client.list_folder_whole",
    "client.list_sub_folders",
    "client.remote_upload_result",
    "client.remote_uploads",
    "client.resume_download",
    "client.scan_file",
    "client.upload_result",
    "client.vouchers",
];

#[test]
fn each_call_of_the_client_is_known_to_read_or_to_change() {
    let known: BTreeSet<String> =
        CHANGES.iter().chain(&READS).map(|call| call.replace("client.", "")).collect();
    assert_eq!(known.len(), CHANGES.len() + READS.len(), "a call stands in both lists");
    let calls = calls_of_the_client();
    let differing: Vec<_> = known.symmetric_difference(&calls).collect();
    assert_eq!(differing, [""; 0], "each call of the client belongs into one of the two lists");
}

/// The names of all methods of the client that call the service.
pub(crate) fn calls_of_the_client() -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for file in rust_files() {
        let name = file.strip_prefix(root().join(API.sources)).ok().and_then(|path| path.to_str());
        let is_call = |name: &str| {
            ["calls/", "upload/", "download/"].iter().any(|folder| name.starts_with(folder))
        };
        if name.is_some_and(is_call) {
            let text = std::fs::read_to_string(&file).unwrap();
            calls.extend(
                text.split("pub async fn ").skip(1).filter_map(first_word).map(str::to_owned),
            );
        }
    }
    calls
}

#[test]
fn each_folder_of_the_daemon_keeps_to_its_part() {
    let complaints = complain(&rust_files(), |path, text| {
        RULES.iter().flat_map(|rule| rule.judge(path, text)).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}

impl Rule {
    fn judge(&self, path: &str, text: &str) -> Vec<String> {
        let Some(inside) = path.strip_prefix(DAEMON.sources) else { return Vec::new() };
        let is_in = |folders: &[&str]| folders.iter().any(|folder| inside.starts_with(folder));
        if inside.contains("tests") || !is_in(self.concerns) || is_in(self.but) {
            return Vec::new();
        }
        let code = unbroken(text);
        let found = self.words.iter().filter(|word| names(&code, word));
        found.map(|word| format!("`{word}`: {}", self.what)).collect()
    }
}

/// The code with each chain of calls in one line.
fn unbroken(text: &str) -> String {
    let mut code = String::new();
    for line in lines_of_code(text) {
        let line = line.trim();
        if !line.starts_with('.') {
            code.push('\n');
        }
        code += line;
    }
    code
}

/// Whether `code` has `word` as a whole.
pub(crate) fn names(code: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (begins, ends) = (is_part(word.chars().next()), is_part(word.chars().next_back()));
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !(begins && is_part(before) || ends && is_part(after))
    })
}

#[test]
fn what_a_folder_may_not_name_is_found() {
    let judge = |file: &str, text: &str| {
        let path = format!("crates/fichierd/src/{file}");
        RULES.iter().flat_map(|rule| rule.judge(&path, text)).count()
    };
    assert_eq!(judge("plan/gather.rs", "fn f(client: &Client) {}"), 1);
    assert_eq!(judge("plan/gather.rs", "fn f(clients: &Clients) {}"), 0);
    assert_eq!(judge("disk/root.rs", "use fichier_state::Store;"), 1);
    assert_eq!(judge("disk/root.rs", "use crate::base::State;"), 1);
    assert_eq!(judge("mirror/cycle.rs", "client.move_files(&urls, to).await"), 1);
    assert_eq!(judge("mirror/cycle.rs", "self.client\n    .move_files(&urls, to)"), 1);
    assert_eq!(judge("upkeep/expiry.rs", "client.move_files(&urls, to).await"), 0);
    assert_eq!(judge("cli/remote/mv.rs", "client.move_files(&urls, to).await"), 0);
    assert_eq!(judge("restore/run.rs", "state.write(|w| w.note())"), 1);
    assert_eq!(judge("restore/proof.rs", "state.write(|w| w.note())"), 0);
}
