//! `fichierd check`: is this configuration right, and is this machine ready for it?
//!
//! The command reads and changes nothing. With `--online` ([`online`]) it also asks the service,
//! and makes the state folder for the pacer's memory; with `--probe` ([`probe`]) it finds out how
//! the service behaves. An error would keep the service from starting (exit code 78), or the
//! account from being used. With a warning the service works: a disk that is not mounted yet, a
//! limit that is low. Each bad finding has a remedy: the command to run, or what else to do.

mod encryption;
mod machine;
mod online;
mod probe;
mod sources;
mod unit;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Args;
use fichier_state::Store;
use serde::Serialize;

use super::{interruptible, output};
use crate::base::Exit;
use crate::base::words::paragraph;
use crate::config::Config;
use crate::daemon::control::{Identity, foreign};
use crate::remote::Habits;

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Check this file instead of the installed configuration
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Also try the way to 1fichier, the key, the clock and the account; send a tiny file, and get
    /// it back
    #[arg(long)]
    online: bool,
    /// Also find out how 1fichier behaves where its documentation is silent: about 70 calls in a
    /// folder that is removed again, some minutes
    #[arg(long)]
    probe: bool,
    /// Print the systemd unit of this version, and check nothing
    #[arg(long)]
    pub(super) unit: bool,
    /// As JSON, schema `fichierd.check/1`; with --probe what the probe found, and nothing else
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: CheckArgs, config: &Config) -> anyhow::Result<Exit> {
    let mut told = Told { json: args.json, findings: Vec::new() };
    for finding in findings(config, &Host::this()) {
        told.tell(finding)?;
    }
    for other in foreign(config).await.iter().filter(|it| it.pace_file != config.pace.file) {
        told.tell(own_pace(other))?;
    }
    if let Some(known) = known_habits(config).filter(|_| !args.probe) {
        told.tell(known)?;
    }
    let mut exit = if told.has_error() { Exit::Config } else { Exit::Done };
    if args.online && exit == Exit::Done {
        exit = interruptible(online::run(config, &mut told)).await?;
    }
    if args.probe && exit == Exit::Done {
        return interruptible(probe::run(config, args.json)).await;
    }
    if told.json {
        output::json(&Document { schema: SCHEMA, exit: exit.code(), findings: &told.findings })?;
    }
    Ok(exit)
}

/// Prints the unit of this version.
pub(crate) fn print_unit() -> anyhow::Result<Exit> {
    output::line(unit::SHIPPED.trim_end())?;
    Ok(Exit::Done)
}

/// A second service keeps a pace of its own.
fn own_pace(other: &Identity) -> Finding {
    let config = other.config.display();
    Finding::warning(
        "pace",
        format!(
            "the service of {config} keeps a pace of its own; 1fichier counts the calls of both"
        ),
        "if both use one account, name the same `file` in `[pace]` of both configurations",
    )
}

/// How many answers about 1fichier's behaviour are on record; `None` without a state file.
fn known_habits(config: &Config) -> Option<Finding> {
    let store = Store::open_read_only(&config.state_dir).ok()?;
    let rows = Habits::read(&store).ok()?.rows();
    let known = rows.iter().filter(|(_, answer)| answer.is_some()).count();
    Some(Finding::good(
        "traits",
        match known {
            0 => "how 1fichier behaves where its documentation is silent is not known; cautious \
                 assumptions are used; find out with: fichierd check --probe"
                .to_owned(),
            known => format!("how 1fichier behaves: {known} of {} answers are known", rows.len()),
        },
    ))
}

const SCHEMA: &str = "fichierd.check/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    exit: u8,
    findings: &'a [Finding],
}

/// The findings so far; each one is printed for people as soon as it is known.
struct Told {
    json: bool,
    findings: Vec<Finding>,
}

impl Told {
    fn tell(&mut self, finding: Finding) -> anyhow::Result<()> {
        if !self.json {
            output::line(&finding.text())?;
        }
        self.findings.push(finding);
        Ok(())
    }

    fn has_error(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Error)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Ok,
    Warning,
    Error,
}

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// The subject of the test, as a word for scripts.
    about: &'static str,
    what: String,
    /// The command that solves the problem, or what else to do; `None` if the finding is good.
    #[serde(rename = "mend")]
    remedy: Option<String>,
}

impl Finding {
    fn good(about: &'static str, what: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, about, what: what.into(), remedy: None }
    }

    fn warning(about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let (what, remedy) = (what.into(), Some(remedy.into()));
        Finding { level: Level::Warning, about, what, remedy }
    }

    fn error(about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Error, ..Finding::warning(about, what, remedy) }
    }

    fn text(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        // The labels take nine columns; continued lines begin two further in.
        let labelled = |label, text: &str| paragraph(text, &format!("{label:9}"), &" ".repeat(11));
        let mut text = labelled(level, &self.what);
        if let Some(remedy) = &self.remedy {
            text.push('\n');
            text += &labelled("", &format!("what to do: {remedy}"));
        }
        text
    }
}

/// The parts of the machine that tests replace.
struct Host {
    /// The folder in which the kernel shows the limits of inotify.
    inotify: PathBuf,
    /// The folders in which units are installed.
    units: Vec<PathBuf>,
    /// Whether the account that runs this is root, who may read everything.
    is_root: bool,
}

impl Host {
    fn this() -> Host {
        let units = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
        Host {
            inotify: "/proc/sys/fs/inotify".into(),
            units: units.map(PathBuf::from).into(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }
}

fn findings(config: &Config, host: &Host) -> Vec<Finding> {
    let mut findings = vec![machine::configuration(config), machine::key(config)];
    findings.extend(config.account.ca_file.as_deref().map(machine::ca_file));
    findings.push(machine::state_dir(&config.state_dir));
    findings.extend(machine::room(&config.state_dir));
    let unit = unit::Unit::installed(&host.units);
    let reader = sources::Reader::of_service(config, unit.as_ref(), host.is_root);
    let mut folders = 0;
    for mirror in &config.mirrors {
        let (found, crypt) = encryption::look(config, mirror);
        findings.extend(found);
        let (found, there) = sources::look(config, mirror, reader.as_ref(), crypt.as_ref());
        findings.extend(found);
        folders += there;
    }
    findings.push(machine::watches(&host.inotify, folders, config.mirrors.len() as u64));
    findings.extend(unit.map(|unit| unit.finding()));
    findings
}
