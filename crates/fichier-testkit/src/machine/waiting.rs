//! Waiting for a condition: it is looked at again and again, with a deadline.

use std::time::{Duration, Instant};

use super::{Machine, target};
use crate::tree;

/// How long a condition is waited for; the test fails then.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest wait, in [`PATIENCE`]s, for something that goes on all the while.
const PATIENCE_WITH_PROGRESS: u32 = 20;

/// The pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `look` finds something. Panics after half a minute, and says what was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "this did not happen in time: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

impl Machine {
    /// Waits until the account shows what is on disk, and staging is empty.
    #[track_caller]
    pub fn until_mirrored(&self, name: &str) {
        let mut left = (Vec::new(), Vec::new());
        let mirrored = self.waits(|| {
            left = (self.differences(name), tree::staged(&self.emulator));
            (left.0.is_empty() && left.1.is_empty()).then_some(())
        });
        let (differences, staged) = left;
        let what = format!("{differences:#?}, in staging: {staged:#?}");
        assert!(mirrored.is_some(), "`{name}` is not mirrored: {what}");
    }

    /// Waits for something that may take long, as long as the program asks the service for
    /// something.
    #[track_caller]
    pub fn until_done<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        self.waits(look).unwrap_or_else(|| panic!("this did not happen in time: {what}"))
    }

    /// Waits until the service has done the work that follows a first mirror: a copy of the records
    /// is in its place, and the canary was fetched.
    #[track_caller]
    pub fn until_chores_done(&self, name: &str) {
        let folder = format!("{}/.fichierd/state", target(name));
        // Runs without a service leave the canary to one that has something to do.
        let has_come =
            || self.service.is_none() || !self.mirror(name)["proofs"]["canary"].is_null();
        self.until_done("the records are there too, and the canary came", || {
            let is_there = tree::snapshots(&self.emulator).iter().any(|f| f.path == folder);
            (is_there && has_come()).then_some(())
        });
    }

    fn waits<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let began = Instant::now();
        let (mut done, mut alive) = ((0, 0), began);
        while alive.elapsed() < PATIENCE && began.elapsed() < PATIENCE * PATIENCE_WITH_PROGRESS {
            let looking = Instant::now();
            if let Some(found) = look() {
                return Some(found);
            }
            // A look at thousands of files must not take the processor from what is tested.
            std::thread::sleep(LOOK_AGAIN.max(looking.elapsed() * 3));
            let now = (self.emulator.calls(), self.emulator.bytes_received());
            if now != done {
                (done, alive) = (now, Instant::now());
            }
        }
        None
    }
}
