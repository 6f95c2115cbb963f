//! `kill -9`, at any moment, again and again.

use crate::tree;
use crate::world::{World, until, write};

/// A small generator, so that a failing run can be had again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn a_first_mirror_that_is_killed_twenty_times_ends_equal_and_with_nothing_left_over() {
    const KILLS: u64 = 20;
    let mut world = World::new();
    let source = world.source("photos");
    let mut total = 0;
    for number in 0..400u32 {
        let content = format!("{number} ").repeat(500);
        total += content.len() as u64;
        write(&source.join(format!("{}/{}/{number}", number % 7, number % 31)), content);
    }
    let mut random = Random(7);
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
