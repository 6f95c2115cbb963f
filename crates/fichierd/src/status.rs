//! What the service says about itself: is my data safe, and if not, what must I do?
//!
//! One set of types for `fichierd status`, `fichierd status --json` and the control socket. The
//! JSON form is a promise, written down in docs/json.md: within one `schema` number, fields are
//! added and never renamed, removed or given another meaning.
//!
//! A list of paths or problems holds at most [`MOST_LISTED`], and its true count stands beside it:
//! a million problems must not make the answer a hundred megabytes long. Nothing here can hold the
//! API key or a file link (invariant I10).
//!
//! May be used by everything above it; uses `base` and `config`. Values and their text only: what
//! is wrong *now* is found in `daemon::health`, which fills these types.

pub mod answer;
pub mod complete;
mod counters;
pub mod kind;

#[cfg(test)]
mod tests;
mod text;

pub use self::answer::{Answer, Verdict};
pub use self::complete::Completeness;
pub use self::counters::{Counters, MirrorCounters};
pub use self::kind::{About, Kind, Scope, Weight};

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::text::render;

/// The form of [`Status`] in JSON.
pub const SCHEMA: &str = "fichierd.status/1";
/// Paths or problems that a list holds at most; the rest are only counted.
pub const MOST_LISTED: usize = 20;

/// The state of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of the program that answers.
    pub version: String,
    /// Whether the service runs; if not, this is what it recorded last.
    pub running: bool,
    /// Whether `fichierd pause` is in force.
    pub paused: bool,
    /// Set while no call may be made at all.
    pub hold_off: Option<HoldOffStatus>,
    /// The account, as far as it is known.
    pub account: Option<AccountStatus>,
    /// Requests to 1fichier since the service was started.
    pub calls_made: u64,
    /// In the order of the configuration.
    pub mirrors: Vec<MirrorStatus>,
    /// The receivers of alerts, in the order of the configuration.
    #[serde(default)]
    pub notified: Vec<NotifiedStatus>,
    /// Every degraded state, first those that stop the work.
    #[serde(default)]
    pub degraded: Vec<DegradedStatus>,
    /// What the service has counted since its start, for its metrics; nothing if none runs.
    #[serde(skip)]
    pub counters: Option<Box<Counters>>,
}

/// That of this version, while no service runs and nothing is known.
impl Default for Status {
    fn default() -> Status {
        Status {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            running: false,
            paused: false,
            hold_off: None,
            account: None,
            calls_made: 0,
            mirrors: Vec::new(),
            notified: Vec::new(),
            degraded: Vec::new(),
            counters: None,
        }
    }
}

impl Status {
    /// Takes in the degraded states. A mirror with one is not told to be up to date, and neither is
    /// one whose changes may go unnoticed.
    pub fn set_degraded(&mut self, degraded: Vec<DegradedStatus>) {
        self.degraded = degraded;
        for mirror in self.mirrors.iter_mut().filter(|it| it.state == MirrorState::Idle) {
            let concerns = |it: &&DegradedStatus| {
                it.mirror.as_ref() == Some(&mirror.name) || it.mirror.is_none() && it.stops
            };
            let worst = self.degraded.iter().find(concerns);
            let is_watched = self.running && mirror.watch.mode == "watching";
            mirror.what = match worst {
                Some(it) if it.stops => format!("stopped: {}", it.title),
                Some(it) => format!("degraded: {}", it.title),
                None if is_watched => "up to date".to_owned(),
                None if mirror.completeness.by_size > 0 => "complete at the last look".to_owned(),
                None => "all files were safe at the last look".to_owned(),
            };
            if let Some(by_size) = mirror.completeness.by_size() {
                mirror.what = format!("{}; {by_size}", mirror.what);
            }
        }
    }
}

/// A receiver of alerts: a `[[notify]]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifiedStatus {
    /// Its name.
    pub name: String,
    /// When it was last told something.
    pub told: Option<Timestamp>,
    /// The same as an age in seconds, when this was asked.
    pub told_age_s: Option<u64>,
    /// Messages that wait to be told.
    pub waiting: u64,
    /// Why it cannot be told, for people; nothing while it can.
    pub trouble: Option<String>,
}

/// A degraded state, while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradedStatus {
    /// Which state.
    pub kind: Kind,
    /// Of which mirror; nothing for the service.
    pub mirror: Option<String>,
    /// What it is, for people: always the same for one `kind`.
    pub title: String,
    /// What caused it.
    pub cause: String,
    /// What to do about it.
    pub what_to_do: String,
    /// Whether it keeps all the work from being done, not a part of it.
    pub stops: bool,
    /// Since when, as far as it is known.
    pub since: Option<Timestamp>,
    /// The same as an age in seconds, when this was asked.
    pub since_age_s: Option<u64>,
    /// When the service looks again by itself, where that time is known.
    pub next_try: Option<Timestamp>,
}

/// Why, and until when, nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldOffStatus {
    /// When calls may be made again.
    pub until: Timestamp,
    /// Why nothing is sent, for people.
    pub reason: String,
    /// The degraded state that it is.
    #[serde(default = "hold_off")]
    pub kind: Kind,
}

fn hold_off() -> Kind {
    Kind::HoldOff
}

/// What the account allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// `none`, `premium`, `access` or `gold`.
    pub offer: String,
    /// When the subscription ends.
    pub subscription_end: Option<Timestamp>,
    /// Bytes in the cold storage of the account: of files that nobody has accessed for 60 days.
    pub used_bytes: Option<u64>,
    /// Bytes that the cold storage may hold.
    pub allowed_bytes: Option<u64>,
    /// Bytes in the hot storage, of all other files.
    #[serde(default)]
    pub hot_bytes: Option<u64>,
    /// Bytes that are left of the whole storage; negative when too much is used.
    #[serde(default)]
    pub available_bytes: Option<i64>,
    /// The days after which a file may expire that nobody downloads; nothing where none does, or
    /// where that is not known.
    #[serde(default)]
    pub expires_after_days: Option<u32>,
    /// When that may first meet a file on record.
    #[serde(default)]
    pub first_expiry: Option<Timestamp>,
}

/// What a mirror is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MirrorState {
    /// Everything that was found is safe.
    Idle,
    /// A cycle is running.
    Working,
    /// There is something to do, not yet or not now: a settle time, a hold-off, a pause.
    Waiting,
    /// A person has to decide.
    Held,
    /// It cannot go on by itself; `what` says why.
    Problem,
    /// The service does not run.
    Offline,
    /// No cycle has ever ended.
    #[default]
    Never,
}

/// One mirror; by default one of which nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MirrorStatus {
    /// As in the configuration.
    pub name: String,
    /// The local folder.
    #[serde(with = "crate::base::words::path_text")]
    pub source: PathBuf,
    /// The remote folder.
    pub target: String,
    /// What it is doing.
    pub state: MirrorState,
    /// The same for people, now: "sending 12 of 40 files".
    pub what: String,
    /// Set while removals, or everything, wait for a decision.
    pub held: Option<HeldStatus>,
    /// Whether the mirror is complete: a look at everything found each entry safe, and nothing has
    /// been open since.
    #[serde(default)]
    pub complete: bool,
    /// What keeps it from being complete, by kind.
    #[serde(default)]
    pub completeness: Completeness,
    /// When the mirror was last complete at the end of a cycle.
    pub last_success: Option<Timestamp>,
    /// The same as an age in seconds, when this was asked.
    pub last_success_age_s: Option<u64>,
    /// Files that are confirmed to be on the service, by their hashes.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were sent, and that the service has not confirmed.
    pub pending_files: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Remote files that a new exclude covers: kept until `fichierd prune`.
    pub unmanaged: u64,
    /// Remote files in the target that are not ours: never touched.
    pub foreign: u64,
    /// Files that are being written, or were sent while they were; at most [`MOST_LISTED`].
    pub unsettled: Vec<String>,
    /// Replaced and deleted files that are still kept.
    pub versions_files: u64,
    /// Their bytes.
    pub versions_bytes: u64,
    /// What could not be mirrored; at most [`MOST_LISTED`].
    pub problems: Vec<ProblemStatus>,
    /// How many problems there are.
    pub problem_count: u64,
    /// How the folder is watched.
    pub watch: WatchStatus,
    /// The earliest time that can be restored.
    #[serde(default)]
    pub history_from: Option<Timestamp>,
    /// How far the comparison of listings is; nothing if none is configured.
    #[serde(default)]
    pub audit: Option<AuditStatus>,
    /// Removals wait until disk and records were found to be the same: after a recovery.
    #[serde(default)]
    pub removals_wait: bool,
    /// What the copies were proved by.
    #[serde(default)]
    pub proofs: ProofsStatus,
    /// The copy of the records at the service, with which a new machine begins; nothing where
    /// none was sent yet and none is missing.
    #[serde(default)]
    pub snapshot: Option<SnapshotStatus>,
    /// Files that got other contents within 24 hours, as far as the earlier ones are kept.
    #[serde(default)]
    pub replaced_in_24_h: u64,
    /// Very many files were replaced, emptied or renamed within a day, and no version expires until
    /// a person has looked.
    #[serde(default)]
    pub burst: Option<BurstStatus>,
    /// Set while the account is nearly full, for people.
    #[serde(default)]
    pub quota_warning: Option<String>,
    /// `alarm_after` of the configuration, in seconds; nothing for never.
    #[serde(default)]
    pub alarm_after_s: Option<u64>,
    /// Since when it is overdue: it was not complete for longer than `alarm_after`.
    #[serde(default)]
    pub overdue_since: Option<Timestamp>,
    /// Nothing if the mirror is not encrypted.
    #[serde(default)]
    pub encryption: Option<EncryptionStatus>,
    /// Whether files wait because upload nodes refuse them, which is a state of the service.
    #[serde(skip)]
    pub(crate) uploads_wait: bool,
}

/// How an encrypted mirror is protected from the loss of its password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionStatus {
    /// Whether somebody has said that the password is kept in another place than this machine.
    pub password_kept: bool,
    /// The versions that are stored plain or with a former password; nothing if there are none.
    #[serde(default)]
    pub former: Option<FormerStatus>,
    /// Names that are too long when they are encrypted, and stored under shorter ones, which rclone
    /// cannot read; as of the last look at everything.
    #[serde(default)]
    pub cut_names: u64,
}

/// Versions of an encrypted mirror that are not stored as it is configured now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerStatus {
    /// How many there are.
    pub files: u64,
    /// Their lengths together, before they were enciphered.
    pub bytes: u64,
    /// What becomes of them.
    pub next: FormerNext,
}

/// What becomes of versions that are not stored as it is configured now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerNext {
    /// They expire; the files of the mirror are still being sent again.
    Sending,
    /// They expire, unless `fichierd approve --remove-plain` wants them to go at once.
    Asks,
    /// They are being removed.
    Going,
}

/// Very many files that lost their contents within a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BurstStatus {
    /// When it was noticed.
    pub since: Timestamp,
    /// The most files that were replaced, emptied or renamed within a day.
    pub files: u64,
}

/// How far the copy of the records at the service is behind the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// When the newest one was made.
    pub newest: Option<Timestamp>,
    /// The same as an age in seconds, when this was asked.
    pub newest_age_s: Option<u64>,
    /// Since when there are changes that it does not contain.
    pub changed_since: Option<Timestamp>,
    /// Since when it should have been replaced and could not be: a degraded state.
    pub overdue_since: Option<Timestamp>,
}

/// How far the current round of the audit is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatus {
    /// Remote folders that are compared.
    pub folders: u64,
    /// How many of them have been compared in this round.
    pub compared: u64,
    /// When the round began.
    pub since: Option<Timestamp>,
    /// Some folder has waited for twice the time that is configured.
    pub behind: bool,
}

/// The newest result of each kind of proof; nothing where there was none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProofsStatus {
    /// Listings were compared with the records.
    pub audit: Option<ProofStatus>,
    /// Files were downloaded and compared.
    pub verify: Option<ProofStatus>,
    /// A sample was restored and compared.
    pub drill: Option<ProofStatus>,
    /// One tiny file was downloaded to this address.
    pub canary: Option<ProofStatus>,
}

/// The result of one proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofStatus {
    /// Whether everything was as recorded.
    pub good: bool,
    /// When it ended.
    pub at: Timestamp,
    /// The same as an age in seconds, when this was asked.
    pub age_s: u64,
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was found, for people.
    pub detail: String,
    /// When the last good one ended.
    pub last_good: Option<Timestamp>,
    /// The same as an age in seconds.
    pub last_good_age_s: Option<u64>,
}

/// What waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldStatus {
    /// For people: the cause, and what to do about it.
    pub reason: String,
    /// The cause alone.
    #[serde(default)]
    pub cause: String,
    /// How many files would be removed.
    pub removals: u64,
    /// Since when it is held.
    pub since: Timestamp,
}

/// One path that could not be mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemStatus {
    /// Relative to the source, empty for all of it; bytes that are not UTF-8 are escaped.
    pub path: String,
    /// What went wrong.
    pub what: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
}

impl ProblemStatus {
    /// The path for people: that of the source where the problem is about all of `mirror`.
    pub(crate) fn place(&self, mirror: &MirrorStatus) -> String {
        match self.path.as_str() {
            "" => mirror.source.display().to_string(),
            path => path.to_owned(),
        }
    }
}

/// How a folder is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchStatus {
    /// `watching`, `partly`, `polling`, or `off` when the service does not run.
    pub mode: String,
    /// How many folders are watched.
    pub watched: u64,
    /// What to do to have more watched, where something helps.
    pub advice: Option<String>,
}

/// What one cycle did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CycleSummary {
    /// The exit code that fits how it ended.
    pub exit: u8,
    /// The name of the mirror.
    pub mirror: String,
    /// Whether the mirror was complete at the end.
    #[serde(default)]
    pub complete: bool,
    /// `done`, or for people what is not done, and why.
    pub outcome: String,
    /// Files sent.
    pub uploaded_files: u64,
    /// Their bytes.
    pub uploaded_bytes: u64,
    /// Files moved or renamed on the service.
    pub relocated: u64,
    /// Files copied on the service.
    pub copied: u64,
    /// Files that went to the versions.
    pub retired: u64,
    /// Remote files that were found to be equal and recorded.
    pub adopted: u64,
    /// Removals that wait for a decision.
    pub held_removals: u64,
    /// Paths that could not be mirrored.
    pub problems: u64,
    /// Requests to 1fichier.
    pub calls: u64,
    /// How long it took.
    pub seconds: f64,
}

impl CycleSummary {
    /// This cycle and the one after it, as one.
    #[must_use]
    pub fn and(self, next: CycleSummary) -> CycleSummary {
        CycleSummary {
            uploaded_files: self.uploaded_files + next.uploaded_files,
            uploaded_bytes: self.uploaded_bytes + next.uploaded_bytes,
            relocated: self.relocated + next.relocated,
            copied: self.copied + next.copied,
            retired: self.retired + next.retired,
            adopted: self.adopted + next.adopted,
            calls: self.calls + next.calls,
            seconds: self.seconds + next.seconds,
            ..next
        }
    }
}

/// Why a path is, or is not, on the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyAnswer {
    /// The mirror whose source contains the path.
    pub mirror: Option<String>,
    /// The path that was asked about; bytes that are not UTF-8 are escaped.
    pub path: String,
    /// "included", or which pattern of which key excludes it.
    pub verdict: String,
    /// What is recorded about it: when it was confirmed, its size.
    pub recorded: Option<String>,
    /// What keeps it from being mirrored.
    pub problem: Option<String>,
    /// When it is tried again.
    pub next_try: Option<Timestamp>,
}
