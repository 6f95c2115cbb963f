//! Notices when file systems come and go.
//!
//! An unmounted disk looks like a folder that someone has emptied, and `notify` (8.2.2) says
//! nothing about it. `poll(2)` on `/proc/self/mountinfo` does, within milliseconds and without
//! privileges, for lazy unmounts too (proc_pid_mountinfo(5)).
//!
//! The table of a host with containers changes all the time, so a thread that is woken compares the
//! mounts that concern it ([`MountWatch::concerning`]) before it does anything expensive.
//!
//! Invariant: a change is never missed, except for one that is undone while another one is being
//! read, with the same mount number. A change that was undone before it was read counts for every
//! path.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use tokio::sync::Notify;

use super::todo::Todo;
use crate::disk::mounts::{MOUNT_TABLE, Mount, MountTable};

/// Watches the mount table of this process. One is enough; clones share it.
#[derive(Clone, Debug)]
pub struct MountWatch {
    // The thread ends when the last clone closes this end of its pipe.
    _until_closed: Arc<PipeWriter>,
    shared: Arc<Shared>,
}

/// The mounts that concern one path; equal to another of the same path if none of them has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountView {
    mounts: Vec<Mount>,
    bounces: u64,
}

#[derive(Debug, Default)]
struct Shared {
    generation: AtomicU64,
    changed: Notify,
    // Std mutexes: held for a read or a replacement of their contents.
    table: Mutex<LastRead>,
    inboxes: Mutex<Vec<Weak<Todo>>>,
}

#[derive(Debug, Default)]
struct LastRead {
    table: MountTable,
    // How often the table changed, and read the same as before.
    bounces: u64,
}

impl MountWatch {
    /// Starts the thread that watches.
    ///
    /// # Errors
    ///
    /// When `/proc` is not mounted, or no thread or descriptor can be had.
    pub fn start() -> io::Result<MountWatch> {
        let (until_closed, writer) = io::pipe()?;
        let mut file = File::open(MOUNT_TABLE)?;
        let shared = Arc::new(Shared::default());
        shared.lock_table().table = read(&mut file)?;
        let watching = Arc::clone(&shared);
        thread::Builder::new()
            .name("mounts".to_owned())
            .spawn(move || follow(&mut file, &until_closed, &watching))?;
        Ok(MountWatch { _until_closed: Arc::new(writer), shared })
    }

    /// Goes up with every change of the table.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Waits for a change of the table. For one waiter at a time; remembers a change that came
    /// while nobody was waiting. Cancel-safe.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// The mounts at, above and below `path`, which must be absolute and without symbolic links.
    pub fn concerning(&self, path: &Path) -> MountView {
        let last = self.shared.lock_table();
        let mounts = last.table.concerning(path).cloned().collect();
        MountView { mounts, bounces: last.bounces }
    }

    /// Leaves a note in `todo` at each change from now on.
    pub(super) fn tell(&self, todo: &Arc<Todo>) {
        let mut inboxes = self.shared.lock_inboxes();
        inboxes.retain(|todo| todo.strong_count() > 0);
        inboxes.push(Arc::downgrade(todo));
    }
}

impl Shared {
    fn lock_table(&self) -> MutexGuard<'_, LastRead> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_inboxes(&self) -> MutexGuard<'_, Vec<Weak<Todo>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, table: MountTable) {
        let mut last = self.lock_table();
        last.bounces += u64::from(last.table == table);
        last.table = table;
        drop(last);
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
        for todo in self.lock_inboxes().iter().filter_map(Weak::upgrade) {
            todo.mounts_changed();
        }
    }
}

fn follow(file: &mut File, until_closed: &PipeReader, shared: &Shared) {
    loop {
        let mut fds = [
            PollFd::new(file, PollFlags::PRI | PollFlags::ERR),
            PollFd::new(until_closed, PollFlags::IN),
        ];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => return tracing::error!("cannot watch {MOUNT_TABLE}: {err}"),
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        if !fds[0].revents().is_empty() {
            match read_settled(file) {
                Ok(table) => shared.replace(table),
                Err(err) => return tracing::error!("cannot read {MOUNT_TABLE}: {err}"),
            }
        }
    }
}

/// Reads the table until it does not change while being read.
///
/// Several mounts in a row wake once each. Taken one by one, the second would show the table that the
/// first has shown already, and pass for a change that was undone.
fn read_settled(file: &mut File) -> io::Result<MountTable> {
    loop {
        let table = read(file)?;
        let mut fds = [PollFd::new(file, PollFlags::PRI | PollFlags::ERR)];
        if rustix::event::poll(&mut fds, Some(&Timespec::default()))? == 0 {
            return Ok(table);
        }
    }
}

fn read(file: &mut File) -> io::Result<MountTable> {
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(MountTable::parse(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:2 / /srv rw - ext4 /dev/sda2 rw
40 22 0:9 / /run/user/1000 rw - tmpfs tmpfs rw";

    fn parsed(text: &str) -> MountTable {
        MountTable::parse(text.as_bytes())
    }

    fn watch(table: &str) -> MountWatch {
        let shared = Shared::default();
        shared.lock_table().table = parsed(table);
        MountWatch { _until_closed: Arc::new(io::pipe().unwrap().1), shared: Arc::new(shared) }
    }

    #[test]
    fn a_mount_elsewhere_leaves_the_view_as_it_was() {
        let watch = watch(TABLE);
        let before = watch.concerning(Path::new("/srv/photos"));
        watch.shared.replace(parsed(&TABLE.replace("/run/user/1000", "/run/user/1001")));
        assert_eq!(watch.concerning(Path::new("/srv/photos")), before);
        assert_eq!(watch.generation(), 1);
    }

    #[test]
    fn a_change_that_was_undone_before_it_was_read_concerns_everybody() {
        let watch = watch(TABLE);
        let before = watch.concerning(Path::new("/home"));
        watch.shared.replace(parsed(TABLE));
        assert_ne!(watch.concerning(Path::new("/home")), before);
    }

    #[tokio::test]
    async fn a_change_that_came_before_the_wait_ends_it() {
        let watch = watch(TABLE);
        watch.shared.replace(parsed(""));
        watch.changed().await;
        assert_eq!(watch.generation(), 1);
    }
}
