//! A bar for transfers: on a terminal only, and on stderr, so that output stays output.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(200);

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
