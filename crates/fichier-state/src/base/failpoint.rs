//! Points at which a test lets the process die. Nothing at all without the feature `failpoints`,
//! which no build for users has.
//!
//! The environment variable `FAILPOINTS` says what happens where, in the words of the crate
//! `fail`: `upload:begun=return` kills the process when it first comes by, `scan:folder=9*off->return`
//! at the tenth time; `panic` and `sleep(MILLISECONDS)` do that instead. It dies by SIGKILL, as by
//! `kill -9` or for want of memory: nothing is flushed and nothing unwound.
//!
//! It is here and not in the daemon because the state file has such points, too.

/// Takes up what `FAILPOINTS` says; at the start of the process.
pub fn arm() {
    // Given back it would forget everything again.
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}

/// The process has come to `point`: the end of it, if a test says so.
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
