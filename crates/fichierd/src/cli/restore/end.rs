//! The end of a restore, told: every path that is not as it was, and in the last line how many of
//! each kind there are, also where the restore ended early.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fichier_api::ErrorKind;
use fichier_state::RelPath;
use jiff::Timestamp;
use serde::Serialize;

use super::RestoreArgs;
use crate::base::words::{bytes, chain, count, counted, duration};
use crate::base::{Exit, when};
use crate::cli::failure::{ended, exit_of_call};
use crate::cli::output;
use crate::restore::{Missed, Outcome, Plan, Problem, Progress, Report, RestoreError, Unset};

/// Paths of one kind that are printed; the others are counted, and are in the JSON.
const MOST_PRINTED: usize = 200;

/// Said after everything that ends a restore early.
const AGAIN: &str = "the files restored so far stay; run the same command again to go on";

#[derive(Serialize)]
pub(super) struct Document {
    schema: &'static str,
    mirror: String,
    pub(super) at: Timestamp,
    dry_run: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) downloads: u64,
    pub(super) download_bytes: u64,
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
    left_paths: Vec<RelPath>,
    links: u64,
    folders: u64,
    calls: u64,
    seconds: f64,
    unset_owners: u64,
    unset_modes: u64,
    unset_xattrs: u64,
    unset_times: u64,
    unset: Vec<UnsetRow>,
    unfinished_folders: u64,
    problem_count: u64,
    problems: Vec<ProblemRow>,
    stopped: Option<String>,
}

#[derive(Serialize)]
struct ProblemRow {
    path: RelPath,
    what: String,
    hint: String,
}

#[derive(Serialize)]
struct UnsetRow {
    path: RelPath,
    what: &'static str,
}

/// One kind of metadata that could not be set, and why.
struct Kind<'a> {
    missed: &'a Missed,
    /// The word in the JSON.
    key: &'static str,
    what: &'static str,
    why: &'static str,
}

/// A restore that is over.
pub(super) struct End<'a> {
    pub(super) args: &'a RestoreArgs,
    pub(super) outcome: Outcome,
    pub(super) calls: u64,
    pub(super) took: Duration,
}

impl Document {
    pub(super) fn of(args: &RestoreArgs, plan: &Plan, at_s: i64) -> Document {
        let totals = plan.totals();
        Document {
            schema: "fichierd.restore/1",
            mirror: args.mirror.clone(),
            at: Timestamp::from_second(at_s).unwrap_or(Timestamp::UNIX_EPOCH),
            dry_run: args.dry_run,
            files: totals.files,
            bytes: totals.bytes,
            downloads: totals.download_files,
            download_bytes: totals.download_bytes,
            done: None,
        }
    }
}

/// Tells that a signal has ended a restore.
pub(super) fn interrupted(progress: &Progress) -> anyhow::Result<Exit> {
    let done = progress.files_done.load(Ordering::Relaxed);
    let files = progress.files.load(Ordering::Relaxed);
    // A closed stderr leaves no way to tell anything.
    let _told = writeln!(
        std::io::stderr(),
        "fichierd: stopped after {} of {}; {AGAIN}",
        count(done),
        counted(files, "file")
    );
    Ok(Exit::Interrupted)
}

impl End<'_> {
    /// Prints the end, and returns the exit code or the error that ended the restore early.
    pub(super) fn tell(self, mut document: Document) -> anyhow::Result<Exit> {
        let stopped = self.outcome.stopped.as_ref();
        let stopped = stopped.map(|error| explain(error, document.download_bytes));
        let exit = self.exit();
        if self.args.json {
            document.done = Some(self.done(stopped.as_ref().map(ToString::to_string)));
            output::json(&document)?;
        } else {
            self.say(&document)?;
        }
        match stopped {
            Some(error) => Err(error),
            None => Ok(exit),
        }
    }

    /// The exit code of a restore that did not end early.
    fn exit(&self) -> Exit {
        let report = &self.outcome.report;
        let is_whole = report.problem_count + report.unfinished_folders == 0;
        if is_whole { Exit::Done } else { Exit::Problems }
    }

    fn say(&self, document: &Document) -> anyhow::Result<()> {
        let report = &self.outcome.report;
        if report.left > 0 {
            let title = "different, and left as they are (--overwrite changed replaces them)";
            list(title, report.left, &report.left_paths)?;
        }
        for kind in kinds(&report.unset).iter().filter(|kind| kind.missed.count > 0) {
            let title = format!("without their {} ({})", kind.what, kind.why);
            list(&title, kind.missed.count, &kind.missed.first)?;
        }
        if report.unfinished_folders > 0 {
            output::line(&format!(
                "{} of an earlier restore, not part of this one, still without mode, owner and \
                 time: restore all of it to set them",
                counted(report.unfinished_folders, "folder")
            ))?;
        }
        if report.problem_count > 0 {
            output::line(&format!("not restored: {}", count(report.problem_count)))?;
            for problem in report.problems.iter().take(MOST_PRINTED) {
                say_problem(problem)?;
            }
            say_hidden(report.problem_count, report.problems.len())?;
        }
        self.say_sum(document)
    }

    /// The last line.
    fn say_sum(&self, document: &Document) -> anyhow::Result<()> {
        let report = &self.outcome.report;
        let incomplete: u64 = kinds(&report.unset).iter().map(|kind| kind.missed.count).sum();
        let with_metadata = match incomplete {
            0 => String::new(),
            _ => ", some without all of their metadata (above)".to_owned(),
        };
        let parts = [
            (report.links, counted(report.links, "link")),
            (report.folders, counted(report.folders, "folder")),
            (report.left, format!("{} different and left", count(report.left))),
            (report.downloads, counted(report.downloads, "download")),
            (self.calls, counted(self.calls, "call")),
        ];
        let parts = parts.into_iter().filter(|(number, _)| *number > 0);
        let parts: String = parts.map(|(_, text)| format!(", {text}")).collect();
        output::line(&format!(
            "{}`{}` as of {} in {}: {} restored ({}), {} identical, {} not restored{parts}\
             {with_metadata}; {}",
            if self.outcome.stopped.is_some() { "ended early: " } else { "" },
            self.args.mirror,
            when::told(document.at.as_second()),
            output::shown_path(&self.args.dest),
            counted(report.files, "file"),
            bytes(report.bytes),
            count(report.same),
            count(report.problem_count),
            duration(self.took)
        ))
    }

    fn done(self, stopped: Option<String>) -> Done {
        let report: Report = self.outcome.report;
        let unset = kinds(&report.unset);
        let unset = unset.iter().flat_map(|kind| {
            let rows = kind.missed.first.iter();
            rows.map(|path| UnsetRow { path: path.clone(), what: kind.key })
        });
        let unset = unset.collect();
        let row = |Problem { path, what, hint }| ProblemRow { path, what, hint };
        Done {
            files: report.files,
            bytes: report.bytes,
            downloads: report.downloads,
            downloaded_bytes: report.downloaded_bytes,
            same: report.same,
            left: report.left,
            left_paths: report.left_paths,
            links: report.links,
            folders: report.folders,
            calls: self.calls,
            seconds: self.took.as_secs_f64(),
            unset_owners: report.unset.owners.count,
            unset_modes: report.unset.modes.count,
            unset_xattrs: report.unset.xattrs.count,
            unset_times: report.unset.times.count,
            unset,
            unfinished_folders: report.unfinished_folders,
            problem_count: report.problem_count,
            problems: report.problems.into_iter().map(row).collect(),
            stopped,
        }
    }
}

fn kinds(unset: &Unset) -> [Kind<'_>; 4] {
    let kind = |missed, key, what, why| Kind { missed, key, what, why };
    let not_held = "not allowed here, or not held by this disk";
    [
        kind(&unset.owners, "owner", "owner", "only root can set it; run this as root"),
        kind(&unset.modes, "mode", "mode", "it would give rights that go with the owner"),
        kind(&unset.xattrs, "xattrs", "extended attributes", not_held),
        kind(
            &unset.times,
            "time",
            "time",
            "not allowed here, not held by this disk, or not on \
             record: before 1678 or after 2261",
        ),
    ]
}

fn list(title: &str, number: u64, paths: &[RelPath]) -> anyhow::Result<()> {
    output::line(&format!("{title}: {}", count(number)))?;
    for path in paths.iter().take(MOST_PRINTED) {
        output::line(&format!("  {}", named(path)))?;
    }
    say_hidden(number, paths.len())
}

fn say_problem(problem: &Problem) -> anyhow::Result<()> {
    let Problem { path, what, hint } = problem;
    output::line(&format!("  {}", named(path)))?;
    let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
    output::line(&format!("    {what}{hint}"))
}

fn say_hidden(number: u64, kept: usize) -> anyhow::Result<()> {
    let hidden = number.saturating_sub(kept.min(MOST_PRINTED) as u64);
    if hidden == 0 {
        return Ok(());
    }
    output::line(&format!("  … and {} more; the first 1,000 with --json", count(hidden)))
}

/// The destination itself has no name in it.
fn named(path: &RelPath) -> String {
    if path.is_root() { "the destination itself".to_owned() } else { path.to_string() }
}

/// Makes the error that ended a restore, with what to do.
fn explain(error: &RestoreError, download_bytes: u64) -> anyhow::Error {
    match error {
        RestoreError::Service(error) if matches!(error.kind, ErrorKind::AddressRefused) => ended(
            Exit::Refused,
            format!(
                "1fichier refuses downloads to this address, which it takes for a data centre's \
                 or a VPN's (#913). Ways out: restore from another address (a line at home); a \
                 Premium GOLD subscription; or CDN credits, of which this needs {}: buy them in \
                 the console and add --use-cdn. Test page: https://1fichier.com/network.html",
                bytes(download_bytes)
            ),
        ),
        RestoreError::Service(error) if matches!(error.kind, ErrorKind::OneLocation) => ended(
            Exit::TryLater,
            format!(
                "another address keeps downloading with this account, and 1fichier allows one at \
                 a time (#887): stop the download there and wait five minutes; {AGAIN}"
            ),
        ),
        error @ (RestoreError::Service(_) | RestoreError::Disk { .. }) => {
            let exit = match error {
                RestoreError::Service(error) => exit_of_call(error),
                RestoreError::Disk { .. } => Exit::Failed,
            };
            ended(exit, format!("{}; {AGAIN}", chain(error)))
        }
    }
}
