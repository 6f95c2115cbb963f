//! The program `fichierd`: service and command line.

use std::process::ExitCode;

use clap::Parser;
use fichierd::cli::{Cli, complain, exit_of};
use fichierd::crash::end_process_on_panic;

fn main() -> ExitCode {
    end_process_on_panic();
    fichier_state::failpoint::arm();
    // Ends with 2 when the command line makes no sense.
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
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
