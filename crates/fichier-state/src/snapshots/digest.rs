//! A number that tells whether a copy says anything new.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use rusqlite::OpenFlags;
use rusqlite::types::ValueRef;

use super::file::open;
use super::tables::{TABLES, columns};
use crate::base::Result;

/// Columns that say nothing about what could be restored, and change by themselves: after a restart
/// of the machine, or when a folder was listed.
const BESIDES: [&str; 5] = ["device", "inode", "ctime_ns", "audited_s", "listed"];

/// A number that is the same for two copies that say the same about the mirror. Only numbers of the
/// same program can be compared. Reads every row.
///
/// # Errors
///
/// Those of reading.
pub fn digest(path: &Path) -> Result<u64> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut hasher = DefaultHasher::new();
    for table in TABLES.iter().filter(|table| table.matters) {
        let of = columns(&db, table.name, "main")?;
        let told: Vec<String> =
            of.all.into_iter().filter(|name| !BESIDES.contains(&name.as_str())).collect();
        if told.is_empty() {
            continue;
        }
        table.name.hash(&mut hasher);
        let sql = format!(
            "SELECT {} FROM main.{} ORDER BY {}",
            told.join(", "),
            table.name,
            of.key.join(", ")
        );
        let mut select = db.prepare(&sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for at in 0..told.len() {
                feed(&mut hasher, row.get_ref(at)?);
            }
        }
    }
    Ok(hasher.finish())
}

fn feed(hasher: &mut DefaultHasher, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => 0u8.hash(hasher),
        ValueRef::Integer(number) => (1u8, number).hash(hasher),
        ValueRef::Real(number) => (2u8, number.to_bits()).hash(hasher),
        ValueRef::Text(bytes) => (3u8, bytes).hash(hasher),
        ValueRef::Blob(bytes) => (4u8, bytes).hash(hasher),
    }
}
