//! The calls that a `sync` makes if all goes well: those of its plan, and those around it.
//!
//! Each part is counted beside the code that makes the calls. A test compares the sum with the
//! calls that the emulator counts.

use fichier_state::Mirror;

use crate::base::State;
use crate::config::{Keep, MirrorConfig};
use crate::mirror::error::MirrorError;
use crate::plan::{Plan, Step};
use crate::remote::{Habits, RemoteError, target, versions};
use crate::upkeep::{Ahead, Situation, chores};

/// The calls of one `sync` of one mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCalls {
    /// For the target: to find or make it, and to claim it.
    pub target: u64,
    /// For the steps of the plan.
    pub plan: u64,
    /// For the copy of the records, and what else is due between cycles.
    pub upkeep: u64,
}

impl ExpectedCalls {
    /// All of them.
    pub fn sum(&self) -> u64 {
        self.target + self.plan + self.upkeep
    }
}

/// Counts the calls of a plan, and of what a `sync` does around it.
///
/// # Errors
///
/// Those of the state file.
pub(super) fn expected_calls(
    state: &State,
    config: &MirrorConfig,
    row: &Mirror,
    plan: &Planned<'_>,
) -> Result<ExpectedCalls, MirrorError> {
    let on_record = |error: fichier_state::Error| MirrorError::Remote(RemoteError::State(error));
    let target = state.read(|s| target::calls_expected(s, row)).map_err(on_record)?;
    let mut calls = plan.plan.cost().calls + plan.moves;
    let replaces = replacing_batches(plan.plan);
    if let Some(most_in_batch) = replaces {
        let habits = state.read(|s| Habits::read(s)).map_err(on_record)?;
        if habits.name_taken.is_none() {
            // The first replaced file is published alone, and the service is asked about both.
            calls += 2 + u64::from(most_in_batch > 1);
        }
    }
    let retires = replaces.is_some()
        || plan.plan.steps.iter().any(|s| matches!(s, Step::Retire(_) | Step::RetireFolder(..)));
    let is_new = row.versions.is_none();
    if retires && !is_new && config.keep != Keep::None {
        calls += state
            .read(|s| versions::calls_expected(s, row.id, state.now_s()))
            .map_err(on_record)?;
    }
    let cost = plan.plan.cost();
    let ahead =
        Ahead { changes: !plan.plan.steps.is_empty() || plan.moves > 0, sent_bytes: cost.bytes };
    let upkeep = if plan.is_held {
        0
    } else {
        chores::calls_expected(Situation { state, mirror: row, config }, ahead)?
    };
    Ok(ExpectedCalls { target, plan: calls, upkeep })
}

/// A plan whose calls are counted.
pub struct Planned<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Folders that are moved before it, a call each.
    pub moves: u64,
    /// Whether something is held, after which no upkeep is done.
    pub is_held: bool,
}

/// The most files that go into one folder of a batch that replaces some; `None` if none replaces.
fn replacing_batches(plan: &Plan) -> Option<usize> {
    let batches = plan.steps.iter().filter_map(|step| match step {
        Step::Upload(files) if files.iter().any(|file| file.replaces.is_some()) => Some(files),
        Step::Upload(_)
        | Step::Note(_)
        | Step::MakeFolder(_)
        | Step::Adopt(..)
        | Step::Relocate(_)
        | Step::Copy(..)
        | Step::Retire(_)
        | Step::RetireFolder(..)
        | Step::RemoveFolder(..) => None,
    });
    batches
        .map(|files| {
            let first = files.iter().find(|file| file.replaces.is_some());
            first.map_or(0, |first| files.iter().filter(|f| f.folder() == first.folder()).count())
        })
        .next()
}
