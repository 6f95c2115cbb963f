//! The tables that a copy has, and which of their rows belong to a mirror.

use rusqlite::{Connection, OptionalExtension as _};

use crate::base::Result;

/// One table of a copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Its rows in the state (`source`), as `t`; `?1` is the mirror. In the order of its primary
    /// key, so that the copy is written from front to back.
    pub(crate) rows: &'static str,
    /// Whether a change means something to a restore; the others change while no file does.
    pub(crate) matters: bool,
}

const fn table(name: &'static str, rows: &'static str) -> Table {
    Table { name, rows, matters: true }
}

/// A table that a restore does not need.
const fn minor(name: &'static str, rows: &'static str) -> Table {
    Table { name, rows, matters: false }
}

/// All tables of a copy, each after those that its rows are chosen by.
pub(crate) const TABLES: &[Table] = &[
    minor("mirrors", "source.mirrors AS t WHERE t.id = ?1"),
    table("folders", "source.folders AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    table(
        "entries",
        "main.folders AS f NOT INDEXED CROSS JOIN source.entries AS t ON t.folder_id = f.id",
    ),
    table("past_entries", "source.past_entries AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    table("past_folders", "source.past_folders AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor("moments", "source.moments AS t NOT INDEXED"),
    table(
        "foreign_files",
        "main.folders AS f NOT INDEXED CROSS JOIN source.foreign_files AS t ON t.folder_id = f.id",
    ),
    table("versions", "source.versions AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor("versions_folders", "source.versions_folders AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor(
        "retired_names",
        "main.versions_folders AS f NOT INDEXED
            CROSS JOIN source.retired_names AS t ON t.remote_id = f.remote_id",
    ),
    minor("owners", "source.owners AS t"),
    minor("snapshots", "source.snapshots AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor("cycles", "source.cycles AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor("removals", "source.removals AS t NOT INDEXED WHERE t.mirror_id = ?1"),
    minor("proofs", "source.proofs AS t WHERE t.mirror_id = ?1"),
    minor(
        "missed",
        "main.folders AS f NOT INDEXED CROSS JOIN source.missed AS t ON t.folder_id = f.id",
    ),
];

/// Makes the table `name` as it is in `from`, without indexes and triggers. Returns whether `from`
/// has it: an older state may not.
pub(crate) fn create(db: &Connection, name: &str, from: &str) -> Result<bool> {
    let sql = format!("SELECT sql FROM {from}.sqlite_schema WHERE type = 'table' AND name = ?1");
    let form: Option<String> = db.query_row(&sql, [name], |row| row.get(0)).optional()?;
    if let Some(form) = &form {
        db.execute_batch(form)?;
    }
    Ok(form.is_some())
}

/// The columns of a table.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// In the order of the table.
    pub(crate) all: Vec<String>,
    /// Those of the primary key.
    pub(crate) key: Vec<String>,
}

/// The columns that a table has in `of`; none if there is no such table.
pub(crate) fn columns(db: &Connection, name: &str, of: &str) -> Result<Columns> {
    let mut select = db.prepare("SELECT name, pk FROM pragma_table_info(?1, ?2) ORDER BY cid")?;
    let mut rows = select.query([name, of])?;
    let mut columns = Columns::default();
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        if row.get::<_, i64>(1)? > 0 {
            columns.key.push(column.clone());
        }
        columns.all.push(column);
    }
    Ok(columns)
}
