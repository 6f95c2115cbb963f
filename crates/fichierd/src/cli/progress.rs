//! What moves while one waits, on stderr, so that output stays output.
//!
//! On a terminal it is one line that is drawn anew. Elsewhere, as in a log or in cron's mail, a wait
//! is told once it has lasted for [`FIRST_AFTER`], and all that lasts each [`LINE_EVERY`]. What is
//! shown is true: there is no bar while nothing is known to be done, no time left without a rate,
//! and a person who waits is told for what.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fichier_api::Pacer;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::base::words::{bytes, duration};
use crate::daemon::health::{EndOfWait, PATIENCE, wait_text};

/// Between two drawings on a terminal.
const REDRAW: Duration = Duration::from_millis(200);
/// Until the first plain line, if it is about a wait.
const FIRST_AFTER: Duration = Duration::from_secs(4);
/// Until the first plain line about work that moves, and between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// The rate is that of this time before now.
const RATE_OVER: Duration = Duration::from_secs(15);

const WITH_BAR: &str = "{prefix}{bytes}/{total_bytes} {wide_bar} {msg}";
const WITHOUT_BAR: &str = "{prefix}{spinner} {wide_msg}";

/// How far some work has come.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    pub(super) bytes_done: u64,
    /// Zero while it is not known.
    pub(super) bytes: u64,
    /// What else there is to say; may be empty.
    pub(super) text: String,
    /// Whether the work waits, as the text says.
    pub(super) waits: bool,
}

/// What is shown until it is dropped. Of several only the newest is.
pub(super) struct Shown {
    id: u64,
    bar: ProgressBar,
    mover: Option<AbortOnDropHandle<()>>,
}

impl Shown {
    /// A bar of bytes behind `title`, which may be empty, moved by what `read` tells. With a
    /// `pacer` it also tells what is waited for.
    pub(super) fn bar(
        title: &str,
        pacer: Option<&Pacer>,
        read: impl Fn() -> SoFar + Send + 'static,
    ) -> Shown {
        let (pacer, mut rate) = (pacer.cloned(), Rate::default());
        let look = move || {
            let so_far = read();
            let now = Instant::now();
            rate.note(now, so_far.bytes_done);
            let waiting = pacer.as_ref().and_then(Pacer::waiting);
            let wait = waiting.and_then(|it| wait_text(&it, now, EndOfWait::Left));
            // While bytes flow, nobody waits.
            let wait = wait.filter(|_| rate.last_s(now).is_none_or(|s| s >= PATIENCE));
            View {
                text: rate.text(&so_far, wait.as_deref()),
                waits: wait.is_some() || so_far.waits,
                so_far,
            }
        };
        Shown::moved(title, look)
    }

    /// What is waited for, else what `doing` tells, once it has taken a while.
    pub(super) fn waits(pacer: &Pacer, doing: impl Fn() -> String + Send + 'static) -> Shown {
        let pacer = pacer.clone();
        let look = move || {
            let wait =
                pacer.waiting().and_then(|it| wait_text(&it, Instant::now(), EndOfWait::Left));
            let text = wait.unwrap_or_else(&doing);
            View { text, waits: true, so_far: SoFar::default() }
        };
        Shown::moved("", look)
    }

    /// What the running service tells of its work, and whether that waits for something.
    pub(super) fn of_service(read: impl Fn() -> Option<(String, bool)> + Send + 'static) -> Shown {
        let look = move || {
            let (text, waits) = read().unwrap_or_else(|| ("waiting for the service".into(), false));
            View { text, waits, so_far: SoFar::default() }
        };
        Shown::moved("", look)
    }

    /// Something that turns beside a text.
    pub(super) fn spinner(text: String) -> Shown {
        let bar = styled(ProgressBar::new_spinner(), "  {spinner} {wide_msg}");
        bar.set_message(text);
        bar.enable_steady_tick(REDRAW);
        Shown { id: on_top(), bar, mover: None }
    }

    fn moved(title: &str, mut look: impl FnMut() -> View + Send + 'static) -> Shown {
        let id = on_top();
        let bar = styled(ProgressBar::new(0), WITHOUT_BAR);
        if !title.is_empty() {
            bar.set_prefix(format!("{title}: "));
        }
        let (moving, title, began) = (bar.clone(), title.to_owned(), Instant::now());
        let (mut last_line, mut is_drawn) = (None, false);
        let mover = repeat(REDRAW, move || {
            let view = look();
            if !is_on_top(id) {
                if std::mem::take(&mut is_drawn) {
                    moving.finish_and_clear();
                }
            } else if moving.is_hidden() {
                if is_time_for_a_line(began, last_line, view.waits) {
                    last_line = Some(Instant::now());
                    let title = if title.is_empty() { "" } else { &format!("{title}: ") };
                    tell(&format!("{title}{}", view.line()));
                }
            } else if began.elapsed() >= PATIENCE || view.so_far.bytes > 0 {
                if !std::mem::replace(&mut is_drawn, true) {
                    moving.reset();
                }
                view.draw(&moving);
            }
        });
        Shown { id, bar, mover: Some(mover) }
    }

    /// Shows another text, as the demonstration does.
    #[cfg(feature = "emulator")]
    pub(super) fn say(&self, text: String) {
        self.bar.set_message(text);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(mover) = &self.mover {
            mover.abort();
        }
        self.bar.finish_and_clear();
        stack(|all| all.retain(|id| *id != self.id));
    }
}

/// Whether a plain line is due, where no terminal is.
fn is_time_for_a_line(began: Instant, last: Option<Instant>, waits: bool) -> bool {
    match last {
        None if waits => began.elapsed() >= FIRST_AFTER,
        last => last.unwrap_or(began).elapsed() >= LINE_EVERY,
    }
}

/// One look at the work.
struct View {
    text: String,
    waits: bool,
    so_far: SoFar,
}

impl View {
    fn draw(&self, bar: &ProgressBar) {
        let form = if self.so_far.bytes > 0 { WITH_BAR } else { WITHOUT_BAR };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar.set_length(self.so_far.bytes);
        bar.set_position(self.so_far.bytes_done.min(self.so_far.bytes));
        bar.set_message(self.text.clone());
        bar.tick();
    }

    fn line(&self) -> String {
        let SoFar { bytes_done, bytes: all, .. } = self.so_far;
        match all {
            0 => self.text.clone(),
            all => format!("{} of {}, {}", bytes(bytes_done.min(all)), bytes(all), self.text),
        }
    }
}

/// How fast bytes have moved of late.
#[derive(Debug, Default)]
struct Rate {
    seen: VecDeque<(Instant, u64)>,
    moved_at: Option<Instant>,
}

impl Rate {
    fn note(&mut self, now: Instant, done: u64) {
        let before = self.seen.back().map(|(_, done)| *done);
        if before.is_some_and(|before| done < before) {
            // The counters have begun anew.
            *self = Rate::default();
        }
        if before.is_some_and(|before| done > before) {
            self.moved_at = Some(now);
        }
        self.seen.push_back((now, done));
        while self.seen.front().is_some_and(|(at, _)| now - *at > RATE_OVER) {
            self.seen.pop_front();
        }
    }

    /// How long ago a byte moved; `None` if none ever did.
    fn last_s(&self, now: Instant) -> Option<Duration> {
        Some(now - self.moved_at?)
    }

    /// Bytes a second; `None` if none have moved.
    fn per_second(&self) -> Option<u64> {
        let ((first, from), (last, to)) = (self.seen.front()?, self.seen.back()?);
        let (bytes, took) = (to.checked_sub(*from)?, last.duration_since(*first));
        let millis = u64::try_from(took.as_millis()).ok().filter(|millis| *millis > 0)?;
        Some(bytes.saturating_mul(1000) / millis).filter(|rate| *rate > 0)
    }

    fn text(&self, so_far: &SoFar, wait: Option<&str>) -> String {
        let left = so_far.bytes.saturating_sub(so_far.bytes_done);
        let speed = match (wait, self.per_second()) {
            (Some(wait), _) => wait.to_owned(),
            (None, Some(rate)) if left > 0 => {
                let left = duration(Duration::from_secs(left / rate));
                format!("{}/s, {left} left", bytes(rate))
            }
            (None, _) => String::new(),
        };
        // Before there is a number of bytes, the text is what is done, which waits.
        let text = if wait.is_some() && so_far.bytes == 0 { "" } else { so_far.text.as_str() };
        let parts = [text, &speed];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { "working".to_owned() } else { parts.join(", ") }
    }
}

/// The ids of what is shown, the newest last.
static SHOWN: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

fn stack<T>(look: impl FnOnce(&mut Vec<u64>) -> T) -> T {
    look(&mut SHOWN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn on_top() -> u64 {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    stack(|all| all.push(id));
    id
}

fn is_on_top(id: u64) -> bool {
    stack(|all| all.last() == Some(&id))
}

fn tell(line: &str) {
    // Nobody may be reading.
    let _told = writeln!(io::stderr(), "{line}");
}

fn styled(bar: ProgressBar, form: &str) -> ProgressBar {
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn repeat(every: Duration, mut act: impl FnMut() + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            act();
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so_far(bytes_done: u64, bytes: u64) -> SoFar {
        SoFar { bytes_done, bytes, ..SoFar::default() }
    }

    #[test]
    fn z27_there_is_no_time_left_without_a_rate() {
        let (mut rate, began) = (Rate::default(), Instant::now());
        rate.note(began, 0);
        assert_eq!(rate.text(&so_far(0, 100 << 20), None), "working");
        rate.note(began + Duration::from_secs(5), 0);
        assert_eq!(rate.text(&so_far(0, 100 << 20), None), "working");
        rate.note(began + Duration::from_secs(10), 10 << 20);
        assert_eq!(rate.text(&so_far(10 << 20, 100 << 20), None), "1.00 MiB/s, 1 min left");
        assert_eq!(rate.text(&so_far(10 << 20, 10 << 20), None), "working");
        // It stands still for longer than the rate is looked at.
        rate.note(began + Duration::from_secs(40), 10 << 20);
        assert_eq!(rate.text(&so_far(10 << 20, 100 << 20), Some("why")), "why");
        assert_eq!(rate.per_second(), None);
    }

    #[test]
    fn z27_counters_that_begin_anew_make_no_rate_of_their_own() {
        let (mut rate, began) = (Rate::default(), Instant::now());
        rate.note(began, 5 << 20);
        rate.note(began + Duration::from_secs(1), 6 << 20);
        rate.note(began + Duration::from_secs(2), 0);
        assert_eq!((rate.per_second(), rate.last_s(began)), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn z110_without_a_terminal_a_wait_is_told_soon_and_then_twice_a_minute() {
        let began = Instant::now();
        let mut told = Vec::new();
        let mut last = None;
        for second in 1..70 {
            tokio::time::advance(Duration::from_secs(1)).await;
            if is_time_for_a_line(began, last, true) {
                told.push(second);
                last = Some(Instant::now());
            }
        }
        assert_eq!(told, [4, 34, 64]);
        assert!(!is_time_for_a_line(Instant::now() - Duration::from_secs(29), None, false));
        assert!(is_time_for_a_line(Instant::now() - Duration::from_secs(30), None, false));
    }

    #[test]
    fn z27_what_has_no_size_has_no_bar() {
        let view = View { text: "working".to_owned(), waits: false, so_far: so_far(0, 0) };
        assert_eq!(view.line(), "working");
        let view = View { so_far: so_far(5 << 20, 10 << 20), ..view };
        assert_eq!(view.line(), "5.00 MiB of 10.0 MiB, working");
    }
}
