//! One run of the pipeline for one mirror: look, compare, read, plan, execute.
//!
//! A cycle at the start, at a timed rescan, after lost events or for a path that is due again
//! differs only in its input, and `--dry-run` leaves out the last step.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use fichier_state::{FolderFacts, Mirror, RelPath, failpoint};
use tokio_util::sync::CancellationToken;

use crate::base::state::blocking;
use crate::base::{Form, State};
use crate::disk::{Disks, Filter, Notice, RootTrouble, Scanner, Trouble, WRONG_LENGTH_HINT};
use crate::mirror::error::MirrorError;
use crate::mirror::folder_moves::{folder_moves, loses_a_folder, loses_found_folder};
use crate::mirror::held::HeldRemovals;
use crate::mirror::other_names::other_names;
use crate::plan::decide::plan;
use crate::plan::gather::{Around, Usable, gather, versions};
use crate::plan::survey::survey;
use crate::plan::{
    BatchLimits, Change, Gathered, Limit, Plan, Policy, Survey, SurveyRequest, Unread, guard,
};
use crate::remote::{
    CycleReport, Executor, FolderMove, Habits, Places, RemoteError, claims, looked, rename_folders,
    target,
};

mod changes;
mod pending;
mod renamed;
mod unknown;

use self::changes::{record_folder, removals};
use self::renamed::Unknown;
use self::unknown::folders_to_send_to;

/// Additions and touched files that one cycle takes on; further ones are left for the next cycle,
/// so that memory stays bounded and small changes get their turn in between.
pub const MAX_ADDITIONS: usize = 20_000;

/// Advice for a file or folder that could not be looked at.
const UNSEEN_HINT: &str = "nothing below it is removed; it is looked at again by itself";
/// The problem of a mount point below the source that is not mounted (R06).
const UNMOUNTED: &str = "the file system that was here is not mounted, or another one is";
const UNMOUNTED_HINT: &str = "mount it again; nothing in it is removed meanwhile. If it is gone for \
                              good, remove the folder it was mounted on";

/// The inputs of one cycle.
pub struct CycleRequest<'a> {
    /// The mirror's row.
    pub mirror: &'a Mirror,
    /// The watched folder.
    pub source: &'a Path,
    /// Decides which entries of the source are mirrored.
    pub filter: Arc<Filter>,
    /// The paths to look at; `None` means the whole source.
    pub paths: Option<&'a [RelPath]>,
    /// How long a file must have been unchanged before it is read.
    pub settle: Duration,
    /// Files that are read even if they are being written.
    pub force: &'a BTreeSet<RelPath>,
    /// Removals within 24 hours that are allowed; more are held.
    pub limit: Limit,
    /// Whether removals wait while a file is being written: a removal may be a rename to that file.
    pub patient: bool,
    /// Whether every removal waits for a decision: the records were recovered, and may be older
    /// than the disk.
    pub hold_removals: bool,
    /// Whether a number of versions is kept for each path.
    pub numbers_versions: bool,
    /// Files and bytes of one upload, at most.
    pub batch: BatchLimits,
    /// Additions and touched files to take on, at most: [`MAX_ADDITIONS`].
    pub max_additions: usize,
    /// How files are stored.
    pub form: &'a Form,
}

/// The result of a cycle, besides the counts in the executor's report.
#[derive(Debug, Default)]
pub struct CycleOutcome {
    /// Removals that the guard holds back.
    pub held: Option<HeldRemovals>,
    /// Changed files that are still being written.
    pub unsettled: Vec<RelPath>,
    /// Additions beyond [`MAX_ADDITIONS`]; the next cycle takes them on.
    pub left_out: u64,
    /// Removals that were put off because a file is still being written, or because additions were
    /// left out; the next cycle looks at them again.
    pub put_off: Vec<RelPath>,
    /// Folders and files that could not be looked at.
    pub trouble: Vec<Trouble>,
    /// Whether some of these may be renames to a file that could not be read: everything is due.
    pub spared: bool,
    /// Paths that have to be looked at again; the next cycle does that.
    pub again: BTreeSet<RelPath>,
}

impl CycleOutcome {
    /// The outcome of a cycle that did nothing, and is to be begun again.
    pub(super) fn not_begun() -> CycleOutcome {
        CycleOutcome { left_out: 1, ..CycleOutcome::default() }
    }
}

/// A plan, and the result of the cycle so far.
#[derive(Debug)]
pub struct Prepared {
    /// The steps to carry out.
    pub plan: Plan,
    /// The result so far: what is held, put off and left out.
    pub outcome: CycleOutcome,
}

/// One run of the pipeline.
pub(super) struct Cycle<'a> {
    /// Carries out what the cycle decides.
    pub(super) executor: Executor,
    /// The inputs.
    pub(super) request: CycleRequest<'a>,
    /// Whether the target is only on record, and has to be claimed before the first call.
    pub(super) is_to_enter: bool,
    /// The target as it was found when it was claimed by this cycle.
    pub(super) entered: Option<Places>,
}

/// A cycle that has ended.
pub(super) struct Ran {
    /// What was done, even after an error.
    pub(super) report: CycleReport,
    /// The outcome.
    pub(super) outcome: Result<CycleOutcome, MirrorError>,
    /// The target, if this cycle claimed it.
    pub(super) entered: Option<Places>,
}

impl Cycle<'_> {
    /// Runs the cycle to its end. After an error the steps until then are on record, and the next
    /// cycle goes on from there.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Ran {
        let outcome = self.try_run(stop).await;
        let report = self.executor.remote.report.into_inner();
        let report = report.unwrap_or_else(PoisonError::into_inner);
        Ran { report, outcome, entered: self.entered }
    }

    async fn try_run(&mut self, stop: &CancellationToken) -> Result<CycleOutcome, MirrorError> {
        failpoint::reached("cycle:begun");
        if self.executor.remote.has_begun()? && !self.enter().await? {
            return Ok(CycleOutcome::not_begun());
        }
        self.executor.finish_begun().await?;
        if self.names_folders()? {
            if !self.enter().await? {
                return Ok(CycleOutcome::not_begun());
            }
            self.executor.remote.name_folders(self.request.mirror.root).await?;
        }
        let Some(mut seen) = self.survey_and_follow().await? else {
            return Ok(CycleOutcome::not_begun());
        };
        self.forget_solved(&seen)?;
        self.note_trouble(&seen)?;
        let notices = std::mem::take(&mut seen.notices);
        self.leave_out_pending(&mut seen)?;
        self.executor.remote.leave_out_given_up(&mut seen)?;
        self.record_folders(&seen.changes)?;
        let folders = folders_to_send_to(&seen.changes);
        if self.executor.remote.has_unknown(&folders)? && !self.enter().await? {
            return Ok(CycleOutcome::not_begun());
        }
        self.explore_new(&folders).await?;
        self.leave_out_unlisted(&mut seen)?;
        let Executor { remote, source, .. } = &self.executor;
        let gathered = blocking(|| {
            let changes = &mut seen.changes;
            let from = Around {
                state: &remote.state,
                scanner: &source.scanner,
                mirror: remote.mirror,
                form: &remote.form,
            };
            gather(from, changes, &source.restless)
        })?;
        self.leave_out_unread(&gathered)?;
        let keep_versions = remote.keep_versions;
        let prepared = prepare(&remote.state, &self.request, seen, gathered, keep_versions)?;
        if !prepared.plan.is_local() && !self.enter().await? {
            return Ok(CycleOutcome::not_begun());
        }
        let Executor { remote, uploads, .. } = &self.executor;
        let planned_bytes = prepared.plan.bytes_to_send(&remote.form);
        uploads.planned_bytes.store(planned_bytes, Ordering::Relaxed);
        if let Some(compared) = prepared.plan.comparison() {
            tracing::info!("`{}`: {compared}", self.request.mirror.name);
        }
        if !prepared.plan.steps.is_empty() {
            remote.state.write(|w| looked::begin(w, remote.mirror))?;
        }
        self.executor.execute(prepared.plan, stop).await?;
        self.note_notices(&notices)?;
        Ok(CycleOutcome { again: remote.dirty.take_noted(), ..prepared.outcome })
    }

    /// Whether folders get the names of another form first.
    fn names_folders(&self) -> Result<bool, MirrorError> {
        let remote = &self.executor.remote;
        Ok(remote.state.read(|s| rename_folders::is_needed(s, remote.mirror))?)
    }

    /// Claims the target before the first call of this process. Returns whether the cycle may go
    /// on: not if the target, or the records of it, are not what the cycle began with.
    async fn enter(&mut self) -> Result<bool, MirrorError> {
        if !self.is_to_enter {
            return Ok(true);
        }
        let remote = &mut self.executor.remote;
        let (mirror, before) = (self.request.mirror, remote.places);
        let places =
            target::enter(&remote.client, &remote.state, mirror, &remote.form, before).await?;
        remote.places = places;
        self.is_to_enter = false;
        self.entered = Some(places);
        let in_doubt = remote.state.read(|s| claims::left_to_look_at(s, remote.mirror))?.is_some();
        Ok(places == before && !in_doubt)
    }

    /// Looks, moves each folder that was moved on disk, and looks again until no further folder has
    /// moved: the children of a moved folder are compared under its new path. `None` if the cycle
    /// has to be begun again.
    async fn survey_and_follow(&mut self) -> Result<Option<Survey>, MirrorError> {
        let mut everything = self.request.paths.is_none();
        let mut wanted: Vec<RelPath> = self.request.paths.unwrap_or_default().to_vec();
        // Each folder is followed once; one that moves again meanwhile is mirrored file by file.
        let mut followed_before = BTreeSet::new();
        loop {
            let request = &self.request;
            let paths = (!everything).then_some(wanted.as_slice());
            if everything {
                // What was marked until now is looked at now.
                self.executor.remote.dirty.take_noted();
            }
            let seen =
                look(&self.executor.remote.state, &self.executor.source.disks, request, paths)?;
            self.check_place()?;
            // The folder may have been renamed to a path that was not looked at.
            if !everything && loses_a_folder(&seen.changes) {
                everything = true;
                continue;
            }
            let unseen = self.other_names(&seen, paths)?;
            if !unseen.is_empty() {
                wanted.extend(unseen);
                continue;
            }
            let moves = folder_moves(
                &self.executor.remote.state,
                &self.executor.source.scanner,
                &seen.changes,
            )?;
            if !moves.is_empty() && !self.enter().await? {
                return Ok(None);
            }
            let mut followed = false;
            for moved in moves {
                if followed_before.insert(moved.key) {
                    followed |= self.executor.remote.move_folder(&moved).await?;
                }
            }
            if !followed {
                self.executor.remote.report(|report| report.looked_at = seen.looked_at);
                return Ok(Some(seen));
            }
            everything = true;
        }
    }

    /// The names of hard links that were not among the `paths` of the look, although their content
    /// has changed under another name. Those in other mirrors are reported.
    fn other_names(
        &self,
        seen: &Survey,
        paths: Option<&[RelPath]>,
    ) -> Result<Vec<RelPath>, MirrorError> {
        let remote = &self.executor.remote;
        let looked_at: Option<BTreeSet<&RelPath>> = paths.map(|paths| paths.iter().collect());
        let (ours, others): (Vec<_>, Vec<_>) = other_names(&remote.state, &seen.changes)?
            .into_iter()
            .partition(|linked| linked.mirror == remote.mirror);
        remote.report(|report| report.linked = others);
        let is_unseen = |path: &RelPath| {
            looked_at.as_ref().is_some_and(|looked_at| !is_covered(looked_at, path))
        };
        Ok(ours.into_iter().map(|linked| linked.path).filter(is_unseen).collect())
    }

    /// Checks that the look was at the same folder as the check before it. A file system may have
    /// been mounted in between, and its files must not be recorded as those of the folder below.
    fn check_place(&self) -> Result<(), MirrorError> {
        let Some(checked) = &self.executor.source.identity else { return Ok(()) };
        let now = self
            .executor
            .source
            .disks
            .place(&self.executor.source.path)
            .map_err(RemoteError::Root)?;
        if now.is_same_place(checked) {
            return Ok(());
        }
        let source_path = self.executor.source.path.clone();
        Err(RemoteError::Root(RootTrouble::ChangedMeanwhile { source_path }).into())
    }

    /// Records a problem for each path that could not be looked at. It stays until the path can be
    /// looked at, is gone, or is excluded; it stands for all problems below the path.
    fn note_trouble(&self, seen: &Survey) -> Result<(), MirrorError> {
        let remote = &self.executor.remote;
        for Trouble { path, error } in &seen.trouble {
            let what = match error.raw_os_error() {
                Some(_) => format!("cannot be looked at: {error}"),
                None => error.to_string(),
            };
            remote.problem(path, &what, UNSEEN_HINT)?;
        }
        for path in &seen.unavailable {
            remote.problem(path, UNMOUNTED, UNMOUNTED_HINT)?;
        }
        let unseen: BTreeSet<&RelPath> =
            seen.trouble.iter().map(|it| &it.path).chain(&seen.unavailable).collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let mut below = remote.state.read(|s| s.problems(Some(remote.mirror)))?;
        below.retain(|problem| {
            problem.path.parent().is_some_and(|folder| is_covered(&unseen, &folder))
        });
        Ok(remote.state.write(|w| {
            below.iter().try_for_each(|problem| w.clear_problem(remote.mirror, &problem.path))
        })?)
    }

    /// Records a problem for each path that was looked at all the same. The path itself may be a
    /// file that was sent, so this comes after the plan: what is sent has no other problem.
    fn note_notices(&self, notices: &[Notice]) -> Result<(), MirrorError> {
        for notice in notices {
            self.executor.remote.problem(&notice.path, &notice.what, notice.hint)?;
        }
        Ok(())
    }

    /// Records new and changed folders before the planning, since that needs no call.
    fn record_folders(&self, changes: &[Change]) -> Result<(), MirrorError> {
        let mut folders = changes.iter().filter_map(|change| {
            let (Change::FolderAdded { facts, .. } | Change::FolderTouched { facts, .. }) = change
            else {
                return None;
            };
            let metadata = self.executor.source.whole_metadata(change.path(), &facts.metadata);
            Some((change, FolderFacts { metadata, ..facts.clone() }))
        });
        loop {
            // The metadata is read before the state is locked, for one transaction at a time.
            let some: Vec<(&Change, FolderFacts)> = folders.by_ref().take(500).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.executor.remote.state.write(|w| {
                for (change, facts) in &some {
                    record_folder(w, self.executor.remote.mirror, change, facts)?;
                }
                Ok(())
            })?;
        }
    }

    /// Clears the problems of paths that were looked at and found as recorded, and have no work
    /// that is still to be finished: the file may be gone, or be again as it was.
    fn forget_solved(&self, seen: &Survey) -> Result<(), MirrorError> {
        let pending =
            self.executor.remote.state.read(|s| s.uploads(self.executor.remote.mirror))?;
        if seen.left_out > 0 || !pending.is_empty() {
            return Ok(());
        }
        let looked_at: Option<BTreeSet<&RelPath>> = self.request.paths.map(|p| p.iter().collect());
        // A change of a folder's own facts is always recorded, so it keeps no problem open.
        let changes = seen.changes.iter().filter(|c| !matches!(c, Change::FolderTouched { .. }));
        let open: BTreeSet<&RelPath> = (changes.map(Change::path))
            .chain(seen.trouble.iter().map(|trouble| &trouble.path))
            .chain(seen.notices.iter().map(|notice| &notice.path))
            .chain(seen.unsettled.iter().chain(&seen.skipped))
            .chain(seen.incomplete.iter().chain(&seen.unavailable))
            .collect();
        let is_solved = |path: &RelPath| {
            let was_looked_at = looked_at.as_ref().is_none_or(|all| is_covered(all, path));
            // The cause of a folder's problem may be an entry in it.
            let below = open.range::<RelPath, _>(path..).next();
            was_looked_at
                && !is_covered(&open, path)
                && !below.is_some_and(|below| below.starts_with(path))
        };
        let mut problems =
            self.executor.remote.state.read(|s| s.problems(Some(self.executor.remote.mirror)))?;
        problems.retain(|problem| is_solved(&problem.path));
        if problems.is_empty() {
            return Ok(());
        }
        let begun = self.executor.remote.begun_paths()?;
        problems.retain(|problem| !begun.contains(&problem.path));
        if problems.is_empty() {
            return Ok(());
        }
        Ok(self.executor.remote.state.write(|w| {
            problems
                .iter()
                .try_for_each(|problem| w.clear_problem(self.executor.remote.mirror, &problem.path))
        })?)
    }

    fn leave_out_unread(&self, gathered: &Gathered) -> Result<(), MirrorError> {
        let remote = &self.executor.remote;
        for (path, unread) in &gathered.unread {
            match unread {
                Unread::Failed(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    remote.cannot_be_read(path, error)?;
                }
                Unread::Wrong(length) => {
                    remote.problem(path, &length.to_string(), WRONG_LENGTH_HINT)?;
                }
                Unread::Failed(_) | Unread::Changed => {
                    remote.dirty.mark(path.clone());
                    remote.report(|report| {
                        report.restless.insert(path.clone());
                    });
                }
            }
        }
        Ok(())
    }
}

/// Looks and plans without calling the service or changing anything: `--dry-run`.
///
/// # Errors
///
/// [`MirrorError`]: the source or the state cannot be read.
pub fn preview(
    state: &State,
    disks: &Disks,
    request: &CycleRequest<'_>,
    keep_versions: bool,
) -> Result<(Vec<FolderMove>, Prepared), MirrorError> {
    let mut seen = look(state, disks, request, None)?;
    let scanner = scanner(disks, request)?;
    let moves = folder_moves(state, &scanner, &seen.changes)?;
    // What lies in a moved folder is compared only once it has moved.
    let is_in_moved = |path: &RelPath| {
        moves.iter().any(|moved| path.starts_with(&moved.from) || path.starts_with(&moved.to))
    };
    seen.changes.retain(|change| !is_in_moved(change.path()));
    let from = Around { state, scanner: &scanner, mirror: request.mirror.id, form: request.form };
    let gathered = gather(from, &mut seen.changes, &BTreeSet::new())?;
    Ok((moves, prepare(state, request, seen, gathered, keep_versions)?))
}

fn scanner(disks: &Disks, request: &CycleRequest<'_>) -> Result<Scanner, MirrorError> {
    let scanner = disks.scanner(request.source, Arc::clone(&request.filter));
    scanner.map_err(MirrorError::source_at(request.source))
}

fn look(
    state: &State,
    disks: &Disks,
    request: &CycleRequest<'_>,
    paths: Option<&[RelPath]>,
) -> Result<Survey, MirrorError> {
    let mut scanner = scanner(disks, request)?;
    let tried = tried_lately(state, request, paths)?;
    let survey_request = SurveyRequest {
        mirror: request.mirror,
        paths,
        settle: request.settle,
        now: state.clock().wall(),
        force: &|path| request.force.contains(path),
        skip: &|path| tried.contains(path),
        max_additions: request.max_additions,
        keys: request.form.keys_id(),
    };
    Ok(blocking(|| survey(&mut scanner, state.mutex(), &survey_request))?)
}

/// The paths of problems that are not due yet, if there are so many that they would leave no room
/// for other changes: each of them differs from its record and would be taken on in every cycle.
fn tried_lately(
    state: &State,
    request: &CycleRequest<'_>,
    paths: Option<&[RelPath]>,
) -> Result<BTreeSet<RelPath>, MirrorError> {
    if paths.is_some() {
        return Ok(BTreeSet::new());
    }
    let problems = state.read(|s| s.problems(Some(request.mirror.id)))?;
    if problems.len() < request.max_additions / 2 {
        return Ok(BTreeSet::new());
    }
    let now_s = state.now_s();
    let waiting = problems.into_iter().filter(|problem| problem.next_try_s > now_s);
    Ok(waiting.map(|problem| problem.path).collect())
}

/// Plans the steps; the guard decides whether removals may be among them.
fn prepare(
    state: &State,
    request: &CycleRequest<'_>,
    seen: Survey,
    mut gathered: Gathered,
    keep_versions: bool,
) -> Result<Prepared, MirrorError> {
    let mut changes = seen.changes;
    let unread: BTreeSet<&RelPath> = gathered.unread.iter().map(|(path, _)| path).collect();
    let spared = match keep_versions {
        true => Vec::new(),
        false => {
            let (unsettled, awaited) = (&seen.unsettled_bytes, &seen.awaited);
            let unknown = Unknown { unread: &unread, unsettled, awaited };
            renamed::spare(state, request.mirror.id, &mut changes, unknown, &mut gathered.known)?
        }
    };
    changes.retain(|change| !unread.contains(change.path()));
    let usable = Usable {
        of_other_paths: !request.numbers_versions,
        as_replacement: state.read(|s| Habits::read(s))?.name_taken.is_some(),
        form: request.form,
    };
    let known = (changes.as_slice(), &gathered.known);
    gathered.known.versions = blocking(|| versions(state, request.mirror.id, known, usable))?;
    let waits = request.patient && !(seen.unsettled.is_empty() && unread.is_empty());
    let complete = seen.left_out == 0 && !waits;
    let mut put_off = if complete { Vec::new() } else { removals(&changes, request.form) };
    let loses_found_folder = loses_found_folder(&changes);
    let policy = Policy { keep_versions, limits: request.batch };
    let made = plan(changes, gathered.known, &policy);
    if made.removals == 0 {
        put_off.clear();
    }
    put_off.extend(spared.iter().cloned());
    let mirror = request.mirror.id;
    let mut held = None;
    let wanted = made.removals.max(u64::from(loses_found_folder));
    if complete && request.hold_removals && wanted > 0 {
        held = Some(HeldRemovals { removals: wanted, limit: 0 });
    } else if complete && made.removals > 0 {
        let recorded = state.read(|s| s.totals(mirror))?.files;
        let now_s = state.now_s();
        let in_24_h = state.read(|s| s.removals_since(mirror, now_s - 24 * 3600))?;
        let allowance = state.read(|s| s.allowance(mirror))?;
        let verdict = guard::judge(&request.limit, recorded, in_24_h, allowance, made.removals);
        if let guard::Verdict::Held { asked, limit, .. } = verdict {
            held = Some(HeldRemovals { removals: asked, limit });
        }
    }
    let may_remove = complete && held.is_none();
    let made = if may_remove { made } else { made.without_removals() };
    let outcome = CycleOutcome {
        held,
        put_off,
        unsettled: seen.unsettled,
        left_out: seen.left_out,
        trouble: seen.trouble,
        spared: !spared.is_empty(),
        again: BTreeSet::new(),
    };
    Ok(Prepared { plan: made, outcome })
}

/// Whether `path`, or a folder above it, is one of `paths`.
fn is_covered(paths: &BTreeSet<&RelPath>, path: &RelPath) -> bool {
    let mut at = Some(path.clone());
    while let Some(path) = at {
        if paths.contains(&path) {
            return true;
        }
        at = path.parent();
    }
    false
}
