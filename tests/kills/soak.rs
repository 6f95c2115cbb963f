//! The soak: for a given time, random work, faults of the service and ends of the process, with the
//! limits in force, on a clock that runs ten times faster, or by the factor `FICHIERD_TIME_SCALE`.
//! On a busy machine a fast clock shows how busy it is, and not how many of the calls are used.
//!
//! ```text
//! FICHIERD_SOAK_MINUTES=6 FICHIERD_SEED=1 \
//!   cargo test -p fichierd --test kills -- --ignored --nocapture soak
//! ```
//!
//! A round consists of work under faults; the end of the faults, after which disk and account have
//! to be equal; a look at memory and descriptors of the process at rest; and a backlog of small
//! files, in which nearly all calls have to be used that the pace allows. In the first half of the
//! time two of three rounds end the process, by SIGTERM or SIGKILL, while it works; in the second
//! half it lives on, so that growth shows.

use std::fs;
use std::time::{Duration, Instant};

use fichier_emulator::{Action, Fault};
use fichier_testkit::random::Random;
use fichier_testkit::setting::setting;
use fichier_testkit::tree;
use fichier_testkit::unit::environment_of_the_unit;
use fichier_testkit::{Machine, write};
use rustix::process::{Pid, Signal};

use crate::PROGRAM;
use crate::workload::Workload;

/// The factor by which the clock is faster.
fn time_scale() -> u64 {
    setting("FICHIERD_TIME_SCALE").unwrap_or(10)
}

/// The resources of a process.
#[derive(Clone, Copy, Debug)]
struct Use {
    resident_kib: u64,
    descriptors: usize,
    /// Threads that it made itself, such as one for each upload under way.
    threads: usize,
    /// Threads of the runtime, which keeps as many as it once needed at one time.
    pooled_threads: usize,
}

/// The number of runtime threads that one mirror ever needed at one time; more fail the test.
const POOLED_THREADS: usize = 48;

impl Use {
    fn of(process: Pid) -> Use {
        let process = process.as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let resident_kib = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        // A thread may end while it is looked at.
        let names =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        let (pooled, own): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with("tokio-rt"));
        let (threads, pooled_threads) = (own.len(), pooled.len());
        Use { resident_kib, descriptors, threads, pooled_threads }
    }
}

/// Waits until disk and account are equal. A path that failed twice is tried again after five
/// minutes of the service, and one that failed three times after fifteen.
fn converge(world: &Machine, round: u64) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !world.differences("photos").is_empty() || !tree::staged(&world.emulator).is_empty() {
        let left = world.differences("photos");
        assert!(Instant::now() < deadline, "round {round} does not end: {left:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A fault of the service, for a while.
fn fault(random: &mut Random, floods: bool) -> Fault {
    let endpoints =
        ["upload.cgi", "end.pl", "file/mv.cgi", "folder/mkdir.cgi", "folder/ls.cgi", "*"];
    let on = endpoints[usize::try_from(random.below(6)).unwrap()];
    let action = match random.below(if floods { 9 } else { 8 }) {
        0 => Action::Reset,
        1 => Action::DoItThenReset,
        2 => Action::Status(500, "error".to_owned()),
        3 => Action::Html(503, "<html>maintenance</html>".to_owned()),
        4 => Action::Truncated,
        5 => Action::Empty,
        6 => Action::Delay(Duration::from_millis(300)),
        7 if on == "upload.cgi" => Action::ResetAfter(2_000),
        7 => Action::Partial(3),
        _ => Action::Flood,
    };
    Fault { times: 1 + usize::try_from(random.below(3)).unwrap(), ..Fault::once(on, action) }
}

/// The share of the calls that were used, in thousandths of those that the pace allows.
#[derive(Clone, Copy, Debug)]
struct Used {
    /// The share over the whole backlog. On a busy machine it tells how busy that is.
    on_average: u64,
    /// The share over the hundred calls in which it was highest.
    at_best: u64,
}

/// Gives the service more to do than its calls allow.
fn backlog(world: &Machine, round: u64) -> Used {
    let folder = world.source("photos").join(format!("backlog {round}"));
    for number in 0..150 {
        write(&folder.join(format!("{number}/file")), format!("{round} {number}"));
    }
    let mark = world.emulator.calls();
    converge(world, round);
    let calls = world.emulator.requests().split_off(mark);
    // Removed again, so that the number of watched folders stays the same.
    fs::remove_dir_all(folder).unwrap();
    // The calls without the earlier work at rest, and without the last few, which wait for each
    // other.
    let at_ms: Vec<u64> = calls.iter().skip(5).map(|call| call.at_ms).take(280).collect();
    // The calls that the configuration of a world allows, on its clock.
    let per_second = 2 * time_scale();
    let used = |window: &[u64]| {
        let possible = (window[window.len() - 1] - window[0]) * per_second / 1000;
        (window.len() as u64 - 1) * 1000 / possible.max(1)
    };
    Used { on_average: used(&at_ms), at_best: at_ms.windows(100).map(used).max().unwrap() }
}

#[test]
#[ignore = "as long as FICHIERD_SOAK_MINUTES says, 2 without it"]
fn soak_of_random_work_faults_and_ends_breaks_no_rule_and_grows_nowhere() {
    let minutes = setting("FICHIERD_SOAK_MINUTES").unwrap_or(2);
    let seed = setting("FICHIERD_SEED").unwrap_or(1);
    let mut world = Machine::at_scale(PROGRAM, u32::try_from(time_scale()).unwrap());
    world.environment = environment_of_the_unit();
    world.add_mirror("photos", "settle = \"100ms\"\nmax_removals = 1000000\nkeep_versions = 3");
    let mut work = Workload::new(&world.source("photos"), seed);
    let mut random = Random::of(seed + 1);
    let (began, mut round, mut ends) = (Instant::now(), 0, 0);
    let mut life: Vec<Use> = Vec::new();
    let mut shares: Vec<u64> = Vec::new();
    world.start();
    while began.elapsed() < Duration::from_secs(60 * minutes) {
        let ends_it = began.elapsed() < Duration::from_secs(30 * minutes) && round % 3 > 0;
        // A flood makes the pace slower for a day, so it comes only when there is nothing more to
        // measure.
        let floods = began.elapsed() > Duration::from_secs(45 * minutes);
        let work_for = Duration::from_secs(10);
        let working = Instant::now();
        while working.elapsed() < work_for {
            for _ in 0..random.below(20) {
                work.step();
            }
            if random.below(4) == 0 {
                world.emulator.inject(fault(&mut random, floods));
            }
            if ends_it && random.below(8) == 0 {
                let service = world.take_service();
                if random.below(2) == 0 {
                    service.kill();
                } else {
                    service.signal(Signal::TERM);
                    assert_eq!(service.ended(), Some(0), "after SIGTERM in round {round}");
                }
                ends += 1;
                life.clear();
                world.start();
            }
            std::thread::sleep(Duration::from_millis(50 + random.below(150)));
        }
        world.emulator.clear_faults();
        converge(&world, round);
        world.emulator.assert_no_violations();
        let used = if floods { None } else { Some(backlog(&world, round)) };
        world.run(&["sync"]).expect(0);
        world.assert_mirrored();
        let now = Use::of(world.service().id());
        eprintln!("round {round}: {now:?}, ‰ of the calls: {used:?}");
        assert!(used.is_none_or(|used| used.at_best >= 950), "round {round}: {used:?}");
        shares.extend(used.map(|used| used.on_average));
        life.push(now);
        // The first rounds fill caches; after that nothing grows.
        if let [_, second, .., last] = life.as_slice() {
            let bound = second.resident_kib * 5 / 4 + 8 * 1024;
            assert!(last.resident_kib <= bound, "memory grows: {life:#?}");
            assert!(last.descriptors <= second.descriptors + 8, "descriptors: {life:#?}");
            assert!(last.threads <= second.threads + 2, "threads: {life:#?}");
            assert!(last.pooled_threads <= POOLED_THREADS, "threads: {life:#?}");
        }
        round += 1;
    }
    // One round in four may have been disturbed by other work of the machine.
    shares.sort_unstable();
    let undisturbed = &shares[shares.len() / 4..];
    assert!(undisturbed.iter().all(|share| *share >= 950), "calls used: {shares:?} ‰");
    eprintln!(
        "soak: seed {seed}, {round} rounds in {} s ({} min of the service's time), {ends} ends, \
         {} calls, {} bytes written, {} sent, {} violations",
        began.elapsed().as_secs(),
        began.elapsed().as_secs() * time_scale() / 60,
        world.emulator.calls(),
        work.written,
        world.emulator.bytes_received(),
        world.emulator.violations().len(),
    );
}
