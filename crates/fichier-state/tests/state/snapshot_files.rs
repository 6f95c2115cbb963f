//! Copies of a mirror's records: taken out, compared, laid over one another, and laid into a state.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use fichier_api::FolderId;
use fichier_state::{
    Content, Error, Mirror, Moment, NewVersion, Owner, Retired, SnapshotFacts, Store, difference,
    digest, examine, extract, lay_over,
};
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::fixture::{Fixture, facts, file, fingerprint, path, remote, url, whirlpool};

const TABLES: [&str; 16] = [
    "mirrors",
    "folders",
    "entries",
    "past_entries",
    "past_folders",
    "moments",
    "foreign_files",
    "versions",
    "versions_folders",
    "retired_names",
    "owners",
    "snapshots",
    "cycles",
    "removals",
    "proofs",
    "missed",
];

pub(crate) fn snapshot(name: &str, mirror: &Mirror) -> SnapshotFacts {
    SnapshotFacts {
        name: name.to_owned(),
        base: None,
        mirror: mirror.name.clone(),
        source: mirror.source.clone(),
        target: mirror.target.clone(),
        installation: None,
        made_s: 1_764_000_000,
        moment: Moment(0),
        config: Some("# a comment\n".to_owned()),
        program: "0.1.0".to_owned(),
    }
}

impl Fixture {
    fn extract(&self, name: &str) -> PathBuf {
        let out = self.dir.path().join(name);
        let facts = snapshot(name, &self.mirror);
        extract(self.dir.path(), self.mirror.id, &facts, &out, None).unwrap();
        out
    }

    /// A file, a folder, a version: something in most tables.
    fn fill(&mut self) {
        let (root, mirror) = (self.mirror.root, self.mirror.id);
        let folder = self.folder(root, b"d");
        self.write(|w| {
            w.set_note("installation", Some("abc"))?;
            w.set_folder_remote(root, Some(remote(10)), None)?;
            w.set_folder_remote(folder, Some(remote(11)), None)?;
            w.put_entry(&file(root, b"a", 1))?;
            w.put_entry(&file(folder, b"b", 2))?;
            w.put_owners(&[Owner { is_group: false, id: 1000, name: "eve".to_owned() }])?;
            w.add_versions_folder(mirror, "2026-11-24", 1, FolderId(20))?;
            w.add_version(&version(mirror, 7))?;
            w.add_snapshot(mirror, None, "first", 1, Moment(1), 5, &whirlpool(3)).map(drop)
        });
        self.later();
        self.write(|w| w.put_entry(&file(root, b"a", 4)));
    }
}

fn version(mirror: fichier_state::MirrorId, number: u64) -> NewVersion {
    NewVersion {
        mirror,
        path: path("d/old"),
        url: url(number),
        size_bytes: number + 1,
        whirlpool: Some(whirlpool(number)),
        fingerprint: Some(fingerprint(number)),
        metadata: None,
        folder: FolderId(20),
        current_from_s: 1,
        current_until_s: 2,
        reason: Retired::Replaced,
        cipher: None,
    }
}

/// All rows of a file, table by table.
fn rows(path: &Path) -> Vec<(String, Vec<Vec<Value>>)> {
    let db = Connection::open(path).unwrap();
    let of = |table: &str| {
        let mut select = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let width = select.column_count();
        let rows = select.query_map([], |row| (0..width).map(|at| row.get(at)).collect());
        let mut rows = rows.unwrap().collect::<rusqlite::Result<Vec<Vec<Value>>>>().unwrap();
        rows.sort_by_cached_key(|row| format!("{row:?}"));
        rows
    };
    TABLES.iter().map(|table| ((*table).to_owned(), of(table))).collect()
}

/// The trees at all moments.
fn trees(fixture: &Fixture) -> Vec<Vec<String>> {
    (1..=fixture.moment().0).map(|moment| fixture.tree_at(Moment(moment))).collect()
}

/// A state that knows nothing but what is imported.
fn imported(copies: &[&Path]) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let mut mirrors = Vec::new();
    for copy in copies {
        mirrors.push(store.import(copy, |_, mirror| Ok(mirror.clone())).unwrap());
    }
    store.check().unwrap();
    Fixture { dir, store, mirror: mirrors.remove(0) }
}

#[test]
fn a_copy_holds_one_mirror_and_nothing_that_is_under_way_or_secret() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let other = fixture.write(|w| w.add_mirror("other", Path::new("/srv/o"), "/backup/o"));
    fixture.write(|w| w.put_entry(&file(other.root, b"theirs", 99)));
    let copy = fixture.extract("whole");
    let found = examine(&copy).unwrap();
    assert_eq!(found.installation.as_deref(), Some("abc"));
    assert_eq!(found.moment, fixture.moment());
    assert_eq!(
        found,
        SnapshotFacts {
            installation: found.installation.clone(),
            moment: found.moment,
            ..snapshot("whole", &fixture.mirror)
        }
    );
    let db = Connection::open(&copy).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM entries"), 2);
    assert_eq!(count("SELECT count(*) FROM mirrors"), 1);
    for absent in ["notes", "intents", "pending_uploads", "problems"] {
        let sql = format!("SELECT count(*) FROM sqlite_schema WHERE name = '{absent}'");
        assert_eq!(count(&sql), 0, "{absent}");
    }
    let extras = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'
        OR type = 'index' AND sql IS NOT NULL";
    assert_eq!(count(extras), 0);
}

#[test]
fn time_that_is_up_ends_a_copy_and_touches_nothing_else() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    fixture.write(|w| {
        (0..5000u64).try_for_each(|n| w.put_entry(&file(root, n.to_string().as_bytes(), n)))
    });
    let facts = snapshot("late", &fixture.mirror);
    let out = fixture.dir.path().join("late");
    let late = extract(fixture.dir.path(), fixture.mirror.id, &facts, &out, Some(Instant::now()));
    assert!(matches!(late, Err(Error::TimeUp)), "{late:?}");
    assert_eq!(fixture.store.entries(root).unwrap().len(), 5000);
}

#[test]
fn a_damaged_copy_is_found_out() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let copy = fixture.extract("whole");
    let whole = fs::read(&copy).unwrap();
    for (damage, bytes) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("other", b"something else entirely, and long enough to be read as a header".to_vec()),
    ] {
        fs::write(&copy, bytes).unwrap();
        assert!(examine(&copy).is_err(), "{damage}");
    }
    fs::write(&copy, &whole).unwrap();
    let db = Connection::open(&copy).unwrap();
    db.execute("DELETE FROM entries WHERE name = x'61'", []).unwrap();
    drop(db);
    let missing = examine(&copy).unwrap_err().to_string();
    assert!(missing.contains("1 rows of entries instead of 2"), "{missing}");
    let db = Connection::open(&copy).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(examine(&copy), Err(Error::FromTheFuture { found: 99, .. })));
}

#[test]
fn a_copy_with_a_name_that_leads_elsewhere_is_refused() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let gone = fixture.folder(fixture.mirror.root, b"gone");
    fixture.later();
    fixture.write(|w| w.remove_folder(gone));
    let copy = fixture.extract("whole");
    let sound = fs::read(&copy).unwrap();
    for table in ["entries", "folders", "past_entries", "past_folders"] {
        for name in ["x'2E2E'", "x'2E'", "x'612F62'", "x'6100'", "x''"] {
            fs::write(&copy, &sound).unwrap();
            let db = Connection::open(&copy).unwrap();
            let of = if table.ends_with("folders") { "parent_id IS NOT NULL" } else { "true" };
            let sql = format!("UPDATE {table} SET name = {name} WHERE {of}");
            db.pragma_update(None, "ignore_check_constraints", true).unwrap();
            let changed = db.execute(&sql, []).unwrap();
            drop(db);
            assert!(changed > 0, "{sql}");
            let refused = examine(&copy).unwrap_err();
            assert!(refused.to_string().contains("lead elsewhere"), "{sql}: {refused}");
        }
    }
}

#[test]
fn an_imported_mirror_doubts_disk_and_listings_and_knows_the_past() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let with_identity =
        Mirror { identity: Some("{}".into()), held: Some("x".into()), ..fixture.mirror.clone() };
    fixture.write(|w| w.update_mirror(&with_identity));
    let there = imported(&[&fixture.extract("whole")]);
    assert_eq!(trees(&there), trees(&fixture));
    assert_eq!((&there.mirror.identity, &there.mirror.held), (&None, &None));
    let root = there.store.folder(there.mirror.root).unwrap().unwrap();
    assert!(root.remote.is_some_and(|spot| spot.id == FolderId(10) && !spot.listed));
    assert_eq!(there.store.versions(there.mirror.id, None, 9).unwrap().len(), 1);
    assert_eq!(there.store.snapshots(there.mirror.id).unwrap().len(), 1);
    assert_eq!(there.store.owners().unwrap().len(), 1);
}

#[test]
fn an_id_of_the_past_is_not_given_out_again_after_an_import() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let gone = fixture.folder(fixture.mirror.root, b"gone");
    fixture.later();
    fixture.write(|w| w.remove_folder(gone));
    let mut there = imported(&[&fixture.extract("whole")]);
    let new = there.folder(there.mirror.root, b"new");
    assert!(new > gone, "{new:?} was {gone:?} once");
}

#[test]
fn two_mirrors_of_one_server_keep_their_trees_in_one_state() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let first = fixture.extract("first");
    let first_trees = trees(&fixture);
    fixture.later();
    let other = fixture.write(|w| w.add_mirror("other", Path::new("/srv/o"), "/backup/o"));
    fixture.write(|w| w.put_entry(&file(other.root, b"theirs", 99)));
    fixture.mirror = other;
    let second = fixture.extract("second");
    for order in [[&*first, &*second], [&*second, &*first]] {
        let both = imported(&order);
        let mirrors = both.store.mirrors().unwrap();
        let of = |name: &str| mirrors.iter().find(|mirror| mirror.name == name).unwrap().clone();
        let both = Fixture { mirror: of("photos"), ..both };
        assert_eq!(trees(&both)[..first_trees.len()], first_trees[..]);
        let both = Fixture { mirror: of("other"), ..both };
        assert_eq!(trees(&both), trees(&fixture));
        assert_eq!(both.moment(), fixture.moment(), "one line of moments");
    }
}

#[test]
fn two_lines_of_time_are_merged_in_the_order_of_their_times() {
    let (mut one, mut two) = (Fixture::new(), Fixture::new());
    two.mirror.name = "other".to_owned();
    let renamed = two.mirror.clone();
    two.write(|w| w.update_mirror(&renamed));
    let mut seen = Vec::new();
    for step in 0..6u64 {
        for fixture in [&mut one, &mut two] {
            fixture.store.clock().set_ahead(0);
        }
        let fixture = if step % 2 == 0 { &mut one } else { &mut two };
        fixture.store.clock().set_ahead(1000 * (i64::try_from(step).unwrap() + 1));
        let root = fixture.mirror.root;
        fixture.write(|w| w.put_entry(&file(root, b"a", step + 10 * (step % 2))));
        let at_s = fixture.store.time_of(fixture.moment()).unwrap().unwrap();
        seen.push((step % 2 == 0, at_s, fixture.tree_at(fixture.moment())));
    }
    let mut there = imported(&[&two.extract("two")]);
    let second = there.store.import(&one.extract("one"), |_, mirror| Ok(mirror.clone())).unwrap();
    there.store.check().unwrap();
    let first = there.mirror.clone();
    for (is_one, at_s, tree) in seen {
        let moment = there.store.moment_at(at_s).unwrap().unwrap();
        there.mirror = if is_one { second.clone() } else { first.clone() };
        assert_eq!(there.tree_at(moment), tree, "at {at_s}");
    }
}

#[test]
fn a_mirror_that_is_here_is_left_as_it_is() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let copy = fixture.extract("whole");
    let before = trees(&fixture);
    let refused = fixture.store.import(&copy, |_, _| Ok(()));
    assert!(matches!(refused, Err(Error::AlreadyHere { .. })), "{refused:?}");
    assert_eq!(trees(&fixture), before);
}

#[test]
fn what_fails_after_an_import_takes_the_import_with_it() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let copy = fixture.extract("whole");
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    let failed: Result<(), _> = store.import(&copy, |_, _| Err(Error::Cycle));
    assert!(matches!(failed, Err(Error::Cycle)), "{failed:?}");
    assert_eq!(store.mirrors().unwrap(), []);
    store.import(&copy, |_, _| Ok(())).unwrap();
}

#[test]
fn a_copy_of_an_older_form_is_brought_up_to_date() {
    // A state of the first form, with the tables that a copy has besides.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("old");
    let db = Connection::open(&copy).unwrap();
    db.execute_batch(include_str!("../../migrations/0001_first.sql")).unwrap();
    db.pragma_update(None, "application_id", 0x6663_6872).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    db.execute_batch(
        "INSERT INTO mirrors (id, name, source, target) VALUES (3, 'm', x'2F73', '/t');
        INSERT INTO folders (id, mirror_id, name, remote_id, made_by_us, listed, device, inode,
            mode, uid, gid, meta_mtime_ns) VALUES (5, 3, x'', 9, 1, 1, 0, 0, 0, 0, 0, 0);
        INSERT INTO entries (folder_id, name, kind, size_bytes, mtime_ns, ctime_ns, inode, mode,
            uid, gid, racy, unmanaged) VALUES (5, x'65', 2, 0, 0, 0, 0, 33188, 0, 0, 0, 0);
        CREATE TABLE snapshot (format, name, base, mirror, source, target, installation, made_s,
            moment, config, program);
        INSERT INTO snapshot VALUES (1, 'old', NULL, 'm', x'2F73', '/t', 'abc', 5, 1, NULL, '0.0');
        CREATE TABLE snapshot_rows (name PRIMARY KEY, here, whole);
        INSERT INTO snapshot_rows VALUES ('entries', 1, 1), ('folders', 1, 1);
        CREATE TABLE snapshot_ids (name PRIMARY KEY, last);
        INSERT INTO snapshot_ids VALUES ('folders', 7);",
    )
    .unwrap();
    drop(db);
    let mut there = imported(&[&copy]);
    assert_eq!(there.tree_at(there.moment()), ["e empty 644"]);
    let new = there.folder(there.mirror.root, b"new");
    assert!(new.0 > 7);
}

/// One random change.
#[derive(Clone, Debug)]
enum Change {
    Put(u8, u8, u64),
    Remove(u8, u8),
    Folder(u8),
    MoveFolder(u8, u8),
    RemoveFolder(u8),
    Version(u64),
    Forget,
    Later,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0..6u8, 0..8u8, 0..1000u64).prop_map(|(folder, name, n)| Change::Put(folder, name, n)),
        3 => (0..6u8, 0..8u8).prop_map(|(folder, name)| Change::Remove(folder, name)),
        2 => (0..6u8).prop_map(Change::Folder),
        2 => (0..6u8, 0..6u8).prop_map(|(from, to)| Change::MoveFolder(from, to)),
        1 => (0..6u8).prop_map(Change::RemoveFolder),
        1 => (0..1000u64).prop_map(Change::Version),
        1 => Just(Change::Forget),
        3 => Just(Change::Later),
    ]
}

/// Carries it out, as far as it can be: what the tables refuse does not happen.
fn carry_out(fixture: &mut Fixture, serial: u64, change: &Change) {
    let (mirror, root) = (fixture.mirror.id, fixture.mirror.root);
    let folders = fixture.store.subfolders(root).unwrap();
    let folder = |at: u8| folders.get(usize::from(at)).map_or(root, |folder| folder.key);
    let named = |name: u8| [b'a' + name];
    let done = match *change {
        Change::Put(at, name, n) => {
            let entry = file(folder(at), &named(name), n + 10_000 * serial);
            fixture.store.write(|w| w.put_entry(&entry))
        }
        Change::Remove(at, name) => {
            fixture.store.write(|w| w.remove_entry(folder(at), &named(name)).map(drop))
        }
        Change::Folder(name) => fixture
            .store
            .write(|w| w.add_folder(mirror, root, &named(name), &facts(1, 2)).map(drop)),
        Change::MoveFolder(from, to) => {
            fixture.store.write(|w| w.move_folder(folder(from), root, &named(to)))
        }
        Change::RemoveFolder(at) => fixture.store.write(|w| w.remove_folder(folder(at))),
        Change::Version(n) => {
            fixture.store.write(|w| w.add_version(&version(mirror, 5_000_000 + n)).map(drop))
        }
        Change::Forget => fixture.store.write(|w| {
            let now_s = w.now_s() - 120;
            w.forget_past(mirror, now_s).map(drop)
        }),
        Change::Later => {
            fixture.later();
            Ok(())
        }
    };
    // A name that is taken, a folder that is the root: nothing has changed then.
    drop(done);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_difference_laid_over_its_base_is_the_whole_and_the_whole_is_the_state(
        before in prop::collection::vec(change(), 0..30),
        after in prop::collection::vec(change(), 0..30),
    ) {
        let mut fixture = Fixture::new();
        fixture.fill();
        for (serial, change) in before.iter().enumerate() {
            carry_out(&mut fixture, serial as u64 + 1, change);
        }
        let base = fixture.extract("base");
        for (serial, change) in after.iter().enumerate() {
            carry_out(&mut fixture, serial as u64 + 100, change);
        }
        let whole = fixture.extract("whole");
        let (part, laid) = (fixture.dir.path().join("part"), fixture.dir.path().join("laid"));
        difference(&base, &whole, &part, "part").unwrap().unwrap();
        prop_assert_eq!(examine(&part).unwrap().base, Some("base".to_owned()));
        lay_over(&base, &part, &laid).unwrap();
        let named = SnapshotFacts { name: "whole".to_owned(), ..examine(&laid).unwrap() };
        prop_assert_eq!(named, examine(&whole).unwrap());
        prop_assert_eq!(rows(&laid), rows(&whole));
        prop_assert_eq!(rows(&laid), rows(&fixture.dir.path().join("state.db")));

        let there = imported(&[&laid]);
        prop_assert_eq!(trees(&there), trees(&fixture));
        prop_assert!(lay_over(&whole, &part, &laid).is_err(), "laid over another base");
    }
}

#[test]
fn a_copy_says_something_new_only_when_a_restore_would_want_to_know() {
    let mut fixture = Fixture::new();
    fixture.fill();
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let before = digest(&fixture.extract("a")).unwrap();
    fixture.later();
    fixture.write(|w| {
        w.log_removals(mirror, 5, 1)?;
        w.doubt_listings(mirror)?;
        w.set_audited(root, 7)?;
        w.add_snapshot(mirror, None, "second", 1, Moment(1), 5, &whirlpool(3)).map(drop)
    });
    assert_eq!(digest(&fixture.extract("b")).unwrap(), before);
    // The same content behind another link: a snapshot with the old one would be of no use.
    fixture.write(|w| {
        let mut entry = w.entry(root, b"a")?.unwrap();
        if let Content::File(copy) = &mut entry.content {
            copy.url = url(77);
        }
        w.put_entry(&entry)
    });
    assert_ne!(digest(&fixture.extract("c")).unwrap(), before);
}
