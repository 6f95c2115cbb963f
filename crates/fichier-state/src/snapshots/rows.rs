//! Copies of a mirror's records that were sent to the service: the manifest for a restore on a
//! machine that has nothing else.

use fichier_api::{FileUrl, Whirlpool};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::base::{MirrorId, Result, SnapshotId, columns};
use crate::store::{Moment, Records, Writing};

/// One copy of a mirror's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRow {
    /// Its key.
    pub id: SnapshotId,
    /// Whose records it holds.
    pub mirror: MirrorId,
    /// The whole copy that it is laid over; `None` if it is a whole one itself.
    pub base: Option<SnapshotId>,
    /// Its name in `.fichierd/state`, unlike every other one there.
    pub name: String,
    /// When it was made; Unix seconds.
    pub made_s: i64,
    /// The newest moment that it knows.
    pub moment: Moment,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Whirlpool of its bytes.
    pub whirlpool: Whirlpool,
    /// Its link, once the service has confirmed it.
    pub url: Option<FileUrl>,
}

const SELECT: &str = "SELECT id, mirror_id, base_id, name, made_s, moment, size_bytes, whirlpool,
    link FROM snapshots";

impl Records {
    /// The copies of a mirror's records, newest first, sent or not.
    pub fn snapshots(&self, mirror: MirrorId) -> Result<Vec<SnapshotRow>> {
        let sql = format!("{SELECT} WHERE mirror_id = ?1 ORDER BY id DESC");
        let mut select = self.db.prepare_cached(&sql)?;
        let rows = select.query_map([mirror], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The key that the next copy on record gets. No key is given out twice.
    pub fn next_snapshot(&self) -> Result<SnapshotId> {
        let mut select = self.db.prepare_cached(
            "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'snapshots'), 0) + 1",
        )?;
        Ok(select.query_row([], |row| row.get(0))?)
    }

    /// The newest copy that is known to be at the service.
    pub fn newest_snapshot(&self, mirror: MirrorId) -> Result<Option<SnapshotRow>> {
        let sql =
            format!("{SELECT} WHERE mirror_id = ?1 AND link IS NOT NULL ORDER BY id DESC LIMIT 1");
        Ok(self.db.prepare_cached(&sql)?.query_row([mirror], read).optional()?)
    }
}

impl Writing<'_> {
    /// Puts a copy on record that is about to be sent.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub fn add_snapshot(
        &mut self,
        mirror: MirrorId,
        base: Option<SnapshotId>,
        name: &str,
        made_s: i64,
        moment: Moment,
        size_bytes: u64,
        whirlpool: &Whirlpool,
    ) -> Result<SnapshotId> {
        self.db
            .prepare_cached(
                "INSERT INTO snapshots (mirror_id, base_id, name, made_s, moment, size_bytes,
                    whirlpool) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                mirror,
                base,
                name,
                made_s,
                moment.0,
                columns::size(size_bytes),
                whirlpool.as_bytes(),
            ])?;
        Ok(SnapshotId(self.db.last_insert_rowid()))
    }

    /// Stores that the service has a copy, and under which link.
    pub fn confirm_snapshot(&mut self, id: SnapshotId, url: &FileUrl) -> Result<()> {
        self.db
            .prepare_cached("UPDATE snapshots SET link = ?2 WHERE id = ?1")?
            .execute(params![id, columns::link(url)])?;
        Ok(())
    }

    /// Forgets copies that are not at the service, later ones first, as they are laid over earlier
    /// ones.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) while another one is laid over one of them.
    pub fn forget_snapshots(&mut self, ids: &[SnapshotId]) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM snapshots WHERE id = ?1")?;
        let mut ids = ids.to_vec();
        ids.sort();
        for id in ids.iter().rev() {
            delete.execute([id])?;
        }
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<SnapshotRow> {
    Ok(SnapshotRow {
        id: row.get(0)?,
        mirror: row.get(1)?,
        base: row.get(2)?,
        name: row.get(3)?,
        made_s: row.get(4)?,
        moment: Moment(row.get(5)?),
        size_bytes: columns::read_size(row, 6)?,
        whirlpool: Whirlpool::from_bytes(row.get(7)?),
        url: columns::read_optional_link(row, 8)?,
    })
}
