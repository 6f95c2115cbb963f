//! The work between cycles, and the time that has to pass for it to be due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fichierd::mirror::ChoresEnd;

use super::Bench;

/// The most runs that the work due at one moment takes; a test that needs more fails.
const MOST_RUNS: usize = 200;

/// Calls of the day's look at the account, and of the canary.
const DAILY: [&str; 2] = ["user/info.cgi", "download/get_token.cgi"];

impl Bench {
    /// Time passes, here and at the service.
    pub fn pass(&self, time: Duration) {
        self.shared.state.clock().advance(time);
        self.tell_service(0);
    }

    /// Time passes on this machine; the service keeps its own clock.
    pub fn later(&self, hours: u64) {
        self.shared.state.clock().advance(Duration::from_secs(hours * 3600));
    }

    /// Sets the service's clock so many seconds ahead of this machine's.
    pub fn tell_service(&self, ahead_s: i64) {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ours = self.shared.state.now_s() - i64::try_from(real.as_secs()).unwrap();
        self.emulator.set_clock_ahead(ours + ahead_s);
    }

    /// Does one run of the work that is due between cycles.
    pub async fn chores(&mut self) -> ChoresEnd {
        self.worker.chores(&self.shared).await
    }

    /// Does all the work that is due now. Returns the calls, without those for the day's look at the
    /// account and for the canary. Panics on trouble, and if something is always due.
    pub async fn all_chores(&mut self) -> Vec<String> {
        let mark = self.emulator.calls();
        for _ in 0..MOST_RUNS {
            let end = self.chores().await;
            assert!(end.trouble.is_none(), "{:?}", end.trouble);
            if end.next > Duration::ZERO {
                let mut calls = self.emulator.calls_since(mark);
                calls.retain(|call| !DAILY.contains(&call.as_str()));
                return calls;
            }
        }
        panic!("there is always something due");
    }
}
