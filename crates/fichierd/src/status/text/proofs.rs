//! What proofs say, in lines: one while all is well, and for each that is not, what to do.

use std::time::Duration;

use super::{count, duration};
use crate::status::{MirrorStatus, ProofStatus};

/// Lines about proofs.
pub(super) fn lines(mirror: &MirrorStatus) -> Vec<String> {
    let (name, proofs) = (&mirror.name, &mirror.proofs);
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
    if let Some(audit) = mirror.audit.as_ref().filter(|audit| audit.behind) {
        lines.push(format!(
            "the comparison of listings is behind: {} of {} folders so far; it goes on while the \
             service runs",
            count(audit.compared),
            count(audit.folders)
        ));
    }
    lines.extend(bad(&proofs.audit, "AUDIT", "see what was done about it: journalctl -u fichierd"));
    lines.extend(bad(
        &proofs.verify,
        "VERIFY",
        &format!("look again: fichierd verify {name} --full"),
    ));
    lines.extend(bad(&proofs.drill, "DRILL", &format!("try again: fichierd drill {name}")));
    lines.extend(bad(&proofs.canary, "DOWNLOAD", ""));
    if let Some(snapshot) = mirror.snapshot.as_ref().filter(|it| it.overdue_since.is_some()) {
        let newest = match snapshot.newest_age_s {
            Some(age_s) => format!("the newest is of {} ago", age(age_s)),
            None => "there is none".to_owned(),
        };
        lines.push(format!(
            "SNAPSHOT overdue, {newest}: a new machine would not know the latest names, times and \
             owners; why: journalctl -u fichierd"
        ));
    }
    lines.extend(mirror.quota_warning.iter().map(|warning| format!("QUOTA: {warning}")));
    lines
}

fn bad(proof: &Option<ProofStatus>, word: &str, help: &str) -> Option<String> {
    let proof = proof.as_ref().filter(|proof| !proof.good)?;
    let since = match proof.last_good_age_s {
        Some(good_s) => format!("last good {} ago", age(good_s)),
        None => "never good yet".to_owned(),
    };
    let help = if help.is_empty() { String::new() } else { format!("; {help}") };
    Some(format!("{word} {} ago, {since}: {}{help}", age(proof.age_s), proof.detail))
}

fn age(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}
