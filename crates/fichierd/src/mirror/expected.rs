//! The calls that a `sync` makes if all goes well: those of its plan, and those around it.
//!
//! Each part is counted beside the code that makes the calls. A test compares the sum with the
//! calls that the emulator counts.

use fichier_state::Mirror;

use crate::base::{Form, State};
use crate::config::{Keep, MirrorConfig};
use crate::mirror::error::MirrorError;
use crate::plan::{Plan, Step};
use crate::remote::{Habits, RemoteError, calls_for_names, has_begun, marker, target, versions};
use crate::upkeep::{Ahead, Situation, chores, old_claims};

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

/// A mirror that is about to run.
pub(super) struct Opened<'a> {
    pub(super) config: &'a MirrorConfig,
    pub(super) row: &'a Mirror,
    /// How it stores files and names.
    pub(super) form: &'a Form,
    /// Whether nothing was on record of it before.
    pub(super) is_new: bool,
}

/// Counts the calls of a plan, and of what a `sync` does around it.
///
/// # Errors
///
/// Those of the state file.
pub(super) fn expected_calls(
    state: &State,
    opened: &Opened<'_>,
    plan: &Planned<'_>,
) -> Result<ExpectedCalls, MirrorError> {
    let Opened { config, row, is_new, .. } = *opened;
    let cost = plan.plan.cost();
    let calls = calls_of_plan(state, opened, plan)?;
    let at = Situation { state, mirror: row, config };
    let ahead = Ahead {
        changes: !plan.plan.steps.is_empty() || plan.moves > 0,
        sent_bytes: cost.bytes,
        has_calls: calls > 0,
        is_first: is_new,
    };
    let upkeep = if plan.is_held { 0 } else { chores::calls_expected(at, ahead)? };
    let (target, is_free) = state
        .read(|s| {
            let is_free = target::is_believed(s, row)? && !has_begun(s, row.id)?;
            Ok((target::calls_expected(s, row)?, is_free))
        })
        .map_err(on_record)?;
    if calls + upkeep == 0 && is_free {
        return Ok(ExpectedCalls::default());
    }
    let claims = if plan.is_held { 0 } else { old_claims::calls_expected(at)? };
    Ok(ExpectedCalls { target, plan: calls, upkeep: upkeep + claims })
}

fn calls_of_plan(
    state: &State,
    opened: &Opened<'_>,
    plan: &Planned<'_>,
) -> Result<u64, MirrorError> {
    let Opened { config, row, form, .. } = *opened;
    let mut calls = plan.plan.cost().calls + plan.moves;
    if plan.plan.cost().files > 0 {
        calls += state.read(|s| marker::calls_expected(s, row.id, form)).map_err(on_record)?;
    }
    let replaces = replacing_batches(plan.plan);
    if let Some(most_in_batch) = replaces {
        let habits = state.read(|s| Habits::read(s)).map_err(on_record)?;
        if habits.name_taken.is_none() {
            // The first replaced file is published alone, and the service is asked about both.
            calls += 2 + u64::from(most_in_batch > 1);
        }
    }
    for step in &plan.plan.steps {
        if let Step::BringBack(files) = step {
            calls += state.read(|s| calls_for_names(s, row.id, files)).map_err(on_record)?;
        }
    }
    let retires = plan.plan.steps.iter().any(|step| match step {
        Step::Retire(_) | Step::RetireFolder(..) => true,
        Step::BringBack(files) => files.iter().any(|(place, _)| place.replaces.is_some()),
        Step::Note(_)
        | Step::MakeFolder(_)
        | Step::Adopt(..)
        | Step::Relocate(_)
        | Step::Copy(..)
        | Step::Recognise(..)
        | Step::Upload(_)
        | Step::RemoveFolder(..) => false,
    });
    let retires = retires || replaces.is_some();
    if retires && config.keep != Keep::None {
        calls +=
            state.read(|s| versions::calls_expected(s, row, state.now_s())).map_err(on_record)?;
    }
    Ok(calls)
}

fn on_record(error: fichier_state::Error) -> MirrorError {
    MirrorError::Remote(RemoteError::State(error))
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
        | Step::BringBack(_)
        | Step::Copy(..)
        | Step::Recognise(..)
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
