//! What moves while one waits: on a terminal only, and on stderr, so that output stays output.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(200);
/// Waits that are shorter need no explanation.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for `work` and draws how far `so_far` has come of `total` bytes.
pub(super) async fn watch<T>(
    total: u64,
    so_far: Arc<AtomicU64>,
    work: impl Future<Output = T>,
) -> T {
    let bar = ProgressBar::new(total);
    let form = "{bar:24} {binary_bytes:>10} of {binary_total_bytes} {binary_bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    let mut clock = tokio::time::interval(REDRAW);
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => {
                bar.finish_and_clear();
                return result;
            }
            _ = clock.tick() => bar.set_position(so_far.load(Ordering::Relaxed).min(total)),
        }
    }
}

/// Waits for a listing and, when that takes long, says why: one folder may be listed every 30
/// seconds only (docs/api-notes.md, A.5).
pub(super) async fn explain_wait<T>(listing: impl Future<Output = T>) -> T {
    tokio::pin!(listing);
    if let Ok(result) = tokio::time::timeout(PATIENCE, &mut listing).await {
        return result;
    }
    let bar = ProgressBar::new_spinner();
    bar.set_message("waiting: 1fichier lets a folder be listed once in 30 s");
    bar.enable_steady_tick(REDRAW);
    let result = listing.await;
    bar.finish_and_clear();
    result
}
