//! Remembers which records are not believed: after a recovery, and after a state file was put back.

use fichier_state::{Mirror, MirrorId, Records, Writing};

use crate::base::{Fact, Flag, State};
use crate::remote::{claims, unconfirmed};

/// Whether the mirror was recovered, and its disk and records have not been found the same since.
///
/// # Errors
///
/// The state file's.
pub fn holds_removals(records: &Records, mirror: MirrorId) -> Result<bool, fichier_state::Error> {
    holding(mirror).is_set(records)
}

/// Holds removals from now on, or no longer: a person has decided, or a cycle over everything has
/// found nothing to remove.
pub(crate) fn hold_removals(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    hold: bool,
) -> Result<(), fichier_state::Error> {
    if hold {
        // What was recovered may hold files that are not confirmed.
        unconfirmed::may_be_there(w, mirror)?;
    }
    holding(mirror).set(w, hold)
}

fn holding(mirror: MirrorId) -> Flag {
    Flag::named(format!("removals of mirror {} are held after a recovery", mirror.0))
}

/// Doubts the listings of a state file that was put back from a backup: it may be older than the
/// files on the service (P09). The folders are listed again before anything goes there, so that
/// files that are there are adopted.
pub(crate) fn doubt_a_copy(row: &Mirror, state: &State) -> Result<(), fichier_state::Error> {
    let state_file = state_file(&row.name);
    let (now, before) = state.read(|s| Ok((s.inode(), state_file.read(s)?)))?;
    if before == Some(now) {
        return Ok(());
    }
    if state.read(|s| state_file.is_there(s))? {
        tracing::warn!(
            mirror = %row.name,
            "the state file is a copy, which may be older than what is on 1fichier; `{}` looks \
             into its remote folders again before it sends anything there",
            row.name
        );
    }
    state.write(|w| {
        w.doubt_listings(row.id)?;
        claims::is_copy(w, row.id)?;
        state_file.keep(w, &now)
    })
}

/// Lets a working copy of a state file, which a dry run makes, count as the file with this inode
/// that it is a copy of.
pub fn count_as(copy: &State, mirror: &str, original: u64) -> Result<(), fichier_state::Error> {
    let state_file = state_file(mirror);
    let (now, before) = copy.read(|s| Ok((s.inode(), state_file.read(s)?)))?;
    if before == Some(original) {
        copy.write(|w| state_file.keep(w, &now))?;
    }
    Ok(())
}

/// Lets what is known of the state file follow a mirror to its new name.
pub(crate) fn is_renamed(
    w: &mut Writing<'_>,
    before: &str,
    now: &str,
) -> Result<(), fichier_state::Error> {
    if let Some(inode) = state_file(before).read(w)? {
        state_file(now).keep(w, &inode)?;
    }
    state_file(before).forget(w)
}

/// Records that the contents of the mirror's remote folders are known, from listings that this very
/// state file has seen.
pub(crate) fn trust_listings(
    w: &mut fichier_state::Writing<'_>,
    name: &str,
    inode: u64,
) -> Result<(), fichier_state::Error> {
    state_file(name).keep(w, &inode)
}

/// The inode of the state file that has seen the listings of a mirror's remote folders.
fn state_file(name: &str) -> Fact<u64> {
    Fact::about(format!("state file of mirror {name}"))
}
