//! The memory of the pacer, in a file that all processes of an account share.
//!
//! The service counts the calls of an address and an account, not of a process, so a command that
//! runs beside the daemon, and the daemon after a restart, must know what was sent before. Each
//! look takes an exclusive lock (flock) on the file for some microseconds.
//!
//! Invariant: a change is in the file before it counts as made. A file that cannot be understood is
//! taken for a past in which every lane had just been used.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::pace::clock::{Moment, SteadyClock};
use crate::pace::schedule::{Micros, Rules, Schedule};

/// The most bytes that are read of the file; a larger one was not written here.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// All that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    clock: SteadyClock,
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
    system: Clock,
    file: Option<File>,
    /// As last seen; if there is a file, its content counts.
    kept: Kept,
}

impl Memory {
    pub(crate) fn in_memory(system: Clock) -> Memory {
        Memory { system, file: None, kept: Kept::new(Moment::now(&system)) }
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
        let mut memory = Memory { file: Some(file), ..Memory::in_memory(Clock::system()) };
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
            return Ok(change_at(&mut self.kept, Moment::now(&self.system), rules, change).0);
        };
        let _lock = Lock::take(file)?;
        // Only now: while waiting for the lock time has passed.
        let at = Moment::now(&self.system);
        let (mut kept, is_damaged) = read(file, at, rules)?;
        let (outcome, changed) = change_at(&mut kept, at, rules, change);
        // A damaged file would be read as a past that ends now, time and again.
        if changed || is_damaged {
            write(file, &kept)?;
        }
        self.kept = kept;
        Ok(outcome)
    }

    /// Waits until the changes would survive a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// The clock that its times are of.
    pub(crate) fn system(&self) -> Clock {
        self.system
    }

    /// As last seen, without a look at the file.
    pub(crate) fn last_seen(&self) -> &Kept {
        &self.kept
    }
}

impl Kept {
    fn new(at: Moment) -> Kept {
        Kept { clock: SteadyClock::started_at(at), schedule: Schedule::default(), account: None }
    }

    fn cautious(at: Moment, rules: &Rules) -> Kept {
        let clock = SteadyClock::started_at(at);
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

/// The content of the file, and whether it is damaged.
fn read(file: &File, at: Moment, rules: &Rules) -> io::Result<(Kept, bool)> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok((Kept::new(at), false));
    }
    let mut text = vec![0; usize::try_from(length.min(MAX_FILE_BYTES)).unwrap_or_default()];
    file.read_exact_at(&mut text, 0)?;
    // Only the first value: a write that was cut short may leave the end of an older one.
    let first = serde_json::Deserializer::from_slice(&text).into_iter().next();
    let Some(Ok(kept)) = first else {
        tracing::warn!("the record of recent calls is damaged; waiting as if many had been made");
        return Ok((Kept::cautious(at, rules), true));
    };
    Ok((kept, false))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::lane::Lane;
    use crate::pace::schedule::Denied;
    use crate::types::FolderId;

    const RULES: Rules = Rules { interval: std::time::Duration::from_secs(1), time_scale: 1 };
    const FOLDER: Lane = Lane::Listing(FolderId(7));

    fn claim(memory: &mut Memory, lane: Lane) -> Result<(), Denied> {
        memory.update(&RULES, |kept, now| kept.schedule.claim(lane, now, &RULES)).unwrap()
    }

    fn is_lane_busy(memory: &mut Memory, lane: Lane) -> bool {
        matches!(claim(memory, lane), Err(Denied::Lane { .. }))
    }

    fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pace");
        (folder, path)
    }

    #[test]
    fn a_pacer_that_opens_the_same_file_knows_what_was_sent() {
        let (_folder, path) = folder();
        let mut one = Memory::at(&path, &RULES).unwrap();
        let mut other = Memory::at(&path, &RULES).unwrap();
        claim(&mut one, FOLDER).unwrap();
        assert!(is_lane_busy(&mut other, FOLDER));
        drop((one, other));
        assert!(is_lane_busy(&mut Memory::at(&path, &RULES).unwrap(), FOLDER));
    }

    #[test]
    fn a_damaged_file_is_taken_for_a_busy_past_and_repaired_by_the_next_look() {
        let (_folder, path) = folder();
        for damage in ["{\"clock\":", "nonsense", "{}", "\0\0\0\0"] {
            std::fs::write(&path, damage).unwrap();
            let mut memory = Memory::at(&path, &RULES).unwrap();
            assert!(is_lane_busy(&mut memory, FOLDER), "{damage}");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(serde_json::from_str::<Kept>(&text).is_ok(), "{text}");
        }
    }

    /// As a power cut leaves it behind.
    #[test]
    fn after_the_file_was_damaged_every_lane_is_free_once_its_rule_allows() {
        let rules = Rules { time_scale: 1_000_000, ..RULES };
        let (_folder, path) = folder();
        std::fs::write(&path, "\0\0\0\0").unwrap();
        let mut memory = Memory::at(&path, &rules).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let mut claim =
            || memory.update(&rules, |kept, now| kept.schedule.claim(FOLDER, now, &rules)).unwrap();
        while claim().is_err() {
            assert!(std::time::Instant::now() < deadline, "no lane is ever free again");
        }
    }

    #[test]
    fn the_rest_of_an_older_longer_write_is_ignored() {
        let (_folder, path) = folder();
        let mut memory = Memory::at(&path, &RULES).unwrap();
        claim(&mut memory, FOLDER).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text + "\"older\":1}}").unwrap();
        assert!(is_lane_busy(&mut memory, FOLDER));
        assert!(!is_lane_busy(&mut memory, Lane::Account));
    }

    #[test]
    fn a_clock_that_was_set_back_by_a_day_stalls_no_lane_for_longer_than_its_rule() {
        let claim_at = |kept: &mut Kept, at: Moment| {
            change_at(kept, at, &RULES, |kept, now| kept.schedule.claim(FOLDER, now, &RULES)).0
        };
        let mut kept = Kept::new(Moment::of_seconds(100_000, 500));
        assert_eq!(claim_at(&mut kept, Moment::of_seconds(100_000, 500)), Ok(()));
        let back = claim_at(&mut kept, Moment::of_seconds(13_600, 501));
        assert!(matches!(back, Err(Denied::Lane { .. })), "{back:?}");
        assert_eq!(claim_at(&mut kept, Moment::of_seconds(13_631, 532)), Ok(()));
    }

    #[test]
    fn only_its_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        Memory::at(&path, &RULES).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
