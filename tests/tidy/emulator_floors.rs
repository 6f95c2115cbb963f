//! The folders of the emulator stand on floors, and each uses only those of the floors below.

use crate::{complain, lines_of_code, rust_files};

const SOURCES: &str = "crates/fichier-emulator/src/";

/// From the ground up. The folders of one floor do not use each other either.
const FLOORS: [&[&str]; 8] = [
    &["base"],
    &["habits", "faults", "storage"],
    &["rules"],
    &["world"],
    &["reply"],
    &["api", "node", "download"],
    &["net"],
    &["harness"],
];

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|folders| folders.contains(&folder))
}

#[test]
fn a_folder_of_the_emulator_uses_only_the_floors_below() {
    let complaints = complain(&rust_files(), |path, text| {
        let Some(inside) = path.strip_prefix(SOURCES).filter(|inside| *inside != "lib.rs") else {
            return Vec::new();
        };
        let folder = inside.split(['/', '.']).next().unwrap();
        let Some(floor) = floor_of(folder) else {
            return vec![format!("`{folder}` stands on no floor")];
        };
        let code = lines_of_code(text).join("\n");
        let used = code.split("crate::").skip(1).map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        });
        let wrong = used
            .filter(|used| *used != folder && floor_of(used).is_none_or(|other| other >= floor));
        let around = code.contains("super::super::").then_some("super::super");
        wrong.chain(around).map(|used| format!("`{folder}` uses `{used}`")).collect()
    });
    assert!(complaints.is_empty(), "\n{complaints}");
}
