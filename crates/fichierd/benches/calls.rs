//! Counts the calls of the usual kinds of work, at full size, with the service's limits in force.
//!
//! `cargo bench --bench calls` prints a table: what happened, calls made, the most there may be,
//! and what rclone's backend needs (counted on the same emulator; for a tree of N files in D
//! folders `4N + 2D + 5`, and a listing of `2(D + 1) + 1` before any later work). It fails when a
//! budget is exceeded or a rule of the service was broken. With `FICHIERD_TEST_ENCRYPT=1` the mirror
//! is encrypted, and the budgets are the same.

#![allow(missing_docs, unreachable_pub, reason = "a program, not a library")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "that is its output")]
#![allow(clippy::disallowed_methods, reason = "here the folder is ours to change")]

use fichier_testkit::bench::client;
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::restore::Order;
use fichierd::restore::recovery::recover;

/// One line of the table.
struct Line {
    work: &'static str,
    calls: usize,
    budget: usize,
    rclone: &'static str,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lines = runtime.block_on(measure());
    println!("{:<52} {:>6} {:>7}  {:>10}", "work", "calls", "at most", "rclone");
    for line in &lines {
        println!("{:<52} {:>6} {:>7}  {:>10}", line.work, line.calls, line.budget, line.rclone);
    }
    let over: Vec<_> = lines.iter().filter(|line| line.calls > line.budget).collect();
    assert!(over.is_empty(), "{} budgets are exceeded", over.len());
}

async fn measure() -> Vec<Line> {
    let mut lines = many_files().await;
    lines.extend(many_folders().await);
    lines.extend(single_changes().await);
    lines
}

async fn many_files() -> Vec<Line> {
    let mut world = Bench::new().await;
    for n in 0..10_000 {
        world.write(&format!("{}/{n}", n % 100), format!("{n:010240}"));
    }
    let first = run(&mut world, "first mirror of 10,000 files in 100 folders", 268, "40,205").await;
    let idle = run(&mut world, "a full look that finds nothing", 0, "203").await;
    let recovered = recover_state(&mut world).await;
    for n in 0..10_000 {
        world.remove(&format!("{}/{n}", n % 100));
    }
    let scattered = run(&mut world, "10,000 files of 100 folders deleted", 105, "10,303").await;
    for n in 0..100 {
        world.remove_tree(&n.to_string());
    }
    let folders = run(&mut world, "then the 100 folders", 200, "").await;
    world.emulator.assert_no_violations();
    vec![first, idle, recovered, scattered, folders]
}

/// On a new machine, from the copy of the records at the service.
async fn recover_state(world: &mut Bench) -> Line {
    while world.worker.chores(&world.shared).await.next.is_zero() {}
    let state = tempfile::TempDir::new().unwrap();
    let order = Order {
        target: TARGET.to_owned(),
        state_dir: state.path().to_owned(),
        replace: false,
        walk: false,
        name: None,
        source: None,
        form: crypt::form(),
        finds_scheme: false,
    };
    let client = client(&world.emulator, state.path());
    let before = world.emulator.calls();
    recover(&client, &order, &mut |_| {}).await.unwrap();
    let calls = world.emulator.calls() - before;
    Line { work: "the records of 10,000 files recovered", calls, budget: 9, rclone: "" }
}

async fn many_folders() -> Vec<Line> {
    let mut world = Bench::new().await;
    for n in 0..1_000 {
        world.write(&format!("{n}/index.html"), format!("page {n}"));
    }
    let first = run(&mut world, "1,000 equal names in 1,000 new folders", 2_024, "6,005").await;
    world.emulator.assert_no_violations();

    let mut world = Bench::new().await;
    for n in 0..10_000 {
        world.write(&format!("tree/{}/{n}", n % 100), format!("small {n}"));
    }
    // An empty source would be taken for an unmounted disk.
    world.write("stays", "here");
    world.settle().await;
    world.rename("tree", "other");
    let rename = run(&mut world, "a folder with 10,000 files renamed", 1, "50,208").await;
    world.remove_tree("other");
    let removed = run(&mut world, "a tree of 10,000 files deleted", 6, "10,303").await;
    world.emulator.assert_no_violations();
    vec![first, rename, removed]
}

async fn single_changes() -> Vec<Line> {
    let mut world = Bench::new().await;
    for n in 0..100 {
        world.write(&format!("{n}/file"), format!("content {n}"));
    }
    world.write("0/edited", "first");
    world.settle().await;
    world.write("0/edited", "other");
    world.settle().await;
    world.write("0/edited", "third");
    let edit = run(&mut world, "one file edited, size unchanged", 5, "207").await;
    world.rename("0/edited", "0/renamed");
    let rename = run(&mut world, "one file renamed in place", 1, "208").await;
    world.rename("0/renamed", "1/moved");
    let moved = run(&mut world, "one file moved and renamed", 2, "208").await;
    world.write("big", vec![1u8; 64 << 20]);
    world.settle().await;
    world.write("copy of big", vec![1u8; 64 << 20]);
    let copied = run(&mut world, "a copy of a large file appears", 1, "206").await;
    world.emulator.assert_no_violations();
    vec![edit, rename, moved, copied]
}

async fn run(world: &mut Bench, work: &'static str, budget: usize, rclone: &'static str) -> Line {
    let before = world.emulator.calls();
    loop {
        let end = world.cycle().await;
        assert!(end.trouble.is_none(), "{work}: {:?}", end.trouble);
        if !end.more {
            break;
        }
    }
    world.assert_mirrored();
    Line { work, calls: world.emulator.calls() - before, budget, rclone }
}
