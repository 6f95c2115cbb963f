//! Simulates one mirror, thousands of times, quickly: its disk is a model, its service is the
//! emulator without sockets, and its clock jumps to the next time at which something is due.
//!
//! A scenario is drawn from a seed: changes, faults, deaths at any request and any transaction,
//! changes while a request is under way or a file is read. The invariants must hold after each
//! request and whenever the mirror has settled. A scenario that fails is run again from its seed
//! exactly as it was, cut down to a short script, and shown with the requests that were made.
//!
//! * `cargo test --test sim`: the same eight hundred each time.
//! * `SIM_FROM=1000 SIM_SCENARIOS=100000 cargo test --release --test sim`: others, and more.
//! * `SIM_SECONDS=3600 …`: as many as fit; `SIM_THREADS=1 …`: on one core.
//! * `SIM_FAILURES=20 …`: goes on after failures, up to so many.
//! * `SIM_STATS=1 …`: tells in the end under which habits a mirror stopped, when it met no other.
//! * `FICHIERD_TEST_ENCRYPT=1 …`: with encrypted mirrors.
//! * `SIM_SEED=4711 …`: one, with everything that happened.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stdout, reason = "campaigns tell how far they are")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fichier_testkit::setting::setting;

mod changes;
mod day;
mod disk;
mod look;
mod node_day;
mod regressions;
mod rest;
mod road;
mod script;
mod spoil;
mod stats;
mod tolerance;
mod world;

use script::Script;
use world::World;

/// The number of scenarios in the ordinary run.
const SCENARIOS: u64 = 800;
/// A time longer than any scenario takes; a program that waits for it waits for ever.
const FOREVER: Duration = Duration::from_secs(1000 * 24 * 3600);
/// The largest number of runs with ever shorter scripts, once one has failed; the shortest so far
/// is shown then.
const MAX_CUTS: usize = 300;

/// The result of a scenario: the error, if any, and everything that happened.
struct Told {
    wrong: Option<String>,
    trace: Vec<String>,
}

/// Runs a scenario in a runtime of its own, whose clock is paused.
fn tell(script: &Script) -> Told {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let mut world = World::new(script);
        // With nothing left to wait for, the clock jumps to this end at once.
        let outcome = tokio::time::timeout(FOREVER, play(&mut world, script)).await;
        let wrong = match outcome {
            Ok(outcome) => outcome.err(),
            Err(_) => Some("the program waits for ever".to_owned()),
        };
        world.end();
        Told { wrong, trace: world.road.trace() }
    })
}

async fn play(world: &mut World, script: &Script) -> look::Outcome {
    for event in &script.events {
        world.happen(event).await?;
    }
    world.finish().await
}

/// A panic is a failure like any other.
fn try_tell(script: &Script) -> Told {
    catch_unwind(AssertUnwindSafe(|| tell(script))).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let wrong = Some(format!("a panic: {}", text.unwrap_or_default()));
        Told { wrong, trace: Vec::new() }
    })
}

/// Leaves out events that the failure does not need: first large parts, then single events.
fn cut_down(mut script: Script) -> Script {
    let mut size = script.events.len() / 2;
    let mut runs = 0;
    while size > 0 {
        let mut at = 0;
        while at < script.events.len() && runs < MAX_CUTS {
            let mut shorter = script.clone();
            shorter.events.drain(at..(at + size).min(script.events.len()));
            runs += 1;
            if try_tell(&shorter).wrong.is_some() {
                script = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    for at in (0..script.setting.habits.len()).rev() {
        let mut simpler = script.clone();
        simpler.setting.habits.remove(at);
        if try_tell(&simpler).wrong.is_some() {
            script = simpler;
        }
    }
    script
}

fn report(script: &Script, full: bool) -> String {
    let shown = if full { script.clone() } else { cut_down(script.clone()) };
    let told = try_tell(&shown);
    format!(
        "seed {}: {}\n\nsetting: {:?}\n{} events: {:#?}\n\nwhat happened:\n{}\n\n\
         again: SIM_SEED={} cargo test --test sim",
        script.seed,
        told.wrong.unwrap_or_else(|| "all is well".to_owned()),
        shown.setting,
        shown.events.len(),
        shown.events,
        told.trace.join("\n"),
        script.seed,
    )
}

#[test]
fn whatever_happens_the_invariants_hold() {
    if let Some(seed) = setting("SIM_SEED") {
        let script = Script::of_seed(seed);
        let text = report(&script, std::env::var_os("SIM_FULL").is_some());
        assert!(tell(&script).wrong.is_none(), "{text}");
        println!("{text}");
        return;
    }
    let from = setting("SIM_FROM").unwrap_or(0);
    let seconds = setting("SIM_SECONDS").map(Duration::from_secs);
    let many =
        setting("SIM_SCENARIOS").unwrap_or(if seconds.is_some() { u64::MAX } else { SCENARIOS });
    let began = Instant::now();
    let is_over = || seconds.is_some_and(|seconds| began.elapsed() >= seconds);
    let next = AtomicU64::new(from);
    let failed = Mutex::new(Vec::new());
    let most = usize::try_from(setting("SIM_FAILURES").unwrap_or(1)).unwrap();
    let tell_some = || {
        let mut told = 0_u32;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let has_failed = failed.lock().unwrap().len() >= most;
            if seed >= from.saturating_add(many) || is_over() || has_failed {
                return told;
            }
            if let Some(wrong) = try_tell(&Script::of_seed(seed)).wrong {
                let short: String = wrong.chars().take(300).collect();
                println!("seed {seed}: {short}");
                failed.lock().unwrap().push(seed);
            }
            told += 1;
        }
    };
    let threads = setting("SIM_THREADS").unwrap_or(2);
    let told: u32 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(tell_some)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let per_minute = f64::from(told) / began.elapsed().as_secs_f64() * 60.0;
    println!("{told} scenarios from seed {from} in {threads} threads, {per_minute:.0} a minute");
    if std::env::var_os("SIM_STATS").is_some() {
        println!("{}", stats::table());
    }
    let failed = failed.into_inner().unwrap();
    if let Some(first) = failed.first() {
        panic!("seeds {failed:?}; the first:\n{}", report(&Script::of_seed(*first), false));
    }
}

#[test]
fn a_scenario_is_repeated_exactly_from_its_seed() {
    for seed in 0..20 {
        let (one, other) = (tell(&Script::of_seed(seed)), tell(&Script::of_seed(seed)));
        assert_eq!(one.trace, other.trace, "seed {seed}");
        assert_eq!(one.wrong, other.wrong);
    }
}
