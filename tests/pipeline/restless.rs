//! Files that are written all the time, and more changes than one cycle takes on.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use fichier_state::RelPath;
use fichier_testkit::{Bench, crypt};

/// Changes a file as fast as it can, until it is told to stop. `write` gets another number each
/// time.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(path: PathBuf, write: fn(&File, u64)) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let file = File::options().write(true).open(path).unwrap();
            let mut number = 0;
            while !seen.load(Ordering::Relaxed) {
                number += 1;
                write(&file, number);
                // The receiver is gone after the first time.
                let _ended = begun.send(());
                std::thread::yield_now();
            }
        });
        has_begun.recv().unwrap();
        Writer { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Grows by one byte, so slowly that it stays small however long the test takes.
fn append(file: &File, number: u64) {
    file.write_at(b"+", SIZE + number).unwrap();
}

/// Writes another byte in place, with another time: the size stays.
fn overwrite(file: &File, number: u64) {
    file.write_at(&number.to_le_bytes(), 0).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(number)).unwrap();
}

/// Large enough that reading it takes longer than writing to it.
const SIZE: u64 = 4 << 20;

async fn is_sent_as_it_was_read_after_three_tries(write: fn(&File, u64), is_on_record: bool) {
    let mut world = Bench::new().await;
    let path = RelPath::parse(b"log").unwrap();
    world.write("log", vec![b'.'; usize::try_from(SIZE).unwrap()]);
    if is_on_record {
        world.settle().await;
    }
    let before = world.remote();
    let writer = Writer::start(world.path("log"), write);
    for attempt in 1..=3 {
        let end = world.cycle().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        assert_eq!(end.report.restless, BTreeSet::from([path.clone()]), "try {attempt}");
        assert!(world.remote() == before, "sent at try {attempt}");
    }
    let end = world.cycle().await;
    writer.stop();
    assert!(end.trouble.is_none(), "{:?}", end.trouble);
    assert_eq!(end.report.uploaded_files, 1, "{:?}", end.report);
    assert!(!world.worker.dirty.is_empty(), "it is to be looked at again");
    assert!(world.record_of("log").unwrap().remote().unwrap().unsettled);
    let sent = world.remote();
    assert!(u64::try_from(sent["log"].len()).unwrap() >= SIZE);

    world.settle().await;
    world.assert_mirrored();
    let versions: Vec<Vec<u8>> = world.versions().into_iter().map(|(_, bytes)| bytes).collect();
    assert!(versions.contains(&sent["log"]), "what was sent as it was read is a version now");
    assert_eq!(versions.len(), 1 + usize::from(is_on_record));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_always_grows_is_sent_as_it_was_read_after_three_tries() {
    is_sent_as_it_was_read_after_three_tries(append, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_always_overwritten_is_sent_as_it_was_read_after_three_tries() {
    is_sent_as_it_was_read_after_three_tries(overwrite, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_additions_than_a_cycle_takes_on_are_done_in_slices_and_removals_last() {
    let mut world = Bench::new().await;
    world.write_many((0..5).map(|n| format!("old/{n}")));
    world.settle().await;
    world.worker.max_additions = 10;
    for n in 0..5 {
        // Half of them only move, to where the last slice finds them.
        if n % 2 == 0 {
            world.remove(&format!("old/{n}"))
        } else {
            world.rename(&format!("old/{n}"), &format!("z/{n}"))
        }
    }
    world.write_many((0..20).map(|n| format!("new/{n:02}")));
    let sent = world.emulator.bytes_received();

    let (mut cycles, mut relocated) = (0, 0);
    loop {
        let end = world.cycle().await;
        cycles += 1;
        relocated += end.report.relocated;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        assert!(end.report.uploaded_files <= 10, "{end:?}");
        if end.outcome.left_out == 0 {
            assert_eq!(end.report.retired, 3, "{end:?}");
            break;
        }
        assert_eq!(end.report.retired, 0, "nothing is removed before all is known: {end:?}");
        assert!(end.more, "the rest is to be looked at");
    }
    // 22 files and two folders, ten at a time.
    assert!(cycles >= 3, "{cycles} cycles");
    assert_eq!(relocated, 2);
    world.assert_mirrored();
    let new: Vec<String> = (0..20).map(|n| format!("content of new/{n:02}")).collect();
    let new = crypt::bytes_of(&new);
    assert_eq!(world.emulator.bytes_received() - sent, new, "what moved is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_that_cannot_be_mirrored_leave_room_for_the_others() {
    let mut world = Bench::new().await;
    world.write("gone", "soon");
    world.settle().await;
    world.worker.max_additions = 4;
    for n in 0..6 {
        // The service takes no file of this size.
        File::create(world.path(&format!("a{n}"))).unwrap().set_len(400_000_000_000).unwrap();
    }
    world.write("z", "has its turn");
    world.remove("gone");
    for _ in 0..30 {
        world.cycle().await;
    }
    assert_eq!(world.remote().into_keys().collect::<Vec<_>>(), ["z"]);
    assert_eq!(world.problems().len(), 6);
}
