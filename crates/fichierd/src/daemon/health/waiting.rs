//! What the calls of this process wait for, in words for people.

use std::time::{Duration, SystemTime};

use fichier_api::{Wait, Waiting};
use tokio::time::Instant;

use super::timestamp;
use crate::base::when;
use crate::base::words::duration;

/// A wait that is shorter needs no explanation.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How the end of a wait is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfWait {
    /// As the time that is left, for a line that is drawn anew.
    Left,
    /// As a time of day, for an answer that is read later.
    TimeOfDay,
}

/// What is waited for, as people read it; `None` for a wait that needs no explanation yet.
pub fn wait_text(waiting: &Waiting, now: Instant, told: EndOfWait) -> Option<String> {
    let lasted = now.saturating_duration_since(waiting.since);
    if lasted < PATIENCE && !matches!(waiting.wait, Wait::Repeat(_)) {
        return None;
    }
    let left = waiting.until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
    let (behind, at) = match told {
        EndOfWait::Left => {
            let left = duration(left + Duration::from_millis(999));
            (format!(": {left}"), format!("in {left}"))
        }
        EndOfWait::TimeOfDay => {
            let at = when::clock(timestamp(SystemTime::now() + left));
            (format!(", until {at}"), format!("at {at}"))
        }
    };
    Some(match &waiting.wait {
        Wait::Turn => format!("waiting for the turn of the next call{behind}"),
        Wait::Listing => format!("the service lets a folder be listed once in 30 s{behind}"),
        Wait::WholeAccount => {
            format!("the service lets all files be listed once an hour{behind}")
        }
        Wait::Account => {
            format!("the service lets the account be read once in 5 minutes{behind}")
        }
        Wait::Repeat(error) => format!("{error}; the next try is {at}"),
        Wait::Answer => format!("no answer from 1fichier for {}", duration(lasted)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(wait: Wait, left: Option<u64>, lasted: u64, end: EndOfWait) -> Option<String> {
        let since = Instant::now();
        let until = left.map(|left| since + Duration::from_secs(lasted + left));
        wait_text(&Waiting { wait, since, until }, since + Duration::from_secs(lasted), end)
    }

    #[test]
    fn z27_a_wait_is_told_with_what_is_left_of_it() {
        let told = |wait, left, lasted| told(wait, left, lasted, EndOfWait::Left);
        let listing = "the service lets a folder be listed once in 30 s: 21 s";
        assert_eq!(told(Wait::Listing, Some(21), 9).as_deref(), Some(listing));
        assert_eq!(told(Wait::Listing, Some(1), 0), None, "not worth a word");
        let unreachable = Wait::Repeat("the service could not be reached".to_owned());
        let text = "the service could not be reached; the next try is in 5 s";
        assert_eq!(told(unreachable, Some(5), 0).as_deref(), Some(text));
        let answer = "no answer from 1fichier for 12 s";
        assert_eq!(told(Wait::Answer, None, 12).as_deref(), Some(answer));
    }

    #[test]
    fn z108_a_wait_is_told_with_the_time_of_day_at_which_it_ends() {
        let told = |wait, left, lasted| told(wait, left, lasted, EndOfWait::TimeOfDay);
        let text = told(Wait::Listing, Some(21), 9).unwrap();
        assert!(
            text.starts_with("the service lets a folder be listed once in 30 s, until "),
            "{text}"
        );
        let text = told(Wait::Repeat("no way".to_owned()), Some(5), 0).unwrap();
        assert!(text.starts_with("no way; the next try is at "), "{text}");
        let answer = "no answer from 1fichier for 12 s";
        assert_eq!(told(Wait::Answer, None, 12).as_deref(), Some(answer));
    }
}
