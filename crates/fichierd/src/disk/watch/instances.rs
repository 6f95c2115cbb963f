//! Spreads the watches of one mirror over several inotify instances, through `notify`.
//!
//! When a watched folder goes away, `notify` (8.2.2) compares it with every other watch of the same
//! instance. One instance for a large tree reports nothing for half a minute while someone runs `rm
//! -rf`; with [`WATCHES_PER_INSTANCE`] watches each it is a fraction of a second. The measured
//! figures are in the header of `watch`.
//!
//! When no more instances can be had, the existing ones take more watches and get slower.
//!
//! Invariant: every watch is known to exactly one instance, the one that [`Instances::watch`] named.

use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use notify::{Config, ErrorKind, EventHandler, RecommendedWatcher, RecursiveMode, Watcher};

use super::events::Events;

/// The number of watches that an instance takes before another is made: as many as a hash table of
/// 1,024 places has room for. `notify` has two of them, and one more watch would double their size.
pub(super) const WATCHES_PER_INSTANCE: usize = 896;

/// The largest number of instances of a mirror, because each has a thread and three descriptors; at
/// this number the existing ones take more watches.
const MAX_SHARDS: usize = 64;

/// The time that closed instances get to give back their watches before new ones are set.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// Why a folder is not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The user has no watches left (`fs.inotify.max_user_watches`).
    WatchLimit,
    /// The user has no inotify instances left, or this process no descriptors.
    InstanceLimit,
    /// No thread is left for an instance (`TasksMax` of the unit).
    ThreadLimit,
    /// This user may not read the folder.
    Denied,
    /// The folder is gone, or is not a folder.
    Gone,
    /// Changes made elsewhere are not reported on this file system.
    SilentFileSystem(&'static str),
    /// The same folder is watched under another path already (a bind mount).
    Twice,
    /// Anything else, in the system's words.
    Other(String),
}

impl From<io::Error> for Refusal {
    fn from(err: io::Error) -> Refusal {
        match rustix::io::Errno::from_io_error(&err) {
            Some(errno) => errno.into(),
            None => Refusal::Other(err.to_string()),
        }
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(errno: rustix::io::Errno) -> Refusal {
        use rustix::io::Errno;
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Refusal::Gone,
            Errno::ACCESS | Errno::PERM => Refusal::Denied,
            Errno::NOSPC => Refusal::WatchLimit,
            Errno::MFILE | Errno::NFILE => Refusal::InstanceLimit,
            other => Refusal::Other(io::Error::from(other).to_string()),
        }
    }
}

impl From<notify::Error> for Refusal {
    fn from(err: notify::Error) -> Refusal {
        match err.kind {
            ErrorKind::MaxFilesWatch => Refusal::WatchLimit,
            ErrorKind::PathNotFound => Refusal::Gone,
            ErrorKind::Io(err) => err.into(),
            ErrorKind::Generic(_) | ErrorKind::WatchNotFound | ErrorKind::InvalidConfig(_) => {
                Refusal::Other(err.to_string())
            }
        }
    }
}

/// The instance that watches a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstanceId(pub(super) u16);

/// The inotify instances of one mirror.
#[derive(Debug)]
pub(super) struct Instances {
    events: Events,
    closed: mpsc::Receiver<()>,
    instances: Vec<Instance>,
    size: usize,
    most: usize,
}

#[derive(Debug)]
struct Instance {
    watcher: RecommendedWatcher,
    watches: usize,
}

impl Instances {
    /// Starts without instances; each takes `size` watches before another is made. `events` is made
    /// with the sender that tells when they are closed.
    pub(super) fn new(size: usize, events: impl FnOnce(mpsc::Sender<()>) -> Events) -> Instances {
        let (alive, closed) = mpsc::channel();
        Instances {
            events: events(alive),
            closed,
            instances: Vec::new(),
            size,
            most: most_instances(),
        }
    }

    /// Watches one folder, not what is below it.
    ///
    /// Waits for the instance's thread: a few tens of microseconds, or as long as it is busy.
    pub(super) fn watch(&mut self, path: &Path) -> Result<InstanceId, Refusal> {
        let id = self.choose()?;
        let instance = &mut self.instances[usize::from(id.0)];
        instance.watcher.watch(path, RecursiveMode::NonRecursive)?;
        instance.watches += 1;
        Ok(id)
    }

    /// Stops watching the folder that is watched as `path`.
    pub(super) fn unwatch(&mut self, InstanceId(instance): InstanceId, path: &Path) {
        let instance = &mut self.instances[usize::from(instance)];
        instance.watches -= 1;
        // Fails if `notify` has dropped it already, on an event that we have seen as well.
        drop(instance.watcher.unwatch(path));
    }

    /// Notes that the kernel and `notify` have dropped a watch by themselves.
    pub(super) fn dropped(&mut self, InstanceId(instance): InstanceId) {
        self.instances[usize::from(instance)].watches -= 1;
    }

    /// Reports what happens below `source` from now on. To be called while there are no watches.
    pub(super) fn belong_to(&mut self, source: &Arc<PathBuf>) {
        self.events.source = Arc::clone(source);
    }

    /// Drops all watches, and waits until they no longer count against the user's limits.
    pub(super) fn close(&mut self) {
        self.most = most_instances();
        if self.instances.is_empty() {
            return;
        }
        let (alive, closed) = mpsc::channel();
        self.events.alive = alive;
        self.instances.clear();
        // Each instance owned a clone of the old sender; none is left to send.
        match self.closed.recv_timeout(CLOSE_DEADLINE) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => {
                tracing::debug!("inotify instances are slow to close");
            }
        }
        self.closed = closed;
    }

    fn choose(&mut self) -> Result<InstanceId, Refusal> {
        let instances = (0..).map(InstanceId).zip(&self.instances);
        if let Some((roomy, _)) =
            instances.clone().find(|(_, instance)| instance.watches < self.size)
        {
            return Ok(roomy);
        }
        if self.instances.len() < self.most {
            match instance(self.events.clone()) {
                Ok(watcher) => self.instances.push(Instance { watcher, watches: 0 }),
                Err(why) if self.instances.is_empty() => return Err(why),
                // Slower instances are better than unwatched folders.
                Err(_) => self.most = self.instances.len(),
            }
        }
        let instances = (0..).map(InstanceId).zip(&self.instances);
        let emptiest = instances.min_by_key(|(_, instance)| instance.watches);
        emptiest.map(|(id, _)| id).ok_or(Refusal::InstanceLimit)
    }
}

/// An inotify instance and its thread.
///
/// `notify` (8.2.2) does not check whether it got the thread, and panics at the first watch, and
/// when dropped, if it did not. So a thread is tried first, and an instance that lost its own by
/// bad luck in between is never touched again.
fn instance(mut events: Events) -> Result<RecommendedWatcher, Refusal> {
    let tried = thread::Builder::new().spawn(|| ()).map_err(|_| Refusal::ThreadLimit)?;
    // The thread does nothing, and so cannot panic.
    drop(tried.join());
    // It has no effect: `notify` itself walks only below a recursive watch.
    let config = Config::default().with_follow_symlinks(false);
    let lives = Arc::new(());
    let thread = Arc::downgrade(&lives);
    let handler = move |event| {
        let _kept = &lives;
        events.handle_event(event);
    };
    let watcher = ManuallyDrop::new(RecommendedWatcher::new(handler, config)?);
    if thread.strong_count() == 0 {
        return Err(Refusal::ThreadLimit);
    }
    Ok(ManuallyDrop::into_inner(watcher))
}

/// A quarter of the instances that a user may have: other mirrors and programs need some too.
fn most_instances() -> usize {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").ok();
    let limit = limit.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(128);
    (limit / 4).clamp(1, MAX_SHARDS)
}
