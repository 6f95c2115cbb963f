//! Points at which a test ends the process. Without the feature `failpoints`, which no build for
//! users has, they do nothing.
//!
//! The environment variable `FAILPOINTS` says what happens where, in the words of the crate
//! `fail`: `upload:begun=return` kills the process when it first reaches that point,
//! `scan:folder=9*off->return` when it reaches that one for the tenth time; `panic` and
//! `sleep(MILLISECONDS)` do that instead. The process ends by SIGKILL, as by `kill -9` or for want
//! of memory: nothing is flushed and nothing unwound.
//!
//! The module is here and not in the daemon because opening the state file has such points, too.

/// Reads `FAILPOINTS`; called once, at the start of the process.
pub fn arm() {
    // Dropped, it would forget everything again.
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}

/// The process has reached `point`, and ends there if a test says so.
#[cfg_attr(not(feature = "failpoints"), allow(unused_variables, reason = "nothing happens"))]
pub fn reached(point: &str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(point, |_| die());
}

#[cfg(feature = "failpoints")]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    while kill_process(getpid(), Signal::KILL).is_ok() {}
}
