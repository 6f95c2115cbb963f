//! What the pacer remembers, and where: in a file that all processes of an account share.
//!
//! The service counts the calls of an address and an account, not of a process, so a command that
//! runs beside the daemon, and the daemon after a restart, must know what was sent before. Each
//! look takes an exclusive lock (flock) on the file for some microseconds.
//!
//! Invariant: what a change recorded is in the file before the change counts as made. A file
//! that cannot be understood is taken for a past in which every lane had just been used.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use serde::{Deserialize, Serialize};

use crate::pace::clock::{Clock, Moment};
use crate::pace::schedule::{Micros, Rules, Schedule};

/// A file larger than this was not written here.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// All that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    clock: Clock,
    pub(crate) schedule: Schedule,
    #[serde(default)]
    pub(crate) account: Option<AccountReading>,
}

/// The account as the service last described it, so that asking again costs no call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AccountReading {
    pub(crate) read: Micros,
    /// Whose: a digest of the key.
    pub(crate) key: String,
    pub(crate) reply: String,
}

/// The pacer's memory: of this process alone, or of all that use one file.
#[derive(Debug)]
pub(crate) struct Memory {
    file: Option<File>,
    /// As last seen; with a file, what is there counts.
    kept: Kept,
}

impl Memory {
    pub(crate) fn in_memory() -> Memory {
        Memory { file: None, kept: Kept::new(Moment::now()) }
    }

    /// Opens the file, or makes it, readable by its owner only.
    pub(crate) fn at(path: &Path, rules: &Rules) -> io::Result<Memory> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let mut memory = Memory { file: Some(file), ..Memory::in_memory() };
        memory.update(rules, |_, _| ())?;
        Ok(memory)
    }

    /// Lets `change` look at the memory, and change it, as the only one on the machine.
    pub(crate) fn update<T>(
        &mut self,
        rules: &Rules,
        change: impl FnOnce(&mut Kept, Micros) -> T,
    ) -> io::Result<T> {
        let Some(file) = &self.file else {
            return Ok(change_at(&mut self.kept, Moment::now(), rules, change).0);
        };
        let _lock = Lock::take(file)?;
        // Only now: while waiting for the lock time has passed.
        let at = Moment::now();
        let mut kept = read(file, at, rules)?;
        let (outcome, changed) = change_at(&mut kept, at, rules, change);
        if changed {
            write(file, &kept)?;
        }
        self.kept = kept;
        Ok(outcome)
    }

    /// Waits until what was written would survive a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// As last seen, without a look at the file.
    pub(crate) fn last_seen(&self) -> &Kept {
        &self.kept
    }
}

impl Kept {
    fn new(at: Moment) -> Kept {
        Kept { clock: Clock::started_at(at), schedule: Schedule::default(), account: None }
    }

    fn cautious(at: Moment, rules: &Rules) -> Kept {
        let clock = Clock::started_at(at);
        Kept { clock, schedule: Schedule::cautious(clock.read(at).now, rules), account: None }
    }
}

/// Changes `kept` at the moment `at`; also says whether it differs from before.
fn change_at<T>(
    kept: &mut Kept,
    at: Moment,
    rules: &Rules,
    change: impl FnOnce(&mut Kept, Micros) -> T,
) -> (T, bool) {
    let before = kept.clone();
    let reading = kept.clock.read(at);
    kept.schedule.clamp(reading.now, rules);
    let outcome = change(kept, reading.now);
    let changed = reading.jumped || *kept != before;
    if changed {
        kept.clock = kept.clock.kept_at(at);
    }
    (outcome, changed)
}

fn read(file: &File, at: Moment, rules: &Rules) -> io::Result<Kept> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Kept::new(at));
    }
    let mut text = vec![0; usize::try_from(length.min(MAX_FILE_BYTES)).unwrap_or_default()];
    file.read_exact_at(&mut text, 0)?;
    // Only the first value: a write that was cut short may leave the end of an older one.
    let first = serde_json::Deserializer::from_slice(&text).into_iter().next();
    let Some(Ok(kept)) = first else {
        tracing::warn!("the record of recent calls is damaged; waiting as if many had been made");
        return Ok(Kept::cautious(at, rules));
    };
    Ok(kept)
}

fn write(file: &File, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_vec(kept)?;
    file.write_all_at(&text, 0)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(MAX_FILE_BYTES))
}

/// An exclusive lock on a file, until it is dropped.
struct Lock<'a>(&'a File);

impl<'a> Lock<'a> {
    fn take(file: &'a File) -> io::Result<Lock<'a>> {
        retry_on_intr(|| flock(file, FlockOperation::LockExclusive))?;
        Ok(Lock(file))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if let Err(error) = flock(self.0, FlockOperation::Unlock) {
            tracing::warn!("cannot unlock the record of recent calls: {error}");
        }
    }
}
