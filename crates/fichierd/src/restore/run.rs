//! Carries out a plan: folders first, then links and files, at last the folders' metadata.
//!
//! ```text
//! run    Restore::run, async: the order of the work, and how many downloads at one time
//!  │       make_folders, make_links, make_empties
//!  │       for each content, some at one time:
//!  │         sort_places          compare what stands at each of its places
//!  │         copy_all             from a place that has the content already, or else
//!  │         fetch, place_all     download it to the first place, copy it to the others
//!  │         refresh              set the metadata where the content was right already
//!  │       end                    metadata of the folders, children first; wait for the disk
//!  ▼
//! disk   Disk, on blocking threads: carries out these steps, notes the error of one path as
//!  │     its problem, and passes on an error that ends the restore
//!  ▼
//! dest   Dest, behind one lock: the only code that writes; the way to a path, the staging
//!        folder, the rename
//! ```
//!
//! Every file is made under another name. Its size and hash are compared, its metadata is set and
//! it is written to disk; then it gets its name. So a restore that was stopped, also by a crash, is
//! run again and goes on with the missing files: a file that is there with the same content is left
//! alone.
//!
//! An error of one path is a problem of that path, and the rest goes on. A full disk, a refused key
//! or a service that stays away ends the restore; everything restored until then is kept.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fichier_api::{Client, DownloadOptions, Error, ErrorKind};
use fichier_state::RelPath;
use futures_util::{StreamExt as _, stream};

use super::dest::Dest;
use super::disk::{Disk, Shared, Todo, Writer};
use super::fetch::{Fetcher, NotFetched};
use super::metadata::MetadataSetter;
use super::owners::Owners;
use super::plan::{Content, DestPlace, Plan};
use super::report::{Meter, Progress, Report};

/// What happens to files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// They stay as they are.
    Never,
    /// Files with other content are replaced; metadata is set on all.
    Changed,
    /// Links and files that stand where something else belongs are replaced too.
    Always,
}

/// How to restore.
#[derive(Clone, Debug)]
pub struct Options {
    /// What happens to files that are there already.
    pub overwrite: Overwrite,
    /// Downloads at one time.
    pub parallel: usize,
    /// Uses the account's CDN credits.
    pub use_cdn: bool,
    /// The destination was made for this restore, and gets the metadata of the root.
    pub made_top: bool,
    /// The destination is the mirrored folder itself, and gets the metadata of the root.
    pub in_place: bool,
}

/// The end of a restore.
#[derive(Debug)]
pub struct Outcome {
    /// What was done, also where it ended early.
    pub report: Report,
    /// The error that ended it early; running the same again goes on.
    pub stopped: Option<RestoreError>,
}

/// Why a restore ended early.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The destination failed: a full disk, an I/O error.
    #[error("cannot write to {}", path.display())]
    Disk {
        /// The file or folder that could not be written.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The service failed, after all waits.
    #[error(transparent)]
    Service(fichier_api::Error),
}

/// One restore.
pub struct Restore {
    fetcher: Fetcher,
    options: Options,
    top: PathBuf,
    shared: Arc<Shared>,
}

impl Restore {
    /// A restore into the folder `top`, which exists. In place, no link is followed to it that
    /// somebody else may have planted.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Disk`] if it cannot be opened.
    pub fn new(
        client: Client,
        top: PathBuf,
        owners: Owners,
        options: Options,
        progress: Arc<Progress>,
    ) -> Result<Restore, RestoreError> {
        let dest = if options.in_place { Dest::open_in_place(&top) } else { Dest::open(&top) };
        let dest = dest.map_err(|source| RestoreError::Disk { path: top.clone(), source })?;
        let writer = Mutex::new(Writer { dest, setter: MetadataSetter::new(owners) });
        let shared = Shared { writer, report: Mutex::default(), stopped: AtomicBool::new(false) };
        let paying = DownloadOptions { use_cdn: options.use_cdn, ..DownloadOptions::default() };
        let client = client.with_download_options(paying);
        let fetcher = Fetcher { client, progress, answers: Arc::default() };
        Ok(Restore { fetcher, options, top, shared: Arc::new(shared) })
    }

    /// Restores everything in `plan` that can be restored, and reports the result.
    pub async fn run(self, plan: Plan) -> Outcome {
        let stopped = self.carry_out(plan).await.err();
        let unset = self.shared.unset();
        let report = Report { unset, ..std::mem::take(&mut *self.shared.report()) };
        Outcome { report, stopped }
    }

    async fn carry_out(&self, plan: Plan) -> Result<(), RestoreError> {
        let totals = plan.totals();
        let progress = Arc::clone(&self.fetcher.progress);
        progress.files.store(totals.files, Ordering::Relaxed);
        progress.bytes.store(totals.bytes, Ordering::Relaxed);
        for (path, why) in &plan.refused {
            self.shared.report().problem(path, why.clone(), "");
        }
        let (folders, links, empties) = (plan.folders, plan.links, plan.empties);
        let folders = self.on_disk(move |restore| {
            let is_there = restore.make_folders(&folders)?;
            restore.make_links(links)?;
            restore.make_empties(empties)?;
            Ok((folders, is_there))
        });
        let (folders, is_there) = folders.await?;
        self.restore_contents(plan.contents).await?;
        self.on_disk(move |restore| restore.end(&folders, &is_there)).await
    }

    /// Runs work on the disk layer, on a thread that may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, RestoreError> + Send + 'static,
    ) -> Result<T, RestoreError> {
        let disk = Disk {
            shared: Arc::clone(&self.shared),
            overwrite: self.options.overwrite,
            made_top: self.options.made_top,
            in_place: self.options.in_place,
            top: self.top.clone(),
            progress: Arc::clone(&self.fetcher.progress),
        };
        let done = tokio::task::spawn_blocking(move || work(&disk)).await;
        done.unwrap_or_else(|panic| {
            let (path, source) = (self.top.clone(), io::Error::other(panic));
            Err(RestoreError::Disk { path, source })
        })
    }

    /// Restores the contents, some at one time. After an error those under way finish, and no
    /// other begins.
    async fn restore_contents(&self, contents: Vec<Content>) -> Result<(), RestoreError> {
        let one = async |content: Content| {
            if self.shared.stopped.load(Ordering::Relaxed) {
                return Ok(());
            }
            let done = self.restore_content(content).await;
            done.inspect_err(|_| self.shared.stopped.store(true, Ordering::Relaxed))
        };
        let mut running =
            stream::iter(contents).map(one).buffer_unordered(self.options.parallel.max(1));
        let mut outcome = Ok(());
        while let Some(done) = running.next().await {
            outcome = outcome.and(done);
        }
        outcome
    }

    async fn restore_content(&self, content: Content) -> Result<(), RestoreError> {
        let meter = Arc::new(self.fetcher.progress.meter());
        let (files, bytes) = (content.places.len() as u64, content.size_bytes);
        let content = Arc::new(content);
        if content.is_incomparable() {
            let asked = Arc::clone(&content);
            if self.on_disk(move |disk| Ok(disk.may_be_there(&asked))).await? {
                self.fetcher.learn_nonce(&content).await;
            }
        }
        let looked_at = Arc::clone(&content);
        let todo = self.on_disk(move |disk| disk.sort_places(&looked_at)).await?;
        let outcome = self.bring(&content, todo, &meter).await;
        self.fetcher.progress.are_done(files, bytes * files, meter.shown());
        outcome
    }

    async fn bring(
        &self,
        content: &Arc<Content>,
        mut todo: Todo,
        meter: &Arc<Meter>,
    ) -> Result<(), RestoreError> {
        let mut todo = match (todo.same.first().cloned(), todo.write.is_empty()) {
            (_, true) => todo,
            (Some(source), false) => {
                let (places, known) = (std::mem::take(&mut todo.write), Arc::clone(content));
                let left = self.on_disk(move |disk| disk.copy_all(&known, &source, places)).await?;
                Todo { write: left, ..todo }
            }
            (None, false) => todo,
        };
        if let Some((first, replace)) = todo.write.first().cloned() {
            let rest = todo.write.split_off(1);
            self.fetch_to(content, first, replace, rest, meter).await?;
        }
        let same = todo.same;
        self.on_disk(move |disk| disk.refresh(&same)).await
    }

    /// Downloads a content to its first place, and copies it to the others.
    async fn fetch_to(
        &self,
        content: &Arc<Content>,
        first: DestPlace,
        replace: bool,
        rest: Vec<(DestPlace, bool)>,
        meter: &Arc<Meter>,
    ) -> Result<(), RestoreError> {
        let key = content.id.key();
        let part = self.on_disk(move |disk| disk.part(&key)).await?;
        let (file, present) = match part.file().try_clone() {
            Ok(file) => (Arc::new(file), part.present_bytes()),
            Err(source) => return Err(self.disk_error(&first.path, source)),
        };
        let holes = Arc::new(first.metadata.holes.clone());
        match self.fetcher.fetch(content, holes, &file, present, meter).await {
            Ok(()) => {
                drop(file);
                let known = Arc::clone(content);
                let came = meter.came();
                self.on_disk(move |disk| disk.place_all(part, &known, first, replace, rest, came))
                    .await
            }
            Err(NotFetched::Lost(why)) => {
                self.note_lost(&why, std::iter::once(first).chain(rest.into_iter().map(|r| r.0)));
                self.on_disk(move |disk| disk.discard(part)).await
            }
            Err(NotFetched::Stopped(Error { kind: ErrorKind::Sink(source), .. })) => {
                Err(self.disk_error(&first.path, source))
            }
            Err(NotFetched::Stopped(error)) => Err(RestoreError::Service(error)),
        }
    }

    fn note_lost(&self, why: &str, places: impl Iterator<Item = DestPlace>) {
        let mut report = self.shared.report();
        for place in places {
            report.problem(
                &place.path,
                why,
                "another version may be whole: fichierd versions PATH",
            );
        }
    }

    fn disk_error(&self, path: &RelPath, source: io::Error) -> RestoreError {
        RestoreError::Disk { path: self.top.join(path.as_path()), source }
    }
}
