//! S05: the service is away while ever more files change. Memory is bounded, the status answers,
//! and everything is sent once it is back. More files with `FICHIERD_TEST_LARGE=1`.

use std::fs;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, crypt, tree, until, write};

use crate::PROGRAM;

/// The number of files. Ten times as many are more than the paths that are remembered one by one.
const FILES: usize = 4_000;
const ROUNDS: usize = 6;

fn resident_kib(world: &Machine) -> u64 {
    let status =
        fs::read_to_string(format!("/proc/{}/status", world.service().id().as_raw_nonzero()))
            .unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn s05_a_backlog_while_the_service_is_away_costs_little_memory_and_is_sent_afterwards() {
    let files = FILES * if std::env::var_os("FICHIERD_TEST_LARGE").is_some() { 10 } else { 1 };
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    write(&source.join("first"), "first");
    world.start();
    world.until_mirrored("photos");
    world.until_chores_done("photos");
    let (sent_before, at_rest) = (world.emulator.bytes_received(), resident_kib(&world));
    world.emulator.inject(Fault::always("*", Action::Reset));
    let (mut total, mut most) = (0, 0);
    for round in 0..ROUNDS {
        for number in 0..files / ROUNDS {
            let content = format!("{round} {number}");
            total += crypt::stored_bytes(content.len() as u64);
            write(&source.join(format!("{round}/{}/{number}", number % 20)), content);
        }
        // The service has looked at them, and waits.
        let mark = world.emulator.calls();
        until("it tries again, and says that it waits", || {
            let tried = world.emulator.calls() > mark;
            (tried && world.mirror("photos")["state"] == "waiting").then_some(())
        });
        most = most.max(resident_kib(&world));
    }
    assert!(most <= at_rest + 64 * 1024, "{most} KiB, and {at_rest} KiB at rest");
    assert_eq!(world.emulator.bytes_received(), sent_before, "nothing could be sent");
    world.emulator.clear_faults();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.assert_mirrored();
    let sent = world.emulator.bytes_received() - sent_before;
    assert!(sent <= total + total / 20, "{sent} bytes were sent for {total}");
    assert_eq!(tree::on_disk(&source).len(), files / ROUNDS * ROUNDS + 1);
}
