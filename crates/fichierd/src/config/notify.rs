//! Whom to tell how the mirrors are: a `[[notify]]` block each.
//!
//! The address of a receiver is a secret: it is all that is needed to report in our name. Like a
//! password it is read from a file, a credential or a command each time that it is needed, or
//! stands in the configuration as `url`; nothing shows it (invariant I10).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use url::Url;
use zeroize::Zeroizing;

use super::encrypt::{Credentials, Typed};
use super::file::NotifyFile;
use super::passphrase::{SecretError, SecretSource, Which};
use super::rules::{Complaints, is_loopback, path};
use super::values::HumanDuration;

/// How long a state lasts before it is told.
const AFTER: Duration = Duration::from_secs(15 * 60);
/// The time between two reminders of one state.
const REMIND: Duration = Duration::from_secs(24 * 3600);
/// The time between two pings that all is safe.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// The shortest `every`: a receiver may drop more than five pings a minute, and block the address
/// of a program that sends many (healthchecks.io, pinging API).
const SHORTEST_EVERY: Duration = Duration::from_secs(60);
/// The longest of each of these times.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Somebody who is told how the mirrors are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyConfig {
    /// The name, unique among the receivers: `[a-z0-9._-]{1,64}`.
    pub name: String,
    /// What it understands.
    pub kind: NotifyKind,
    /// Where it is.
    pub url: AddressSource,
    /// Where its access token, or the secret that signs a webhook, is read from.
    pub token: Option<SecretSource>,
    /// The mirrors that it is told of; all if there are none here.
    pub mirrors: Vec<String>,
    /// What it is told; pinged receivers are told of safety and of what stops it in any case.
    pub on: Vec<Topic>,
    /// How long a state lasts before it is told.
    pub after: Duration,
    /// The time between two reminders of a state that lasts; `None` for no reminders.
    pub remind: Option<Duration>,
    /// The time between two pings that all is safe, at least.
    pub every: Duration,
    /// Whether messages may name files.
    pub paths: bool,
    /// A PEM file with certificates that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// What a receiver understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyKind {
    /// Pings of Healthchecks: silence is the alarm.
    Healthchecks,
    /// Pushes of Uptime Kuma: silence is the alarm.
    UptimeKuma,
    /// Messages to a topic of ntfy.
    Ntfy {
        /// The topic.
        topic: String,
    },
    /// JSON to any address.
    Webhook,
}

/// What may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A state that stops all work.
    Stopped,
    /// A decision is needed.
    Held,
    /// A mirror has not been complete for too long.
    Overdue,
    /// Any other degraded state.
    Degraded,
    /// What was told has ended.
    Over,
}

/// Where an address is read from. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum AddressSource {
    /// It stands in the configuration.
    Here(Zeroizing<String>),
    /// It is read each time.
    Secret(SecretSource),
}

/// The address of a receiver cannot be used. Shows nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What was read is no address.
    #[error("the address of `{name}` is not one: {why}")]
    Wrong {
        /// The name of the receiver.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Topic {
    const ALL: [Topic; 5] =
        [Topic::Stopped, Topic::Held, Topic::Overdue, Topic::Degraded, Topic::Over];
    const DEFAULT: [Topic; 4] = [Topic::Stopped, Topic::Held, Topic::Overdue, Topic::Over];

    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Stopped => "stopped",
            Topic::Held => "held",
            Topic::Overdue => "overdue",
            Topic::Degraded => "degraded",
            Topic::Over => "over",
        }
    }
}

impl NotifyKind {
    /// Whether its silence is an alarm, so that it is pinged while all is safe.
    pub fn is_pinged(&self) -> bool {
        matches!(self, NotifyKind::Healthchecks | NotifyKind::UptimeKuma)
    }
}

impl NotifyConfig {
    /// Whether it is told of this mirror.
    pub fn is_of(&self, mirror: &str) -> bool {
        self.mirrors.is_empty() || self.mirrors.iter().any(|name| name == mirror)
    }

    /// Reads the address as it is now. Blocks while a command is run.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub fn address(&self) -> Result<Url, AddressError> {
        let text = match &self.url {
            AddressSource::Here(text) => text.clone(),
            AddressSource::Secret(source) => source.read(Which::Url)?,
        };
        parse(text.trim()).map_err(|why| AddressError::Wrong { name: self.name.clone(), why })
    }

    /// Reads the token as it is now; `None` if there is none. Blocks while a command is run.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub fn token(&self) -> Result<Option<Zeroizing<String>>, SecretError> {
        self.token.as_ref().map(|source| source.read(Which::Token)).transpose()
    }
}

impl fmt::Debug for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressSource::Here(_) => f.write_str("Here(…)"),
            AddressSource::Secret(source) => f.debug_tuple("Secret").field(source).finish(),
        }
    }
}

/// Checks one block by itself.
pub(super) fn rules(
    file: NotifyFile,
    credentials: &Credentials<'_>,
    complaints: &mut Complaints,
) -> Option<NotifyConfig> {
    let at = file.name.span();
    let kind = kind(&file, complaints);
    check_name(&file.name, complaints);
    let url = url(file.url, file.url_file, file.url_credential, credentials, complaints);
    if url.is_none() {
        let help = "add `url_file`, `url_credential` or `url`";
        complaints.add(Some(at), "this [[notify]] does not say where to report", help);
    }
    let token = Typed {
        which: Which::Token,
        file: file.token_file,
        credential: file.token_credential,
        command: None,
    };
    Some(NotifyConfig {
        name: file.name.into_inner(),
        kind: kind?,
        url: url?,
        token: token.source(credentials, complaints),
        mirrors: file.mirrors.into_iter().map(Spanned::into_inner).collect(),
        on: topics(file.on, complaints),
        after: time(file.after, "after", AFTER, Duration::ZERO, complaints),
        remind: Some(time(file.remind, "remind", REMIND, Duration::ZERO, complaints))
            .filter(|remind| !remind.is_zero()),
        every: time(file.every, "every", EVERY, SHORTEST_EVERY, complaints),
        paths: file.paths.unwrap_or(false),
        ca_file: file.ca_file.map(|typed| path(typed, "ca_file", complaints)),
    })
}

/// Checks that no two receivers share a name, and that each mirror that one names is there.
/// `names` has the names as they are typed, `mirrors` those of the mirrors.
pub(super) fn together(
    names: &[Spanned<String>],
    of_mirrors: &[Spanned<String>],
    mirrors: &[&str],
    complaints: &mut Complaints,
) {
    for (at, name) in names.iter().enumerate() {
        if names[..at].iter().any(|other| other.get_ref() == name.get_ref()) {
            let what = format!("a [[notify]] named `{}` stands above already", name.get_ref());
            complaints.add(Some(name.span()), what, "each needs a name of its own");
        }
    }
    for name in of_mirrors.iter().filter(|name| !mirrors.contains(&name.get_ref().as_str())) {
        let what = format!("there is no mirror `{}`", name.get_ref());
        complaints.add(Some(name.span()), what, "write the `name` of a [[mirror]]");
    }
}

fn kind(file: &NotifyFile, complaints: &mut Complaints) -> Option<NotifyKind> {
    let kind = match file.kind.get_ref().as_str() {
        "healthchecks" => NotifyKind::Healthchecks,
        "uptime-kuma" => NotifyKind::UptimeKuma,
        "webhook" => NotifyKind::Webhook,
        "ntfy" => return topic(file, complaints),
        _ => {
            let help = "write \"healthchecks\", \"uptime-kuma\", \"ntfy\" or \"webhook\"";
            complaints.add(Some(file.kind.span()), "`kind` is none that there is", help);
            return None;
        }
    };
    if let Some(topic) = &file.topic {
        let what = "`topic` is only for `kind = \"ntfy\"`";
        complaints.add(Some(topic.span()), what, "remove it");
    }
    Some(kind)
}

/// The topic of ntfy: its server takes no others (ntfy, server/util.go).
fn topic(file: &NotifyFile, complaints: &mut Complaints) -> Option<NotifyKind> {
    let Some(typed) = &file.topic else {
        let what = "a [[notify]] of kind \"ntfy\" needs a `topic`";
        complaints.add(Some(file.kind.span()), what, "add `topic = \"backups-of-me\"`");
        return None;
    };
    let topic = typed.get_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if topic.is_empty() || topic.len() > 64 || !topic.chars().all(is_plain) {
        let help = "use up to 64 letters, digits, `-` and `_`";
        complaints.add(Some(typed.span()), "`topic` is none that ntfy takes", help);
    }
    Some(NotifyKind::Ntfy { topic: topic.clone() })
}

fn check_name(name: &Spanned<String>, complaints: &mut Complaints) {
    let text = name.get_ref();
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_plain) {
        let help = "use up to 64 of `a` to `z`, digits, `.`, `_` and `-`";
        complaints.add(Some(name.span()), "`name` of a [[notify]] has other characters", help);
    }
}

fn url(
    here: Option<Spanned<String>>,
    file: Option<Spanned<PathBuf>>,
    credential: Option<Spanned<String>>,
    credentials: &Credentials<'_>,
    complaints: &mut Complaints,
) -> Option<AddressSource> {
    let secret = Typed { which: Which::Url, file, credential, command: None };
    if let Some(typed) = here {
        if !secret.is_empty() {
            let what = "the address is read from more than one place";
            complaints.add(Some(typed.span()), what, "keep one of the keys");
        }
        let span = typed.span();
        let text = Zeroizing::new(typed.into_inner());
        if let Err(why) = parse(&text) {
            let help = "copy it from the page of the receiver; better into a file: `url_file`";
            complaints.add(Some(span), format!("`url` is not an address: {why}"), help);
        }
        return Some(AddressSource::Here(text));
    }
    secret.source(credentials, complaints).map(AddressSource::Secret)
}

/// Reads an address. The error shows nothing of it.
fn parse(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it does not begin like https://host/")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || is_private(&url) => Ok(url),
        "http" => Err("it would be sent unencrypted; use https"),
        _ => Err("it is not an http address"),
    }
}

/// Whether the host can be reached from its own network alone, as a receiver in the cellar.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_private() || address.is_link_local(),
        Some(url::Host::Ipv6(address)) => address.is_unique_local(),
        Some(url::Host::Domain(name)) => {
            !name.contains('.')
                || [".lan", ".local", ".home.arpa"].iter().any(|it| name.ends_with(it))
        }
        None => false,
    }
}

fn topics(typed: Option<Vec<Spanned<String>>>, complaints: &mut Complaints) -> Vec<Topic> {
    let Some(typed) = typed else { return Topic::DEFAULT.to_vec() };
    let read = |word: Spanned<String>| {
        let found = Topic::ALL.into_iter().find(|topic| topic.word() == word.get_ref());
        if found.is_none() {
            let help = "there are \"stopped\", \"held\", \"overdue\", \"degraded\" and \"over\"";
            complaints.add(Some(word.span()), "`on` has a word that is none", help);
        }
        found
    };
    typed.into_iter().filter_map(read).collect()
}

fn time(
    typed: Option<Spanned<HumanDuration>>,
    key: &str,
    default: Duration,
    shortest: Duration,
    complaints: &mut Complaints,
) -> Duration {
    let Some(typed) = typed else { return default };
    let HumanDuration(time) = *typed.get_ref();
    if time < shortest || time > LONGEST {
        let what = format!("`{key}` is too short or too long");
        complaints.add(Some(typed.span()), what, "write it like \"10m\"; at most 366 days");
    }
    time
}
