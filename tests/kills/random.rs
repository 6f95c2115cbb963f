//! K19: SIGKILL at random moments while files change in the folder.
//!
//! It is short in a test run. A campaign, with its figures on standard error:
//!
//! ```text
//! FICHIERD_KILLS=200 FICHIERD_OPERATIONS=10000 FICHIERD_SEED=1 \
//!   cargo test -p fichierd --test kills -- --nocapture k19
//! ```

use std::time::Duration;

use fichier_testkit::Machine;
use fichier_testkit::random::Random;
use fichier_testkit::setting::setting;
use fichier_testkit::tree;

use crate::PROGRAM;
use crate::workload::Workload;

#[test]
fn k19_killed_again_and_again_at_random_the_mirror_ends_equal_and_sends_little_twice() {
    let kills = setting("FICHIERD_KILLS").unwrap_or(10);
    let operations = setting("FICHIERD_OPERATIONS").unwrap_or(500);
    let seed = setting("FICHIERD_SEED").unwrap_or(1);
    let mut world = Machine::of(PROGRAM);
    // No removal is to be held: all of them are meant.
    world.add_mirror("photos", "settle = \"50ms\"\nmax_removals = 1000000");
    let mut work = Workload::new(&world.source("photos"), seed);
    let mut random = Random::of(seed + 1);
    let mut at_rest = 0;
    for kill in 0..kills {
        world.launch();
        // Between half a second and half a minute of work, a hundred times as fast.
        let share = operations / kills;
        let pause = Duration::from_micros((5_000 + random.below(595_000)) / share.max(1));
        for _ in 0..share {
            work.step();
            std::thread::sleep(pause);
        }
        let quiet = world.differences("photos").is_empty();
        at_rest += u64::from(quiet);
        assert!(world.service.as_mut().unwrap().is_running(), "it ended by itself at {kill}");
        world.take_service().kill();
        world.emulator.assert_no_violations();
    }
    world.start();
    world.until_mirrored("photos");
    world.run(&["sync"]).expect(0);
    world.assert_mirrored();
    let uploads = world.emulator.requests().into_iter().filter(|r| r.endpoint == "upload.cgi");
    let batch = uploads.map(|upload| upload.bytes).max().unwrap_or(0);
    let sent = world.emulator.bytes_received();
    // Two uploads may be under way when it dies.
    let allowed = work.written + work.written / 20 + kills * 2 * batch;
    eprintln!(
        "K19: seed {seed}, {operations} operations, {kills} kills ({at_rest} at rest), \
         {} bytes written, {sent} sent, {} calls, largest batch {batch}",
        work.written,
        world.emulator.calls()
    );
    assert!(sent <= allowed, "{sent} bytes were sent, {allowed} are allowed");
    let names = tree::staged(&world.emulator);
    assert_eq!(names, Vec::<String>::new());
}
