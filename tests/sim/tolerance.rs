//! What a script excuses: some of its habits and events make single invariants impossible.

use fichier_testkit::habits::{LeadsTo, Which};

use crate::script::{Event, Script};

/// The broken rules that are those of a pace, in the emulator's words.
const PACE: [&str; 6] = [
    "while locked",
    "two calls within",
    "calls in a second",
    "too soon",
    "too fast",
    "answers of 401",
];

/// What is excused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tolerance {
    /// Names on the service may differ from those on disk.
    pub other_names: bool,
    /// Calls may come too soon for limits that nobody published.
    pub floods: bool,
    /// The target moves.
    pub moves: bool,
    /// The records were lost: what was being sent then may stay where it is, and what is not on
    /// disk is not removed.
    pub lost_state: bool,
    /// Old copies may stay where they were.
    pub leaves: bool,
    /// Files appear when their result is told, and it never is.
    pub never_appear: bool,
    /// Nodes refuse large batches: until their limit is known, files are sent whole, in halves and
    /// in quarters.
    pub refuses_batches: bool,
}

impl Tolerance {
    pub fn of(script: &Script) -> Tolerance {
        let begun = script.events.iter().filter_map(|event| {
            let Event::Begin(which) = event else { return None };
            Some(*which)
        });
        let habits: Vec<Which> = begun.chain(script.setting.habits.iter().copied()).collect();
        let leads_to = |to| habits.iter().any(|which| which.habit().leads_to == to);
        let is_any = |name: &str| habits.iter().any(|which| which.habit().name.contains(name));
        let is_there = |kind: fn(&Event) -> bool| script.events.iter().any(kind);
        Tolerance {
            other_names: leads_to(LeadsTo::OtherNames) || leads_to(LeadsTo::OtherNamesOrStop),
            // A lock may be longer than the first pauses.
            floods: leads_to(LeadsTo::Floods)
                || habits.iter().any(|which| which.habit().name.starts_with('*')),
            moves: is_there(|event| matches!(event, Event::Retarget { .. })),
            leaves: leads_to(LeadsTo::MayLeave),
            never_appear: is_any("after their result")
                && ["the scanner for ever", "a page for ever", "no result at all"]
                    .into_iter()
                    .any(is_any),
            refuses_batches: is_any("nodes take one file at a time"),
            lost_state: is_there(|event| matches!(event, Event::LoseState)),
        }
    }

    /// Whether a rule may be broken.
    pub fn tolerates(&self, broken: &str) -> bool {
        self.floods && PACE.iter().any(|words| broken.contains(words))
    }
}
