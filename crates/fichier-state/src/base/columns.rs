//! How values that several tables share are kept in columns.
//!
//! Inodes and devices are unsigned 64-bit numbers and SQLite's are signed: they are kept by
//! their bits. Links are kept without the beginning that they share: 22 bytes, twice, in each of
//! a million rows.

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use rusqlite::Row;
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};

use super::holes::Holes;
use super::rel_path::RelPath;

/// Cheap evidence that a file is the one that was read; compared for difference, never age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Length in bytes.
    pub size_bytes: u64,
    /// When its contents changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When its inode changed, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Number of its inode.
    pub inode: u64,
}

/// Everything about a file or folder that a restore puts back besides the contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Type and permissions, as `st_mode` has them.
    pub mode: u32,
    /// Number of the user who owns it.
    pub uid: u32,
    /// Number of the group that owns it.
    pub gid: u32,
    /// When the contents changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Extended attributes, in the order in which they are given.
    pub xattrs: Xattrs,
    /// How many names the inode has on disk; more than 1 for hard links.
    #[serde(default = "one")]
    pub links: u32,
    /// Where a sparse file has no blocks.
    #[serde(default)]
    pub holes: Holes,
}

impl Default for Metadata {
    fn default() -> Metadata {
        let (xattrs, holes) = (Xattrs::new(), Holes::default());
        Metadata { mode: 0, uid: 0, gid: 0, mtime_ns: 0, xattrs, links: 1, holes }
    }
}

/// For intents of older versions, which do not have the field.
fn one() -> u32 {
    1
}

/// Names and values of extended attributes.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The beginning that links share (docs/api-notes.md, A.5); a link with another one is kept whole.
const LINK_START: &str = "https://1fichier.com/?";

/// Why a value in the file cannot be one of ours. Never holds the value: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("not {0}")]
pub(crate) struct BadValue(pub(crate) &'static str);

impl BadValue {
    pub(crate) fn at(self, column: usize, kind: Type) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(self))
    }
}

/// A size as SQLite has it. No file system knows sizes beyond `i64`.
pub(crate) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A size or a count; a number below 0 is an error, as none of ours is.
pub(crate) fn read_size(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let value = row.get(at)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, value))
}

/// A link as it is stored.
pub(crate) fn link(url: &FileUrl) -> &str {
    url.as_str().strip_prefix(LINK_START).unwrap_or(url.as_str())
}

pub(crate) fn read_link(row: &Row<'_>, at: usize) -> rusqlite::Result<FileUrl> {
    let text: String = row.get(at)?;
    let whole = if text.contains("://") { text } else { format!("{LINK_START}{text}") };
    FileUrl::parse(&whole).map_err(|_| BadValue("a link").at(at, Type::Text))
}

pub(crate) fn read_optional_link(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<FileUrl>> {
    if row.get_ref(at)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    read_link(row, at).map(Some)
}

pub(crate) fn read_name(row: &Row<'_>, at: usize) -> rusqlite::Result<RemoteName> {
    row.get(at).map(RemoteName::from_service)
}

pub(crate) fn read_optional_name(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<RemoteName>> {
    Ok(row.get::<_, Option<String>>(at)?.map(RemoteName::from_service))
}

pub(crate) fn read_whirlpool(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Whirlpool>> {
    Ok(row.get::<_, Option<[u8; 64]>>(at)?.map(Whirlpool::from_bytes))
}

pub(crate) fn read_fingerprint(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Fingerprint>> {
    Ok(row.get::<_, Option<[u8; 32]>>(at)?.map(Fingerprint::from_bytes))
}

/// One local name. Anything else is an error: joined to its folder, a damaged or hostile row would
/// lead elsewhere.
pub(crate) fn read_local_name(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<u8>> {
    let name = row.get_ref(at)?.as_blob()?;
    if RelPath::is_name(name) {
        Ok(name.to_vec())
    } else {
        Err(BadValue("a name").at(at, Type::Blob))
    }
}

pub(crate) fn read_path(row: &Row<'_>, at: usize) -> rusqlite::Result<RelPath> {
    RelPath::parse(row.get_ref(at)?.as_blob()?).map_err(|_| BadValue("a path").at(at, Type::Blob))
}

/// As they are stored; `None` (NULL) if there are no holes.
pub(crate) fn holes(holes: &Holes) -> Option<Vec<u8>> {
    (!holes.is_empty()).then(|| holes.encode())
}

pub(crate) fn read_holes(row: &Row<'_>, at: usize) -> rusqlite::Result<Holes> {
    match row.get_ref(at)?.as_blob_or_null()? {
        None => Ok(Holes::default()),
        Some(blob) => {
            Holes::decode(blob).map_err(|_| BadValue("a list of holes").at(at, Type::Blob))
        }
    }
}

/// A number of rows as SQLite has it.
pub(crate) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

impl Stamp {
    /// Reads the four columns from `at` on: size, mtime, ctime, inode.
    pub(crate) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Stamp> {
        Ok(Stamp {
            size_bytes: read_size(row, at)?,
            mtime_ns: row.get(at + 1)?,
            ctime_ns: row.get(at + 2)?,
            inode: row.get::<_, i64>(at + 3)?.cast_unsigned(),
        })
    }
}

impl Metadata {
    /// Reads the five columns from `at` on: mode, uid, gid, mtime, xattrs; one name, no holes.
    /// Where the mtime is NULL it is `mtime_ns`, that of the stamp.
    pub(crate) fn read(row: &Row<'_>, at: usize, mtime_ns: i64) -> rusqlite::Result<Metadata> {
        Ok(Metadata {
            mode: row.get(at)?,
            uid: row.get(at + 1)?,
            gid: row.get(at + 2)?,
            mtime_ns: row.get::<_, Option<i64>>(at + 3)?.unwrap_or(mtime_ns),
            xattrs: match row.get_ref(at + 4)?.as_blob_or_null()? {
                None => Xattrs::new(),
                Some(blob) => read_xattrs(blob)
                    .ok_or_else(|| BadValue("extended attributes").at(at + 4, Type::Blob))?,
            },
            ..Metadata::default()
        })
    }
}

/// Each attribute as length and bytes of its name, then of its value; lengths are 32 bits,
/// little-endian. `None` (NULL) if there are no attributes.
pub(crate) fn xattrs(xattrs: &Xattrs) -> Option<Vec<u8>> {
    if xattrs.is_empty() {
        return None;
    }
    let mut blob = Vec::new();
    for part in xattrs.iter().flat_map(|(name, value)| [name, value]) {
        // The kernel allows 64 KiB a value.
        blob.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        blob.extend_from_slice(part);
    }
    Some(blob)
}

fn read_xattrs(mut blob: &[u8]) -> Option<Xattrs> {
    let mut xattrs = Xattrs::new();
    while !blob.is_empty() {
        let name = read_part(&mut blob)?.to_vec();
        let value = read_part(&mut blob)?.to_vec();
        xattrs.push((name, value));
    }
    Some(xattrs)
}

fn read_part<'a>(blob: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *blob = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extended_attributes_survive_their_blob(
            given in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 1..4),
        ) {
            prop_assert_eq!(read_xattrs(&xattrs(&given).unwrap()), Some(given));
        }

        #[test]
        fn a_blob_of_anything_is_read_or_refused(blob in any::<Vec<u8>>()) {
            if let Some(read) = read_xattrs(&blob) {
                prop_assert_eq!(xattrs(&read).unwrap_or_default(), blob);
            }
        }
    }

    #[test]
    fn no_attributes_take_no_room() {
        assert_eq!(xattrs(&Xattrs::new()), None);
    }

    #[test]
    fn only_the_usual_beginning_of_a_link_is_left_out() {
        let usual = FileUrl::parse("https://1fichier.com/?2zk52quqlm0cbjr93ri5").unwrap();
        assert_eq!(link(&usual), "2zk52quqlm0cbjr93ri5");
    }
}
