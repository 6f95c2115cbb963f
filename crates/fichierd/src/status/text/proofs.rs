//! Which proofs of the copies were good, in one line. A proof that was not is a degraded state.

use std::time::Duration;

use super::duration;
use crate::status::MirrorStatus;

/// The line about good proofs, if there are any.
pub(super) fn lines(mirror: &MirrorStatus) -> Vec<String> {
    let proofs = &mirror.proofs;
    let all = [
        ("listings compared", &proofs.audit),
        ("files read back", &proofs.verify),
        ("a test restore worked", &proofs.drill),
        ("a test download worked", &proofs.canary),
    ];
    let good: Vec<_> = all
        .iter()
        .filter_map(|(what, proof)| Some((what, proof.as_ref().filter(|proof| proof.good)?)))
        .map(|(what, proof)| format!("{what} {} ago", age(proof.age_s)))
        .collect();
    let mut lines = Vec::new();
    if !good.is_empty() {
        lines.push(format!("proved: {}", good.join(", ")));
    }
    lines
}

fn age(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}
