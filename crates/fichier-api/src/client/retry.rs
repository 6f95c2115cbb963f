//! Repeats one call: a few attempts within seconds, and only if that can do no harm.
//!
//! Whether a call may be repeated after a lost reply is a property of its endpoint
//! (docs/api-notes.md, B.0); one that never left this machine may always be. Work that fails for
//! longer is the caller's to repeat, and the pacer keeps silent after a flood.
//!
//! Invariant: an attempt whose outcome is unknown is followed by another only if the call is
//! idempotent, and a flood, a lock or a refusal is never answered with another attempt.

use std::io;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::error::{Error, ErrorKind};
use crate::pace::Pacer;

/// The most attempts after the first; then the call has failed.
const MAX_REPEATS: usize = 3;
/// The pause before the first repeat (docs/api-notes.md, E: back-off from 5 s); doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The state of one call between its attempts, and the decision about the next. Pure.
#[derive(Debug)]
pub(crate) struct Repeats {
    idempotent: bool,
    pauses: ExponentialBackoff,
    /// Attempts that had a turn.
    attempts: u32,
    /// The error of an earlier attempt that may have been carried out.
    in_doubt: Option<ErrorKind>,
}

/// What to do after a failed attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// The same call once more, after this pause.
    Again {
        pause: Duration,
    },
    GiveUp {
        attempts: u32,
        kind: ErrorKind,
    },
}

impl Repeats {
    pub(crate) fn new(idempotent: bool, time_scale: u32) -> Repeats {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE / time_scale.max(1))
            .with_factor(2.0)
            .with_max_times(MAX_REPEATS)
            .build();
        Repeats { idempotent, pauses, attempts: 0, in_doubt: None }
    }

    /// Decides after an attempt that failed with `kind`.
    ///
    /// The call fails with the error of its last attempt. If that one was not even sent, after one
    /// whose outcome is unknown, it fails with the earlier error: the call may have been carried
    /// out, and the caller must know.
    pub(crate) fn after(&mut self, kind: ErrorKind) -> Next {
        let sent = was_sent(&kind);
        self.attempts += u32::from(sent);
        let again = may_repeat(&kind, self.idempotent, self.attempts);
        let Some(pause) = again.then(|| self.pauses.next()).flatten() else {
            let kind = if sent { kind } else { self.in_doubt.take().unwrap_or(kind) };
            return Next::GiveUp { attempts: self.attempts, kind };
        };
        if kind.outcome_unknown() {
            self.in_doubt = Some(kind);
        }
        Next::Again { pause }
    }
}

/// Runs `attempt` until it succeeds or [`Repeats`] gives up.
///
/// Tells the pacer how each attempt went. `attempt` takes its own turn from the pacer.
///
/// # Errors
///
/// [`Next::GiveUp`].
pub(crate) async fn call<T, F>(
    idempotent: bool,
    pacer: &Pacer,
    endpoint: &'static str,
    attempt: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, ErrorKind>>,
{
    let mut repeats = Repeats::new(idempotent, pacer.time_scale());
    loop {
        let kind = match attempt().await {
            Ok(value) => {
                pacer.note_ok(endpoint);
                return Ok(value);
            }
            Err(kind) => kind,
        };
        pacer.note_failure(endpoint, &kind);
        let said = kind.to_string();
        match repeats.after(kind) {
            Next::GiveUp { attempts, kind } => {
                tracing::debug!(endpoint, attempts, "giving up a call: {said}");
                return Err(Error { endpoint, attempts, kind });
            }
            Next::Again { pause } => {
                let pause_s = pause.as_secs_f64();
                tracing::debug!(endpoint, pause_s, "repeating a call: {said}");
                let _noted = pacer.note_repeat(said, pause);
                tokio::time::sleep(pause).await;
            }
        }
    }
}

/// Whether the attempt got as far as a turn.
fn was_sent(kind: &ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::HeldOff { .. } | ErrorKind::PaceMemory(_) | ErrorKind::InvalidRequest { .. }
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a new kind is not repeated unless named here")]
fn may_repeat(kind: &ErrorKind, idempotent: bool, attempts: u32) -> bool {
    match kind {
        ErrorKind::Unreachable(source) => {
            idempotent || source.kind() == io::ErrorKind::ConnectionRefused
        }
        ErrorKind::Failing { .. } => idempotent,
        // Cut short, perhaps; but a reply that has changed for good will not get better.
        ErrorKind::UnexpectedReply { .. } => idempotent && attempts == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::error::HoldOffCause;

    /// A call whose attempts go as listed; its outcome, with the attempts that were not used.
    fn outcome(idempotent: bool, script: Vec<Result<(), ErrorKind>>) -> String {
        let mut repeats = Repeats::new(idempotent, 1);
        let mut script = script.into_iter();
        let result = loop {
            let Err(kind) = script.next().expect("one attempt too many") else {
                break "done".to_owned();
            };
            if let Next::GiveUp { attempts, kind } = repeats.after(kind) {
                let error = Error { endpoint: "file/rm.cgi", attempts, kind };
                break format!("{error}: {}", error.kind);
            }
        };
        format!("{result} ({} unused)", script.len())
    }

    #[test]
    fn the_pauses_double_from_five_seconds_and_are_scaled() {
        for time_scale in [1, 10] {
            let mut repeats = Repeats::new(true, time_scale);
            let pauses: Vec<Duration> = std::iter::from_fn(|| match repeats.after(lost().err()?) {
                Next::Again { pause } => Some(pause * time_scale),
                Next::GiveUp { .. } => None,
            })
            .collect();
            assert_eq!(pauses, [5, 10, 20].map(Duration::from_secs));
        }
    }

    fn lost() -> Result<(), ErrorKind> {
        Err(ErrorKind::Unreachable(io::ErrorKind::ConnectionReset.into()))
    }

    fn never_sent() -> Result<(), ErrorKind> {
        Err(ErrorKind::Unreachable(io::ErrorKind::ConnectionRefused.into()))
    }

    #[test]
    fn an_idempotent_call_is_repeated_after_a_lost_reply() {
        assert_eq!(outcome(true, vec![lost(), lost(), Ok(())]), "done (0 unused)");
    }

    #[test]
    fn attempts_are_few() {
        assert_eq!(
            outcome(true, (0..9).map(|_| lost()).collect()),
            "removing files failed after 4 attempts: the service could not be reached (5 unused)"
        );
    }

    #[test]
    fn another_call_is_repeated_only_if_it_was_never_sent() {
        assert_eq!(
            outcome(false, vec![never_sent(), lost(), Ok(())]),
            "removing files failed after 2 attempts: the service could not be reached (1 unused)"
        );
    }

    #[test]
    fn an_unreadable_reply_is_asked_for_once_more() {
        let unreadable = || Err(ErrorKind::unexpected("a page"));
        assert_eq!(
            outcome(true, vec![unreadable(), unreadable(), Ok(())]),
            "removing files failed after 2 attempts: unexpected reply from the service: a page \
             (1 unused)"
        );
    }

    #[test]
    fn refusals_and_floods_are_not_answered_with_another_attempt() {
        let flood = ErrorKind::Throttled { retry_after: None };
        for kind in [flood, ErrorKind::Locked, ErrorKind::KeyRefused, ErrorKind::NotFound] {
            let expected = format!("removing files failed: {kind} (1 unused)");
            assert_eq!(outcome(true, vec![Err(kind), Ok(())]), expected);
        }
    }

    #[test]
    fn a_hold_off_does_not_hide_that_an_earlier_attempt_may_have_succeeded() {
        let held = || {
            let (until, wait) = (SystemTime::now(), Duration::from_secs(60));
            let cause = HoldOffCause::Flood;
            ErrorKind::HeldOff { until, wait, reason: "a flood".to_owned(), cause }
        };
        assert_eq!(
            outcome(true, vec![lost(), Err(held())]),
            "removing files failed: the service could not be reached (0 unused)"
        );
        assert_eq!(
            outcome(true, vec![Err(held())]),
            "removing files was not tried: no calls are made until a hold-off ends: a flood (0 unused)"
        );
    }
}
