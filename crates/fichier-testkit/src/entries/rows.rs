//! The rows of a listing.
//!
//! The bytes are rows, one a line. Rows that are JSON go into a listing that says how many they
//! are; a row that the program cannot read must make it incomplete, and hide no other.

use fichier_api::FolderId;
use fichier_api::untrusted::Answer;
use serde_json::{Value, json};

use super::replies::check_listing;

/// A good row among those that are made up.
const FILE: &str = r#"{"url":"https://1fichier.com/?zyxwv98765","filename":"good","size":1}"#;

/// The bytes are rows of a listing, of files and of folders.
pub fn listing_rows(data: &[u8]) {
    let rows: Vec<Value> = data
        .split(|byte| *byte == b'\n')
        .filter_map(|row| serde_json::from_slice(row).ok())
        .collect();
    let good: Value = serde_json::from_str(FILE).expect("JSON");
    let items = [&rows[..], &[good]].concat();
    let json = json!({
        "status": "OK", "folder_id": 4242, "name": "n", "files": items.len(),
        "sub_folders": rows, "items": items,
    });
    let body = json.to_string().into_bytes();
    let (content_type, location, retry_after) = (None, None, None);
    let answer = Answer { status: 200, content_type, location, retry_after, body };
    let listing = answer.folder_listing(FolderId(4242)).expect("rows spoil no listing");
    check_listing(&listing, &json);
    assert!(listing.files.iter().any(|file| file.name.as_str() == "good"), "a good row is hidden");
    let all_are_read = listing.files.len() == items.len() && listing.folders.len() == rows.len();
    assert_eq!(listing.complete, all_are_read && items.len() < fichier_api::MAX_ROWS_PER_LISTING);
    for file in &listing.files {
        let url = &file.url;
        assert_eq!(fichier_api::FileUrl::parse(url.as_str()).as_ref(), Ok(url));
    }
}
