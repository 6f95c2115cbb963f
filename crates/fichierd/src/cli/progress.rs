//! What `sync` shows on a terminal while it works; elsewhere it prints lines only.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use crate::mirror::MirrorWorker;

/// A bar, and the task that moves it.
pub(super) struct Shown {
    bar: ProgressBar,
    mover: JoinHandle<()>,
}

/// Shows bytes sent of bytes planned, until [`Shown::finish`].
pub(super) fn show(worker: &MirrorWorker) -> Shown {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template = "{prefix}: {bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(worker.config.name.clone());
    let (sent, planned) = (Arc::clone(&worker.sent_bytes), Arc::clone(&worker.planned_bytes));
    let before = sent.load(Ordering::Relaxed);
    let moving = bar.clone();
    let mover = tokio::spawn(async move {
        loop {
            moving.set_length(planned.load(Ordering::Relaxed));
            moving.set_position(sent.load(Ordering::Relaxed).saturating_sub(before));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    Shown { bar, mover }
}

impl Shown {
    pub(super) fn finish(self) {
        self.mover.abort();
        self.bar.finish_and_clear();
    }
}
