//! `kill -9`, at any moment, again and again.

use fichier_testkit::random::Random;
use fichier_testkit::{Machine, crypt, tree, until, write};

use crate::PROGRAM;

#[test]
fn a_first_mirror_that_is_killed_twenty_times_ends_equal_and_with_nothing_left_over() {
    const KILLS: u64 = 20;
    let mut world = Machine::of(PROGRAM);
    let source = world.source("photos");
    let mut total = 0;
    for number in 0..400u32 {
        let content = format!("{number} ").repeat(500);
        total += crypt::stored_bytes(content.len() as u64);
        write(&source.join(format!("{}/{}/{number}", number % 7, number % 31)), content);
    }
    let mut random = Random::of(7);
    for _ in 0..KILLS {
        let before = world.emulator.calls();
        world.start();
        // Some die before their first call, some in the middle of an upload, some at rest.
        let calls = usize::try_from(random.below(16)).unwrap();
        let quiet = world.emulator.bytes_received();
        until("it comes to its end", || {
            let made = world.emulator.calls() - before >= calls;
            let rests = world.differences("photos").is_empty() || quiet > 4 * total;
            (made || rests).then_some(())
        });
        world.take_service().kill();
    }
    world.start();
    world.until_mirrored("photos");
    world.assert_at_rest();
    let staged = tree::staged(&world.emulator);
    assert_eq!(staged, Vec::<String>::new());
    let received = world.emulator.bytes_received();
    assert!(received <= 3 * total, "{received} bytes were sent for {total}");
}
