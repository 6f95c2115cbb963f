//! What moves while one waits, on stderr, so that output stays output. On a terminal only, except
//! [`Shown::lines`].

use std::future::Future;
use std::io::{self, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

/// Between two drawings of a bar.
const REDRAW: Duration = Duration::from_millis(200);
/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// A wait that is shorter needs no explanation.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far some work has come.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    pub(super) bytes_done: u64,
    pub(super) bytes: u64,
    /// What else there is to say; may be empty.
    pub(super) text: String,
}

/// What is on the terminal until it is dropped.
pub(super) struct Shown {
    bar: ProgressBar,
    mover: Option<AbortOnDropHandle<()>>,
}

impl Shown {
    /// A bar of bytes behind `title`, which may be empty, moved by what `read` tells.
    pub(super) fn bar(title: &str, read: impl Fn() -> SoFar + Send + 'static) -> Shown {
        let form = "{prefix}{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta} {msg}";
        let bar = styled(ProgressBar::new(0), form);
        if !title.is_empty() {
            bar.set_prefix(format!("{title}: "));
        }
        let moving = bar.clone();
        let mover = repeat(REDRAW, move || {
            let so_far = read();
            moving.set_length(so_far.bytes);
            moving.set_position(so_far.bytes_done.min(so_far.bytes));
            moving.set_message(so_far.text);
        });
        Shown { bar, mover: Some(mover) }
    }

    /// Something that turns beside a text.
    pub(super) fn spinner(text: String) -> Shown {
        let bar = styled(ProgressBar::new_spinner(), "  {spinner} {wide_msg}");
        bar.set_message(text);
        bar.enable_steady_tick(REDRAW);
        Shown { bar, mover: None }
    }

    /// A line now and then, for where there is no terminal.
    pub(super) fn lines(line: impl Fn() -> String + Send + 'static) -> Shown {
        let mover = repeat(LINE_EVERY, move || {
            // Nobody may be reading.
            let _told = writeln!(io::stderr(), "{}", line());
        });
        Shown { bar: ProgressBar::hidden(), mover: Some(mover) }
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
    }
}

fn styled(bar: ProgressBar, form: &str) -> ProgressBar {
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn repeat(every: Duration, act: impl Fn() + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            act();
        }
    }))
}

/// Waits for a listing and, when that takes long, says why: one folder may be listed every 30
/// seconds only (docs/api-notes.md, A.5).
pub(super) async fn explain_wait<T>(listing: impl Future<Output = T>) -> T {
    tokio::pin!(listing);
    if let Ok(result) = tokio::time::timeout(PATIENCE, &mut listing).await {
        return result;
    }
    let _shown =
        Shown::spinner("waiting: 1fichier lets a folder be listed once in 30 s".to_owned());
    listing.await
}
