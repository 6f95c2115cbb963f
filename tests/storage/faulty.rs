//! A file system that shows a folder of another one, and fails as told.
//!
//! Requests are carried out in the folder behind it, unless a fault says otherwise. The kernel
//! keeps no names, attributes or listings of it, so a fault takes effect at once; and changes
//! behind it are reported to no one, as with a network file system.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fuser::{BackgroundSession, Errno, MountOption, SessionACL};

use crate::passing::Passing;

/// A kind of request to a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Read,
    Write,
    Sync,
    /// The entries of a folder.
    List,
    /// Making, removing, renaming or cutting something.
    Change,
    /// The attributes of something.
    Attributes,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Error(i32),
    /// So many entries are listed, and then an error.
    ErrorAfter(usize, i32),
    /// The request is carried out, after a while.
    Late(Duration),
    /// Every byte is another one; size and times stay.
    OtherBytes,
    /// The size is told to be this one; reads are passed on as they are.
    Size(u64),
}

#[derive(Debug)]
struct Fault {
    asked: Asked,
    name: String,
    answer: Answer,
    times: usize,
}

/// The faults that are in force, shared with the file system's threads.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// The outcome of `asked` for the file or folder of this name.
    pub fn answer(&self, asked: Asked, name: &OsStr) -> Option<Answer> {
        let mut faults = self.lock();
        let name = name.to_string_lossy();
        let fault = faults
            .iter_mut()
            .find(|f| f.asked == asked && f.times > 0 && (f.name.is_empty() || f.name == name))?;
        fault.times -= 1;
        Some(fault.answer)
    }

    /// The same for requests where only errors and delays make sense.
    pub fn check(&self, asked: Asked, name: &OsStr) -> Result<(), Errno> {
        match self.answer(asked, name) {
            Some(Answer::Error(error) | Answer::ErrorAfter(_, error)) => {
                Err(Errno::from_i32(error))
            }
            Some(Answer::Late(by)) => {
                std::thread::sleep(by);
                Ok(())
            }
            Some(Answer::OtherBytes | Answer::Size(_)) | None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap()
    }
}

/// The mounted file system.
pub struct Faulty {
    session: Option<BackgroundSession>,
    faults: Faults,
    at: PathBuf,
}

impl Faulty {
    /// Shows the folder `behind` at the folder `at`.
    pub fn mount(behind: &Path, at: &Path) -> Faulty {
        fs::create_dir_all(behind).unwrap();
        fs::create_dir_all(at).unwrap();
        let faults = Faults::default();
        let mut config = fuser::Config::default();
        config.mount_options = vec![MountOption::FSName("faulty".to_owned())];
        config.acl = SessionACL::All;
        config.n_threads = Some(4);
        let passing = Passing::new(behind, faults.clone());
        let session = fuser::spawn_mount(passing, at, &config).unwrap();
        Faulty { session: Some(session), faults, at: at.to_owned() }
    }

    /// From now on a request has this outcome; for all names if `name` is empty.
    pub fn fault(&self, asked: Asked, name: &str, answer: Answer) {
        self.fault_times(usize::MAX, asked, name, answer);
    }

    /// The same for so many requests.
    pub fn fault_times(&self, times: usize, asked: Asked, name: &str, answer: Answer) {
        self.faults.lock().push(Fault { asked, name: name.to_owned(), answer, times });
    }

    /// Ends all faults.
    pub fn end_faults(&self) {
        self.faults.lock().clear();
    }

    /// The number of requests that the last fault will still hit.
    pub fn left(&self) -> usize {
        self.faults.lock().last().map_or(0, |fault| fault.times)
    }

    /// Kills the program behind it: the file system stays mounted, and everything in it is
    /// `ENOTCONN`.
    pub fn crash(&self) {
        use std::os::unix::fs::MetadataExt as _;
        let device = fs::metadata(&self.at).unwrap().dev();
        let connections = Path::new("/sys/fs/fuse/connections");
        let none = nix::mount::MsFlags::empty();
        // It may be mounted there already.
        nix::mount::mount(Some("none"), connections, Some("fusectl"), none, None::<&str>).ok();
        let minor = rustix::fs::minor(device);
        fs::write(connections.join(minor.to_string()).join("abort"), "1").unwrap();
        let gone = File::open(self.at.join("anything")).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(rustix::io::Errno::NOTCONN.raw_os_error()));
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.end_faults();
        // Also while a file is open; the session ends with the last one.
        nix::mount::umount2(&self.at, nix::mount::MntFlags::MNT_DETACH).ok();
        drop(self.session.take());
    }
}
