//! `fichierd recover`: rebuilds the records of a mirror on a machine that has nothing but the key.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use fichier_state::Mirror;

use super::failure::ended;
use super::output::{harmless, line};
use super::password;
use crate::base::words::{bytes, chain, count, counted, duration};
use crate::base::{Exit, when};
use crate::config::Config;
use crate::config::connect::connect;
use crate::restore::recovery::{Sample, plain_target, recover};
use crate::restore::{Order, RecoverError, Recovered, Source, Step, Walked};

/// The time that one listing takes at least (docs/api-notes.md, A.5), for the estimate.
const LISTING_TAKES: Duration = Duration::from_secs(3);

#[derive(Args, Debug)]
pub(crate) struct RecoverArgs {
    /// The folder in the account that holds the mirror
    #[arg(long, value_name = "PATH")]
    target: String,
    /// Move the records that are here already aside, those of all mirrors
    #[arg(long)]
    replace: bool,
    /// Use no snapshot; list the remote folders, which also shows newer files
    #[arg(long)]
    walk: bool,
    /// The name of the mirror if no snapshot tells it [default: after the target]
    #[arg(long)]
    name: Option<String>,
    /// A file with the password of an encrypted mirror [default: as configured, else asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with its salt, which rclone calls password2
    #[arg(long, value_name = "FILE", requires = "password_file")]
    salt_file: Option<PathBuf>,
}

pub(crate) async fn run(args: RecoverArgs, config: &Config) -> anyhow::Result<Exit> {
    let Some(target) = plain_target(&args.target) else {
        let message = "--target is the path of a folder in the account: /backup/photos";
        return Err(ended(Exit::Usage, message));
    };
    let configured = config.mirrors.iter().find(|mirror| mirror.target == target);
    let order = Order {
        target,
        state_dir: config.state_dir.clone(),
        replace: args.replace,
        walk: args.walk,
        name: args.name.or_else(|| configured.map(|mirror| mirror.name.clone())),
        source: configured.map(|mirror| mirror.source.clone()),
        finds_scheme: configured.is_none_or(|mirror| mirror.encrypt.is_none()),
        form: password::form(configured, args.password_file, args.salt_file)?,
    };
    let (client, pacer) = connect(config)?;
    let mut shown = Shown { began: Instant::now(), said: None, scale: pacer.time_scale() };
    let mut outcome = recover(&client, &order, &mut |step| shown.step(&step)).await;
    if let Err(RecoverError::Encrypted(_)) = &outcome
        && let Some(form) = password::ask(&order.target)?
    {
        let order = Order { form, finds_scheme: true, ..order };
        outcome = recover(&client, &order, &mut |step| shown.step(&step)).await;
    }
    let recovered = outcome.map_err(explain)?;
    say(&recovered, args.walk, config)?;
    let is_whole =
        recovered.unusable.is_empty() && matches!(recovered.from, Source::Snapshot { .. });
    Ok(if is_whole { Exit::Done } else { Exit::Problems })
}

fn explain(error: RecoverError) -> anyhow::Error {
    match error {
        RecoverError::Known { .. } => ended(Exit::Held, error.to_string()),
        RecoverError::Newer { .. }
        | RecoverError::Encrypted(_)
        | RecoverError::OtherPassword(_)
        | RecoverError::OtherForm(_) => ended(Exit::Config, error.to_string()),
        RecoverError::Unclear(_) => ended(Exit::TryLater, error.to_string()),
        RecoverError::NoTarget(_) | RecoverError::NoRandom(_) | RecoverError::Io { .. } => {
            ended(Exit::Failed, chain(&error))
        }
        RecoverError::Api(error) => error.into(),
        RecoverError::State(error) => error.into(),
    }
}

fn say(recovered: &Recovered, walk: bool, config: &Config) -> anyhow::Result<()> {
    let mirror = &recovered.mirror;
    if let Some(aside) = &recovered.aside {
        line(&format!("the state file that was here is now {}", aside.display()))?;
    }
    for (name, why) in &recovered.unusable {
        line(&format!("not usable: {}: {}", harmless(name), harmless(why)))?;
    }
    match &recovered.from {
        Source::Snapshot { name, made_s, program } => {
            line(&format!(
                "recovered `{}` from {} of {}, made by fichierd {}",
                mirror.name,
                harmless(name),
                when::told(*made_s),
                harmless(program)
            ))?;
            line(
                "files that were sent after that are at 1fichier, but not in these records; a \
                 recovery with --walk, into another state_dir, finds them",
            )?;
        }
        Source::Walk(walked) => say_walked(mirror, walked, walk)?,
    }
    if let Some(sample) = &recovered.sample {
        line(&sampled(sample))?;
    }
    if let Some(config) = &recovered.config {
        line(&format!("the configuration of that time: {}", config.display()))?;
    }
    line(&format!("to put its files back:  fichierd restore {} DEST", mirror.name))?;
    let place = config.path.display();
    // Without records, each encrypted file costs a call to be known again.
    let is_dear = mirror.form.is_some() && matches!(recovered.from, Source::Walk(_));
    let unless = if is_dear { " unless that takes less time" } else { "" };
    line(&format!(
        "to go on mirroring {}:  put the configuration at {place} and start the service; files that \
         are on the disk already are compared, not sent{unless}; none is removed without your \
         approval",
        harmless(&mirror.source.display().to_string())
    ))
}

fn say_walked(mirror: &Mirror, walked: &Walked, is_asked_for: bool) -> anyhow::Result<()> {
    let why = if is_asked_for { "" } else { "no snapshot was usable; " };
    line(&format!(
        "{why}found {} in {}, and {}, by walking the remote folders: `{}`",
        counted(walked.files, "file"),
        counted(walked.folders, "folder"),
        counted(walked.versions, "earlier version"),
        mirror.name
    ))?;
    // Enciphered, an empty file has an object on 1fichier.
    let empty = if mirror.form.is_some() { "empty folders" } else { "empty files and folders" };
    line(&format!(
        "lost without a snapshot: times, modes and owners, links, {empty}, names longer than \
         1fichier takes, and which file was where at earlier times"
    ))?;
    if walked.incomplete > 0 {
        let folders = counted(walked.incomplete, "folder");
        line(&format!("{folders} could not be listed whole; run this again later"))?;
    }
    if walked.refused_names > 0 {
        let names = counted(walked.refused_names, "name");
        line(&format!("{names} that no file system takes: left out of the records"))?;
    }
    if walked.unread_names > 0 {
        let names = counted(walked.unread_names, "name");
        line(&format!(
            "{names} that cannot be read with the password: on record as they are stored"
        ))?;
    }
    Ok(())
}

fn sampled(sample: &Sample) -> String {
    let folder = format!("/{}", harmless(&sample.folder.to_string()));
    let newer = match sample.newer {
        0 => String::new(),
        newer => format!(", and {} newer than the records", counted(newer, "file")),
    };
    format!(
        "compared {folder} with 1fichier: {} of {} as recorded{newer}",
        count(sample.as_recorded),
        counted(sample.files, "file")
    )
}

/// Tells the progress on stderr: often on a terminal, else every half minute.
struct Shown {
    began: Instant,
    said: Option<Instant>,
    scale: u32,
}

impl Shown {
    fn step(&mut self, step: &Step) {
        let text = match step {
            Step::Reading(name, size) => format!("reading {} ({})", harmless(name), bytes(*size)),
            Step::Unusable(name, why) => {
                format!("not usable: {}: {}", harmless(name), harmless(why))
            }
            Step::Walking { listed, left, files } => {
                if !self.is_time() {
                    return;
                }
                let takes = LISTING_TAKES / self.scale.max(1);
                let left_for = takes.saturating_mul(u32::try_from(*left).unwrap_or(u32::MAX));
                format!(
                    "{} listed, {} found, {} left: at least {} more",
                    counted(*listed, "folder"),
                    counted(*files, "file"),
                    counted(*left, "known folder"),
                    duration(left_for)
                )
            }
        };
        // An error means that stderr is closed, which stops nothing.
        let _told = writeln!(std::io::stderr(), "{text}");
    }

    fn is_time(&mut self) -> bool {
        let every = if std::io::stderr().is_terminal() { 2 } else { 30 };
        let last = self.said.unwrap_or(self.began);
        let is_time = last.elapsed() >= Duration::from_secs(every);
        if is_time {
            self.said = Some(Instant::now());
        }
        is_time
    }
}
