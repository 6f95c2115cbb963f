//! `fichierd verify`: downloads files without keeping them, and compares them with the records.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use fichier_api::{DownloadOptions, ErrorKind};
use fichier_state::RelPath;
use serde::Serialize;

use super::failure::{ended, exit_of_call};
use super::past::Recorded;
use super::progress::{Shown, SoFar};
use super::{keep, output, service};
use crate::base::Exit;
use crate::base::words::{bytes, chain, count, counted, duration};
use crate::config::Config;
use crate::config::connect::connect;
use crate::restore::proof::{Confirmed, MOST_BROKEN};
use crate::restore::verify::{Finding, Progress, Sample, Wanted};
use crate::restore::{
    Broken, Proved, ProvedBy, Share, Tree, Verify, VerifyOutcome, Wrong, keyring_of,
};
use crate::upkeep::canary::address_refused;

/// Bytes of the paths of broken files, and of those that were proved, that are handed to the service
/// together; the files beyond are left out, so that the request stays below its limit.
const MOST_PATH_BYTES: usize = 16 * 1024;

/// Files that were proved and are handed to the service; the next run proves the others.
const MOST_PROVED: usize = 50;

/// Findings that are printed; the others are only counted, and are in the JSON.
const MOST_PRINTED: usize = 20;

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Name of the mirror
    mirror: String,
    /// How many of the files, chosen by chance [default: 5%]
    #[arg(long, value_name = "SHARE", conflicts_with = "full")]
    sample: Option<Share>,
    /// All files
    #[arg(long)]
    full: bool,
    /// Only files that match, in the syntax of .gitignore: '*.jpg', '/2025/'
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// Only this file or folder, whatever its name holds
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Download with the account's CDN credits: 1 GB of them for each GB
    #[arg(long)]
    use_cdn: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    good: bool,
    files: u64,
    bytes: u64,
    downloads: u64,
    not_deciphered: u64,
    calls: u64,
    seconds: f64,
    damaged: Vec<Row>,
    missing: Vec<Row>,
    refused: Vec<Row>,
    sent_again: Option<u64>,
    stopped: Option<String>,
}

#[derive(Serialize)]
struct Row {
    path: RelPath,
    what: String,
}

/// What a run has cost.
struct Cost {
    calls: u64,
    took: Duration,
}

pub(crate) async fn run(args: VerifyArgs, config: &Config) -> anyhow::Result<Exit> {
    service::known_mirror(config, &args.mirror)?;
    let share = match args.sample {
        _ if args.full => Share::Full,
        Some(share) => share,
        None => Share::Percent(5.0),
    };
    let keyring = keyring_of(config);
    let recorded = Recorded::open(config, &args.mirror)?;
    let tree = Tree::new(&recorded.store, &recorded.mirror, recorded.moment(None)?);
    let selection = recorded.selection(&tree, &args.paths, &args.files)?;
    let chosen = tokio::task::block_in_place(|| {
        Sample::choose(&recorded.store, &recorded.mirror, &selection, share)
    })?;
    drop(recorded);
    if chosen.files == 0 {
        return Err(ended(Exit::Failed, "there is nothing to verify: no file on record matches"));
    }
    let (client, pacer) = connect(config)?;
    let use_cdn = args.use_cdn || config.account.use_cdn;
    let paying = DownloadOptions { use_cdn, ..DownloadOptions::default() };
    let progress = Arc::new(Progress::default());
    let (began, calls) = (Instant::now(), pacer.calls_made());
    let needs_bytes = chosen.download_bytes();
    let came = Arc::clone(&progress);
    let shown = Shown::bar("", Some(&pacer), move || SoFar {
        bytes_done: came.bytes.load(Ordering::Relaxed),
        bytes: needs_bytes,
        ..SoFar::default()
    });
    let verify = Verify {
        client: client.with_download_options(paying),
        keyring,
        parallel: config.pace.parallel_downloads,
        progress,
    };
    let outcome = verify.run(chosen).await;
    drop(shown);
    let took = began.elapsed();
    let sent_again = hand_over(config, &args, share, &outcome).await?;
    let cost = Cost { calls: pacer.calls_made().saturating_sub(calls), took };
    if args.json {
        output::json(&document(&args, &outcome, &cost, sent_again))?;
    } else {
        print(&args, &outcome, &cost, sent_again)?;
    }
    match outcome.stopped {
        _ if !outcome.findings.is_empty() => Ok(Exit::Problems),
        None => Ok(Exit::Done),
        Some(error) => Err(explain(&error, needs_bytes)),
    }
}

/// Records the result: the service does it, or this command if no service runs. A run that was cut
/// short and found nothing is not recorded, since it proves nothing.
async fn hand_over(
    config: &Config,
    args: &VerifyArgs,
    share: Share,
    outcome: &VerifyOutcome,
) -> anyhow::Result<Option<u64>> {
    if outcome.findings.is_empty() && outcome.stopped.is_some() {
        return Ok(None);
    }
    let proved = Proved {
        mirror: args.mirror.clone(),
        by: ProvedBy::Verify,
        good: outcome.findings.is_empty(),
        files: outcome.files,
        bytes: outcome.bytes,
        detail: detail(share, outcome),
        broken: broken(&outcome.findings),
        confirmed: confirmed(&outcome.proved),
    };
    Ok(keep::keep(config, &proved).await)
}

fn broken(findings: &[Finding]) -> Vec<Broken> {
    let mut room = MOST_PATH_BYTES;
    let of_kind = findings.iter().filter(|finding| finding.wrong != Wrong::Refused);
    of_kind
        .take(MOST_BROKEN)
        .take_while(|finding| {
            let length = finding.wanted.path.as_bytes().len();
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        })
        .map(|finding| Broken {
            path: finding.wanted.path.clone(),
            whirlpool: finding.wanted.whirlpool,
            is_gone: finding.wrong == Wrong::Missing,
        })
        .collect()
}

/// The first files that were proved; a next run proves the others.
fn confirmed(proved: &[Wanted]) -> Vec<Confirmed> {
    let mut room = MOST_PATH_BYTES / 4;
    let fits = |file: &&Wanted| {
        let length = file.path.as_bytes().len();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let named = |file: &Wanted| Confirmed { path: file.path.clone(), whirlpool: file.whirlpool };
    proved.iter().take(MOST_PROVED).take_while(fits).map(named).collect()
}

fn detail(share: Share, outcome: &VerifyOutcome) -> String {
    let how = match share {
        Share::Full => "all files".to_owned(),
        Share::Percent(percent) => format!("a sample of {percent}%"),
    };
    let number = |wrong| count(outcome.paths(wrong).count() as u64);
    let files = counted(outcome.files, "file");
    if outcome.findings.is_empty() {
        return format!("{how}: {files} ({}) came as recorded", bytes(outcome.bytes));
    }
    format!(
        "{how}: of {files} {} were damaged, {} missing, {} refused",
        number(Wrong::Damaged),
        number(Wrong::Missing),
        number(Wrong::Refused)
    )
}

fn document(
    args: &VerifyArgs,
    outcome: &VerifyOutcome,
    cost: &Cost,
    sent_again: Option<u64>,
) -> Document {
    let rows = |wrong| {
        let of_kind = outcome.findings.iter().filter(|finding| finding.wrong == wrong);
        let row = |f: &Finding| Row { path: f.wanted.path.clone(), what: f.what.clone() };
        of_kind.map(row).collect()
    };
    Document {
        schema: "fichierd.verify/1",
        mirror: args.mirror.clone(),
        good: outcome.findings.is_empty() && outcome.stopped.is_none(),
        files: outcome.files,
        bytes: outcome.bytes,
        downloads: outcome.downloads,
        not_deciphered: outcome.not_deciphered,
        calls: cost.calls,
        seconds: cost.took.as_secs_f64(),
        damaged: rows(Wrong::Damaged),
        missing: rows(Wrong::Missing),
        refused: rows(Wrong::Refused),
        sent_again,
        stopped: outcome.stopped.as_ref().map(|error| chain(error)),
    }
}

fn print(
    args: &VerifyArgs,
    outcome: &VerifyOutcome,
    cost: &Cost,
    sent_again: Option<u64>,
) -> anyhow::Result<()> {
    let wrong = outcome.findings.len() as u64;
    let verdict = match (wrong, &outcome.stopped) {
        (0, None) => "all as recorded".to_owned(),
        (0, Some(_)) => "stopped early, nothing wrong until then".to_owned(),
        (_, _) => format!("{} not as recorded", count(wrong)),
    };
    output::line(&format!(
        "{}: {} ({}) compared: {verdict}; {}, {}, {}",
        args.mirror,
        counted(outcome.files, "file"),
        bytes(outcome.bytes),
        counted(outcome.downloads, "download"),
        counted(cost.calls, "call"),
        duration(cost.took)
    ))?;
    if outcome.not_deciphered > 0 {
        output::line(&format!(
            "{} of them compared as stored only: encrypted with a password that no mirror in the \
             configuration has",
            count(outcome.not_deciphered)
        ))?;
    }
    for finding in outcome.findings.iter().take(MOST_PRINTED) {
        let what = match finding.wrong {
            Wrong::Damaged => "damaged",
            Wrong::Missing => "missing",
            Wrong::Refused => "refused",
        };
        output::line(&format!("  {what}: {}", finding.wanted.path))?;
        output::line(&format!("    {}", finding.what))?;
    }
    if outcome.findings.len() > MOST_PRINTED {
        let hidden = outcome.findings.len() - MOST_PRINTED;
        output::line(&format!("  … and {} more; all with --json", count(hidden as u64)))?;
    }
    match sent_again {
        Some(again) if again > 0 => output::line(&format!(
            "{} of them are here unchanged, and are sent again: fichierd sync {}",
            count(again),
            args.mirror
        ))?,
        Some(_) | None => {}
    }
    if wrong > sent_again.unwrap_or(0) {
        output::line(&format!(
            "the others are not sent again: they have changed or are gone here, were refused, or \
             could not be recorded; look for another copy of them, and compare everything with: \
             fichierd verify {} --full",
            args.mirror
        ))?;
    }
    Ok(())
}

fn explain(error: &fichier_api::Error, needs_bytes: u64) -> anyhow::Error {
    if matches!(error.kind, ErrorKind::AddressRefused) {
        return ended(Exit::Refused, address_refused(needs_bytes));
    }
    if matches!(error.kind, ErrorKind::OneLocation) {
        let message = "another address downloads with this account, and 1fichier allows one at a \
                       time (#887): try again five minutes after that download has ended";
        return ended(Exit::TryLater, message);
    }
    ended(exit_of_call(error), chain(error))
}
