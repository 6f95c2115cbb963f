//! The reason for which a mirror waits for a person's decision: a value, which is put into words
//! only where a person reads it.
//!
//! The state keeps it as JSON in the mirror's row (migration 3), so that `approve` and `status`
//! know it while no service runs.

use std::fmt;

use fichier_state::Mirror;
use serde::{Deserialize, Serialize};

use crate::base::words::{count, counted};
use crate::remote::TargetRefused;
use crate::status::Kind;

/// The work that is held, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// Only removals are held; additions go on.
    Removals(HeldRemovals),
    /// All work is held, because the source is not the folder that it was, or cannot be read.
    Source {
        /// One of the degraded states of a source.
        kind: Kind,
        /// The finding, for people.
        cause: String,
    },
    /// All work is held, because the target is not the folder that it was.
    Target(TargetRefused),
}

/// Removals that wait for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRemovals {
    /// Removals that are held, each of which would take away the live copy of a record.
    pub removals: u64,
    /// Removals within 24 hours that are allowed.
    pub limit: u64,
}

impl Held {
    /// Reads what the row of a mirror holds. A value that this version cannot read counts as
    /// `None`, since the next cycle finds the cause again.
    pub fn of(row: &Mirror) -> Option<Held> {
        serde_json::from_str(row.held.as_deref()?).ok()
    }

    /// The form that the state keeps.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// How many removals are held; 0 if all work is held.
    pub fn removals(&self) -> u64 {
        match self {
            Held::Removals(held) => held.removals,
            Held::Source { .. } | Held::Target(_) => 0,
        }
    }

    /// Whether another installation works on the target, so that it would have to be taken over.
    pub fn is_taken(&self) -> bool {
        matches!(self, Held::Target(refused) if target_kind(refused) == Kind::TargetTaken)
    }

    /// Whether the mirror can go on once a person has approved it: a source that is not there, or
    /// cannot be read, has to be corrected.
    pub fn is_approvable(&self) -> bool {
        let corrected = [Kind::SourceMissing, Kind::SourceUnreadable, Kind::SourceBehindLink];
        !corrected.contains(&self.kind())
    }

    /// Which degraded state this is.
    pub fn kind(&self) -> Kind {
        match self {
            Held::Removals(_) => Kind::RemovalsHeld,
            Held::Source { kind, .. } => *kind,
            Held::Target(refused) => target_kind(refused),
        }
    }

    /// Cause and advice in one sentence, for the mirror of this name.
    pub fn text(&self, mirror: &str) -> String {
        format!("{self}; {}", self.kind().what_to_do(Some(mirror)))
    }
}

/// Shows the cause, without what to do.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Removals(HeldRemovals { removals, limit }) => {
                let are = if *removals == 1 { "is" } else { "are" };
                let (removals, limit) = (counted(*removals, "removal"), count(*limit));
                write!(f, "{removals} {are} held: more than {limit} within 24 hours")
            }
            Held::Source { cause, .. } => f.write_str(cause),
            Held::Target(refused) => refused.fmt(f),
        }
    }
}

fn target_kind(refused: &TargetRefused) -> Kind {
    match refused {
        TargetRefused::OwnedByAnother { .. }
        | TargetRefused::OtherMachine
        | TargetRefused::OtherCopy => Kind::TargetTaken,
        TargetRefused::OtherAccount => Kind::OtherAccount,
        TargetRefused::Gone => Kind::TargetGone,
        TargetRefused::OtherPassword { .. } => Kind::OtherPassword,
        TargetRefused::OtherForm { .. } | TargetRefused::Encrypted => Kind::OtherForm,
        TargetRefused::Retargeted { .. }
        | TargetRefused::Occupied { .. }
        | TargetRefused::Overlaps { .. } => Kind::MirrorChanged,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use fichier_state::Store;

    use super::*;

    /// The rows of a state file of version 2, whose sentences the migration turned into values.
    fn migrated() -> Vec<Mirror> {
        let sample = "../fichier-state/tests/databases/v2.db";
        let dir = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
        fs::copy(sample, dir.path().join("state.db")).unwrap();
        Store::open(dir.path()).unwrap().mirrors().unwrap()
    }

    #[test]
    fn each_sentence_of_older_releases_is_read_as_the_value_that_it_was() {
        let rows = migrated();
        let held = |name: &str| Held::of(rows.iter().find(|row| row.name == name).unwrap());
        let removals = |removals, limit| Some(Held::Removals(HeldRemovals { removals, limit }));
        assert_eq!(held("photos"), removals(251, 250));
        assert_eq!(held("recovered"), removals(3, 0));
        let sources = [
            ("missing", Kind::SourceMissing),
            ("went", Kind::SourceMissing),
            ("not-a-folder", Kind::SourceChanged),
            ("unreadable", Kind::SourceUnreadable),
            ("failing", Kind::SourceUnreadable),
            ("empty", Kind::SourceEmpty),
            ("other-disk", Kind::SourceChanged),
            ("exchanged", Kind::SourceChanged),
            ("replaced", Kind::SourceChanged),
        ];
        for (name, kind) in sources {
            let Some(Held::Source { kind: read, cause }) = held(name) else { panic!("{name}") };
            assert_eq!(read, kind, "{cause}");
            assert!(!cause.contains("; "), "{name}: {cause}");
        }
        let other = "5e1c0a9b7d42".to_owned();
        let targets = [
            ("taken", TargetRefused::OwnedByAnother { other }),
            ("other-machine", TargetRefused::OtherMachine),
            ("clone", TargetRefused::OtherCopy),
            ("gone", TargetRefused::Gone),
        ];
        for (name, refused) in targets {
            assert_eq!(held(name), Some(Held::Target(refused)), "{name}");
        }
        assert_eq!(held("other-account"), None, "it ends by itself once the key is right");
    }

    #[test]
    fn what_is_held_is_read_back_as_it_was_kept_and_ends_with_what_to_do() {
        let all = [
            Held::Removals(HeldRemovals { removals: 5, limit: 2 }),
            Held::Source { kind: Kind::SourceEmpty, cause: "the source /a; b is empty".to_owned() },
            Held::Target(TargetRefused::OtherCopy),
        ];
        let row = migrated().remove(0);
        for held in all {
            let row = Mirror { held: Some(held.to_json()), ..row.clone() };
            assert_eq!(Held::of(&row), Some(held.clone()));
            let text = held.text("photos");
            assert!(text.starts_with(&format!("{held}; ")), "{text}");
            assert!(text.contains("photos"), "{text}");
        }
    }
}
