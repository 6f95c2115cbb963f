//! Notices when file systems come and go.
//!
//! An unmounted disk looks like a folder that someone has emptied, and `notify` (8.2.2) says
//! nothing about it. `poll(2)` on `/proc/self/mountinfo` does, within milliseconds and without
//! privileges, for lazy unmounts too (proc_pid_mountinfo(5)).
//!
//! The table of a host with containers changes all the time, so whoever is woken compares what
//! concerns it ([`MountWatch::concerning`]) before doing anything dear.
//!
//! Invariant: a change is never missed, except for one that is undone while another one is being read,
//! with the same mount number. A change that was undone before it was read counts as one for everybody.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use tokio::sync::Notify;

use super::todo::Todo;

const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// Watches the mount table of this process. One is enough; clones share it.
#[derive(Clone, Debug)]
pub struct MountWatch {
    // The thread ends when the last clone closes this end of its pipe.
    _until_closed: Arc<PipeWriter>,
    shared: Arc<Shared>,
}

/// The mounts that concern one path; equal to another of the same path if nothing has happened to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountView {
    lines: Vec<Vec<u8>>,
    bounces: u64,
}

#[derive(Debug, Default)]
struct Shared {
    generation: AtomicU64,
    changed: Notify,
    // Std mutexes: held for a read or a replacement of their contents.
    table: Mutex<Table>,
    inboxes: Mutex<Vec<Weak<Todo>>>,
}

#[derive(Debug, Default)]
struct Table {
    text: Vec<u8>,
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
        shared.lock_table().text = read(&mut file)?;
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
        let table = self.shared.lock_table();
        let lines = table.text.split(|byte| *byte == b'\n');
        let concerning = lines.filter(|line| {
            mount_point(line).is_some_and(|point| {
                let point = Path::new(OsStr::from_bytes(&point));
                path.starts_with(point) || point.starts_with(path)
            })
        });
        MountView { lines: concerning.map(<[u8]>::to_vec).collect(), bounces: table.bounces }
    }

    /// Leaves a note in `todo` at each change from now on.
    pub(super) fn tell(&self, todo: &Arc<Todo>) {
        let mut inboxes = self.shared.lock_inboxes();
        inboxes.retain(|todo| todo.strong_count() > 0);
        inboxes.push(Arc::downgrade(todo));
    }
}

impl Shared {
    fn lock_table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_inboxes(&self) -> MutexGuard<'_, Vec<Weak<Todo>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, text: Vec<u8>) {
        let mut table = self.lock_table();
        table.bounces += u64::from(table.text == text);
        table.text = text;
        drop(table);
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
            match read_at_rest(file) {
                Ok(text) => shared.replace(text),
                Err(err) => return tracing::error!("cannot read {MOUNT_TABLE}: {err}"),
            }
        }
    }
}

/// Reads the table until it does not change while being read.
///
/// Several mounts in a row wake once each. Taken one by one, the second would show the text that the
/// first has shown already, and pass for a change that was undone.
fn read_at_rest(file: &mut File) -> io::Result<Vec<u8>> {
    loop {
        let text = read(file)?;
        let mut fds = [PollFd::new(file, PollFlags::PRI | PollFlags::ERR)];
        if rustix::event::poll(&mut fds, Some(&Timespec::default()))? == 0 {
            return Ok(text);
        }
    }
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// The fifth field, with its octal escapes (`\040` for a space) resolved.
fn mount_point(line: &[u8]) -> Option<Vec<u8>> {
    let field = line.split(|byte| *byte == b' ').nth(4)?;
    let mut point = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        point.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    Some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As proc_pid_mountinfo(5) has it: number, parent, device, root, mount point, options, ...
    const TABLE: &str = "\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 8:2 / /srv rw - ext4 /dev/sda2 rw
31 30 8:3 / /srv/photos/old\\040disk rw - ext4 /dev/sdb1 rw
32 30 8:4 / /srv/photos-2 rw - ext4 /dev/sdc1 rw
40 22 0:9 / /run/user/1000 rw - tmpfs tmpfs rw";

    fn watch(table: &str) -> MountWatch {
        let shared = Shared::default();
        shared.lock_table().text = table.into();
        MountWatch { _until_closed: Arc::new(io::pipe().unwrap().1), shared: Arc::new(shared) }
    }

    fn numbers(path: &str) -> Vec<String> {
        let lines = watch(TABLE).concerning(Path::new(path)).lines;
        let first = |line: &Vec<u8>| line.split(|byte| *byte == b' ').next().unwrap().to_vec();
        lines.iter().map(|line| String::from_utf8(first(line)).unwrap()).collect()
    }

    #[test]
    fn mounts_at_above_and_below_a_path_concern_it() {
        assert_eq!(numbers("/srv/photos"), ["22", "30", "31"]);
        assert_eq!(numbers("/srv/photos/old disk/1999"), ["22", "30", "31"]);
        assert_eq!(numbers("/srv"), ["22", "30", "31", "32"]);
        assert_eq!(numbers("/home"), ["22"]);
    }

    #[test]
    fn a_mount_elsewhere_leaves_the_view_as_it_was() {
        let watch = watch(TABLE);
        let before = watch.concerning(Path::new("/srv/photos"));
        watch.shared.replace(TABLE.replace("/run/user/1000", "/run/user/1001").into());
        assert_eq!(watch.concerning(Path::new("/srv/photos")), before);
        assert_eq!(watch.generation(), 1);
    }

    #[test]
    fn a_change_that_was_undone_before_it_was_read_concerns_everybody() {
        let watch = watch(TABLE);
        let before = watch.concerning(Path::new("/home"));
        watch.shared.replace(TABLE.into());
        assert_ne!(watch.concerning(Path::new("/home")), before);
    }

    #[tokio::test]
    async fn a_change_that_came_before_the_wait_ends_it() {
        let watch = watch(TABLE);
        watch.shared.replace("".into());
        watch.changed().await;
        assert_eq!(watch.generation(), 1);
    }
}
