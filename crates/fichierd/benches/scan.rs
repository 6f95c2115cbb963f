//! How long it takes to look at a tree, beside GNU find doing the same in the same run.
//!
//! Three things are measured in turn, several times, and the best of each is printed with its
//! ratio to find: the walk alone (a mirror without records, nothing collected), the survey of a
//! mirror in which nothing has changed, and that of single paths. All with the tree in memory.
//!
//! ```text
//! cargo bench -p fichierd --bench scan [files per folder] [folders]
//! ```
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Content, Entry, Mirror, Origin, RelPath, RemoteCopy, Store, Writing};
use fichierd::disk::{Filter, Scanner, Seen};
use fichierd::plan::survey::survey;
use fichierd::plan::{Change, Survey, SurveyRequest};

const ROUNDS: usize = 7;

/// Paths of the third measurement.
const SINGLE_PATHS: usize = 10_000;

fn main() -> Result<()> {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<usize>().ok());
    let (files, folders) = (numbers.next().unwrap_or(100), numbers.next().unwrap_or(1_000));
    let source = tempfile::tempdir()?;
    let state = tempfile::tempdir()?;
    make_tree(source.path(), files, folders)?;
    let mut store = Store::open(state.path())?;
    let new = store.write(|state| state.add_mirror("new", source.path(), "/new"))?;
    let known = store.write(|state| state.add_mirror("known", source.path(), "/known"))?;
    let store = Mutex::new(store);
    record(&store, &known, source.path())?;
    let single = single_paths(files, folders)?;
    let all = u64::try_from(files * folders + folders)?;

    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let find = timed(|| find(source.path()))?;
        let walk = timed(|| {
            let found = look(&store, &new, source.path(), None, 0)?;
            ensure!(found.left_out == all, "found {} of {all}", found.left_out);
            Ok(())
        })?;
        let idle = timed(|| {
            let found = look(&store, &known, source.path(), None, usize::MAX)?;
            ensure!(found.looked_at == all && found.changes.is_empty(), "{:?}", found.changes);
            Ok(())
        })?;
        let single = timed(|| {
            let found = look(&store, &known, source.path(), Some(&single), usize::MAX)?;
            ensure!(found.changes.is_empty(), "{:?}", found.changes);
            Ok(())
        })?;
        for (best, time) in best.iter_mut().zip([find, walk, idle, single]) {
            *best = time.min(*best);
        }
    }
    println!("{} files in {folders} folders, best of {ROUNDS}", files * folders);
    print("find -printf", best[0], best[0], all);
    print("walk alone", best[1], best[0], all);
    print("survey, nothing changed", best[2], best[0], all);
    print("survey of single paths", best[3], best[0], u64::try_from(single.len())?);
    Ok(())
}

fn print(what: &str, time: Duration, find: Duration, entries: u64) {
    let (time_s, find_s) = (time.as_secs_f64(), find.as_secs_f64());
    let each_us = time_s * 1e6 / u32::try_from(entries).map_or(f64::NAN, f64::from);
    println!("{what:25} {time_s:7.3} s  {each_us:5.2} µs each  {:5.2} × find", time_s / find_s);
}

fn make_tree(source: &Path, files: usize, folders: usize) -> Result<()> {
    for folder in 0..folders {
        let folder = source.join(folder_name(folder));
        fs::create_dir_all(&folder)?;
        for file in 0..files {
            fs::write(folder.join(file_name(file)), "x")?;
        }
    }
    Ok(())
}

fn folder_name(number: usize) -> String {
    format!("folder {number:06}")
}

fn file_name(number: usize) -> String {
    format!("picture {number:06}.jpeg")
}

fn single_paths(files: usize, folders: usize) -> Result<Vec<RelPath>> {
    let path = |number: usize| {
        let folder = folder_name(number % folders);
        RelPath::parse(format!("{folder}/{}", file_name(number / folders % files)).as_bytes())
    };
    let count = SINGLE_PATHS.min(files * folders);
    (0..count).map(path).collect::<Result<_, _>>().context("a path")
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn find(source: &Path) -> Result<()> {
    let mut find = Command::new("find");
    find.arg(source).args(["-printf", "%p %s %T@ %C@ %i\n"]).stdout(Stdio::null());
    ensure!(find.status()?.success(), "find failed");
    Ok(())
}

fn look(
    store: &Mutex<Store>,
    mirror: &Mirror,
    source: &Path,
    paths: Option<&[RelPath]>,
    max_additions: usize,
) -> Result<Survey> {
    let mut scanner = Scanner::open(source, Arc::new(Filter::new(source, &[])?))?;
    let request = SurveyRequest {
        mirror,
        paths,
        settle: Duration::ZERO,
        now: SystemTime::now(),
        force: &|_| false,
        skip: &|_| false,
        max_additions,
        keys: None,
    };
    let mut found = survey(&mut scanner, store, &request)?;
    // The new mirror's own root is never on record here.
    found.changes.retain(|change| !change.path().is_root());
    Ok(found)
}

/// Puts the tree on record, as if the service had confirmed it.
fn record(store: &Mutex<Store>, mirror: &Mirror, source: &Path) -> Result<()> {
    let found = look(store, mirror, source, None, usize::MAX)?;
    let mut store = store.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
    store
        .write(|state| found.changes.iter().try_for_each(|change| apply(state, mirror, change)))?;
    Ok(())
}

fn apply(state: &mut Writing<'_>, mirror: &Mirror, change: &Change) -> fichier_state::Result<()> {
    let path = change.path();
    let above = path.parent().unwrap_or_else(RelPath::root);
    let Some(folder) = state.folder_at(mirror.id, &above)? else { return Ok(()) };
    if let Change::FolderAdded { facts, .. } = change {
        state.add_folder(mirror.id, folder.key, path.name(), facts)?;
    }
    if let Change::Added { seen, .. } = change {
        let url = FileUrl::parse(&format!("https://1fichier.com/?{:020}", seen.stamp.inode));
        let Ok(url) = url else { return Ok(()) };
        state.put_entry(&entry(folder.key, seen, url))?;
    }
    Ok(())
}

fn entry(folder: fichier_state::FolderKey, seen: &Seen, url: FileUrl) -> Entry {
    let copy = RemoteCopy {
        url,
        whirlpool: Whirlpool::from_bytes([1; 64]),
        fingerprint: Fingerprint::from_bytes([1; 32]),
        remote_name: None,
        confirmed_s: 1,
        origin: Origin::Sent,
        unsettled: false,
        cipher: None,
    };
    Entry {
        folder,
        name: seen.name.clone(),
        stamp: seen.stamp,
        metadata: seen.metadata.clone(),
        content: Content::File(copy),
        racy: false,
        unmanaged: false,
    }
}
