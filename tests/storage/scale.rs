//! Many entries in one folder, very many files in a tree, and little memory.
//!
//! The ordinary run is small and counts calls. `FICHIERD_LARGE=1` has the full size, bounds the memory, and prints
//! figures; it takes minutes and a gigabyte of temporary files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fichier_testkit::tree;
use fichier_testkit::unit::environment_of_the_unit;
use fichier_testkit::{Machine, write};
use rustix::process::Signal;

use crate::PROGRAM;

/// Whether the full sizes are asked for.
pub fn is_large() -> bool {
    std::env::var_os("FICHIERD_LARGE").is_some()
}

#[test]
fn s01_a_folder_of_very_many_files_is_mirrored_in_batches_and_never_listed_again() {
    let files: u64 = if is_large() { 100_000 } else { 1_200 };
    let mut world = Machine::of(PROGRAM);
    for number in 0..files {
        write(&world.source("photos").join(format!("{number:06}")), format!("content {number}"));
    }
    let began = Instant::now();
    world.start();
    patiently("all are there", || world.mirror("photos")["files"] == files);
    let (took, calls) = (began.elapsed(), world.emulator.calls() as u64);
    // An upload is three calls for 500 files, and a move for 100 of them; the other calls prepare.
    let most = files.div_ceil(500) * 3 + files.div_ceil(100) + 60;
    eprintln!(
        "{files} files in one folder: {calls} calls, {} s, {}",
        took.as_secs(),
        memory(&world)
    );
    assert!(calls <= most, "{calls} calls for {files} files, at most {most}");
    // The full size is more than a listing shows: files beyond that are not gone.
    fs::remove_file(world.source("photos").join("000000")).unwrap();
    write(&world.source("photos").join("one more"), "one more");
    world.run(&["sync"]).expect(0);
    world.until_chores_done("photos");
    world.assert_mirrored();
}

#[test]
fn s02_a_restart_over_very_many_files_sends_nothing_and_needs_little_memory() {
    let (folders, each): (u64, u64) = if is_large() { (100_000, 10) } else { (200, 10) };
    let mut world = Machine::of(PROGRAM);
    world.environment = environment_of_the_unit();
    let source = world.source("photos");
    for folder in 0..folders {
        let folder = source.join(format!("{}/{folder}", folder % 300));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..each {
            // Without content there is nothing to send, and everything else still has to be done.
            fs::write(folder.join(format!("{number}")), "").unwrap();
        }
    }
    write(&source.join("content"), "content");
    let began = Instant::now();
    world.start();
    world.run(&["sync"]).expect(0);
    // For the copy a million rows are read and packed.
    patiently("a copy of the records is sent", || {
        !tree::snapshots(&world.emulator).is_empty()
            && !world.mirror("photos")["proofs"]["canary"].is_null()
    });
    let first = format!("first mirror {} s, {}", began.elapsed().as_secs(), memory(&world));
    assert_little_memory(&world);
    let service = world.take_service();
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));

    let (calls, began) = (world.emulator.calls(), Instant::now());
    world.start();
    let up = began.elapsed();
    world.run(&["sync"]).expect(0);
    let looked = began.elapsed();
    eprintln!(
        "{} files in {folders} folders: {first}; restart {up:?} until it answers, {looked:?} until \
         all was compared, {}",
        folders * each,
        memory(&world)
    );
    let calls = world.emulator.calls_since(calls);
    assert!(Machine::is_start(&calls), "an idle start costs few calls: {calls:?}");
    assert_little_memory(&world);
    let there = tree::in_account(&world.emulator, "/backup/photos");
    assert_eq!(there.into_keys().collect::<Vec<_>>(), ["content"]);
    world.emulator.assert_no_violations();
}

#[test]
fn o04_within_a_memory_limit_it_works() {
    let Some(group) = MemoryGroup::of_mebibytes(64) else { return };
    let mut world = Machine::of(PROGRAM);
    for number in 0..3_000 {
        let place = format!("{}/{number}", number % 300);
        write(&world.source("photos").join(place), format!("content {number}"));
    }
    // The full size is larger than the memory limit, so that the file cannot be held in memory.
    let large = if is_large() { 96 << 20 } else { 4 << 20 };
    fs::File::create(world.source("photos").join("large")).unwrap().set_len(large).unwrap();
    let mut command = Command::new("sh");
    let enter = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", group.0.display());
    command.args(["-ec", &enter, "sh"]);
    world.start_with(PROGRAM.started_by(command));
    world.until_mirrored("photos");
    world.assert_at_rest();
    assert_eq!(group.kills(), 0, "it was killed for want of memory");
    let service = world.take_service();
    service.signal(Signal::TERM);
    assert_eq!(service.ended(), Some(0));
}

/// A control group with a memory limit; removed when dropped.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn of_mebibytes(mebibytes: u64) -> Option<MemoryGroup> {
        let name = format!("fichierd-test-{}", std::process::id());
        let (one, two) = (Path::new("/sys/fs/cgroup/memory"), Path::new("/sys/fs/cgroup"));
        let (root, limit) = match one.exists() {
            true => (one, "memory.limit_in_bytes"),
            false => (two, "memory.max"),
        };
        let group = MemoryGroup(root.join(name));
        let made = fs::create_dir(&group.0)
            .and_then(|()| fs::write(group.0.join(limit), (mebibytes << 20).to_string()));
        match made {
            Ok(()) => Some(group),
            Err(error) => {
                eprintln!("skipped: a control group with a limit cannot be had: {error}");
                None
            }
        }
    }

    fn kills(&self) -> u64 {
        let events = ["memory.oom_control", "memory.events"]
            .iter()
            .find_map(|name| fs::read_to_string(self.0.join(name)).ok());
        let events = events.unwrap();
        let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

/// Waits as long as the full sizes take on a busy machine.
#[track_caller]
fn patiently(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(if is_large() { 3_600 } else { 60 });
    while !look() {
        assert!(Instant::now() < deadline, "this did not happen in time: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The service never used more than 64 MiB at once. All of it counts, also the pages of its own
/// program, of which the unoptimised one has several times as many: there, only the rest counts.
#[track_caller]
fn assert_little_memory(world: &Machine) {
    let program = if cfg!(debug_assertions) { mebibytes(world, "RssFile") } else { 0 };
    assert!(mebibytes(world, "VmHWM") - program <= 64, "{}", memory(world));
}

fn memory(world: &Machine) -> String {
    let (peak, program) = (mebibytes(world, "VmHWM"), mebibytes(world, "RssFile"));
    format!("peak memory {peak} MiB, {program} of them pages of files")
}

/// A figure that the kernel has of the service, in MiB; `VmHWM` is the most memory that it ever
/// used.
fn mebibytes(world: &Machine, what: &str) -> u64 {
    let status = format!("/proc/{}/status", world.service().id().as_raw_nonzero());
    let status = fs::read_to_string(status).unwrap();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, size) = lines.find(|(name, _)| *name == what).unwrap();
    size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}
