//! Notices that very many files were spoiled within a day, and keeps what they were from then on,
//! until a person has looked (F12).
//!
//! A program that encrypts everything rewrites files, empties them, or gives them another suffix.
//! Each rewrite makes a version, and each version pushes an earlier one out of `keep_versions` and,
//! with time, out of `keep`. So while this state lasts, nothing that was replaced is removed from the
//! service: neither versions nor snapshots. It is on record, so that a restart does not end it, and a
//! run that is not the service obeys it too.
//!
//! A person ends it with `approve`. As many spoiled files in a day then count as usual for the
//! mirror, such as for one of nightly dumps.

use fichier_state::{MirrorId, Records, Store, Writing};
use serde::{Deserialize, Serialize};

use crate::base::Fact;

const DAY_S: i64 = 24 * 3600;

/// Spoiled files of a day that are many in a mirror of any size, if they are more than a quarter of
/// it: the bounds are the defaults of those for removals.
const MANY: u64 = 100;

/// Spoiled files of a day that are many in a small mirror, if they are more than a half of it.
const FEW: u64 = 5;

/// Files that were spoiled within a day, and when that was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// When it was noticed; Unix seconds.
    pub since_s: i64,
    /// The most files that were spoiled within a day.
    pub files: u64,
}

/// The burst that a person has not looked at yet.
///
/// # Errors
///
/// The state file's.
pub fn burst(records: &Records, mirror: MirrorId) -> fichier_state::Result<Option<Burst>> {
    fact(mirror).read(records)
}

/// Looks at the records of the last day. Costs no call.
pub(crate) fn look(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<Option<Burst>> {
    let now_s = w.now_s();
    let before = burst(w, mirror)?;
    let usual = usual(mirror).read(w)?.unwrap_or_default();
    let spoiled = w.spoiled_since(mirror, now_s - DAY_S)?;
    let files = w.totals(mirror)?.files;
    let now = match before {
        Some(before) => Some(Burst { files: before.files.max(spoiled), ..before }),
        None if spoiled > usual && is_many(spoiled, files) => {
            Some(Burst { since_s: now_s, files: spoiled })
        }
        None => None,
    };
    if let Some(now) = now
        && before != Some(now)
    {
        fact(mirror).keep(w, &now)?;
    }
    Ok(now)
}

/// Ends the burst: a person has looked. Returns it, if there was one.
pub fn approve(w: &mut Writing<'_>, mirror: MirrorId) -> fichier_state::Result<Option<Burst>> {
    let Some(ended) = look(w, mirror)? else { return Ok(None) };
    fact(mirror).forget(w)?;
    let before = usual(mirror).read(w)?.unwrap_or_default();
    usual(mirror).keep(w, &ended.files.max(before))?;
    Ok(Some(ended))
}

/// Whether nothing that was replaced is removed from the service.
pub(crate) fn keeps_all(store: &Store, mirror: MirrorId) -> fichier_state::Result<bool> {
    Ok(burst(store, mirror)?.is_some())
}

fn is_many(spoiled: u64, files: u64) -> bool {
    let is_part_of_many = spoiled > MANY && spoiled.saturating_mul(4) > files;
    let is_most_of_few = spoiled >= FEW && spoiled.saturating_mul(2) > files;
    is_part_of_many || is_most_of_few
}

fn fact(mirror: MirrorId) -> Fact<Burst> {
    Fact::about(format!("burst of mirror {}", mirror.0))
}

/// Spoiled files in a day that are usual for the mirror, as a person has said.
fn usual(mirror: MirrorId) -> Fact<u64> {
    Fact::about(format!("usual burst of mirror {}", mirror.0))
}

#[cfg(test)]
mod tests {
    use super::is_many;

    #[test]
    fn many_are_a_quarter_of_a_large_mirror_and_a_half_of_a_small_one() {
        for (spoiled, files, expected) in [
            (100, 400, false),
            (101, 404, false),
            (101, 403, true),
            (1_000, 4_000, false),
            (1_001, 4_000, true),
            (4, 4, false),
            (5, 9, true),
            (5, 10, false),
            (60, 110, true),
            (60, 200, false),
            // All of them were emptied.
            (7, 0, true),
            (0, 0, false),
        ] {
            assert_eq!(is_many(spoiled, files), expected, "{spoiled} of {files}");
        }
    }
}
