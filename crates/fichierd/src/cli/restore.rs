//! `fichierd restore`: puts a mirror, or a part of it, back on a disk, as it was at some time.

mod end;
mod preview;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use fichier_api::Pacer;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::ended;
use super::output::shown_path;
use super::password;
use super::past::Recorded;
use super::progress::{Shown, SoFar};
use crate::base::Exit;
use crate::base::words::{count, counted};
use crate::config::Config;
use crate::config::connect::connect;
use crate::restore::{Options, Overwrite, Owners, Plan, Progress, Restore, Tree, make_top};
use end::{Document, End};

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Name of the mirror
    mirror: String,
    /// The folder to restore into; made if it is missing
    dest: PathBuf,
    /// As it was then: 2026-11-24, "2026-11-24 10:15", "2 hours ago", yesterday
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Only files that match, in the syntax of .gitignore: '*.jpg', '/2025/'
    #[arg(long = "path", value_name = "GLOB")]
    paths: Vec<String>,
    /// Only this file or folder, whatever its name holds
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,
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
    /// A file with the password of an encrypted mirror, or with a former one
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with its salt, which rclone calls password2
    #[arg(long, value_name = "FILE", requires = "password_file")]
    salt_file: Option<PathBuf>,
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

pub(crate) async fn run(args: RestoreArgs, config: &Config) -> anyhow::Result<Exit> {
    let recorded = Recorded::open(config, &args.mirror)?;
    let moment = recorded.moment(args.at.as_deref())?;
    refuse_sources(&args, config, &recorded)?;
    let (password, salt) = (args.password_file.as_deref(), args.salt_file.as_deref());
    let keyring = password::keyring(config, &recorded.mirror, password, salt)?;
    let tree = Tree::new(&recorded.store, &recorded.mirror, moment).with_keys(&keyring);
    let selection = recorded.selection(&tree, &args.paths, &args.files)?;
    let plan = tokio::task::block_in_place(|| Plan::of(&recorded.store, &tree, &selection))?;
    if plan.is_empty() {
        return Err(ended(Exit::Failed, "there is nothing to restore: nothing matches"));
    }
    let at_s = recorded.store.time_of(moment)?.unwrap_or_default();
    let document = Document::of(&args, &plan, at_s);
    if args.dry_run {
        return preview::print(&args, config, &plan, &document);
    }
    let owners = if args.numeric_ids { Owners::numeric() } else { owners(&recorded)? };
    drop(recorded);
    let (client, pacer) = connect(config)?;
    let made_top = make_top(&args.dest, args.in_place);
    let made_top =
        made_top.with_context(|| format!("cannot use the folder {}", shown_path(&args.dest)))?;
    let options = Options {
        overwrite: args.overwrite.into(),
        parallel: args.parallel.map_or(config.pace.parallel_downloads, usize::from),
        use_cdn: args.use_cdn || config.account.use_cdn,
        made_top,
        in_place: args.in_place,
    };
    let progress = Arc::new(Progress::default());
    let restore = Restore::new(client, args.dest.clone(), owners, options, Arc::clone(&progress))?;
    let (began, before) = (Instant::now(), pacer.calls_made());
    let shown = show(Arc::clone(&progress), &pacer, args.json);
    let outcome = tokio::select! {
        outcome = restore.run(plan) => outcome,
        () = stopped_by_a_signal() => {
            drop(shown);
            return end::interrupted(&progress);
        }
    };
    drop(shown);
    let (took, calls) = (began.elapsed(), pacer.calls_made().saturating_sub(before));
    End { args: &args, outcome, calls, took }.tell(document)
}

/// Waits for Ctrl-C, or for the request to end.
async fn stopped_by_a_signal() {
    let mut asked = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut asked {
            Some(asked) => drop(asked.recv().await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
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
                shown_path(&args.dest),
                shown_path(&source)
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

fn owners(recorded: &Recorded) -> anyhow::Result<Owners> {
    let (groups, users): (Vec<_>, Vec<_>) =
        recorded.store.owners()?.into_iter().partition(|owner| owner.is_group);
    let pairs = |owners: Vec<fichier_state::Owner>| {
        owners.into_iter().map(|owner| (owner.id, owner.name)).collect::<Vec<_>>()
    };
    Ok(Owners::by_name(pairs(users), pairs(groups)))
}

/// Shows the progress and the waits; beside JSON only on a terminal.
fn show(progress: Arc<Progress>, pacer: &Pacer, is_json: bool) -> Option<Shown> {
    let is_shown = !is_json || std::io::stderr().is_terminal();
    is_shown.then(|| Shown::bar("", Some(pacer), move || so_far(&progress)))
}

fn so_far(progress: &Progress) -> SoFar {
    let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let files = format!(
        "{} of {}",
        count(read(&progress.files_done)),
        counted(read(&progress.files), "file")
    );
    let wait = progress.waiting();
    let waits = wait.is_some();
    let text = wait.map_or_else(|| files.clone(), |why| format!("{files}; {why}"));
    SoFar { bytes_done: read(&progress.bytes_done), bytes: read(&progress.bytes), text, waits }
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
