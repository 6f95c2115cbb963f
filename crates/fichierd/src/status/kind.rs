//! Every degraded state that the service can be in: a closed list, with all that is fixed about
//! each.
//!
//! A state begins and ends once (`daemon::health`): one line in the journal each, an entry in
//! `status` while it lasts, and a word for `systemctl status`. Which states there are now is
//! decided in `daemon::health::found`.
//!
//! The list is written once, as the table at the end of this file. The macro `kinds!` makes both
//! the enum and [`Kind::about`] from it, so that a kind without its row, or a row without one of
//! its columns, does not compile. docs/operations.md shows the same table; a test compares them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Exit;

/// How long a state that comes and goes by itself must be gone before it has ended; when it returns
/// sooner, it is the same episode and nothing is said.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for a state that a person ends, or that is judged seldom.
const AT_ONCE: Duration = Duration::ZERO;

/// A row of the table: what is said of a state, always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// For the one line of `systemctl status`, and the head of log line and entry.
    pub title: &'static str,
    /// What to do; `MIRROR` stands for the name of the mirror.
    pub what_to_do: &'static str,
    /// How much of the work it prevents.
    pub weight: Weight,
    /// Data is not safe until somebody acts: an error in the journal, else a warning.
    pub alarms: bool,
    /// What the program ends with when it ends for this: `sync`, or the service at its start.
    pub exit: Option<Exit>,
    /// Whose state it is.
    pub scope: Scope,
    /// How long it must be gone before it has ended.
    pub patience: Duration,
    /// Whether it can be told from the state file alone, also while no service runs.
    pub on_record: bool,
}

/// How much of the work a state prevents. The heavier one is the lesser, and is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// All of it, of the mirror or of the service.
    Stops,
    /// A part of it, or the certainty that it was done.
    Degrades,
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The service's as a whole: one entry, however many mirrors meet it.
    Service,
    /// A mirror's: one entry for each mirror that meets it.
    Mirror,
}

impl Kind {
    /// Whether only a process that goes on running can be in this state: it is about its watches,
    /// or about a configuration that it has not taken up.
    pub fn is_of_a_process(self) -> bool {
        matches!(
            self,
            Kind::ConfigurationRefused
                | Kind::NotWatched
                | Kind::Polling
                | Kind::PartlyWatched
                | Kind::EventsLost
        )
    }

    /// What to do, for this mirror.
    pub fn what_to_do(self, mirror: Option<&str>) -> String {
        self.about().what_to_do.replace("MIRROR", mirror.unwrap_or("MIRROR"))
    }
}

/// Makes [`Kind`] from the table: a variant, its word and its row each.
macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $word:literal { $($column:ident: $value:expr),* $(,)? }
    )*) => {
        /// A degraded state. The order is the order in which states of one weight are told.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $word)] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The word for it in `status --json` and in the journal's field `state`.
            pub fn word(self) -> &'static str {
                match self {
                    $(Kind::$kind => $word,)*
                }
            }

            /// Its row of the table.
            pub fn about(self) -> &'static About {
                match self {
                    $(Kind::$kind => &About { $($column: $value),* },)*
                }
            }
        }
    };
}

kinds! {
    /// 1fichier refuses the API key.
    KeyRefused = "key_refused" {
        title: "the API key is refused",
        what_to_do: "write the new key into the key file, then: systemctl restart fichierd",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::Refused),
        scope: Scope::Service, patience: AT_ONCE, on_record: false,
    }
    /// The account has no subscription that the API works with.
    NoSubscription = "no_subscription" {
        title: "the account has no subscription",
        what_to_do: "renew Premium or Access at 1fichier, then: systemctl restart fichierd",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::Refused),
        scope: Scope::Service, patience: AT_ONCE, on_record: false,
    }
    /// 1fichier has locked the account.
    AccountLocked = "account_locked" {
        title: "the account is refused",
        what_to_do: "ask the support of 1fichier; it is tried again once an hour; to try at once: \
            fichierd resume",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::Refused),
        scope: Scope::Service, patience: AT_ONCE, on_record: false,
    }
    /// The records are of another account than the key.
    OtherAccount = "other_account" {
        title: "the records are of another account than the key",
        what_to_do: "give the key of their account; to begin anew with this one, move the state \
            folder away",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Config),
        scope: Scope::Service, patience: AT_ONCE, on_record: false,
    }
    /// The state file, or the memory of the pacer, cannot be written or read.
    StateUnusable = "state_unusable" {
        title: "the state folder cannot be used",
        what_to_do: "make room on its disk, or look at the disk and at its permissions; it is \
            tried again every 10 s",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::Failed),
        scope: Scope::Service, patience: PATIENCE, on_record: false,
    }
    /// Nothing may be sent for a while: the service reported a flood, or locked the address.
    HoldOff = "hold_off" {
        title: "nothing may be sent",
        what_to_do: "wait: it ends by itself, and any call would prolong it. If it comes back: \
            look for other programs that use the account from this address",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::TryLater),
        scope: Scope::Service, patience: PATIENCE, on_record: true,
    }
    /// 1fichier has refused one call several times in a row, in words that are not known.
    UnknownRefusal = "unknown_refusal" {
        title: "1fichier refuses in words that are not known",
        what_to_do: "read the words, and look at the account in the console of 1fichier or ask its \
            support; it is tried again, at least once an hour; to try at once: fichierd resume",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::TryLater),
        scope: Scope::Service, patience: PATIENCE, on_record: true,
    }
    /// 1fichier answers, and its answers make no sense or say that it fails.
    Failing = "failing" {
        title: "1fichier does not answer as expected",
        what_to_do: "nothing, if it is maintained or fails for a while: it goes on by itself. Else \
            read its words, and: fichierd check --online",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::TryLater),
        scope: Scope::Service, patience: PATIENCE, on_record: false,
    }
    /// 1fichier gives no answer.
    Unreachable = "unreachable" {
        title: "1fichier cannot be reached",
        what_to_do: "nothing, if the network is down for a while: it goes on by itself. Else: \
            fichierd check --online",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Unavailable),
        scope: Scope::Service, patience: PATIENCE, on_record: false,
    }
    /// Somebody typed `fichierd pause`.
    Paused = "paused" {
        title: "paused",
        what_to_do: "go on with: fichierd resume",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Service, patience: AT_ONCE, on_record: true,
    }
    /// No folder is at the source's path.
    SourceMissing = "source_missing" {
        title: "the source is missing",
        what_to_do: "mount its disk or put its folder back, or correct `source` in the \
            configuration; nothing is removed meanwhile",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// The source is empty, and was not before.
    SourceEmpty = "source_empty" {
        title: "the source is empty",
        what_to_do: "mount its disk; if it was emptied on purpose: fichierd approve MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// Another folder, file system or thing is in the place of the source.
    SourceChanged = "source_changed" {
        title: "the source is another one than it was",
        what_to_do: "put it back, or mount its disk; if it was changed on purpose: fichierd \
            approve MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// The source cannot be read.
    SourceUnreadable = "source_unreadable" {
        title: "the source cannot be read",
        what_to_do: "look at its permissions and at its disk: fichierd check",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// The source is a link, or a link on the way to it is not followed.
    SourceBehindLink = "source_behind_link" {
        title: "the source is behind a link that is not followed",
        what_to_do: "if the link is meant, write the path without it as `source` (see: readlink \
            -f), then: systemctl reload fichierd; if not, put the folder back",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// Another installation mirrors to the target.
    TargetTaken = "target_taken" {
        title: "another installation, machine or copy works on the target",
        what_to_do: "give this machine a target of its own; if the other one is gone for good: \
            fichierd approve --take-over MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: false,
    }
    /// The target folder is gone from the service.
    TargetGone = "target_gone" {
        title: "the target folder is gone from 1fichier",
        what_to_do: "give it its name back in the console; to send everything again: fichierd \
            approve MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: false,
    }
    /// The mirror has another target in the configuration than on record, or was split or merged.
    MirrorChanged = "mirror_changed" {
        title: "the mirror is configured differently than it is on record",
        what_to_do: "put the configuration back; to carry the change out: fichierd approve MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: false,
    }
    /// The password of an encrypted mirror is another one than its files have.
    OtherPassword = "other_password" {
        title: "the password is not the one of the files",
        what_to_do: "give the password that it was; if it was changed on purpose, send all files \
            again with the new one: fichierd approve --encrypt-again MIRROR",
        weight: Weight::Stops, alarms: true, exit: Some(Exit::Config),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: false,
    }
    /// Encryption was turned on or off, or names are to be kept in another way.
    OtherForm = "other_form" {
        title: "encryption is configured otherwise than the files are stored",
        what_to_do: "put the configuration back; to send all files again as it says: \
            fichierd approve --encrypt-again MIRROR",
        weight: Weight::Stops, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: false,
    }
    /// More files disappeared than may be removed.
    RemovalsHeld = "removals_held" {
        title: "removals are held",
        what_to_do: "if they are meant: fichierd approve MIRROR; if not: fichierd reject MIRROR, \
            and put the files back",
        weight: Weight::Degrades, alarms: false, exit: Some(Exit::Held),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// A mirror has not been complete for longer than `alarm_after`.
    Overdue = "overdue" {
        title: "the mirror has not been complete for too long",
        what_to_do: "see what it waits for: fichierd status; what has changed since is not safe",
        weight: Weight::Degrades, alarms: true, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// A receiver of alerts cannot be told anything.
    NotifyFailed = "notify_failed" {
        title: "alerts do not get out",
        what_to_do: "look at the receiver and its address, then: fichierd notify test",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Service, patience: PATIENCE, on_record: true,
    }
    /// Very many files were replaced, emptied or renamed within a day.
    Burst = "burst" {
        title: "very many files were replaced within a day",
        what_to_do: "if nobody meant that: fichierd pause, then see: fichierd history MIRROR; if \
            it is right: fichierd approve MIRROR",
        weight: Weight::Degrades, alarms: true, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// The records were recovered, and have not been found to agree with the disk yet.
    RemovalsWait = "removals_wait" {
        title: "removals wait after a recovery",
        what_to_do: "nothing: they go on when disk and records were found to be the same",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// 1fichier refuses the upload of every file, most likely because the storage is full.
    UploadsRefused = "uploads_refused" {
        title: "1fichier takes no uploads",
        what_to_do: "get more storage, or keep fewer versions (`keep`); it is tried again by \
            itself: fichierd check --online",
        weight: Weight::Degrades, alarms: true, exit: Some(Exit::Problems),
        scope: Scope::Service, patience: PATIENCE, on_record: false,
    }
    /// The account is nearly full.
    AccountNearlyFull = "account_nearly_full" {
        title: "the account is nearly full",
        what_to_do: "get more storage, or keep fewer versions (`keep`)",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Service, patience: AT_ONCE, on_record: true,
    }
    /// The subscription ends within two weeks.
    SubscriptionEnding = "subscription_ending" {
        title: "the subscription ends soon",
        what_to_do: "renew it at 1fichier: without it nothing is sent",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Service, patience: AT_ONCE, on_record: true,
    }
    /// A reload was refused; the old configuration is in force.
    ConfigurationRefused = "configuration_refused" {
        title: "the new configuration is refused and the old one is in force",
        what_to_do: "correct it, see: fichierd check; then: systemctl reload fichierd, or restart",
        weight: Weight::Degrades, alarms: true, exit: Some(Exit::Config),
        scope: Scope::Service, patience: AT_ONCE, on_record: false,
    }
    /// The clocks of this machine and of the service are more than an hour apart.
    ClockWrong = "clock_wrong" {
        title: "the clock is wrong",
        what_to_do: "set it, see: timedatectl; no version is removed until then",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Service, patience: PATIENCE, on_record: false,
    }
    /// The source could not be watched at all.
    NotWatched = "not_watched" {
        title: "the source is not watched",
        what_to_do: "nothing, if it is missing: it is watched within seconds of its return; else \
            as the cause says",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// The source is looked at from time to time instead of watched.
    Polling = "polling" {
        title: "the source is looked at from time to time instead of watched",
        what_to_do: "as the cause says; changes are found by the timed look (`rescan`)",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// Some folders are not watched.
    PartlyWatched = "partly_watched" {
        title: "some folders are not watched",
        what_to_do: "as the cause says; changes there are found by the timed look (`rescan`)",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// Events were lost, and the source has not been scanned as a whole since.
    EventsLost = "events_lost" {
        title: "events were lost",
        what_to_do: "nothing: everything is looked at, and then the state ends",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: PATIENCE, on_record: false,
    }
    /// No snapshot of the records could be sent for a day.
    SnapshotOverdue = "snapshot_overdue" {
        title: "the snapshot of the records is overdue",
        what_to_do: "see why it cannot be sent: journalctl -u fichierd; the files are safe, a new \
            machine would not know their latest names, times and owners",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// The comparison of listings takes longer than configured.
    AuditBehind = "audit_behind" {
        title: "the comparison of listings is behind",
        what_to_do: "nothing: it goes on while the service runs, and with each sync; a longer \
            `audit` asks less of it",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// The last comparison of listings found differences.
    AuditFailed = "audit_failed" {
        title: "the comparison of listings found differences",
        what_to_do: "see what was done about them: journalctl -u fichierd",
        weight: Weight::Degrades, alarms: false, exit: Some(Exit::Problems),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// Some files that were downloaded differ from what is recorded.
    VerifyFailed = "verify_failed" {
        title: "files came back damaged or not at all",
        what_to_do: "look at all of them: fichierd verify MIRROR --full",
        weight: Weight::Degrades, alarms: true, exit: Some(Exit::Problems),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// The last test restore differs from what is recorded.
    DrillFailed = "drill_failed" {
        title: "a test restore was not as recorded",
        what_to_do: "look for more: fichierd verify MIRROR --full; then: fichierd drill MIRROR",
        weight: Weight::Degrades, alarms: true, exit: Some(Exit::Problems),
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// The last test download was refused.
    DownloadsRefused = "downloads_refused" {
        title: "downloads to this address are refused",
        what_to_do: "buy CDN credits or GOLD, or restore from another address",
        weight: Weight::Degrades, alarms: false, exit: None,
        scope: Scope::Mirror, patience: AT_ONCE, on_record: true,
    }
    /// Some files could not be mirrored.
    Problems = "problems" {
        title: "files have problems",
        what_to_do: "see which, why, and when each is tried again: fichierd status",
        weight: Weight::Degrades, alarms: false, exit: Some(Exit::Problems),
        scope: Scope::Mirror, patience: PATIENCE, on_record: true,
    }
}
