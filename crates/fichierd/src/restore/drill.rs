//! Proves that a restore would work: restores a random sample into a folder of its own, and
//! compares it with the records and with the disk.
//!
//! The sample is bounded by files and by bytes (`drill_bytes`). Its folder lies in the state folder
//! and is removed afterwards, whatever happens. Only the records are read; nothing at the service
//! is changed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fichier_api::Client;
use fichier_state::{Content as Recorded, Mirror, PastContent, Proof, ProofKind, RelPath, Store};

use super::awaited;
use crate::base::words::{bytes, count, counted};
use crate::config::MirrorConfig;
use crate::disk::{Filter, Opened, Scanner};
use crate::remote::looked;
use crate::restore::tree::{Node, Tree};
use crate::restore::{
    Content, Keyring, Options, Outcome, Overwrite, Owners, Plan, Progress, Restore, RestoreError,
    Selection, is_content,
};

/// The largest number of files in a sample, because each costs a call; others are left out.
const MOST_FILES: usize = 20;

/// Seconds after the first cycle before the first drill: a new mirror has other things to do.
const FIRST_AFTER_S: i64 = 24 * 3600;

/// The first letters of the name of a drill's folder.
const PREFIX: &str = "drill-";

/// The age after which a drill's folder was left behind by a crash, and is removed: no drill takes
/// that long.
const STALE: Duration = Duration::from_secs(2 * 24 * 3600);

/// The number of differences that a report names; the others are counted.
const NAMED: usize = 5;

/// One drill: the sample, and how it is compared.
pub struct Drill {
    plan: Plan,
    source: std::path::PathBuf,
    /// The files whose stamp on disk is the recorded one; they are compared with the disk too.
    unchanged: BTreeSet<RelPath>,
    /// Files that no restore would bring back at present.
    awaited: Vec<RelPath>,
    files: u64,
    bytes: u64,
    progress: Arc<Progress>,
    use_cdn: bool,
}

/// How long until a drill of the mirror is due; `None` if it never is.
///
/// # Errors
///
/// Those of reading the state.
pub fn due_in(
    store: &Store,
    mirror: &Mirror,
    config: &MirrorConfig,
) -> Result<Option<Duration>, fichier_state::Error> {
    let Some(period) = config.drill else { return Ok(None) };
    if !looked::has_looked(store, mirror)? {
        return Ok(None);
    }
    let last = store.proofs(mirror.id, ProofKind::Drill)?.into_iter().next();
    let period_s = i64::try_from(period.as_secs()).unwrap_or(i64::MAX);
    let due_s = match last {
        Some(last) => last.at_s.saturating_add(period_s),
        None => mirror.created_s + FIRST_AFTER_S,
    };
    let wait = due_s.saturating_sub(store.clock().now_s());
    Ok(Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0))))
}

impl Drill {
    /// Chooses the sample: random files of at most `most_bytes` together. `None` if there is
    /// no file of that size. A file that no password on the ring reads is found lacking.
    ///
    /// # Errors
    ///
    /// Those of reading the state.
    pub fn prepare(
        store: &Store,
        mirror: &Mirror,
        keyring: &Keyring,
        most_bytes: u64,
    ) -> Result<Option<Drill>, fichier_state::Error> {
        let tree = Tree::new(store, mirror, store.newest_moment()?).with_keys(keyring);
        let sample = sample(&tree, most_bytes)?;
        let awaited = awaited::in_tree(&tree)?;
        if sample.is_empty() && awaited.is_empty() {
            return Ok(None);
        }
        let plan = Plan::of(store, &tree, &Selection::only(sample.clone()))?;
        let totals = plan.totals();
        let scanner = Filter::new(&mirror.source, &[])
            .ok()
            .and_then(|filter| Scanner::open(&mirror.source, Arc::new(filter)).ok());
        let mut unchanged = BTreeSet::new();
        for path in sample {
            let parent = path.parent().unwrap_or_default();
            let Some(folder) = store.folder_at(mirror.id, &parent)? else { continue };
            let Some(entry) = store.entry(folder.key, path.name())? else { continue };
            let seen = scanner.as_ref().and_then(|scanner| scanner.look(&path).ok().flatten());
            let is_file = matches!(entry.content, Recorded::File(_));
            if is_file && !entry.racy && seen.is_some_and(|seen| seen.stamp == entry.stamp) {
                unchanged.insert(path);
            }
        }
        Ok(Some(Drill {
            plan,
            source: mirror.source.clone(),
            unchanged,
            awaited,
            files: totals.files,
            bytes: totals.bytes,
            progress: Arc::default(),
            use_cdn: false,
        }))
    }

    /// How far the drill is, to be looked at while it runs.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// The same, paid for with the account's CDN credits if `use_cdn`.
    #[must_use]
    pub fn paid(self, use_cdn: bool) -> Drill {
        Drill { use_cdn, ..self }
    }

    /// Restores the sample below `folder`, compares it, and reports the result.
    ///
    /// # Errors
    ///
    /// [`RestoreError`] if the service or the disk kept it from a result: that proves nothing.
    pub async fn run(
        self,
        client: Client,
        folder: &Path,
        now_s: i64,
    ) -> Result<Proof, RestoreError> {
        let disk = |source: io::Error| RestoreError::Disk { path: folder.to_owned(), source };
        remove_leftovers(folder);
        let dest = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder).map_err(disk)?;
        let options = Options {
            overwrite: Overwrite::Never,
            parallel: 2,
            use_cdn: self.use_cdn,
            made_top: false,
            in_place: false,
        };
        let contents = self.plan.contents.clone();
        let progress = self.progress;
        let restore =
            Restore::new(client, dest.path().to_owned(), Owners::numeric(), options, progress)?;
        let Outcome { report, stopped } = restore.run(self.plan).await;
        if let Some(error) = stopped {
            return Err(error);
        }
        let lacking: Vec<String> = report
            .problems
            .iter()
            .map(|problem| format!("`{}`: {}", problem.path, problem.what))
            .chain(self.awaited.iter().map(|path| format!("`{path}`: {}", awaited::WHY)))
            .collect();
        let (top, source, unchanged) = (dest.path().to_owned(), self.source, self.unchanged);
        let compared =
            tokio::task::spawn_blocking(move || compare(&contents, &top, &source, &unchanged));
        let compared = compared.await.map_err(|panic| disk(io::Error::other(panic)))?;
        let different: Vec<String> = lacking.into_iter().chain(compared.different).collect();
        let good = different.is_empty();
        let detail = if good {
            format!(
                "{} ({}) restored as recorded, {} of them compared with the disk",
                counted(self.files, "file"),
                bytes(self.bytes),
                count(compared.with_disk)
            )
        } else {
            let more = different.len().saturating_sub(NAMED);
            let mut named = different;
            named.truncate(NAMED);
            if more > 0 {
                named.push(format!("and {} more", count(more as u64)));
            }
            named.join("; ")
        };
        Ok(Proof { good, at_s: now_s, files: self.files, bytes: self.bytes, detail })
    }
}

/// Removes the folders of drills that died.
#[expect(clippy::disallowed_methods, reason = "a folder of our own, in the state folder")]
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_drill = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let age = entry.metadata().and_then(|found| found.modified()).ok();
        let is_stale = age.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > STALE);
        if is_drill
            && is_stale
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(
                "the folder {} of an earlier drill cannot be removed: {error}",
                entry.path().display()
            );
        }
    }
}

struct Compared {
    with_disk: u64,
    different: Vec<String>,
}

/// Reads the restored files once more, and the files on disk that have the same stamp.
fn compare(
    contents: &[Content],
    top: &Path,
    source: &Path,
    unchanged: &BTreeSet<RelPath>,
) -> Compared {
    let mut compared = Compared { with_disk: 0, different: Vec::new() };
    let scanner = Filter::new(source, &[])
        .ok()
        .and_then(|filter| Scanner::open(source, Arc::new(filter)).ok());
    for content in contents {
        for place in &content.places {
            let path = &place.path;
            let restored = File::open(top.join(path.as_path()));
            // A file that is missing altogether is among the restore's own problems.
            let Ok(restored) = restored else { continue };
            if !is_content(&restored, content).unwrap_or(false) {
                compared.different.push(format!("`{path}` was not restored as recorded"));
            }
            let (true, Some(scanner)) = (unchanged.contains(path), &scanner) else { continue };
            let Ok(Opened::File(on_disk)) = scanner.open_file(path) else { continue };
            match is_content(&on_disk, content) {
                Ok(true) => compared.with_disk += 1,
                Ok(false) => compared.different.push(format!(
                    "`{path}` on disk is not what was sent, though its times say so: the disk may \
                     be failing; the copy on 1fichier is whole"
                )),
                Err(error) => {
                    compared.different.push(format!("`{path}` cannot be read on disk: {error}"));
                }
            }
        }
    }
    compared
}

/// Random files, each as likely as any other, up to the bounds.
fn sample(tree: &Tree<'_>, most_bytes: u64) -> Result<BTreeSet<RelPath>, fichier_state::Error> {
    // Each file draws a number; those with the smallest are the sample.
    let mut drawn: std::collections::BinaryHeap<(u64, RelPath, u64)> =
        std::collections::BinaryHeap::new();
    tree.walk(&RelPath::root(), |path, node| {
        if let Node::Entry(entry, _) = node
            && let PastContent::File { size_bytes, .. } = entry.content
            && size_bytes <= most_bytes
        {
            drawn.push((fastrand::u64(..), path, size_bytes));
            if drawn.len() > MOST_FILES {
                drawn.pop();
            }
        }
        ControlFlow::Continue(())
    })?;
    let mut left = most_bytes;
    let mut sample = BTreeSet::new();
    for (_, path, size_bytes) in drawn.into_sorted_vec() {
        if size_bytes <= left {
            left -= size_bytes;
            sample.insert(path);
        }
    }
    Ok(sample)
}
