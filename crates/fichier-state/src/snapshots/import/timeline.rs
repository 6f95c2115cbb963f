//! Merges the moments of a copy with those of a state into one line of time.
//!
//! Where a copy comes from the same line as the state (two mirrors of one lost server, one after
//! the other) they have the same beginning, and keep their numbers. Behind it moments are put in
//! the order of their times; the rows of the state follow, if their moments get other numbers.

use rusqlite::Connection;

use crate::base::Result;

/// Added to the numbers that are being changed, so that they are beyond all others meanwhile. There
/// will never be as many moments.
const ASIDE: i64 = 1 << 40;

/// Puts the moments of `copy` among those of the state, and leaves in `temp.moment_map` which
/// number each has now (`here`: 1 for the state's, 0 for the copy's).
pub(super) fn merge(db: &Connection) -> Result<()> {
    // The one moment of a state without mirrors is that of its making.
    db.execute_batch(
        "DELETE FROM main.moments WHERE NOT EXISTS (SELECT 1 FROM main.mirrors);
        CREATE TEMP TABLE moment_map (here INTEGER, old INTEGER, new INTEGER NOT NULL,
            at_s INTEGER NOT NULL, clock_s INTEGER NOT NULL, PRIMARY KEY (here, old)) WITHOUT ROWID",
    )?;
    let common = common_beginning(db)?;
    db.execute(
        "INSERT INTO temp.moment_map
            SELECT here, id, CASE WHEN id <= ?1 THEN id ELSE ?1 + place END, at_s, clock_s
            FROM (SELECT *, row_number() OVER (PARTITION BY id <= ?1 ORDER BY at_s, here DESC, id)
                    AS place
                FROM (SELECT 1 AS here, id, at_s, clock_s FROM main.moments
                    UNION ALL SELECT 0, id, at_s, clock_s FROM copy.moments))",
        [common],
    )?;
    let moved = "SELECT EXISTS (SELECT 1 FROM temp.moment_map WHERE here = 1 AND new <> old)";
    if db.query_row(moved, [], |row| row.get(0))? {
        renumber(db)?;
    }
    db.execute_batch(
        "DELETE FROM main.moments;
        INSERT INTO main.moments (id, at_s, clock_s)
            SELECT new, min(at_s), min(clock_s) FROM temp.moment_map GROUP BY new ORDER BY new",
    )?;
    Ok(())
}

/// The last number up to which both say the same.
fn common_beginning(db: &Connection) -> Result<i64> {
    let first_other = |one: &str, other: &str| {
        format!(
            "SELECT min(a.id) FROM {one}.moments AS a LEFT JOIN {other}.moments AS b ON b.id = a.id
            WHERE b.id IS NULL OR b.at_s <> a.at_s OR b.clock_s <> a.clock_s"
        )
    };
    let sql = format!(
        "SELECT min(ifnull(({}), {ASIDE}), ifnull(({}), {ASIDE})) - 1",
        first_other("main", "copy"),
        first_other("copy", "main")
    );
    Ok(db.query_row(&sql, [], |row| row.get(0))?)
}

fn renumber(db: &Connection) -> Result<()> {
    let new = |column: &str| {
        format!("(SELECT new FROM temp.moment_map WHERE here = 1 AND old = {column})")
    };
    for (table, columns) in [
        ("entries", &["since"][..]),
        ("folders", &["since"]),
        ("past_entries", &["first", "last"]),
        ("past_folders", &["first", "last"]),
        ("mirrors", &["history_from"]),
        ("snapshots", &["moment"]),
    ] {
        // In two steps: `last` belongs to a key, and must not meet a row that is still to move.
        let there: Vec<String> =
            columns.iter().map(|column| format!("{column} = {ASIDE} + {}", new(column))).collect();
        let back: Vec<String> =
            columns.iter().map(|column| format!("{column} = {column} - {ASIDE}")).collect();
        for change in [there.join(", "), back.join(", ")] {
            db.execute_batch(&format!("UPDATE main.{table} SET {change}"))?;
        }
    }
    Ok(())
}
