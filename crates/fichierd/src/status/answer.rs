//! Is everything safe? One line and one of four verdicts, for monitors and for people in a hurry.
//!
//! The verdicts are those of Nagios and its kin: 0 good, 1 a warning, 2 critical, 3 not known.

use std::time::Duration;

use super::{DegradedStatus, MirrorStatus, Status};
use crate::base::words::{counted, duration};

/// How long a mirror may be incomplete while it works, where it has no `alarm_after`; after that it
/// is no longer called safe.
const INCOMPLETE_FOR: Duration = Duration::from_secs(24 * 3600);

/// The verdict; its number is the exit code of `fichierd status --exit-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything is safe, or on its way and was safe not long ago.
    Safe = 0,
    /// Something degrades, or a mirror is not complete.
    Degraded = 1,
    /// Something stops the work, needs a decision, or leaves data unsafe until somebody acts.
    Stopped = 2,
    /// Nobody looks, so nobody knows.
    Unknown = 3,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// One line, which begins with a word for it.
    pub text: String,
}

impl Answer {
    /// That nothing is known, and why.
    pub fn unknown(why: &str) -> Answer {
        Answer { verdict: Verdict::Unknown, text: format!("UNKNOWN: {why}") }
    }
}

impl Status {
    /// Whether everything is safe.
    pub fn answer(&self) -> Answer {
        let answer = |verdict, text| Answer { verdict, text };
        if let Some(worst) = self.degraded.iter().find(|it| is_critical(it)) {
            return answer(Verdict::Stopped, format!("STOPPED: {}", self.line_of(worst)));
        }
        if let Some(held) = self.mirrors.iter().find(|mirror| mirror.held.is_some()) {
            return answer(Verdict::Stopped, format!("HELD: {}: a decision is needed", held.name));
        }
        if self.mirrors.is_empty() {
            return Answer::unknown("no mirror is configured");
        }
        // Somebody who has set `alarm_after` runs `sync` by a timer, and is told when it is late.
        if !self.running && !self.mirrors.iter().all(|mirror| mirror.alarm_after_s.is_some()) {
            return Answer::unknown(&format!("the service does not run; {}", self.safe()));
        }
        if let Some(first) = self.degraded.first() {
            return answer(Verdict::Degraded, format!("DEGRADED: {}", self.line_of(first)));
        }
        if let Some(late) = self.mirrors.iter().find(|mirror| mirror.is_late()) {
            let text = format!("NOT COMPLETE: {}: {}", late.name, late.what);
            return answer(Verdict::Degraded, text);
        }
        answer(Verdict::Safe, format!("SAFE: {}", self.safe()))
    }

    /// `photos: files have problems (and 2 more)`.
    fn line_of(&self, state: &DegradedStatus) -> String {
        let mirror = state.mirror.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let more = match self.degraded.len() {
            0 | 1 => String::new(),
            many => format!(" (and {} more)", many - 1),
        };
        format!("{mirror}{}{more}", state.title)
    }

    /// `184,203 files, complete 2 min ago`, as of the mirror that was complete longest ago.
    fn safe(&self) -> String {
        let files: u64 = self.mirrors.iter().map(|mirror| mirror.files).sum();
        let pending: u64 = self.mirrors.iter().map(|mirror| mirror.pending_files).sum();
        let ages = self.mirrors.iter().map(|mirror| mirror.last_success_age_s);
        let complete =
            match ages.collect::<Option<Vec<_>>>().and_then(|ages| ages.into_iter().max()) {
                Some(age_s) => format!("complete {} ago", duration(Duration::from_secs(age_s))),
                None => "not complete yet".to_owned(),
            };
        let pending = match pending {
            0 => String::new(),
            pending => format!(", {} on the way", counted(pending, "file")),
        };
        format!("{}{pending}, {complete}", counted(files, "file"))
    }
}

impl MirrorStatus {
    /// Whether it is not complete, and has not been for so long that it is not called safe.
    fn is_late(&self) -> bool {
        let most_s = self.alarm_after_s.unwrap_or(INCOMPLETE_FOR.as_secs());
        !self.complete && self.last_success_age_s.is_none_or(|age_s| age_s >= most_s)
    }
}

fn is_critical(state: &DegradedStatus) -> bool {
    state.stops || state.kind.about().alarms
}

#[cfg(test)]
mod tests {
    use super::super::tests::{idle, now, proof, status};
    use super::*;
    use crate::daemon::health::{Facts, found};

    /// The answer while these states are found, in a status that was changed before.
    fn answer(change: impl FnOnce(&mut Status)) -> (Verdict, String) {
        let mut status = status(vec![MirrorStatus { complete: true, ..idle() }]);
        change(&mut status);
        let found = found(&status, &Facts::default(), now());
        status.set_degraded(found.iter().map(|found| found.entry(Some(-3_600), 9_000)).collect());
        let Answer { verdict, text } = status.answer();
        (verdict, text)
    }

    #[test]
    fn the_answer_is_one_line_and_safe_only_if_everything_is() {
        let safe = "SAFE: 184,203 files, complete 2 min ago".to_owned();
        assert_eq!(answer(|_| {}), (Verdict::Safe, safe.clone()));
        let on_the_way = |status: &mut Status| {
            let mirror = &mut status.mirrors[0];
            (mirror.complete, mirror.pending_files) = (false, 3);
        };
        let text = "SAFE: 184,203 files, 3 files on the way, complete 2 min ago".to_owned();
        assert_eq!(answer(on_the_way), (Verdict::Safe, text));
        for age_s in [None, Some(25 * 3600)] {
            let (verdict, text) = answer(|status| {
                let mirror = &mut status.mirrors[0];
                (mirror.complete, mirror.last_success_age_s) = (false, age_s);
            });
            assert_eq!(verdict, Verdict::Degraded, "{text}");
            assert!(text.starts_with("NOT COMPLETE: photos: "), "{text}");
        }
        let full = |status: &mut Status| status.mirrors[0].quota_warning = Some("95 %".to_owned());
        let nearly = "DEGRADED: the account is nearly full".to_owned();
        assert_eq!(answer(full), (Verdict::Degraded, nearly));
        assert_eq!(answer(|status| status.paused = true).0, Verdict::Stopped);
        let (verdict, _) =
            answer(|status| status.mirrors[0].proofs.drill = proof(false, 60, "bad"));
        assert_eq!(verdict, Verdict::Stopped, "data is not safe until somebody acts");
        assert_eq!(answer(|status| status.mirrors.clear()).0, Verdict::Unknown);

        let stopped = |status: &mut Status| status.running = false;
        let (verdict, text) = answer(stopped);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(text.starts_with("UNKNOWN: the service does not run; 184,203 files"), "{text}");
        let by_timer = |status: &mut Status| {
            stopped(status);
            status.mirrors[0].alarm_after_s = Some(26 * 3600);
        };
        assert_eq!(answer(by_timer), (Verdict::Safe, safe));
    }
}
