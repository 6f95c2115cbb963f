//! Every degraded state that the service can be in: a closed list, in this one place.
//!
//! A state begins and ends once (`daemon::health`): one line in the journal each, an entry in `status`
//! while it lasts, and a word for `systemctl status`. What is found to be wrong now is decided in
//! `daemon::health::found`; both are pure. A new state is a new [`Kind`], which no `match` here lets anybody
//! forget.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::base::exit::Exit;

/// What ends before long and begins again is one episode, if it stays away for less than this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A degraded state.
///
/// `ValueEnum` is what counts the variants, so that tests go through every one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// The key is refused.
    KeyRefused,
    /// The account has no subscription that the API works with.
    NoSubscription,
    /// The account is locked by the service.
    AccountLocked,
    /// The records are of another account than the key.
    OtherAccount,
    /// The state file, or the memory of the pacer, cannot be written or read.
    StateUnusable,
    /// Nothing may be sent: a flood, a lock.
    HoldOff,
    /// No answer, or none that makes sense.
    Unreachable,
    /// `fichierd pause`.
    Paused,
    /// There is nothing at the source's path.
    SourceMissing,
    /// The source is empty and was not.
    SourceEmpty,
    /// Another folder, file system or thing is in the place of the source.
    SourceChanged,
    /// The source cannot be read.
    SourceUnreadable,
    /// Another installation mirrors to the target.
    TargetTaken,
    /// The target folder is gone from the service.
    TargetGone,
    /// More files disappeared than may be removed.
    RemovalsHeld,
    /// The records were recovered, and are not known to be those of the disk yet.
    RemovalsWait,
    /// The service takes no uploads, of whichever file: full storage, most likely.
    UploadsRefused,
    /// The account is nearly full.
    AccountNearlyFull,
    /// The subscription ends within two weeks.
    SubscriptionEnding,
    /// A reload was refused; the old configuration is in force.
    ConfigurationRefused,
    /// The clocks of this machine and of the service are more than an hour apart.
    ClockWrong,
    /// The source could not be watched at all.
    NotWatched,
    /// The source is looked at from time to time instead of watched.
    Polling,
    /// Some folders are not watched.
    PartlyWatched,
    /// Events were lost, and what they told of has not been looked for yet.
    EventsLost,
    /// No snapshot of the records could be sent for a day.
    SnapshotOverdue,
    /// The comparison of listings takes longer than configured.
    AuditBehind,
    /// The last comparison of listings was not good.
    AuditFailed,
    /// Files that were downloaded were not as recorded.
    VerifyFailed,
    /// A test restore was not good.
    DrillFailed,
    /// A test download was refused.
    DownloadsRefused,
    /// Files that could not be mirrored.
    Problems,
}

/// How much of the work a state keeps from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// All of it, of the mirror or of the service.
    Stops,
    /// A part, or only the certainty.
    Limps,
}

/// What is said of a state, always the same.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// For the one line of `systemctl status`, and the head of log line and entry.
    pub title: &'static str,
    /// What to do; `MIRROR` stands for the name of the mirror.
    pub what_to_do: &'static str,
    /// How bad.
    pub weight: Weight,
    /// Data is not safe until somebody acts: an error in the journal, else a warning.
    pub alarms: bool,
    /// What the program ends with when it ends for this: `sync`, or the service at its start.
    pub exit: Option<Exit>,
}

impl Kind {
    /// All of them.
    pub fn all() -> &'static [Kind] {
        Kind::value_variants()
    }

    /// As in `status --json` and in the journal's field `state`.
    pub fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it is of the service as a whole, however many mirrors meet it.
    pub fn is_of_all(self) -> bool {
        match self {
            Kind::KeyRefused
            | Kind::NoSubscription
            | Kind::AccountLocked
            | Kind::OtherAccount
            | Kind::StateUnusable
            | Kind::HoldOff
            | Kind::Unreachable
            | Kind::Paused
            | Kind::AccountNearlyFull
            | Kind::SubscriptionEnding
            | Kind::UploadsRefused
            | Kind::ConfigurationRefused
            | Kind::ClockWrong => true,
            Kind::SourceMissing
            | Kind::SourceEmpty
            | Kind::SourceChanged
            | Kind::SourceUnreadable
            | Kind::TargetTaken
            | Kind::TargetGone
            | Kind::RemovalsHeld
            | Kind::RemovalsWait
            | Kind::NotWatched
            | Kind::Polling
            | Kind::PartlyWatched
            | Kind::EventsLost
            | Kind::SnapshotOverdue
            | Kind::AuditBehind
            | Kind::AuditFailed
            | Kind::VerifyFailed
            | Kind::DrillFailed
            | Kind::DownloadsRefused
            | Kind::Problems => false,
        }
    }

    /// How long it must be gone to be over: what comes and goes is told once. Nothing for what a
    /// person ends.
    pub fn patience(self) -> Duration {
        match self {
            Kind::HoldOff
            | Kind::Unreachable
            | Kind::StateUnusable
            | Kind::SourceMissing
            | Kind::SourceEmpty
            | Kind::SourceChanged
            | Kind::SourceUnreadable
            | Kind::UploadsRefused
            | Kind::ClockWrong
            | Kind::NotWatched
            | Kind::Polling
            | Kind::PartlyWatched
            | Kind::EventsLost
            | Kind::Problems => PATIENCE,
            Kind::KeyRefused
            | Kind::NoSubscription
            | Kind::AccountLocked
            | Kind::OtherAccount
            | Kind::Paused
            | Kind::TargetTaken
            | Kind::TargetGone
            | Kind::RemovalsHeld
            | Kind::RemovalsWait
            | Kind::AccountNearlyFull
            | Kind::SubscriptionEnding
            | Kind::ConfigurationRefused
            | Kind::SnapshotOverdue
            | Kind::AuditBehind
            | Kind::AuditFailed
            | Kind::VerifyFailed
            | Kind::DrillFailed
            | Kind::DownloadsRefused => Duration::ZERO,
        }
    }

    /// Whether the state file tells of it, also while no service runs.
    pub fn is_on_record(self) -> bool {
        match self {
            Kind::Paused
            | Kind::HoldOff
            | Kind::RemovalsHeld
            | Kind::RemovalsWait
            | Kind::AccountNearlyFull
            | Kind::SubscriptionEnding
            | Kind::SnapshotOverdue
            | Kind::AuditBehind
            | Kind::AuditFailed
            | Kind::VerifyFailed
            | Kind::DrillFailed
            | Kind::DownloadsRefused
            | Kind::Problems => true,
            Kind::KeyRefused
            | Kind::NoSubscription
            | Kind::AccountLocked
            | Kind::OtherAccount
            | Kind::StateUnusable
            | Kind::Unreachable
            | Kind::SourceMissing
            | Kind::SourceEmpty
            | Kind::SourceChanged
            | Kind::SourceUnreadable
            | Kind::TargetTaken
            | Kind::TargetGone
            | Kind::UploadsRefused
            | Kind::ConfigurationRefused
            | Kind::ClockWrong
            | Kind::NotWatched
            | Kind::Polling
            | Kind::PartlyWatched
            | Kind::EventsLost => false,
        }
    }

    /// What to do, for this mirror.
    pub fn what_to_do(self, mirror: Option<&str>) -> String {
        self.about().what_to_do.replace("MIRROR", mirror.unwrap_or("MIRROR"))
    }

    /// What is said of it.
    pub fn about(self) -> About {
        match self {
            Kind::KeyRefused => alarm(
                "the API key is refused",
                "write the new key into the key file, then: systemctl restart fichierd",
                Exit::Refused,
            ),
            Kind::NoSubscription => alarm(
                "the account has no subscription",
                "renew Premium or Access at 1fichier, then: systemctl restart fichierd",
                Exit::Refused,
            ),
            Kind::AccountLocked => alarm(
                "the account is refused",
                "ask the support of 1fichier, then: systemctl restart fichierd",
                Exit::Refused,
            ),
            Kind::StateUnusable => alarm(
                "the state folder cannot be used",
                "make room on its disk, or look at the disk and at its permissions; it is tried \
                 again every 10 s",
                Exit::Failed,
            ),
            Kind::HoldOff => stop(
                "nothing may be sent",
                "wait: it ends by itself, and any call would prolong it. If it comes back: look \
                 for other programs that use the account from this address",
                Some(Exit::TryLater),
            ),
            Kind::Unreachable => stop(
                "1fichier cannot be reached",
                "nothing, if the network is down for a while: it goes on by itself. Else: \
                 fichierd check --online",
                Some(Exit::TryLater),
            ),
            Kind::Paused => stop("paused", "go on with: fichierd resume", Some(Exit::Held)),
            Kind::SourceMissing => stop(
                "the source is missing",
                "mount its disk, or correct `source` in the configuration; nothing is removed \
                 meanwhile",
                Some(Exit::Held),
            ),
            Kind::SourceEmpty => stop(
                "the source is empty",
                "mount its disk; if it was emptied on purpose: fichierd approve MIRROR",
                Some(Exit::Held),
            ),
            Kind::SourceChanged => stop(
                "the source is another one than it was",
                "put it back, or mount its disk; if it was changed on purpose: fichierd approve \
                 MIRROR",
                Some(Exit::Held),
            ),
            Kind::SourceUnreadable => stop(
                "the source cannot be read",
                "look at its permissions and at its disk: fichierd check",
                Some(Exit::Held),
            ),
            Kind::TargetTaken => stop(
                "another installation, machine or copy works on the target",
                "give this machine a target of its own; if the other one is gone for good: \
                 fichierd approve --take-over MIRROR",
                Some(Exit::Held),
            ),
            Kind::OtherAccount => stop(
                "the records are of another account than the key",
                "give the key of their account; to begin anew with this one, move the state \
                 folder away",
                Some(Exit::Config),
            ),
            Kind::TargetGone => stop(
                "the target folder is gone from 1fichier",
                "give it its name back in the console; to send everything again: fichierd \
                 approve MIRROR",
                Some(Exit::Held),
            ),
            Kind::RemovalsHeld => limp(
                "removals are held",
                "if they are meant: fichierd approve MIRROR; if not: fichierd reject MIRROR, and \
                 put the files back",
                Some(Exit::Held),
            ),
            Kind::RemovalsWait => limp(
                "removals wait after a recovery",
                "nothing: they go on when disk and records were found to be the same",
                None,
            ),
            Kind::UploadsRefused => About {
                alarms: true,
                ..limp(
                    "1fichier takes no uploads",
                    "get more storage, or keep fewer versions (`keep`); it is tried again by \
                     itself: fichierd check --online",
                    Some(Exit::Problems),
                )
            },
            Kind::AccountNearlyFull => limp(
                "the account is nearly full",
                "get more storage, or keep fewer versions (`keep`)",
                None,
            ),
            Kind::SubscriptionEnding => limp(
                "the subscription ends soon",
                "renew it at 1fichier: without it nothing is sent",
                None,
            ),
            Kind::ConfigurationRefused => About {
                alarms: true,
                ..limp(
                    "the new configuration is refused and the old one is in force",
                    "correct it, see: fichierd check; then: systemctl reload fichierd",
                    Some(Exit::Config),
                )
            },
            Kind::ClockWrong => limp(
                "the clock is wrong",
                "set it, see: timedatectl; no version is removed until then",
                None,
            ),
            Kind::NotWatched => limp(
                "the source is not watched",
                "nothing, if it is missing: it is tried again by itself; changes are found by \
                 the timed look (`rescan`)",
                None,
            ),
            Kind::Polling => limp(
                "the source is looked at from time to time instead of watched",
                "raise fs.inotify.max_user_watches or max_user_instances, see: fichierd check; on \
                 a network file system nothing helps",
                None,
            ),
            Kind::PartlyWatched => limp(
                "some folders are not watched",
                "raise fs.inotify.max_user_watches, see: fichierd check; they are looked at from \
                 time to time meanwhile (`rescan`)",
                None,
            ),
            Kind::EventsLost => limp(
                "events were lost",
                "nothing: everything is looked at, and then it is over",
                None,
            ),
            Kind::SnapshotOverdue => limp(
                "the snapshot of the records is overdue",
                "see why it cannot be sent: journalctl -u fichierd; the files are safe, a new \
                 machine would not know their latest names, times and owners",
                None,
            ),
            Kind::AuditBehind => limp(
                "the comparison of listings is behind",
                "nothing: it goes on while the service runs; a longer `audit` asks less of it",
                None,
            ),
            Kind::AuditFailed => limp(
                "the comparison of listings found differences",
                "see what was done about them: journalctl -u fichierd",
                Some(Exit::Problems),
            ),
            Kind::VerifyFailed => About {
                alarms: true,
                ..limp(
                    "files came back damaged or not at all",
                    "look at all of them: fichierd verify MIRROR --full",
                    Some(Exit::Problems),
                )
            },
            Kind::DrillFailed => About {
                alarms: true,
                ..limp(
                    "a test restore was not as recorded",
                    "look for more: fichierd verify MIRROR --full; then: fichierd drill MIRROR",
                    Some(Exit::Problems),
                )
            },
            Kind::DownloadsRefused => limp(
                "downloads to this address are refused",
                "buy CDN credits or GOLD, or restore from another address",
                None,
            ),
            Kind::Problems => limp(
                "files have problems",
                "see which, why, and when each is tried again: fichierd status",
                Some(Exit::Problems),
            ),
        }
    }
}

const fn alarm(title: &'static str, what_to_do: &'static str, exit: Exit) -> About {
    About { title, what_to_do, weight: Weight::Stops, alarms: true, exit: Some(exit) }
}

const fn stop(title: &'static str, what_to_do: &'static str, exit: Option<Exit>) -> About {
    About { title, what_to_do, weight: Weight::Stops, alarms: false, exit }
}

const fn limp(title: &'static str, what_to_do: &'static str, exit: Option<Exit>) -> About {
    About { title, what_to_do, weight: Weight::Limps, alarms: false, exit }
}
