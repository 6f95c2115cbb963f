//! The folders of the state crate: each uses only those before it.

use std::fs;

use crate::{complain, lines_of_code, root, rust_files};

const SRC: &str = "crates/fichier-state/src/";

/// From the bottom up, as `lib.rs` lists them.
const FLOORS: [&str; 6] = ["base", "schema", "store", "records", "past", "snapshots"];

#[test]
fn a_folder_of_the_state_crate_uses_only_those_before_it() {
    let floor_of = |name: &str| FLOORS.iter().position(|floor| *floor == name);
    let complaints = complain(&rust_files(), |path, text| {
        let Some(inside) = path.strip_prefix(SRC).filter(|inside| *inside != "lib.rs") else {
            return Vec::new();
        };
        let Some(own) = floor_of(inside.split(['/', '.']).next().unwrap()) else {
            return vec![format!("is in no folder of {FLOORS:?}")];
        };
        let code = lines_of_code(text).join("\n");
        let used = code.split("crate::").skip(1).map(|rest| rest.split("::").next().unwrap());
        let used = used.map(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        used.flatten()
            .filter(|name| floor_of(name).is_none_or(|used| used > own))
            .map(|name| format!("uses `crate::{name}`, which is not below it"))
            .collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
    let map = fs::read_to_string(root().join(SRC).join("lib.rs")).unwrap();
    let rows = FLOORS.map(|floor| map.find(&format!("//! | `{floor}` |")));
    assert!(rows.is_sorted() && rows[0].is_some(), "lib.rs lists other folders: {rows:?}");
}
