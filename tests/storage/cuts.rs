//! Power cuts: everything that the state had acknowledged is on the disk, and the mirror converges
//! from there.
//!
//! The state folder is an ext4 on a loop device. A cut stops the service at once, copies the file
//! behind the device, kills the service, and goes on with the copy: whatever the file system had
//! not written is lost, as in a real cut. `FICHIERD_CUTS=100` makes a hundred cuts, with figures;
//! `FICHIERD_CUTS_SEED=7` makes others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fichier_emulator::StoredFile;
use fichier_testkit::random::Random;
use fichier_testkit::setting::setting;
use fichier_testkit::{Machine, crypt, until, write};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal};

use crate::PROGRAM;
use crate::ground::{Image, Mounted, own_mounts};

/// The number of cuts in the ordinary test run.
const FEW: u64 = 4;

/// The findings after one cut.
struct Cut {
    /// Rows in the state that were acknowledged.
    acknowledged: usize,
    /// Those of them that did not survive.
    lost: Vec<String>,
    /// Bytes of files that were on their way, or had arrived without being recorded.
    under_way: u64,
}

struct Cutting {
    mounted: Option<Mounted>,
    image: Image,
    world: Machine,
    random: Random,
    files: Vec<String>,
    number: u64,
}

#[test]
fn p01_what_was_acknowledged_survives_every_power_cut() {
    if !own_mounts() {
        return;
    }
    let cuts = setting("FICHIERD_CUTS").unwrap_or(FEW);
    let mut cutting = Cutting::begin(setting("FICHIERD_CUTS_SEED").unwrap_or(1));
    let (mut rows, mut under_way) = (0, 0);
    for number in 0..cuts {
        cutting.change_something();
        let cut = cutting.cut(number);
        assert_eq!(cut.lost, Vec::<String>::new(), "acknowledged and lost, at cut {number}");
        rows += cut.acknowledged;
        under_way += cut.under_way;
    }
    cutting.world.start();
    cutting.world.until_mirrored("photos");
    cutting.world.assert_at_rest();
    cutting.assert_every_content_arrived_once();
    let snapshots = logged_sum(&cutting.world.log(), "sent a snapshot", "bytes=");
    let (sent, there) =
        (cutting.world.emulator.bytes_received() - snapshots, cutting.bytes_there());
    eprintln!(
        "{cuts} cuts, {rows} acknowledged rows, 0 lost; {there} bytes arrived, {sent} were sent, \
         {under_way} were under way at a cut"
    );
    // Each content is sent once, and those that were under way when the power went at most once
    // more.
    assert!(sent <= there + under_way, "{sent} bytes were sent for {there} + {under_way}");
}

impl Cutting {
    fn begin(seed: u64) -> Cutting {
        let world = Machine::of(PROGRAM);
        let image = Image::make(world.path("state.img"), 48);
        let mounted = Some(image.mount(&world.path("state")));
        let random = Random::of(seed);
        let files = Vec::new();
        Cutting { mounted, image, world, random, files, number: 0 }
    }

    /// Makes, edits, renames or removes files, or makes a folder.
    fn change_something(&mut self) {
        for _ in 0..12 {
            self.number += 1;
            let at = self.random.below(self.files.len().max(1) as u64);
            let old = self.files.get(usize::try_from(at).unwrap()).cloned();
            let source = self.world.source("photos");
            match (self.random.below(10), old) {
                (0, Some(old)) => {
                    fs::remove_file(source.join(&old)).unwrap();
                    self.files.retain(|file| *file != old);
                }
                (1 | 2, Some(old)) => {
                    let new = format!("moved {}", self.number);
                    fs::rename(source.join(&old), source.join(&new)).unwrap();
                    self.files.retain(|file| *file != old);
                    self.files.push(new);
                }
                (3 | 4, Some(old)) => self.write(&old),
                _ => {
                    let new = format!("{}/{}", self.random.below(9), self.number);
                    self.write(&new);
                    self.files.push(new);
                }
            }
        }
    }

    /// Writes a content that exists only once.
    fn write(&mut self, path: &str) {
        let words = 500 + self.random.below(4_000);
        let content = format!("{} {path} ", self.number).repeat(usize::try_from(words).unwrap());
        write(&self.world.source("photos").join(path), content);
    }

    /// Lets the service work for a while, and cuts the power.
    fn cut(&mut self, number: u64) -> Cut {
        let calls = usize::try_from(self.random.below(30)).unwrap();
        let before = self.world.emulator.calls();
        self.world.start();
        until("it comes to its end", || {
            let made = self.world.emulator.calls() - before >= calls;
            (made || self.world.differences("photos").is_empty()).then_some(())
        });
        let service = self.world.take_service();
        service.signal(Signal::STOP);
        until("all of it has stopped", || has_stopped(service.id()).then_some(()));
        let state = self.world.path("state").join("state.db");
        let acknowledged = read(&state, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let under_way = bytes_under_way(&state);
        let copy = self.image.copy(self.world.path(&format!("after cut {number}.img")));
        service.kill();
        self.mounted.take().unwrap().unmount();
        fs::remove_file(&self.image.file).unwrap();
        self.image = copy;
        self.mounted = Some(self.image.mount(&self.world.path("state")));
        let survived = read(&state, OpenFlags::SQLITE_OPEN_READ_WRITE);
        // A transaction that was on disk and not acknowledged yet may be there too.
        let is_ahead = survived.frames > acknowledged.frames;
        let lost = acknowledged.rows.difference(&survived.rows).cloned();
        Cut {
            acknowledged: acknowledged.rows.len(),
            lost: if is_ahead { Vec::new() } else { lost.collect() },
            under_way,
        }
    }

    /// The files of the source that are there, earlier versions included.
    fn files_there(&self) -> Vec<StoredFile> {
        let mut files = self.world.emulator.files();
        files
            .retain(|file| !file.path.contains("/.fichierd/state") && !file.name.ends_with(".zst"));
        files
    }

    fn bytes_there(&self) -> u64 {
        self.files_there().iter().map(|file| file.size).sum()
    }

    #[track_caller]
    fn assert_every_content_arrived_once(&self) {
        let mut times: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
        for file in self.files_there() {
            let content = self.world.emulator.content(&file.link).unwrap();
            let content = crypt::plain_content(content);
            times.entry(content).or_default().push(format!("{}/{}", file.path, file.name));
        }
        let twice: Vec<_> = times.values().filter(|places| places.len() > 1).collect();
        assert!(twice.is_empty(), "the same content is there twice: {twice:#?}");
    }
}

/// All rows of a state, and how many frames its log has.
struct Rows {
    rows: BTreeSet<String>,
    frames: u32,
}

fn read(state: &Path, access: OpenFlags) -> Rows {
    if !state.exists() {
        return Rows { rows: BTreeSet::new(), frames: 0 };
    }
    let db = Connection::open_with_flags(state, access).unwrap();
    // The service must find the log as the power cut left it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
    let mut tables = db.prepare(tables).unwrap();
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut rows = BTreeSet::new();
    for table in tables {
        let mut all = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = all.column_count();
        let mut all = all.query([]).unwrap();
        while let Some(row) = all.next().unwrap() {
            let values: Vec<_> =
                (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            rows.insert(format!("{table}: {}", values.join(", ")));
        }
    }
    // `mxFrame` of the index of the log: the number of acknowledged frames.
    let index = fs::read(state.with_extension("db-shm")).unwrap_or_default();
    let frames = index.get(16..20).map_or(0, |at| u32::from_ne_bytes(at.try_into().unwrap()));
    Rows { rows, frames }
}

/// Whether no thread of a process runs any more.
fn has_stopped(process: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).unwrap();
    threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).unwrap()).all(
        // The state follows the name, which is in parentheses.
        |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')),
    )
}

fn bytes_under_way(state: &Path) -> u64 {
    if !state.exists() {
        return 0;
    }
    let db = Connection::open_with_flags(state, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    if !db.table_exists(None, "pending_files").unwrap() {
        return 0;
    }
    let sum = "SELECT coalesce(sum(size_bytes), 0) FROM pending_files";
    let sum: i64 = db.query_row(sum, [], |row| row.get(0)).unwrap();
    u64::try_from(sum).unwrap()
}

fn logged_sum(log: &str, what: &str, name: &str) -> u64 {
    let lines = log.lines().filter(|line| line.contains(what));
    let numbers = lines.filter_map(|line| {
        let number = line.split(name).nth(1)?;
        number.split_whitespace().next()?.parse::<u64>().ok()
    });
    numbers.sum()
}
