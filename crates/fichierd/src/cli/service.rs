//! Hands a command over to the running service.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::failure::ended;
use super::output;
use super::progress::Shown;
use crate::base::Exit;
use crate::base::words::{bytes, count, counted, duration};
use crate::config::Config;
use crate::daemon::control::{Reply, Request, ask};
use crate::status::{CycleSummary, MirrorState, Status};

/// Between two questions for the status of a service that works for a command.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Hands a request to the running service and prints the answer; `None` if no service runs.
///
/// # Errors
///
/// `AskError` if the service cannot be asked; its refusal, with the exit code that it names.
pub(super) async fn forward(config: &Config, request: &Request) -> anyhow::Result<Option<Exit>> {
    match reply(config, request).await? {
        None => Ok(None),
        Some(reply) => show(reply).map(Some),
    }
}

/// Prints an answer to a command that changes something.
///
/// # Errors
///
/// The refusal, if it is one, with the exit code that it names.
pub(super) fn show(reply: Reply) -> anyhow::Result<Exit> {
    match reply {
        Reply::Done { message } => {
            output::line(&message)?;
            Ok(Exit::Done)
        }
        Reply::Cycle(cycles) => {
            for cycle in &cycles {
                output::line(&cycle_line(cycle))?;
            }
            Ok(exit_of_cycles(&cycles))
        }
        Reply::Refused { message, exit } => Err(ended(Exit::from_code(exit), message)),
        other @ (Reply::Status(_) | Reply::Why(_) | Reply::Proved { .. }) => {
            Err(unexpected(&other))
        }
    }
}

/// The answer of the running service; `None` if no service runs.
///
/// # Errors
///
/// Those of [`forward`].
pub(super) async fn reply(config: &Config, request: &Request) -> anyhow::Result<Option<Reply>> {
    let shown = request.job().is_some().then(|| follow(config));
    let reply = ask(config, request).await?;
    drop(shown);
    match reply {
        Some(Reply::Refused { message, exit }) => Err(ended(Exit::from_code(exit), message)),
        other => Ok(other),
    }
}

/// Shows what the service does while a command waits for its work.
fn follow(config: &Config) -> (Shown, AbortOnDropHandle<()>) {
    let told = Arc::new(Mutex::new(None));
    let (heard, config) = (Arc::clone(&told), config.clone());
    let asker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if let Ok(Some(Reply::Status(status))) = ask(&config, &Request::Status).await {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(doing(&status));
            }
        }
    });
    let read = move || told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (Shown::of_service(read), AbortOnDropHandle::new(asker))
}

/// What the mirrors that have something to do are doing, and whether one of them waits.
fn doing(status: &Status) -> (String, bool) {
    let busy = status.mirrors.iter().filter(|mirror| mirror.state != MirrorState::Idle);
    let texts: Vec<_> =
        busy.clone().map(|mirror| format!("{}: {}", mirror.name, mirror.what)).collect();
    let waits = busy.clone().any(|mirror| mirror.state != MirrorState::Working);
    (if texts.is_empty() { "nearly done".to_owned() } else { texts.join("; ") }, waits)
}

/// Refuses a mirror that is not configured, before the service or 1fichier is asked.
///
/// # Errors
///
/// [`Exit::Usage`], with the configured names.
pub(super) fn known_mirror(config: &Config, name: &str) -> anyhow::Result<()> {
    if config.mirror(name).is_some() {
        return Ok(());
    }
    let names: Vec<_> = config.mirrors.iter().map(|mirror| mirror.name.as_str()).collect();
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!("there is no mirror `{name}`; configured: {there}");
    Err(ended(Exit::Usage, message))
}

/// The error for an answer that does not fit the request.
pub(super) fn unexpected(reply: &Reply) -> anyhow::Error {
    let what = match reply {
        Reply::Status(_) => "a status",
        Reply::Done { .. } => "\"done\"",
        Reply::Cycle(_) => "cycles",
        Reply::Why(_) => "an explanation",
        Reply::Proved { .. } => "the record of a proof",
        Reply::Refused { .. } => "a refusal",
    };
    ended(Exit::Unavailable, format!("the service answered with {what}, which was not asked for"))
}

/// The exit code for several cycles: the worst of theirs.
pub(super) fn exit_of_cycles(cycles: &[CycleSummary]) -> Exit {
    Exit::worst(cycles.iter().map(|cycle| Exit::from_code(cycle.exit)))
}

/// A cycle in one line; counts that are zero are left out.
pub(super) fn cycle_line(cycle: &CycleSummary) -> String {
    let (size, did) =
        (bytes(cycle.uploaded_bytes), |number, what| format!("{} {what}", count(number)));
    let parts = [
        (cycle.uploaded_files, format!("{} ({size})", did(cycle.uploaded_files, "sent"))),
        (cycle.relocated, did(cycle.relocated, "moved")),
        (cycle.copied, did(cycle.copied, "copied")),
        (cycle.retired, did(cycle.retired, "to the versions")),
        (cycle.adopted, did(cycle.adopted, "found there already")),
        (cycle.held_removals, format!("{} held", counted(cycle.held_removals, "removal"))),
        (cycle.calls, counted(cycle.calls, "call")),
    ];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<_> = parts.map(|(_, text)| text).collect();
    let (mirror, outcome, did) = (&cycle.mirror, &cycle.outcome, parts.join(", "));
    let took = duration(Duration::try_from_secs_f64(cycle.seconds).unwrap_or_default());
    match (cycle.complete, parts.is_empty()) {
        (true, true) => format!("{mirror}: {outcome}: nothing to do; {took}"),
        (true, false) => format!("{mirror}: {outcome}: {did}; {took}"),
        // The outcome is a sentence then.
        (false, true) => format!("{mirror}: {outcome}"),
        (false, false) => format!("{mirror}: {outcome} ({did}; {took})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::MirrorStatus;

    fn cycle() -> CycleSummary {
        CycleSummary {
            mirror: "photos".to_owned(),
            outcome: "done".to_owned(),
            complete: true,
            seconds: 75.0,
            ..CycleSummary::default()
        }
    }

    #[test]
    fn a_cycle_is_one_line_without_zeros() {
        assert_eq!(cycle_line(&cycle()), "photos: done: nothing to do; 1 min");
        let busy = CycleSummary {
            uploaded_files: 1_200,
            uploaded_bytes: 3 << 20,
            relocated: 2,
            calls: 9,
            ..cycle()
        };
        assert_eq!(
            cycle_line(&busy),
            "photos: done: 1,200 sent (3.00 MiB), 2 moved, 9 calls; 1 min"
        );
    }

    #[test]
    fn z107_a_cycle_that_could_not_go_on_is_not_told_to_have_nothing_to_do() {
        let outcome = "the source is missing; mount its disk".to_owned();
        let stopped = CycleSummary { complete: false, outcome, ..cycle() };
        assert_eq!(cycle_line(&stopped), "photos: the source is missing; mount its disk");
        let later = CycleSummary { calls: 1, uploaded_files: 2, ..stopped };
        let line = "photos: the source is missing; mount its disk (2 sent (0 B), 1 call; 1 min)";
        assert_eq!(cycle_line(&later), line);
    }

    #[test]
    fn z30_what_the_service_does_meanwhile_is_told_without_the_mirrors_that_rest() {
        let mirror = |name: &str, state, what: &str| MirrorStatus {
            name: name.to_owned(),
            state,
            what: what.to_owned(),
            ..MirrorStatus::default()
        };
        let mut status = Status::default();
        assert_eq!(doing(&status), ("nearly done".to_owned(), false));
        status.mirrors = vec![
            mirror("a", MirrorState::Idle, "up to date"),
            mirror("b", MirrorState::Working, "working, 3.00 MiB sent"),
        ];
        assert_eq!(doing(&status), ("b: working, 3.00 MiB sent".to_owned(), false));
        status.mirrors.push(mirror("c", MirrorState::Waiting, "no way there"));
        let both = "b: working, 3.00 MiB sent; c: no way there".to_owned();
        assert_eq!(doing(&status), (both, true));
    }

    #[test]
    fn the_worst_cycle_decides_the_exit_code() {
        let held = CycleSummary { exit: Exit::Held.code(), ..cycle() };
        let problems = CycleSummary { exit: Exit::Problems.code(), ..cycle() };
        assert_eq!(exit_of_cycles(&[cycle()]), Exit::Done);
        assert_eq!(exit_of_cycles(&[problems.clone(), cycle()]), Exit::Problems);
        assert_eq!(exit_of_cycles(&[problems, held]), Exit::Held);
    }
}
