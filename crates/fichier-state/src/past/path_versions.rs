//! The history of one path: each state that it had, from which moment and until which.
//!
//! A path is a way through folders that may have had other names and other parents. So the
//! folders that were ever at the parent's path are found first, each with its span.

use rusqlite::params;

use super::tree::{PastEntry, read_entry};
use crate::base::{FolderKey, MirrorId, RelPath, Result};
use crate::store::{Moment, Records};

/// One state of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathVersion {
    /// The first moment at which the path was in this state.
    pub first: Moment,
    /// The first moment at which it was not any more; `None` if it still is.
    pub last: Option<Moment>,
    /// The file or link that it was.
    pub entry: PastEntry,
}

/// A folder, and the moments from the first on and before the last.
type Span = (FolderKey, i64, i64);

impl Records {
    /// The states that a file or link at `path` has had, newest first. Reads a row for each, and
    /// one or a few for each folder above it.
    pub fn path_versions(&self, mirror: MirrorId, path: &RelPath) -> Result<Vec<PathVersion>> {
        let parent = path.parent().unwrap_or_else(RelPath::root);
        let mut versions = Vec::new();
        let mut select = self.db.prepare_cached(
            "SELECT name, kind, size_bytes, fingerprint, symlink, inode, mode, uid, gid,
                    ifnull(meta_mtime_ns, mtime_ns), xattrs, links, holes, since, NULL
                FROM entries WHERE folder_id = ?1 AND name = ?2 AND unmanaged = 0
            UNION ALL
            SELECT name, kind, size_bytes, fingerprint, symlink, inode, mode, uid, gid,
                    mtime_ns, xattrs, links, holes, first, last
                FROM past_entries WHERE folder_id = ?1 AND name = ?2",
        )?;
        for (folder, begins, ends) in self.folders_ever_at(mirror, &parent)? {
            let rows = select.query_map(params![folder, path.name()], |row| {
                let entry = read_entry(row)?;
                Ok((entry.since.0, row.get::<_, Option<i64>>(14)?.unwrap_or(i64::MAX), entry))
            })?;
            for row in rows {
                let (first, last, entry) = row?;
                let (first, last) = (first.max(begins), last.min(ends));
                if first < last {
                    let last = (last < i64::MAX).then_some(Moment(last));
                    versions.push(PathVersion { first: Moment(first), last, entry });
                }
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.first));
        Ok(versions)
    }

    fn folders_ever_at(&self, mirror: MirrorId, path: &RelPath) -> Result<Vec<Span>> {
        let mut roots = self
            .db
            .prepare_cached("SELECT id FROM folders WHERE mirror_id = ?1 AND parent_id IS NULL")?;
        let rows = roots.query_map([mirror], |row| Ok((row.get(0)?, 0, i64::MAX)))?;
        let mut spans: Vec<Span> = rows.collect::<rusqlite::Result<_>>()?;
        let mut select = self.db.prepare_cached(
            "SELECT id, since, NULL FROM folders
                WHERE parent_id = ?1 AND name = ?2 AND unmanaged = 0
            UNION ALL
            SELECT id, first, last FROM past_folders WHERE parent_id = ?1 AND name = ?2",
        )?;
        for name in path.components() {
            let mut inside = Vec::new();
            for (folder, begins, ends) in spans {
                let rows = select.query_map(params![folder, name], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?))
                })?;
                for row in rows {
                    let (key, first, last): (FolderKey, i64, Option<i64>) = row?;
                    let (first, last) = (first.max(begins), last.unwrap_or(i64::MAX).min(ends));
                    if first < last {
                        inside.push((key, first, last));
                    }
                }
            }
            spans = inside;
        }
        Ok(spans)
    }
}
