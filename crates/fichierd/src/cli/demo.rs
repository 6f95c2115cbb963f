//! `fichierd demo`: see the program at work, without an account.

mod album;
mod paint;
mod play;
mod readback;
mod scenario;
mod stage;
mod waiting;

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::play::Demo;
use crate::base::Exit;

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Play in this folder, which is empty or missing, and leave everything in it
    #[arg(long, conflicts_with = "discard")]
    dir: Option<PathBuf>,
    /// Remove everything in the end, instead of leaving it to be looked at
    #[arg(long)]
    discard: bool,
    /// How many files there are in the beginning
    #[arg(long, value_name = "N", default_value_t = 320, hide = true)]
    files: usize,
}

/// Ends with [`Exit::Failed`] if anything differs or a limit of the service was broken.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<Exit> {
    let DemoArgs { dir, discard, files } = args;
    let demo = Demo { dir, discard, files };
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        // First, since the service in it hears the signals as well.
        biased;
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        _ = terminated.recv() => Ok(Exit::Interrupted),
        equal = demo.play() => Ok(if equal? { Exit::Done } else { Exit::Failed }),
    }
}
