//! `fichierd restore`: puts a mirror, or a part of it, back on a disk, as it was at some time.

use std::fs::DirBuilder;
use std::io::IsTerminal as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use fichier_api::ErrorKind;
use jiff::Timestamp;
use serde::Serialize;

use super::failure::ended;
use super::output;
use super::past::Recorded;
use super::progress::{Shown, SoFar};
use crate::base::words::{bytes, count, counted, duration};
use crate::base::{Exit, when};
use crate::config::Config;
use crate::config::connect::connect;
use crate::restore::{
    Missed, Options, Overwrite, Owners, Plan, Progress, Report, Restore, RestoreError, Selection,
    Tree,
};

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Name of the mirror
    mirror: String,
    /// The folder to restore into; made if it is missing
    dest: PathBuf,
    /// As it was then: 2026-11-24, "2026-11-24 10:15", or how long ago: 3h, 2d
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Only files that match, in the syntax of .gitignore: '*.jpg', '/2025/'
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// What to do with files that are there and differ
    #[arg(long, value_enum, default_value = "never", value_name = "WHEN")]
    overwrite: OverwriteArg,
    /// Allow DEST to lie in the folder that is mirrored
    #[arg(long)]
    in_place: bool,
    /// Say how many files, bytes, calls and hours it is; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Downloads at one time [default: parallel_downloads]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: Option<u8>,
    /// Use owners' numbers as recorded, even if they have other names here
    #[arg(long)]
    numeric_ids: bool,
    /// Download with the account's CDN credits: 1 GB of them for each GB
    #[arg(long)]
    use_cdn: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OverwriteArg {
    /// They stay as they are
    Never,
    /// They are replaced
    Changed,
    /// They are replaced, and so are links and files where something else belongs
    Always,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    mirror: String,
    at: Timestamp,
    dry_run: bool,
    files: u64,
    bytes: u64,
    downloads: u64,
    download_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
}

#[derive(Serialize)]
struct Done {
    files: u64,
    bytes: u64,
    downloads: u64,
    downloaded_bytes: u64,
    same: u64,
    left: u64,
    links: u64,
    folders: u64,
    calls: u64,
    seconds: f64,
    unset_owners: u64,
    unset_modes: u64,
    unset_xattrs: u64,
    unset_times: u64,
    problem_count: u64,
    problems: Vec<ProblemRow>,
}

#[derive(Serialize)]
struct ProblemRow {
    path: String,
    what: String,
    hint: String,
}

pub(crate) async fn run(args: RestoreArgs, config: &Config) -> anyhow::Result<Exit> {
    let recorded = Recorded::open(config, &args.mirror)?;
    let moment = recorded.moment(args.at.as_deref())?;
    refuse_sources(&args, config, &recorded)?;
    let selection = Selection::parse(&args.paths).map_err(|message| ended(Exit::Usage, message))?;
    let tree = Tree::new(&recorded.store, &recorded.mirror, moment);
    let plan = tokio::task::block_in_place(|| Plan::of(&recorded.store, &tree, &selection))?;
    if plan.is_empty() {
        return Err(ended(Exit::Failed, "there is nothing to restore: nothing matches"));
    }
    let at_s = recorded.store.time_of(moment)?.unwrap_or_default();
    let totals = plan.totals();
    let mut document = Document {
        schema: "fichierd.restore/1",
        mirror: args.mirror.clone(),
        at: Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH),
        dry_run: args.dry_run,
        files: totals.files,
        bytes: totals.bytes,
        downloads: totals.download_files,
        download_bytes: totals.download_bytes,
        done: None,
    };
    if args.dry_run {
        return preview(&args, config, &plan, &document, at_s);
    }
    let owners = if args.numeric_ids { Owners::numeric() } else { owners(&recorded)? };
    drop(recorded);
    make_dest(&args.dest)?;
    let (client, pacer) = connect(config)?;
    let progress = Arc::new(Progress::default());
    let options = Options {
        overwrite: args.overwrite.into(),
        parallel: args.parallel.map_or(config.pace.parallel_downloads, usize::from),
        use_cdn: args.use_cdn,
    };
    let restore = Restore::new(client, args.dest.clone(), owners, options, Arc::clone(&progress))?;
    let (began, before) = (Instant::now(), pacer.calls_made());
    let shown = show(progress, args.json);
    let outcome = restore.run(plan).await;
    drop(shown);
    let report = outcome.map_err(|error| explain(error, &totals.download_bytes))?;
    let (took, calls) = (began.elapsed(), pacer.calls_made() - before);
    if args.json {
        document.done = Some(done(&report, calls, took));
        output::json(&document)?;
    } else {
        say(&args, &report, at_s, calls, took)?;
    }
    Ok(if report.problem_count > 0 { Exit::Problems } else { Exit::Done })
}

/// Refuses a destination in or above a watched folder, unless `--in-place` asks for it (I5).
fn refuse_sources(args: &RestoreArgs, config: &Config, recorded: &Recorded) -> anyhow::Result<()> {
    if args.in_place {
        return Ok(());
    }
    let dest = resolved(&args.dest);
    let configured = config.mirrors.iter().map(|mirror| &mirror.source);
    for source in configured.chain([&recorded.mirror.source]) {
        let source = resolved(source);
        if dest.starts_with(&source) || source.starts_with(&dest) {
            let message = format!(
                "{} is, holds, or lies in the mirrored folder {}; to restore there, add --in-place",
                args.dest.display(),
                source.display()
            );
            return Err(ended(Exit::Usage, message));
        }
    }
    Ok(())
}

/// The path, with links resolved in the part of it that exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.components().chain(rest.components()).collect();
        }
    }
    path
}

fn make_dest(dest: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dest);
    made.with_context(|| format!("cannot make the folder {}", dest.display()))
}

fn owners(recorded: &Recorded) -> anyhow::Result<Owners> {
    let (groups, users): (Vec<_>, Vec<_>) =
        recorded.store.owners()?.into_iter().partition(|owner| owner.is_group);
    let pairs = |owners: Vec<fichier_state::Owner>| {
        owners.into_iter().map(|owner| (owner.id, owner.name)).collect::<Vec<_>>()
    };
    Ok(Owners::by_name(pairs(users), pairs(groups)))
}

fn preview(
    args: &RestoreArgs,
    config: &Config,
    plan: &Plan,
    document: &Document,
    at_s: i64,
) -> anyhow::Result<Exit> {
    if args.json {
        output::json(document)?;
        return Ok(Exit::Done);
    }
    let seconds = document.downloads as f64 / config.pace.calls_per_second.max(0.01);
    let calls_take = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    // The speed of the line is not known here, so the estimate is for 100 Mbit/s.
    let line_takes = Duration::from_secs(document.download_bytes / 12_500_000);
    output::line(&format!(
        "`{}` as of {}: {} ({}), {}, {}",
        args.mirror,
        when::shown(at_s),
        counted(document.files, "file"),
        bytes(document.bytes),
        counted(plan.folders.len() as u64, "folder"),
        counted(plan.links.len() as u64, "link")
    ))?;
    output::line(&format!(
        "to download, if nothing of it is in {}: {} ({}), {}",
        args.dest.display(),
        counted(document.downloads, "file"),
        bytes(document.download_bytes),
        counted(document.downloads, "call")
    ))?;
    output::line(&format!(
        "at {} calls a second that takes at least {}; at 100 Mbit/s the bytes take {}",
        config.pace.calls_per_second,
        duration(calls_take),
        duration(line_takes)
    ))?;
    let lost: Vec<_> = plan.contents.iter().filter(|content| content.copies.is_empty()).collect();
    let lost_files: usize = lost.iter().map(|content| content.places.len()).sum();
    if lost_files > 0 {
        output::line(&format!(
            "{} cannot be restored: their contents are no longer kept",
            counted(lost_files as u64, "file")
        ))?;
        for place in lost.iter().flat_map(|content| &content.places).take(10) {
            output::line(&format!("  {}", place.path))?;
        }
    }
    for (path, why) in &plan.refused {
        output::line(&format!("  {path}: {why}"))?;
    }
    Ok(if lost_files + plan.refused.len() > 0 { Exit::Problems } else { Exit::Done })
}

/// Shows the progress: a bar on a terminal, else a line every half minute, or nothing if `quiet`.
fn show(progress: Arc<Progress>, quiet: bool) -> Option<Shown> {
    if std::io::stderr().is_terminal() {
        return Some(Shown::bar("", None, move || so_far(&progress)));
    }
    let began = Instant::now();
    let line = move || {
        let SoFar { bytes_done, bytes: all, text } = so_far(&progress);
        let rate = bytes_done / began.elapsed().as_secs().max(1);
        let left = all.saturating_sub(bytes_done).checked_div(rate).map_or_else(
            || "time left not known".to_owned(),
            |seconds| format!("{} left", duration(Duration::from_secs(seconds))),
        );
        format!("{text}, {} of {}, {}/s, {left}", bytes(bytes_done), bytes(all), bytes(rate))
    };
    (!quiet).then(|| Shown::lines(line))
}

fn so_far(progress: &Progress) -> SoFar {
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let text = progress.waiting().unwrap_or_else(|| {
        format!("{}/{} files", count(read(&progress.files_done)), count(read(&progress.files)))
    });
    SoFar { bytes_done: read(&progress.bytes_done), bytes: read(&progress.bytes), text }
}

fn done(report: &Report, calls: u64, took: Duration) -> Done {
    let unset = &report.unset;
    let row = |problem: &crate::restore::Problem| ProblemRow {
        path: problem.path.to_string(),
        what: problem.what.clone(),
        hint: problem.hint.clone(),
    };
    Done {
        files: report.files,
        bytes: report.bytes,
        downloads: report.downloads,
        downloaded_bytes: report.downloaded_bytes,
        same: report.same,
        left: report.left,
        links: report.links,
        folders: report.folders,
        calls,
        seconds: took.as_secs_f64(),
        unset_owners: unset.owners.count,
        unset_modes: unset.modes.count,
        unset_xattrs: unset.xattrs.count,
        unset_times: unset.times.count,
        problem_count: report.problem_count,
        problems: report.problems.iter().map(row).collect(),
    }
}

fn say(
    args: &RestoreArgs,
    report: &Report,
    at_s: i64,
    calls: u64,
    took: Duration,
) -> anyhow::Result<()> {
    let parts = [
        (report.files, format!("{} written", counted(report.files, "file"))),
        (report.same, format!("{} the same already", count(report.same))),
        (report.left, format!("{} left as they are (--overwrite never)", count(report.left))),
        (report.links, counted(report.links, "link")),
        (report.folders, counted(report.folders, "folder")),
        (report.downloads, counted(report.downloads, "download")),
        (calls, counted(calls, "call")),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
    output::line(&format!(
        "`{}` as of {} is in {}: {} ({}); {}",
        args.mirror,
        when::shown(at_s),
        args.dest.display(),
        parts.join(", "),
        bytes(report.bytes),
        duration(took)
    ))?;
    let unset = &report.unset;
    say_unset("owner", &unset.owners, "only root can set it; run this as root")?;
    say_unset("mode", &unset.modes, "it would give rights that go with the owner")?;
    say_unset("extended attributes", &unset.xattrs, "not allowed here, or not held by this disk")?;
    say_unset("time", &unset.times, "not allowed here")?;
    if report.problem_count > 0 {
        output::line(&format!("{} could not be restored:", count(report.problem_count)))?;
        for problem in report.problems.iter().take(20) {
            output::line(&format!("  {}", problem.path))?;
            let hint = if problem.hint.is_empty() { "" } else { "; " };
            output::line(&format!("    {}{hint}{}", problem.what, problem.hint))?;
        }
        let hidden = report.problem_count.saturating_sub(20);
        if hidden > 0 {
            output::line(&format!("  … and {} more; all with --json", count(hidden)))?;
        }
    }
    Ok(())
}

fn say_unset(what: &str, missed: &Missed, why: &str) -> anyhow::Result<()> {
    if missed.count == 0 {
        return Ok(());
    }
    let first: Vec<String> = missed.first.iter().map(|path| format!("`{path}`")).collect();
    output::line(&format!(
        "{} without their {what} ({why}): {}{}",
        count(missed.count),
        first.join(", "),
        if missed.count > missed.first.len() as u64 { ", …" } else { "" }
    ))
}

/// Makes the error that ended a restore, with what to do.
fn explain(error: RestoreError, download_bytes: &u64) -> anyhow::Error {
    let again = "the files restored so far stay; run the same command again to go on";
    match error {
        RestoreError::Service(error) if matches!(error.kind, ErrorKind::AddressRefused) => ended(
            Exit::Refused,
            format!(
                "1fichier refuses downloads to this address, which it takes for a data centre's \
                 or a VPN's (#913). Ways out: restore from another address (a line at home); a \
                 Premium GOLD subscription; or CDN credits, of which this needs {}: buy them in \
                 the console and add --use-cdn. Test page: https://1fichier.com/network.html",
                bytes(*download_bytes)
            ),
        ),
        RestoreError::Service(error) if matches!(error.kind, ErrorKind::OneLocation) => ended(
            Exit::TryLater,
            format!(
                "another address keeps downloading with this account, and 1fichier allows one at \
                 a time (#887): stop the download there and wait five minutes; {again}"
            ),
        ),
        error @ (RestoreError::Service(_) | RestoreError::Disk { .. }) => {
            let exit = match &error {
                RestoreError::Service(error) => super::failure::exit_of_remedy(&error.remedy()),
                RestoreError::Disk { .. } => Exit::Failed,
            };
            ended(exit, format!("{}; {again}", crate::base::words::chain(&error)))
        }
    }
}

impl From<OverwriteArg> for Overwrite {
    fn from(typed: OverwriteArg) -> Overwrite {
        match typed {
            OverwriteArg::Never => Overwrite::Never,
            OverwriteArg::Changed => Overwrite::Changed,
            OverwriteArg::Always => Overwrite::Always,
        }
    }
}
