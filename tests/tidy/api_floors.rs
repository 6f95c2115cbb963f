//! The folders of the client crate stand in one order, and each uses only those before it.

use crate::{complain, lines_of_code, rust_files};

/// The folders of `fichier-api` and the files beside them, from the ground up; its `lib.rs` says
/// what each is for.
const FLOORS: [&str; 16] = [
    "error",
    "clock",
    "hash",
    "names",
    "link",
    "key",
    "types",
    "wire",
    "pace",
    "transport",
    "client",
    "calls",
    "upload",
    "download",
    "untrusted",
    "lib",
];

#[test]
fn each_folder_of_the_client_uses_only_those_before_it() {
    let floor = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    let complaints = complain(&rust_files(), |path, text| {
        let Some(file) = path.strip_prefix("crates/fichier-api/src/") else { return Vec::new() };
        let own = file.split(['/', '.']).next().unwrap();
        let Some(height) = floor(own) else { return vec![format!("`{own}` stands on no floor")] };
        lines_of_code(text)
            .iter()
            .flat_map(|line| line.split("crate::").skip(1))
            .map(|used| used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
            .filter(|used| floor(used).is_none_or(|used| used > height))
            .map(|used| format!("uses `{used}`, which is not before `{own}`"))
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}
