//! Counts how often a mirror settled under each habit, and how often it stopped: what a campaign
//! tells in the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use fichier_testkit::habits::Which;

static SEEN: LazyLock<Mutex<BTreeMap<Which, (u64, u64)>>> = LazyLock::new(Mutex::default);

/// A mirror that met only these habits has settled, or has stopped.
pub fn note(habits: &[Which], settled: bool) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let [only] = habits else { return };
    let (yes, no) = seen.entry(*only).or_default();
    *if settled { yes } else { no } += 1;
}

/// A line for each habit under which a mirror has stopped, when it was the only one.
pub fn table() -> String {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = format!("{} habits were met alone\n", seen.len());
    for (which, (yes, no)) in seen.iter() {
        _ = writeln!(text, "{yes:>7} settled {no:>7} stopped  {}", which.habit().name);
    }
    text
}
