//! What a receiver is told: a value, made of the status, which `wire` puts into the receiver's words.
//!
//! No message holds the path of a file, a cause or a link, unless the receiver is configured to get
//! paths: causes may name files, and messages leave the machine (invariant I10).

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::words::{bytes, count, counted, duration};
use crate::config::NotifyConfig;
use crate::status::{DegradedStatus, MirrorStatus, Status};

/// Bytes of a text that a receiver gets at most; more is cut at a character. ntfy takes 4096
/// (formats of ntfy 2.x); others take more.
const LONGEST: usize = 3_500;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// The same on each repeat, so that a receiver can tell a repeat from news.
    pub(super) id: String,
    /// When it was made; Unix seconds.
    pub(super) at_s: i64,
    /// What it tells.
    pub(super) what: What,
    /// The state that it is about; nothing of a ping that all is safe, and of a test while it is.
    pub(super) about: Option<Told>,
    /// One line.
    pub(super) title: String,
    /// The whole text.
    pub(super) text: String,
}

/// What a message tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// All that the receiver is told of is safe.
    Safe,
    /// A state has lasted long enough to be told.
    Begins,
    /// It still lasts.
    LastsOn,
    /// It has ended.
    Over,
    /// A person tries the way.
    Test,
}

/// The state that a message is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Its word in `status --json`.
    pub(super) state: String,
    /// The mirror; nothing for the service.
    pub(super) mirror: Option<String>,
    /// Whether it stops the work, or leaves data unsafe until somebody acts.
    pub(super) alarms: bool,
    /// Since when; Unix seconds.
    pub(super) since_s: i64,
    /// What it is.
    pub(super) title: String,
    /// What to do about it.
    pub(super) what_to_do: String,
}

impl Told {
    /// Of an entry of the status.
    pub(super) fn of(entry: &DegradedStatus, now_s: i64) -> Told {
        let age_s = entry.since_age_s.and_then(|age_s| i64::try_from(age_s).ok());
        Told {
            state: entry.kind.word().to_owned(),
            mirror: entry.mirror.clone(),
            alarms: entry.stops || entry.kind.about().alarms,
            since_s: now_s - age_s.unwrap_or_default(),
            title: entry.title.clone(),
            what_to_do: entry.what_to_do.clone(),
        }
    }

    /// That something is not safe, for a test: it must not pass for the opposite.
    pub(super) fn not_safe(now_s: i64) -> Told {
        Told {
            state: "test".to_owned(),
            mirror: None,
            alarms: true,
            since_s: now_s,
            title: "not everything is safe".to_owned(),
            what_to_do: "fichierd status".to_owned(),
        }
    }

    /// `photos: the API key is refused`.
    fn line(&self) -> String {
        match &self.mirror {
            Some(mirror) => format!("{mirror}: {}", self.title),
            None => self.title.clone(),
        }
    }
}

/// A message of this kind, about a state or about all.
pub(super) fn message(
    what: What,
    about: Option<&Told>,
    status: &Status,
    receiver: &NotifyConfig,
    (id, at_s): (String, i64),
) -> Message {
    let title = match (what, about) {
        (What::Test, _) => "fichierd: a test".to_owned(),
        (What::Over, Some(told)) => format!("fichierd: ended: {}", told.line()),
        (What::LastsOn, Some(told)) => format!("fichierd: still: {}", told.line()),
        (_, Some(told)) => format!("fichierd: {}", told.line()),
        (_, None) if is_complete(status, receiver) => "fichierd: everything is safe".to_owned(),
        (_, None) => "fichierd: was complete a moment ago, and sends changes".to_owned(),
    };
    let text = text(what, about, status, receiver, at_s);
    Message { id, at_s, what, about: about.cloned(), title, text }
}

fn is_complete(status: &Status, receiver: &NotifyConfig) -> bool {
    let mut mirrors = status.mirrors.iter().filter(|mirror| receiver.is_of(&mirror.name));
    mirrors.all(|mirror| mirror.complete)
}

fn text(
    what: What,
    about: Option<&Told>,
    status: &Status,
    receiver: &NotifyConfig,
    now_s: i64,
) -> String {
    let mut text = String::new();
    if what == What::Test {
        text.push_str("A test: this is what fichierd reports.\n");
    }
    if let Some(told) = about {
        let lasted = Duration::from_secs(u64::try_from(now_s - told.since_s).unwrap_or(0));
        let _ok = match what {
            What::Over => writeln!(text, "{} (ended)", told.line()),
            What::Safe | What::Begins | What::LastsOn | What::Test => writeln!(
                text,
                "{}, for {}\nwhat to do: {}",
                told.line(),
                duration(lasted),
                told.what_to_do
            ),
        };
        if receiver.paths
            && let Some(cause) = cause_of(told, status)
        {
            let _ok = writeln!(text, "cause: {cause}");
        }
    }
    for entry in &status.degraded {
        let is_told = about.is_some_and(|told| {
            entry.kind.word() == told.state && entry.mirror == told.mirror && what != What::Over
        });
        let concerns = entry.mirror.as_deref().is_none_or(|name| receiver.is_of(name));
        if concerns && !is_told {
            let _ok = writeln!(text, "{}", Told::of(entry, now_s).line());
        }
    }
    for mirror in status.mirrors.iter().filter(|mirror| receiver.is_of(&mirror.name)) {
        let _ok = writeln!(text, "{}", mirror_line(mirror));
    }
    cut(text)
}

fn cause_of<'a>(told: &Told, status: &'a Status) -> Option<&'a str> {
    let is = |it: &&DegradedStatus| it.kind.word() == told.state && it.mirror == told.mirror;
    status.degraded.iter().find(is).map(|it| it.cause.as_str())
}

fn mirror_line(mirror: &MirrorStatus) -> String {
    let complete = match mirror.last_success_age_s {
        Some(age_s) => format!("complete {} ago", duration(Duration::from_secs(age_s))),
        None => "never complete yet".to_owned(),
    };
    let pending = match mirror.pending_files {
        0 => String::new(),
        files => format!(", {} not confirmed yet", count(files)),
    };
    let files = counted(mirror.files, "file");
    format!("{}: {files} safe ({}){pending}, {complete}", mirror.name, bytes(mirror.bytes))
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("…\n");
    }
    text
}
