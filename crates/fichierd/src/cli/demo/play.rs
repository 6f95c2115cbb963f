//! The demonstration: the real service mirrors a folder that changes, to an imitation of 1fichier
//! with its limits in force, and everything is read back and compared in the end.
//!
//! Nothing is staged but the clock: the imitation's runs [`TIME_SCALE`] times faster, and so do the
//! pauses between the calls. The calls are those that would be made; the times are not.
//!
//! No account is used and no byte leaves the machine. All that is written lies in one folder.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use super::album::{self, Album};
use super::paint::{Line, Paint, Row};
use super::readback::{ReadBack, read_back};
use super::scenario::{ACTS, Act};
use super::stage::{self, Service, Stage, TARGET, TIME_SCALE};
use super::waiting;
use crate::base::words::{bytes, count, duration};
use crate::config::connect::connect;

/// What the service publishes (docs/api-notes.md, A.5).
const CALLS_PER_SECOND: u64 = 3;
/// Differences that are printed; their number is always.
const MOST_DIFFERENCES: usize = 10;

/// How a demonstration is to be.
#[derive(Clone, Debug)]
pub(super) struct Demo {
    /// An empty or missing folder for everything; a temporary one if there is none.
    pub(super) dir: Option<PathBuf>,
    /// How many files the folder begins with.
    pub(super) files: usize,
    /// Whether a temporary folder is removed in the end.
    pub(super) discard: bool,
}

/// All acts together.
#[derive(Debug, Default)]
struct Sum {
    calls: u64,
    rclone_calls: u64,
    sent_bytes: u64,
}

impl Demo {
    /// Plays it, and prints it to stdout. Returns whether everything was equal in the end and no
    /// limit was broken.
    ///
    /// # Errors
    ///
    /// When it could not be played to its end. Being dropped, it stops whatever it began.
    pub(super) async fn play(&self) -> anyhow::Result<bool> {
        let paint = Paint::for_stdout();
        let (dir, temporary) = stage::folder(self.dir.as_deref())?;
        let stage = Stage::set(&dir).await?;
        say(&introduction(paint, &stage))?;
        let mut album = Album::new(stage.source(), self.files);
        let sum = play_acts(&stage, &mut album, paint).await?;
        let result = prove(&stage, &album, paint).await?;
        let violations = stage.emulator.violations();
        say(&verdict(paint, &result, &violations, &sum))?;
        let where_to_look = where_to_look(paint, &stage)?;
        stage.emulator.stop().await;
        if !self.discard {
            if let Some(mut temporary) = temporary {
                temporary.disable_cleanup(true);
            }
            say(&where_to_look)?;
        }
        Ok(result.differences.is_empty() && violations.is_empty())
    }
}

/// Lets the service mirror one act after the other.
async fn play_acts(stage: &Stage, album: &mut Album, paint: Paint) -> anyhow::Result<Sum> {
    say(&paint.heading())?;
    let mut sum = Sum::default();
    let mut service: Option<Service> = None;
    for act in ACTS {
        let row = Row::begin(act.title());
        let (calls, received) = (stage.emulator.calls(), stage.emulator.bytes_received());
        let folders = album::folders(&stage.source())?.len() as u64;
        let began = Instant::now();
        let deed = act.play(album)?;
        if service.is_none() {
            service = Some(stage.start_service().await?);
        }
        if act == Act::Nothing {
            stage.sync().await?;
        }
        waiting::until_mirrored(stage, calls, &row).await?;
        drop(row);
        let line = Line {
            title: act.title(),
            what: if act == Act::Nothing { "no change".to_owned() } else { files(deed.files) },
            calls: (stage.emulator.calls() - calls) as u64,
            rclone_calls: Some(act.rclone_calls(deed, folders)),
            sent_bytes: stage.emulator.bytes_received() - received,
            took: began.elapsed(),
        };
        say(&paint.line(&line))?;
        sum.calls += line.calls;
        sum.rclone_calls += line.rclone_calls.unwrap_or_default();
        sum.sent_bytes += line.sent_bytes;
    }
    say(&paint.sum(sum.calls, sum.rclone_calls, sum.sent_bytes))?;
    if let Some(service) = service {
        service.stop().await?;
    }
    Ok(sum)
}

/// Reads everything back; the service has ended.
async fn prove(stage: &Stage, album: &Album, paint: Paint) -> anyhow::Result<ReadBack> {
    let row = Row::begin("read back");
    let (calls, began) = (stage.emulator.calls(), Instant::now());
    let (client, _) = connect(&stage.config)?;
    let result = read_back(&client, TARGET, &stage.source(), &album.earlier, &row).await?;
    drop(row);
    say(&paint.line(&Line {
        title: "all of it read back",
        what: files(result.downloads),
        calls: (stage.emulator.calls() - calls) as u64,
        rclone_calls: None,
        sent_bytes: 0,
        took: began.elapsed(),
    }))?;
    Ok(result)
}

fn introduction(paint: Paint, stage: &Stage) -> String {
    format!(
        "{}\n\n\
         The real service mirrors a folder to an imitation of 1fichier on this machine,\n\
         with the published limits in force: {CALLS_PER_SECOND} calls a second, no folder listed twice\n\
         within 30 s. Its clock is {TIME_SCALE} times faster, so that this takes under a minute.\n\n  \
         {} {} {}\n",
        paint.bold("fichierd: a demonstration, without an account"),
        stage.source().display(),
        paint.dim("->"),
        TARGET,
    )
}

fn verdict(paint: Paint, result: &ReadBack, violations: &[String], sum: &Sum) -> String {
    let mut text = String::from("\n");
    let mut add = |good: bool, line: &str| {
        let mark = if good { paint.green("✓") } else { paint.red("✗") };
        text += &format!("  {mark} {line}\n");
    };
    if result.differences.is_empty() {
        let (all, size) = (files(result.files), bytes(result.bytes));
        add(true, &format!("{all} ({size}) are equal to the disk, byte for byte"));
        let kept = count(result.versions);
        add(true, &format!("{kept} replaced and deleted files are kept, each as it was"));
    } else {
        add(false, &format!("{} differences:", count(result.differences.len() as u64)));
    }
    for difference in result.differences.iter().take(MOST_DIFFERENCES) {
        add(false, difference);
    }
    if violations.is_empty() {
        add(true, "no limit of the service was broken");
    }
    for violation in violations.iter().take(MOST_DIFFERENCES) {
        add(false, &format!("rule broken: {violation}"));
    }
    text + &comparison(paint, sum)
}

/// What the calls mean on the real service's clock, and where rclone's come from.
fn comparison(paint: Paint, sum: &Sum) -> String {
    let at_least = |calls: u64| duration(std::time::Duration::from_secs(calls / CALLS_PER_SECOND));
    let (ours, rclone) = (at_least(sum.calls), at_least(sum.rclone_calls));
    format!(
        "\n  At {CALLS_PER_SECOND} calls a second the changes take {ours}; \
         with rclone's calls, {rclone}.\n\n{}\n",
        paint.dim(
            "  rclone: computed, by formulas that fit runs of rclone 1.75.2 against an\n  \
             emulated service, with --checksum; without it, its backend does not see\n  \
             edits that keep a file's size. time: on this machine, on the fast clock."
        ),
    )
}

/// What can be tried afterwards, by commands that can be copied.
fn where_to_look(paint: Paint, stage: &Stage) -> anyhow::Result<String> {
    let (dir, listens_at) = (stage.dir().display(), stage.listens_at()?);
    stage.leave_config()?;
    // As it was typed: `cargo run` starts a program that is not in the path.
    let program = std::env::args().next().unwrap_or_else(|| "fichierd".to_owned());
    Ok(format!(
        "{}\n\n  \
         demo='{dir}'\n  \
         {program} --config \"$demo/config.toml\" status\n\n\
         Start the imitation again to look into the account, now at real speed:\n\n  \
         {program} emulator --dir \"$demo/1fichier\" \\\n      \
         --listen {listens_at} &\n  \
         {program} --config \"$demo/config.toml\" remote ls {TARGET}\n",
        paint.bold("Everything is left to be looked at:"),
    ))
}

fn files(number: u64) -> String {
    format!("{} file{}", count(number), if number == 1 { "" } else { "s" })
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}
