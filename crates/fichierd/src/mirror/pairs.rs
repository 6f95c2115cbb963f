//! Finds the records that a configured mirror goes on with, after its name or target was changed,
//! after targets were exchanged, and after mirrors were split or merged.
//!
//! Sources, names and targets of a configuration lie side by side, so records that have one of them
//! in common with a mirror, and not the rest, are of a mirror that is no longer configured like
//! that.
//!
//! * The same target, another name: the records get the name. Nothing is asked.
//! * The same name and source, another target: the folder on 1fichier has to be moved, which waits
//!   for `approve`.
//! * A source above or below: the mirror was split, or merged. The former records have to end
//!   before their files can be taken over, which waits for `approve` too.

use fichier_state::{Mirror, Records, Writing};

use crate::base::{Flag, State};
use crate::config::MirrorConfig;
use crate::remote::{TargetRefused, looked, retarget, trust};

/// Finds or makes the row of a mirror, and lets it follow a changed name or source.
pub(super) fn row_of(
    config: &MirrorConfig,
    state: &State,
) -> Result<(Mirror, bool), fichier_state::Error> {
    let MirrorConfig { name, source, target, .. } = config;
    let found = state.read(|s| s.mirror_of(name, source, target))?;
    let Some(row) = found else {
        return Ok((state.write(|w| w.add_mirror(name, source, target))?, true));
    };
    if row.target != *target || row.name == *name && row.source == *source {
        return Ok((row, false));
    }
    // With another source it is compared anew, and files that are there already are not sent
    // (C06).
    let identity = row.identity.clone().filter(|_| row.source == *source);
    let now = Mirror { name: name.clone(), source: source.clone(), identity, ..row.clone() };
    state.write(|w| {
        if row.source != now.source {
            looked::begin(w, row.id)?;
        }
        w.update_mirror(&now)?;
        if row.name == now.name { Ok(()) } else { trust::is_renamed(w, &row.name, &now.name) }
    })?;
    if row.name != now.name {
        tracing::info!(mirror = %now.name, "`{}` is called `{}` now, and goes on with its records \
            and its history", row.name, now.name);
    }
    Ok((now, false))
}

/// What a person has to decide before the mirror may go on with this row; `None` for nothing.
pub(super) fn undecided(
    records: &Records,
    config: &MirrorConfig,
    row: &Mirror,
) -> Result<Option<TargetRefused>, fichier_state::Error> {
    if row.target != config.target {
        if retarget::is_approved(records, row, &config.target)? {
            return Ok(None);
        }
        let (from, to) = (row.target.clone(), config.target.clone());
        return Ok(Some(TargetRefused::Retargeted { from, to }));
    }
    let is_begun = row.incoming.is_some() || begins_anew(row).is_set(records)?;
    if is_begun {
        return Ok(None);
    }
    Ok(overlapping(records, row)?.into_iter().next().map(|former| TargetRefused::Overlaps {
        name: former.name,
        source_path: former.source.display().to_string(),
        target: former.target,
    }))
}

/// Former mirrors with files on record, whose sources lie above or below that of this one.
fn overlapping(records: &Records, row: &Mirror) -> Result<Vec<Mirror>, fichier_state::Error> {
    let mut found = Vec::new();
    for other in records.mirrors()? {
        let is_apart =
            !other.source.starts_with(&row.source) && !row.source.starts_with(&other.source);
        if other.id != row.id && !is_apart && records.count_below(other.root)?.files > 0 {
            found.push(other);
        }
    }
    Ok(found)
}

/// Carries out what a person has decided, as far as that needs no call. Returns what happens next.
///
/// # Errors
///
/// The state file's.
pub fn approve_change(
    w: &mut Writing<'_>,
    row: &Mirror,
    refused: &TargetRefused,
) -> Result<Option<String>, fichier_state::Error> {
    match refused {
        TargetRefused::Retargeted { from, to } | TargetRefused::Occupied { from, to } => {
            retarget::approve(w, row, to)?;
            Ok(Some(format!("approved; the folder {from} on 1fichier is moved to {to}")))
        }
        TargetRefused::Overlaps { .. } => {
            begins_anew(row).set(w, true)?;
            let mut ended = Vec::new();
            for former in overlapping(w, row)? {
                w.forget_remote_below(former.root)?;
                ended.push(format!("`{}`", former.name));
            }
            Ok(Some(format!(
                "approved; the records of {} end, and the mirror goes on",
                ended.join(", ")
            )))
        }
        TargetRefused::OwnedByAnother { .. }
        | TargetRefused::OtherMachine
        | TargetRefused::OtherCopy
        | TargetRefused::Gone
        | TargetRefused::OtherPassword { .. }
        | TargetRefused::OtherForm { .. }
        | TargetRefused::Encrypted
        | TargetRefused::OtherAccount => Ok(None),
    }
}

/// The flag that lets a mirror begin although a former one has mirrored the same files.
fn begins_anew(row: &Mirror) -> Flag {
    Flag::named(format!("mirror {} begins anew", row.id.0))
}
