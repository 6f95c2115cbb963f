//! The rows of a listing, read one by one.
//!
//! A row that cannot be read must not hide the others (one odd date once made whole listings
//! fail for another client, docs/api-notes.md, B.13), and must not be forgotten either: the
//! listing without it is incomplete.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hash::Whirlpool;
use crate::link::FileUrl;
use crate::names::RemoteName;
use crate::types::{FolderId, RemoteFile, RemoteFolder};
use crate::wire::dates;
use crate::wire::fields;

/// The most files, and, it is assumed, sub-folders of a folder that the service shows; a listing
/// with as many may be cut (docs/api-notes.md, A.5, G.1 rows 3 and 5).
pub const MAX_ROWS_PER_LISTING: usize = 5000;

/// The rows that could be read, and whether those are all, as far as the rows can tell.
pub(crate) struct Read<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) complete: bool,
}

/// Reads the rows of files.
pub(crate) fn files(rows: Vec<Value>) -> Read<RemoteFile> {
    read(rows, |item: FileItem| Some(item.into_file()))
}

/// Reads the rows of sub-folders.
pub(crate) fn folders(rows: Vec<Value>) -> Read<RemoteFolder> {
    read(rows, |row: FolderRow| {
        let id = row.id.or(row.folder_id).filter(|id| *id > 0)?;
        Some(RemoteFolder { id: FolderId(id), name: RemoteName::from_service(row.name) })
    })
}

/// A sub-folder as a listing describes it (B.13). Needs a number, under either name, and a name.
#[derive(Deserialize)]
struct FolderRow {
    #[serde(default, deserialize_with = "fields::optional_id")]
    id: Option<i64>,
    #[serde(default, deserialize_with = "fields::optional_id")]
    folder_id: Option<i64>,
    #[serde(deserialize_with = "fields::needed_text")]
    name: String,
}

/// A file as a listing describes it (B.5, B.6). Needs a link, a name and a size: without one of
/// them it cannot be told which file it is.
#[derive(Debug, Deserialize)]
struct FileItem {
    #[serde(deserialize_with = "fields::link")]
    url: FileUrl,
    #[serde(deserialize_with = "fields::needed_text")]
    filename: String,
    #[serde(deserialize_with = "fields::number")]
    size: u64,
    #[serde(default, deserialize_with = "fields::text")]
    date: String,
    #[serde(default, deserialize_with = "fields::text")]
    checksum: String,
}

impl FileItem {
    fn into_file(self) -> RemoteFile {
        RemoteFile {
            url: self.url,
            name: RemoteName::from_service(self.filename),
            size_bytes: self.size,
            whirlpool: Whirlpool::parse_hex(&self.checksum).ok(),
            sent_at: dates::parse(&self.date),
        }
    }
}

fn read<R: DeserializeOwned, T>(rows: Vec<Value>, take: impl Fn(R) -> Option<T>) -> Read<T> {
    let count = rows.len();
    let rows: Vec<T> =
        rows.into_iter().filter_map(|row| R::deserialize(row).ok().and_then(&take)).collect();
    let complete = rows.len() == count && count < MAX_ROWS_PER_LISTING;
    Read { rows, complete }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_hides_no_other_and_makes_the_listing_incomplete() {
        let good = json!({"id": "7", "name": "photos", "create_date": "", "pass": 0});
        let read = folders(vec![good.clone(), json!({"id": 0, "name": "root?"})]);
        assert_eq!(read.rows.len(), 1);
        assert_eq!(read.rows[0].id, FolderId(7));
        assert!(!read.complete);
        assert!(folders(vec![good]).complete);
    }

    #[test]
    fn y09_a_folder_is_known_by_its_number_under_either_name() {
        for row in [
            json!({"folder_id": "7", "name": 12}),
            json!({"id": null, "folder_id": 7, "name": "12"}),
        ] {
            let read = folders(vec![row]);
            assert_eq!((read.rows[0].id, read.rows[0].name.as_str()), (FolderId(7), "12"));
        }
        for row in [json!({"id": true, "name": "a"}), json!({"id": 7, "name": null})] {
            assert!(!folders(vec![row]).complete);
        }
    }

    #[test]
    fn the_recorded_listing_item_is_read() {
        // Recorded from the service (docs/api-notes.md, B.5).
        let item: FileItem =
            serde_json::from_str(include_str!("../../fixtures/item.json")).unwrap();
        let file = item.into_file();
        assert_eq!(file.name.as_str(), "test.txt");
        assert_eq!(file.size_bytes, 12);
        assert_eq!(file.sent_at.unwrap().to_string(), "2021-06-22T12:57:25Z");
        let hash = file.whirlpool.unwrap().to_hex();
        assert!(hash.starts_with("0a894ff0") && hash.ends_with("f006a2c5"), "{hash}");
    }

    #[test]
    fn as_many_rows_as_the_service_shows_may_not_be_all() {
        let row = json!({"id": 7, "name": "a"});
        assert!(folders(vec![row.clone(); MAX_ROWS_PER_LISTING - 1]).complete);
        assert!(!folders(vec![row; MAX_ROWS_PER_LISTING]).complete);
    }
}
