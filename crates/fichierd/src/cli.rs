//! The command line: what can be typed, and what comes back.
//!
//! Each command has a file. If the service runs, a command that changes something hands itself over
//! to it ([`service`]); if it does not run, the command takes its lock ([`beside`]). The answer
//! goes to stdout, where a script can read it, everything else to stderr; the exit code is an
//! [`Exit`].
//!
//! The configuration is read once, in [`Cli::run`], and handed to the command.
//!
//! [`demo`] and [`emulator`] are behind the feature `emulator`, so that a package can do without.
//!
//! No option takes the API key, since every user of the machine can read a command line.
//!
//! Only `main.rs` uses this folder, which uses all others. Text for people is made here and in
//! `status`.

pub mod crash;
pub mod log;

mod approve;
mod beside;
mod check;
mod completions;
#[cfg(feature = "emulator")]
mod demo;
mod diff;
mod drill;
mod dry_run;
#[cfg(feature = "emulator")]
mod emulator;
mod failure;
mod history;
mod keep;
mod ls;
mod man;
mod notify;
mod output;
mod password;
mod past;
mod pause;
mod progress;
mod prune;
mod recover;
mod recovery_sheet;
mod reject;
mod remote;
mod restore;
mod resume;
mod run;
mod service;
mod status;
mod sync;
mod verify;
mod versions;
mod why;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

pub use self::failure::{complain, exit_of};
use crate::base::Exit;
use crate::cli::log::{LogFormat, LogLevel};
use crate::config::{Config, ConfigError};

/// Keeps folders of a 1fichier account equal to local folders: a backup to trust.
#[derive(Debug, Parser)]
#[command(name = "fichierd", version)]
#[command(max_term_width = 80)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 some files have problems, \
    4 held, 69 unavailable, 75 try later, 77 refused, 78 configuration, 130 interrupted.")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The options of every command.
#[derive(Args, Debug)]
struct Global {
    /// Read this configuration [default: that of the user, else /etc/fichierd/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    config: Option<PathBuf>,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, global = true, value_enum, default_value = "info", value_name = "LEVEL")]
    #[arg(help_heading = "Global options", hide_possible_values = true)]
    log_level: LogLevel,
    /// Log as text or json [default: the journal under systemd, else text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    #[arg(help_heading = "Global options")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Configured(Configured),
    /// Watch the service at work for half a minute, without an account
    #[cfg(feature = "emulator")]
    Demo(demo::DemoArgs),
    /// Run an imitation of 1fichier on this machine, to try things out
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorArgs),
    /// Print the completions for a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write all of them to a folder
    Man(man::ManArgs),
}

/// The commands that work with a configuration.
#[derive(Debug, Subcommand)]
enum Configured {
    /// Run the service: watch and mirror, until told to stop
    Run,
    /// Compare and send now, and wait until it is done
    Sync(sync::SyncArgs),
    /// Say whether everything is safe, and what needs a decision
    Status(status::StatusArgs),
    /// Begin nothing new until `resume`
    Pause,
    /// Go on after `pause`
    Resume,
    /// Check the configuration, the key file and this machine
    Check(check::CheckArgs),
    /// Let what is held in a mirror happen, such as many removals
    Approve(approve::ApproveArgs),
    /// Refuse the held removals of a mirror
    Reject(reject::RejectArgs),
    /// Say why a path is, or is not, on the service
    Why(why::WhyArgs),
    /// List what a mirror held, now or at an earlier time
    Ls(ls::LsArgs),
    /// List what a path has been over time
    Versions(versions::VersionsArgs),
    /// Put a mirror back on a disk, as it is or as it was
    Restore(restore::RestoreArgs),
    /// Download some files, or all, and compare them with the records
    Verify(verify::VerifyArgs),
    /// Restore a random sample for a test, and compare it
    Drill(drill::DrillArgs),
    /// Rebuild the records on a new machine, from the key and the target
    Recover(recover::RecoverArgs),
    /// Print the few lines to keep on paper
    RecoverySheet(recovery_sheet::SheetArgs),
    /// Compare what a mirror held at two times
    Diff(diff::DiffArgs),
    /// List what the last cycles of a mirror did
    History(history::HistoryArgs),
    /// Remove remote files that are now excluded
    Prune(prune::PruneArgs),
    /// Try whether alerts reach those who are told
    Notify(notify::NotifyArgs),
    /// Look at the account, and work in it by hand
    Remote(remote::RemoteArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// The error that stopped the command; [`exit_of`] tells its exit code, and [`complain`] tells
    /// the user.
    pub async fn run(self) -> anyhow::Result<Exit> {
        log::start(self.log_level(), self.global.log_format)?;
        match self.command {
            Command::Configured(Configured::Check(args)) if args.unit => check::print_unit(),
            Command::Configured(command) => {
                let config = command.config(self.global.config.as_deref())?;
                command.run(config).await
            }
            #[cfg(feature = "emulator")]
            Command::Emulator(args) => emulator::run(args).await,
            #[cfg(feature = "emulator")]
            Command::Demo(args) => demo::run(args).await,
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}

impl Configured {
    /// Reads the configuration: `named` if it is given, or else the installed one.
    fn config(&self, named: Option<&Path>) -> Result<Config, ConfigError> {
        if let Configured::Check(args) = self {
            return Config::load(args.file.as_deref().or(named));
        }
        // On a new machine there is nothing yet but the key.
        if matches!(self, Configured::Restore(_) | Configured::Recover(_)) {
            return Config::load_or_default(named);
        }
        Config::load(named)
    }

    async fn run(self, config: Config) -> anyhow::Result<Exit> {
        match self {
            Configured::Run => run::run(config).await,
            Configured::Check(args) => check::run(args, &config).await,
            Configured::Ls(args) => ls::run(&args, &config),
            Configured::Versions(args) => versions::run(&args, &config),
            Configured::Diff(args) => diff::run(&args, &config),
            Configured::History(args) => history::run(&args, &config),
            Configured::Sync(args) => {
                interruptible(sync::run(args, &config)).await.inspect(sync::tell_interrupted)
            }
            Configured::Status(args) => interruptible(status::run(args, &config)).await,
            Configured::Pause => interruptible(pause::run(&config)).await,
            Configured::Resume => interruptible(resume::run(&config)).await,
            Configured::Approve(args) => interruptible(approve::run(args, &config)).await,
            Configured::Reject(args) => interruptible(reject::run(args, &config)).await,
            Configured::Why(args) => interruptible(why::run(args, &config)).await,
            Configured::Drill(args) => interruptible(drill::run(args, &config)).await,
            Configured::Restore(args) => interruptible(restore::run(args, &config)).await,
            Configured::Verify(args) => interruptible(verify::run(args, &config)).await,
            Configured::RecoverySheet(args) => {
                interruptible(recovery_sheet::run(args, &config)).await
            }
            Configured::Recover(args) => interruptible(recover::run(args, &config)).await,
            Configured::Prune(args) => interruptible(prune::run(args, &config)).await,
            Configured::Notify(args) => interruptible(notify::run(args, &config)).await,
            Configured::Remote(args) => interruptible(remote::run(args, &config)).await,
        }
    }
}

impl Cli {
    /// The level of the log. The demonstration logs less, since it shows the cycles itself.
    fn log_level(&self) -> LogLevel {
        match (&self.command, self.global.log_level) {
            #[cfg(feature = "emulator")]
            (Command::Demo(_), LogLevel::Info) => LogLevel::Warn,
            (_, level) => level,
        }
    }
}

/// Runs a command until Ctrl-C. The work that it has begun is then dropped, which removes its
/// temporary files.
async fn interruptible(
    command: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    tokio::select! {
        exit = command => exit,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}
