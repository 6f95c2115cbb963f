//! The rules for mirrors: for each by itself, and for all together.
//!
//! Two mirrors must never share a file: a local one would be sent twice, and each would take a
//! remote one for foreign. The files that this program writes must not lie in a folder that it
//! watches, because then each upload would cause the next one for ever.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ignore::gitignore::GitignoreBuilder;
use toml::Spanned;

use super::encrypt::{self, Credentials};
use super::file::MirrorFile;
use super::rules::{Complaints, path};
use super::values::HumanDuration;
use super::{Keep, MaxRemovals, MirrorConfig};
use crate::base::patterns::strange;

const DAY_S: u64 = 24 * 60 * 60;
/// The shortest `rescan`; a shorter one is refused, because a look would begin before the last one
/// has ended.
const SHORTEST_RESCAN: Duration = Duration::from_secs(1);
/// The longest `rescan`; a longer one is refused, because a mirror that is looked at less often is
/// no backup.
const LONGEST_RESCAN: Duration = Duration::from_secs(30 * DAY_S);
const LONGEST_SETTLE: Duration = Duration::from_secs(DAY_S);
/// The shortest and the longest time between two audits or drills. A shorter one is refused because
/// it only uses up calls, a longer one because it proves nothing.
const SHORTEST_PERIOD: Duration = Duration::from_secs(60);
const LONGEST_PERIOD: Duration = Duration::from_secs(366 * DAY_S);

/// Bytes in the name of a folder on the service (docs/api-notes.md, F.1); a longer name is refused.
const LONGEST_FOLDER_NAME: usize = 250;
/// The folders that this program may keep for itself in each target.
const RESERVED: [&str; 2] = [".fichierd", "_fichierd"];

/// The places of one mirror's keys in the text.
pub(super) struct Spans {
    name: Range<usize>,
    source: Range<usize>,
    target: Range<usize>,
}

impl Spans {
    pub(super) fn of(file: &MirrorFile) -> Self {
        Spans { name: file.name.span(), source: file.source.span(), target: file.target.span() }
    }
}

impl MirrorConfig {
    /// A mirror with the default for every key that may be left out (docs/configuration.md).
    pub fn new(
        name: impl Into<String>,
        source: impl Into<PathBuf>,
        target: impl Into<String>,
    ) -> MirrorConfig {
        let days = |days: u64| Duration::from_secs(days * DAY_S);
        MirrorConfig {
            name: name.into(),
            source: source.into(),
            target: target.into(),
            exclude: Vec::new(),
            settle: Duration::from_secs(5),
            settle_at_most: Duration::from_secs(5 * 60),
            rescan: Duration::from_secs(60 * 60),
            max_removals: MaxRemovals::Percent(25),
            removals_floor: 100,
            keep: Keep::For(days(30)),
            keep_versions: Some(20),
            audit: Some(days(7)),
            drill: Some(days(30)),
            drill_bytes: 256 << 20,
            encrypt: None,
            alarm_after: None,
        }
    }
}

/// Checks one mirror by itself.
pub(super) fn mirror(
    file: MirrorFile,
    credentials: &Credentials<'_>,
    complaints: &mut Complaints,
) -> MirrorConfig {
    check_name(&file.name, complaints);
    check_excludes(&file.exclude, complaints);
    let source = path(file.source, "source", complaints);
    let target = target(&file.target, complaints);
    let default = MirrorConfig::new(file.name.into_inner(), source, target);
    let settle =
        bounded(file.settle, "settle", default.settle, Duration::ZERO..=LONGEST_SETTLE, complaints);
    let most_span = file.settle_at_most.as_ref().map(Spanned::span);
    let settle_at_most = bounded(
        file.settle_at_most,
        "settle_at_most",
        default.settle_at_most.max(settle),
        Duration::ZERO..=LONGEST_SETTLE,
        complaints,
    );
    if settle_at_most < settle {
        let help =
            "settle_at_most is the longest wait for a file that is being written all the time";
        complaints.add(most_span, "`settle_at_most` is shorter than `settle`", help);
    }
    let rescans = SHORTEST_RESCAN..=LONGEST_RESCAN;
    MirrorConfig {
        exclude: file.exclude.into_iter().map(Spanned::into_inner).collect(),
        settle,
        settle_at_most,
        rescan: bounded(file.rescan, "rescan", default.rescan, rescans, complaints),
        max_removals: file.max_removals.map_or(default.max_removals, Spanned::into_inner),
        removals_floor: removals_floor(file.removals_floor, default.removals_floor, complaints),
        keep: file.keep.map_or(default.keep, |keep| keep.into_inner().0),
        keep_versions: keep_versions(file.keep_versions, default.keep_versions, complaints),
        audit: period(file.audit, "audit", default.audit, complaints),
        drill: period(file.drill, "drill", default.drill, complaints),
        drill_bytes: file.drill_bytes.map_or(default.drill_bytes, |size| size.into_inner().0),
        encrypt: file.encrypt.and_then(|it| encrypt::rules(it, credentials, complaints)),
        alarm_after: period(file.alarm_after, "alarm_after", None, complaints),
        ..default
    }
}

/// Checks that no two mirrors share a name, a local file or a remote file.
pub(super) fn together(mirrors: &[MirrorConfig], spans: &[Spans], complaints: &mut Complaints) {
    let resolved: Vec<_> = mirrors.iter().map(|mirror| resolved(&mirror.source)).collect();
    for (at, (mirror, span)) in mirrors.iter().zip(spans).enumerate() {
        for (earlier, other) in mirrors.iter().enumerate().take(at) {
            let name = &other.name;
            if mirror.name == *name {
                let help = "each mirror needs a name of its own; commands use it";
                complaints.add(
                    Some(span.name.clone()),
                    format!("a mirror named `{name}` stands above already"),
                    help,
                );
            }
            let targets = (Path::new(&mirror.target), Path::new(&other.target));
            let root = Path::new("/");
            let either_is_root = targets.0 == root || targets.1 == root;
            // A target that is the root was refused already, and would contain every other one.
            if let Some(relation) = relation(targets.0, targets.1)
                && !either_is_root
            {
                complaints.add(
                    Some(span.target.clone()),
                    format!("this target {relation} that of mirror `{name}` ({})", other.target),
                    "two mirrors must not write into one folder; choose targets side by side",
                );
            }
            if let Some(relation) = relation(&resolved[at], &resolved[earlier]) {
                complaints.add(
                    Some(span.source.clone()),
                    format!(
                        "this source {relation} that of mirror `{name}` ({})",
                        other.source.display()
                    ),
                    "the files in both would be sent twice; choose sources side by side",
                );
            }
        }
    }
}

/// Checks that no source contains the state folder or lies in it.
pub(super) fn apart_from_state(
    mirrors: &[MirrorConfig],
    spans: &[Spans],
    state_dir: &Path,
    state_span: Option<Range<usize>>,
    complaints: &mut Complaints,
) {
    for (mirror, span) in mirrors.iter().zip(spans) {
        let source = resolved(&mirror.source);
        let state = resolved(state_dir);
        if state.starts_with(&source) {
            complaints.add(
                state_span.clone().or(Some(span.source.clone())),
                format!(
                    "the state folder {} lies inside the source of mirror `{}` ({})",
                    state_dir.display(),
                    mirror.name,
                    mirror.source.display()
                ),
                "every upload would change the folder that it comes from; move state_dir elsewhere",
            );
        } else if source.starts_with(&state) {
            complaints.add(
                Some(span.source.clone()),
                format!("this source lies inside the state folder {}", state_dir.display()),
                "the state folder belongs to this program alone",
            );
        }
    }
}

fn check_name(name: &Spanned<String>, complaints: &mut Complaints) {
    let text = name.get_ref();
    let legal = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
        complaints.add(
            Some(name.span()),
            format!("`{}` cannot be the name of a mirror", text.escape_debug()),
            "use 1 to 64 of: small letters, digits, `.`, `_`, `-`",
        );
    }
}

fn check_excludes(patterns: &[Spanned<String>], complaints: &mut Complaints) {
    for pattern in patterns {
        let mut builder = GitignoreBuilder::new("/");
        if let Err(error) = builder.add_line(None, pattern.get_ref()) {
            complaints.add(
                Some(pattern.span()),
                format!("this pattern cannot be read: {error}"),
                "patterns are written as in .gitignore",
            );
        } else if let Some(strange) = strange(pattern.get_ref()) {
            complaints.add(Some(pattern.span()), strange.what, strange.instead);
        } else if pattern.get_ref().contains(['\n', '\r']) {
            let help = "write each line as a pattern of its own";
            complaints.add(Some(pattern.span()), "this pattern has several lines", help);
        } else if pattern.get_ref().trim().is_empty() {
            complaints.add(Some(pattern.span()), "this pattern is empty", "remove it");
        } else if pattern.get_ref().starts_with('#') {
            let help =
                "in .gitignore this is a comment; for a name that begins with `#` write `\\\\#`";
            complaints.add(Some(pattern.span()), "this pattern excludes nothing", help);
        }
    }
}

fn target(typed: &Spanned<String>, complaints: &mut Complaints) -> String {
    let mut wrong = |message: String, help: &str| complaints.add(Some(typed.span()), message, help);
    let text = typed.get_ref();
    let names: Vec<_> = text.split('/').filter(|name| !name.is_empty()).collect();
    if !text.starts_with('/') {
        wrong("`target` must be a whole path".to_owned(), "begin it with `/`: the account's root");
    } else if names.is_empty() {
        let help = "everything in the account would lie inside the mirror; name a folder";
        wrong("`target` must not be the root of the account".to_owned(), help);
    }
    for name in &names {
        if matches!(*name, "." | "..") {
            wrong(format!("`target` contains `{name}`"), "write the path it leads to");
        } else if RESERVED.contains(name) {
            wrong(format!("`{name}` is reserved for this program"), "choose another folder");
        } else if name.len() > LONGEST_FOLDER_NAME {
            let help = "the service refuses longer names; choose a shorter one";
            wrong(format!("a folder name is over {LONGEST_FOLDER_NAME} bytes long"), help);
        } else if name.chars().any(char::is_control) {
            wrong("`target` contains a control character".to_owned(), "remove it");
        }
    }
    format!("/{}", names.join("/"))
}

fn bounded(
    typed: Option<Spanned<HumanDuration>>,
    key: &str,
    default: Duration,
    range: RangeInclusive<Duration>,
    complaints: &mut Complaints,
) -> Duration {
    typed.map_or(default, |typed| within(&typed, key, range, complaints))
}

/// The duration that was typed; a complaint is added if it lies outside of the range.
fn within(
    typed: &Spanned<HumanDuration>,
    key: &str,
    range: RangeInclusive<Duration>,
    complaints: &mut Complaints,
) -> Duration {
    let HumanDuration(duration) = *typed.get_ref();
    if !range.contains(&duration) {
        let (shortest, longest) = (range.start(), range.end().as_secs() / DAY_S);
        let message = if duration < *shortest {
            format!("`{key}` must be at least {shortest:?}")
        } else {
            format!("`{key}` must be at most {longest} day{}", if longest == 1 { "" } else { "s" })
        };
        complaints.add(Some(typed.span()), message, "leave the key out for the default");
    }
    duration
}

fn removals_floor(typed: Option<Spanned<i64>>, default: u64, complaints: &mut Complaints) -> u64 {
    let Some(typed) = typed else { return default };
    u64::try_from(*typed.get_ref()).unwrap_or_else(|_| {
        let help = "0 means that only max_removals counts";
        complaints.add(Some(typed.span()), "`removals_floor` must not be negative", help);
        default
    })
}

fn keep_versions(
    typed: Option<Spanned<i64>>,
    default: Option<u32>,
    complaints: &mut Complaints,
) -> Option<u32> {
    let Some(typed) = typed else { return default };
    match u32::try_from(*typed.get_ref()) {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(_) => {
            let message = "`keep_versions` must not be negative, nor above 4 billion";
            complaints.add(Some(typed.span()), message, "0 means no limit");
            default
        }
    }
}

/// The time from one run of something to the next; `None`, which is never, for "0".
fn period(
    typed: Option<Spanned<HumanDuration>>,
    key: &str,
    default: Option<Duration>,
    complaints: &mut Complaints,
) -> Option<Duration> {
    match typed {
        None => default,
        Some(typed) if typed.get_ref().0.is_zero() => None,
        Some(typed) => Some(within(&typed, key, SHORTEST_PERIOD..=LONGEST_PERIOD, complaints)),
    }
}

/// A verb that tells how `this` overlaps `other`; `None` if they lie apart.
fn relation(this: &Path, other: &Path) -> Option<&'static str> {
    if this == other {
        Some("is also")
    } else if this.starts_with(other) {
        Some("lies inside")
    } else if other.starts_with(this) {
        Some("contains")
    } else {
        None
    }
}

/// The path, with symbolic links resolved in the part of it that exists.
pub(super) fn resolved(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.components().chain(rest.components()).collect();
        }
    }
    path.to_path_buf()
}
