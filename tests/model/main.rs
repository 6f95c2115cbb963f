//! After any sequence of changes, cycles, faults and deaths the remote is equal to the disk.
//!
//! A story is told to a mirror operation by operation. At its end the faults stop and the mirror
//! settles; then every file must be in its place, none lost, no rule of the service broken, and a
//! further cycle must find nothing to do. Each moment at which the mirror had settled before can be
//! restored exactly as it was.
//!
//! The stories are the same in every run. For others: `MODEL_SEED=7 MODEL_CASES=500 cargo test
//! --test model`.

#![allow(missing_docs, unreachable_pub, reason = "tests are their own documentation")]
#![allow(clippy::disallowed_methods, reason = "here the folder is ours to change")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::wildcard_enum_match_arm, reason = "each part of the disk takes its operations")]

use fichier_testkit::setting::setting;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

mod disk;
mod operations;
mod teller;

/// The number of stories in the ordinary run; `MODEL_CASES` changes it.
const CASES: u32 = 40;

/// The seed of these stories.
const SEED: u64 = 1;

/// The number of operations in the longest story.
const LONGEST: usize = 30;

#[test]
fn whatever_happens_the_remote_ends_up_equal_to_the_disk() {
    let cases = setting("MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(setting("MODEL_SEED").unwrap_or(SEED)),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let longest = setting("MODEL_LONGEST").map_or(LONGEST, |most| usize::try_from(most).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = TestRunner::new(config).run(&operations::stories(longest), |story| {
        runtime.block_on(teller::tell(&story)).map_err(TestCaseError::fail)
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
