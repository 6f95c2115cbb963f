//! Opens the state file, checks it, and gives out transactions.
//!
//! After an end that was not clean, `quick_check` and `foreign_key_check` run: damage is an error
//! at open, before anything is believed. Some damage they do not see (an index that lacks a row; a
//! file that was damaged after it was closed): it is an error from the look-up or the change that
//! meets it. Comparing every index takes four times as long: [`Store::check`].
//!
//! Invariant: one process writes. The lock is taken before the database is touched and
//! dropped after it is closed.
//!
//! After an error of the disk the pages that this connection has in memory are not believed: those
//! that an `fsync` could not write may be marked as written all the same, and a second `fsync`
//! succeed. The file is opened again and checked as a whole, and the content of its log is written
//! again. A file that is no longer where it was is not written to: the next process would not find
//! it.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::connection::{check, connect, keep_few_pages, make_file, make_folder, set_up_writer};
use super::lock::Lock;
use super::place::Place;
use super::transaction::{Records, Writing};
use crate::base::{Clock, Error, Result, failpoint};
use crate::schema::{self, MIGRATIONS};

const FILE_NAME: &str = "state.db";

/// The open state file.
#[derive(Debug)]
pub struct Store {
    // Declared before the lock, and so closed before the lock is dropped.
    records: Records,
    // `None` if it was opened for reading beside a running service, or is in memory.
    lock: Option<Lock>,
    clock: Clock,
    place: Place,
    /// The disk failed: see [`Store::reopen_if_doubted`].
    doubted: bool,
    /// The process that had it open before ended cleanly.
    was_closed: bool,
}

impl Store {
    /// Opens the state in the folder `dir`, and makes both if they do not exist yet (0700 and
    /// 0600). Brings an older file up to date, after a copy of it was made.
    ///
    /// Takes milliseconds after a clean end. After any other, every row is read and checked: one
    /// to two seconds for a million files.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] · [`Error::FromTheFuture`] and [`Error::NotOurs`], the file is not
    /// touched · [`Error::Corrupt`] · [`Error::Storage`] and [`Error::Io`] if the disk is full
    /// or not writable.
    pub fn open(dir: &Path) -> Result<Store> {
        make_folder(dir)?;
        let lock = Lock::take(dir)?;
        let path = dir.join(FILE_NAME);
        make_file(&path)?;
        // Opening for writing may already change the file; so look first.
        schema::version(&connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, &path)?;
        let mut db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        set_up_writer(&db)?;
        let version = schema::version(&db, &path)?;
        let was_closed = version > 0 && ended_cleanly(&db)?;
        if version > 0 && !was_closed {
            tracing::info!("the last run ended before it closed the state; checking it");
            check(&db, "quick_check")?;
        }
        schema::migrate(&mut db, dir, version, MIGRATIONS)?;
        mark_end(&db, false)?;
        Ok(Store { was_closed, ..Store::of(db, Some(lock), &path)? })
    }

    /// A new state in memory, with the times of `clock`, for simulations. It is gone when this is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] if there is no memory for it.
    pub fn in_memory(clock: Clock) -> Result<Store> {
        let mut db = connect(Path::new(":memory:"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::migrate(&mut db, Path::new(""), 0, MIGRATIONS)?;
        db.execute("UPDATE moments SET at_s = ?1, clock_s = ?1", [clock.now_s()])?;
        Ok(Store {
            records: Records { db },
            lock: None,
            clock,
            place: Place::nowhere(),
            doubted: false,
            was_closed: false,
        })
    }

    /// Makes a state in memory like a new one, in less time: its statements stay prepared.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] for a state that is not in memory, which is left as it is.
    pub fn begin_anew(self, clock: Clock) -> Result<Store> {
        if self.place != Place::nowhere() {
            return Err(Error::NotOurs { path: self.place.path, found: 0 });
        }
        empty(&self.records.db, clock.now_s())?;
        Ok(Store { clock, ..self })
    }

    /// Opens the state for looking only, beside a service that may be running: `status`, `why`.
    /// Takes no lock; each look-up sees the last commit.
    ///
    /// # Errors
    ///
    /// [`Error::Absent`] · [`Error::FromTheFuture`] · [`Error::FromThePast`] ·
    /// [`Error::NotOurs`] · [`Error::Corrupt`] · [`Error::Storage`]
    pub fn open_read_only(dir: &Path) -> Result<Store> {
        let path = dir.join(FILE_NAME);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(Error::Absent { path }),
            Err(source) => return Err(Error::Io { path, source }),
        }
        let db = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let (version, newest) = (schema::version(&db, &path)?, schema::newest(MIGRATIONS));
        match i64::try_from(version) {
            Ok(0) => Err(Error::Absent { path }),
            Ok(found) if found < newest => Err(Error::FromThePast { found, newest }),
            _ => {
                keep_few_pages(&db, "main")?;
                Store::of(db, None, &path)
            }
        }
    }

    fn of(db: Connection, lock: Option<Lock>, path: &Path) -> Result<Store> {
        let (place, clock) = (Place::of(path)?, Clock::default());
        Ok(Store { records: Records { db }, lock, clock, place, doubted: false, was_closed: false })
    }

    /// Whether the process that had this file open before ended as it should, so that nothing can
    /// be under way which is not on record.
    pub fn was_closed(&self) -> bool {
        self.was_closed
    }

    /// Writes a copy of the state into the folder `dir`, which can then be opened as a state of its
    /// own, to try something out. Takes about as long as copying the file.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] and [`Error::Io`] if the disk is full or not writable.
    pub fn copy_to(&self, dir: &Path) -> Result<()> {
        make_folder(dir)?;
        schema::keep_copy(&self.db, &dir.join(FILE_NAME))
    }

    /// Closes the file and marks that nothing is left to check. Without it (a crash, a kill)
    /// nothing is lost; the next `open` takes a closer look.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] if the mark cannot be written.
    pub fn close(self) -> Result<()> {
        let Store { records: Records { db }, lock, .. } = self;
        if lock.is_some() {
            failpoint::reached("close:begun");
            mark_end(&db, true)?;
            failpoint::reached("close:marked");
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            failpoint::reached("close:checkpointed");
        }
        db.close().map_err(|(_, error)| error)?;
        drop(lock);
        Ok(())
    }

    /// Runs `changes` as one transaction. When this returns `Ok`, all of it is on disk; after an
    /// error, that of `changes` or of the disk, nothing of it is.
    ///
    /// Waits for the disk once. Other writers are locked out meanwhile, so `changes` must not
    /// wait for anything itself.
    ///
    /// # Errors
    ///
    /// Those of `changes`; [`Error::Storage`] or [`Error::Busy`]; [`Error::Displaced`];
    /// after an error of the disk also those of [`Store::open`].
    pub fn write<R>(&mut self, changes: impl FnOnce(&mut Writing<'_>) -> Result<R>) -> Result<R> {
        self.reopen_if_doubted()?;
        self.place.check()?;
        let done = self.try_write(changes);
        self.note_failure(&done);
        done
    }

    /// Looks something up, after the file was opened again if the disk has failed before.
    ///
    /// # Errors
    ///
    /// Those of `look`; after an error of the disk also those of [`Store::open`].
    pub fn read<R>(&mut self, look: impl FnOnce(&Store) -> Result<R>) -> Result<R> {
        self.reopen_if_doubted()?;
        let found = look(self);
        self.note_failure(&found);
        found
    }

    fn try_write<R>(&self, changes: impl FnOnce(&mut Writing<'_>) -> Result<R>) -> Result<R> {
        let db = &self.records.db;
        let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        let done = changes(&mut self.writing())?;
        transaction.commit()?;
        Ok(done)
    }

    fn note_failure<R>(&mut self, done: &Result<R>) {
        self.doubted |= done.as_ref().is_err_and(Error::is_of_the_disk);
    }

    /// Opens the file again if the disk has failed, and checks it as a whole.
    fn reopen_if_doubted(&mut self) -> Result<()> {
        if !self.doubted {
            return Ok(());
        }
        self.place.check()?;
        // Until the file is open again there is a database without tables: every look-up fails.
        let old = std::mem::replace(&mut self.records.db, Connection::open_in_memory()?);
        // The pages that it has in memory must not get into the file.
        old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        drop(old);
        let access = match self.lock {
            Some(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            None => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let db = connect(&self.place.path, access)?;
        if self.lock.is_some() {
            set_up_writer(&db)?;
        }
        check(&db, "quick_check")?;
        if self.lock.is_some() {
            // The content of the log reaches the disk by another way than the one that failed.
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        self.records.db = db;
        self.doubted = false;
        tracing::warn!("the disk of the state had failed; the file was opened anew and is sound");
        Ok(())
    }

    /// The changes of a transaction that the caller has begun.
    pub(crate) fn writing(&self) -> Writing<'_> {
        Writing::new(&self.records, &self.clock)
    }

    /// The clock that times are written by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the file is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The folder that the file is in.
    pub fn dir(&self) -> PathBuf {
        let path = &self.place.path;
        path.parent().unwrap_or(path).to_owned()
    }

    /// The inode of the file: another one than before means that a copy was put in its place. 0 for
    /// a state in memory.
    pub fn inode(&self) -> u64 {
        self.place.inode()
    }

    /// Reads the whole file and compares every index with its table, for `doctor`: some seconds
    /// for a million files.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with the first thing that does not fit.
    pub fn check(&self) -> Result<()> {
        check(&self.db, "integrity_check")
    }
}

impl Deref for Store {
    type Target = Records;

    fn deref(&self) -> &Records {
        &self.records
    }
}

/// Deletes every row, and writes those that a new state has.
fn empty(db: &Connection, now_s: i64) -> Result<()> {
    let tables = {
        let mut select =
            db.prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let names = select.query_map([], |row| row.get::<_, String>(0))?;
        names.collect::<rusqlite::Result<Vec<_>>>()?
    };
    let all = db.unchecked_transaction()?;
    // Later tables first, as their rows belong to those of earlier ones; and twice, as triggers
    // write rows into one table for those that are deleted from another.
    for table in tables.iter().rev().chain(&tables) {
        db.prepare_cached(&format!("DELETE FROM \"{table}\""))?.execute([])?;
    }
    db.execute("INSERT INTO ends (id, clean) VALUES (1, 0)", [])?;
    db.execute("INSERT INTO moments (id, at_s, clock_s) VALUES (1, ?1, ?1)", [now_s])?;
    all.commit()?;
    Ok(())
}

fn ended_cleanly(db: &Connection) -> Result<bool> {
    let clean = db.query_row("SELECT clean FROM ends", [], |row| row.get::<_, bool>(0));
    match clean {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(false),
        other => Ok(other?),
    }
}

fn mark_end(db: &Connection, clean: bool) -> Result<()> {
    db.execute("UPDATE ends SET clean = ?1", [clean])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rusqlite::StatementStatus;

    use super::*;

    fn setting(db: &Connection, name: &str) -> i64 {
        db.pragma_query_value(None, name, |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_written_waits_for_the_disk_and_keeps_its_references() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mode: String =
            store.db.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        assert_eq!(setting(&store.db, "synchronous"), 2, "2 is FULL");
        assert_eq!(setting(&store.db, "foreign_keys"), 1);
        assert_eq!(setting(&store.db, "trusted_schema"), 0);
        assert_eq!(setting(&store.db, "cell_size_check"), 1);
        assert_eq!(setting(&store.db, "mmap_size"), 0);
        assert_eq!(setting(&store.db, "busy_timeout"), 5000);
        assert_eq!(setting(&store.db, "journal_size_limit"), 64 << 20);
    }

    #[test]
    fn another_limit_does_not_compile_the_statement_anew() {
        let store = Store::in_memory(Clock::default()).unwrap();
        let mut select = store.db.prepare("SELECT id FROM folders LIMIT ?1").unwrap();
        for limit in 1..10 {
            let mut rows = select.query([limit]).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        assert_eq!(select.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_state_that_begins_anew_has_what_a_new_one_has_and_its_statements_too() {
        let counts = |store: &Store| {
            let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
            let mut select = store.db.prepare(tables).unwrap();
            let names = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
            let count = |name: String| {
                let sql = format!("SELECT count(*) FROM \"{name}\"");
                let rows: i64 = store.db.query_row(&sql, [], |row| row.get(0)).unwrap();
                (name, rows)
            };
            names.map(|name| count(name.unwrap())).collect::<Vec<_>>()
        };
        let mut store = Store::in_memory(Clock::default()).unwrap();
        let new = counts(&store);
        store.write(|w| w.add_mirror("photos", Path::new("/source"), "/Backup")).unwrap();
        store.write(|w| w.set_note("installation", Some("1"))).unwrap();
        assert_ne!(counts(&store), new);

        let store = store.begin_anew(Clock::default()).unwrap();

        assert_eq!(counts(&store), new);
        let mut select = store.db.prepare_cached("SELECT 1 FROM folders").unwrap();
        assert!(!select.exists([]).unwrap());
        drop(select);
        let store = store.begin_anew(Clock::default()).unwrap();
        let mut select = store.db.prepare_cached("SELECT 1 FROM folders").unwrap();
        assert!(!select.exists([]).unwrap());
        assert_eq!(select.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_full_disk_is_an_error_that_passes_when_there_is_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.write(|state| state.set_note("before", Some("kept"))).unwrap();
        let pages = setting(&store.db, "page_count");
        // SQLite answers as it does when the disk is full.
        let limit = |store: &Store, pages| {
            store
                .db
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .unwrap();
        };
        limit(&store, pages);
        let large = "x".repeat(100_000);
        let full = store.write(|state| {
            state.set_note("before", None)?;
            state.set_note("large", Some(&large))
        });
        assert!(matches!(full, Err(Error::Storage(_))), "{full:?}");
        assert_eq!(store.note("before").unwrap().as_deref(), Some("kept"));
        limit(&store, pages + 1000);
        store.write(|state| state.set_note("large", Some(&large))).unwrap();
        assert_eq!(store.note("large").unwrap(), Some(large));
    }

    #[test]
    fn another_writer_is_waited_for_and_then_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        store.db.busy_timeout(Duration::ZERO).unwrap();
        let other = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let busy = store.write(|state| state.set_note("a", Some("b")));
        assert!(matches!(busy, Err(Error::Busy(_))), "{busy:?}");
        other.execute_batch("ROLLBACK").unwrap();
        store.write(|state| state.set_note("a", Some("b"))).unwrap();
    }
}
