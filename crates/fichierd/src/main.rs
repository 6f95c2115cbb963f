//! The program `fichierd`: service and command line.

use std::io;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use fichierd::cli::crash::end_process_on_panic;
use fichierd::cli::{Cli, complain, exit_of};
use tokio::runtime::{Builder, Runtime};

/// Threads that run tasks, at most; a few of them are faster than any line. Further tasks wait for
/// their turn.
const WORKERS: usize = 4;
/// Threads that wait for disks at the same time, at most; a further wait is queued. Each mirror on
/// a mount that hangs occupies one, and the others go on. Together with the threads that watch and
/// read they stay below the `TasksMax` of the unit.
const WAIT_FOR_DISKS: usize = 256;
/// How long an idle thread is kept: practically for ever. A system at its limit of threads would
/// refuse a new one, and without threads the work would have to end (O01).
const KEEP_THREADS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn main() -> ExitCode {
    end_process_on_panic();
    fichier_state::failpoint::arm();
    // This ends the process with exit code 2 when the command line makes no sense.
    let cli = Cli::parse();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = anyhow::Error::from(error).context("cannot start any thread");
            complain(&error);
            return exit_of(&error).into();
        }
    };
    let exit = runtime.block_on(cli.run()).unwrap_or_else(|error| {
        complain(&error);
        exit_of(&error)
    });
    // Threads that still read a file or resolve a name are not worth waiting for.
    runtime.shutdown_background();
    exit.into()
}

/// Makes the runtime. Its number of threads is bounded, so that a machine of a hundred processors
/// gets hardly more of them than a small one.
fn runtime() -> io::Result<Runtime> {
    let processors = available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(processors.min(WORKERS))
        .max_blocking_threads(WAIT_FOR_DISKS)
        .thread_keep_alive(KEEP_THREADS)
        .enable_all()
        .build()
}
