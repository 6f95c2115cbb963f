//! Why a path is, or is not, on 1fichier: one sentence, from the disk, the filter and the records.
//!
//! The disk is looked at as the next cycle would look at it, by this process and its user, and
//! nothing is called. "Safe" is said of a path only if the service has confirmed the very bytes
//! that its stamp stands for; whatever differs, is pending or cannot be looked at is told instead.
//!
//! It waits for the disk, so the service's loop lets a thread of its own do it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fichier_state::{
    Entry, Error, Folder, Mirror, PendingFile, PendingUpload, Problem, Records, RelPath,
};
use jiff::Timestamp;

use crate::base::State;
use crate::base::when::told;
use crate::base::words::{chain, counted, duration};
use crate::config::{Config, MirrorConfig};
use crate::disk::{Filter, FilterVerdict, Origin, Scanner, Seen, SeenKind};
use crate::mirror::Held;
use crate::remote::unconfirmed::PROVED_UP_TO;
use crate::status::WhyAnswer;

/// Paths that are given up and looked through, at most.
const MOST_GIVEN_UP: usize = 10_000;

/// What only the running service knows: for each mirror, the files that its last cycle found being
/// written.
pub type Unsettled = BTreeMap<String, Vec<RelPath>>;

/// Explains one path.
///
/// Without a `state` nothing is recorded; without `unsettled` no service runs.
///
/// # Errors
///
/// Those of the state file.
pub fn why(
    state: Option<&State>,
    config: &Config,
    unsettled: Option<&Unsettled>,
    path: &Path,
) -> Result<WhyAnswer, Error> {
    let mut answer = WhyAnswer {
        path: path.display().to_string(),
        verdict: "not below the source of any mirror, so no mirror sends it".to_owned(),
        ..WhyAnswer::default()
    };
    let Some((mirror, below)) = place(&config.mirrors, path) else { return Ok(answer) };
    answer.mirror = Some(mirror.name.clone());
    let row = match state {
        None => None,
        Some(state) => state.read(|s| s.mirror_of(&mirror.name, &mirror.source, &mirror.target))?,
    };
    let mut case = Case { config, mirror, path: &below, unsettled, on: OnRecord::default() };
    if let (Some(state), Some(row)) = (state, row) {
        case.on = state.read(|s| OnRecord::read(s, row, &below))?;
    }
    answer.recorded = case.recorded();
    if let Some(problem) = case.on.problem.as_ref().filter(|problem| problem.path == below) {
        answer.problem = Some(format!("{}; {}", problem.what, problem.hint));
        answer.next_try = Timestamp::from_second(problem.next_try_s).ok();
    }
    answer.verdict = case.verdict();
    Ok(answer)
}

/// The mirror that a path belongs to, and its place below the source. A path that leads there by a
/// link, or by `..`, counts as well.
fn place<'a>(mirrors: &'a [MirrorConfig], path: &Path) -> Option<(&'a MirrorConfig, RelPath)> {
    let by_name = || {
        let folder = std::fs::canonicalize(path.parent()?).ok()?;
        Some(folder.join(path.file_name()?))
    };
    let is_plain = !path.components().any(|part| part == std::path::Component::ParentDir);
    let typed = Some(path.to_path_buf()).filter(|_| is_plain);
    let ways = [typed, by_name(), std::fs::canonicalize(path).ok()];
    ways.into_iter().flatten().find_map(|path: PathBuf| {
        mirrors.iter().find_map(|mirror| {
            let below = path.strip_prefix(&mirror.source).ok()?;
            Some((mirror, RelPath::parse(below.as_os_str().as_bytes()).ok()?))
        })
    })
}

/// What the state knows of a path.
#[derive(Default)]
struct OnRecord {
    row: Option<Mirror>,
    folder: Option<(Folder, u64)>,
    entry: Option<Entry>,
    /// The upload that the file is in, and its part in it.
    upload: Option<(PendingUpload, PendingFile)>,
    /// The problem of the path, or of a folder above it.
    problem: Option<Problem>,
    /// Files below the path whose hashes 1fichier has not told.
    not_confirmed_below: u64,
    /// Problems below the path.
    problems_below: u64,
    /// When the last version of it ended, if it has only a past.
    was_until_s: Option<i64>,
    /// Since when the listings do not show the file.
    missed_s: Option<i64>,
    is_given_up: bool,
    is_paused: bool,
}

impl OnRecord {
    fn read(s: &Records, row: Mirror, path: &RelPath) -> fichier_state::Result<OnRecord> {
        let mut on = OnRecord { is_paused: s.paused()?, ..OnRecord::default() };
        if let Some(folder) = s.folder_at(row.id, path)? {
            let below = s.count_below(folder.key)?;
            on.not_confirmed_below = below.not_confirmed;
            on.folder = Some((folder, below.files));
        }
        let parent = path.parent().unwrap_or_else(RelPath::root);
        if !path.is_root()
            && let Some(parent) = s.folder_at(row.id, &parent)?
        {
            on.entry = s.entry(parent.key, path.name())?;
            on.missed_s = s.missed_since(parent.key, path.name())?;
        }
        for upload in s.uploads(row.id)? {
            if let Some(file) = upload.files.iter().find(|file| file.path == *path) {
                on.upload = Some((upload.clone(), file.clone()));
            }
        }
        for problem in s.problems(Some(row.id))? {
            if problem.path != *path && problem.path.starts_with(path) {
                on.problems_below += 1;
            } else if path.starts_with(&problem.path) {
                // The nearest one comes last.
                on.problem = Some(problem);
            }
        }
        if on.entry.is_none() && on.folder.is_none() && !path.is_root() {
            let versions = s.path_versions(row.id, path)?;
            let last = versions.first().and_then(|version| version.last);
            on.was_until_s = last.map(|last| s.time_of(last)).transpose()?.flatten();
            if on.was_until_s.is_none() {
                // The history of a path has a grain of a second; its versions have none.
                let kept = s.versions(row.id, Some(path), 1)?;
                on.was_until_s = kept.first().map(|version| version.current_until_s);
            }
        }
        on.is_given_up = s.given_up(row.id, MOST_GIVEN_UP)?.iter().any(|it| it.path == *path);
        on.row = Some(row);
        Ok(on)
    }
}

/// One path, and everything that is known of it.
struct Case<'a> {
    config: &'a Config,
    mirror: &'a MirrorConfig,
    path: &'a RelPath,
    unsettled: Option<&'a Unsettled>,
    on: OnRecord,
}

/// What stands on the disk at the path.
enum OnDisk {
    There(Seen),
    Absent,
    /// It cannot be looked at, because of this folder or of itself.
    Hidden(PathBuf, io::Error),
    /// The source is not there, or is no folder.
    NoSource(io::Error),
}

impl Case<'_> {
    fn verdict(&self) -> String {
        let filter = match Filter::new(&self.mirror.source, &self.mirror.exclude) {
            Ok(filter) => Arc::new(filter),
            Err(error) => return error.to_string(),
        };
        let found = self.look(&filter);
        let is_dir = matches!(&found, OnDisk::There(seen) if seen.is_folder())
            || self.on.folder.is_some() && !matches!(&found, OnDisk::There(_));
        if let FilterVerdict::Excluded { at, by, from } = filter.explain(self.path, is_dir) {
            return self.excluded(&at, &by, &from);
        }
        match found {
            OnDisk::NoSource(error) => {
                let source = self.mirror.source.display();
                self.kept(&format!("the source {source} cannot be looked at ({})", chain(&error)))
            }
            OnDisk::Hidden(folder, error) if folder == self.local() => {
                self.kept(&format!("it cannot be looked at ({})", chain(&error)))
            }
            OnDisk::Hidden(folder, error) => self.kept(&format!(
                "it is below a folder that cannot be read: {} ({})",
                folder.display(),
                chain(&error)
            )),
            OnDisk::Absent => self.absent(),
            OnDisk::There(seen) => match seen.kind {
                SeenKind::Special => special(seen.metadata.mode).to_owned(),
                SeenKind::Folder => self.folder(),
                SeenKind::File | SeenKind::Symlink(_) => self.file(&seen),
            },
        }
    }

    fn local(&self) -> PathBuf {
        self.mirror.source.join(std::ffi::OsStr::from_bytes(self.path.as_bytes()))
    }

    fn look(&self, filter: &Arc<Filter>) -> OnDisk {
        let scanner = match Scanner::open(&self.mirror.source, Arc::clone(filter)) {
            Ok(scanner) => scanner,
            Err(error) => return OnDisk::NoSource(error),
        };
        // A folder may let one pass and not be listed: what is in it is then not found.
        let mut folder = self.mirror.source.clone();
        let mut names = self.path.as_bytes().split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            if let Err(error) = std::fs::read_dir(&folder)
                && error.kind() == io::ErrorKind::PermissionDenied
            {
                return OnDisk::Hidden(folder, error);
            }
            folder.push(std::ffi::OsStr::from_bytes(name));
            if names.peek().is_none() {
                break;
            }
        }
        match scanner.look(self.path) {
            Ok(Some(seen)) => OnDisk::There(seen),
            Ok(None) => OnDisk::Absent,
            Err(error) => OnDisk::Hidden(self.local(), error),
        }
    }

    /// A path that cannot be looked at: its copy stays as it is.
    fn kept(&self, cause: &str) -> String {
        match self.copy_since() {
            Some(since) => {
                format!("{cause}; the copy {since} is kept, and later changes are not seen")
            }
            None => format!("{cause}; nothing of it is on 1fichier"),
        }
    }

    /// Which copy is on record: when it was confirmed, if it was.
    fn copy_since(&self) -> Option<String> {
        let copy = self.on.entry.as_ref()?.remote()?;
        Some(if copy.is_confirmed() {
            format!("of {}", told(copy.confirmed_s))
        } else {
            "that was sent, and that 1fichier has not confirmed,".to_owned()
        })
    }

    fn absent(&self) -> String {
        if let Some(problem) = self.problem_above() {
            return problem;
        }
        let is_recorded = self.on.entry.is_some() || self.on.folder.is_some();
        if !is_recorded {
            return match self.on.was_until_s {
                Some(until) => format!(
                    "not there; it was mirrored until {}, see: fichierd versions {} {}",
                    told(until),
                    self.mirror.name,
                    quoted(self.path)
                ),
                None => "not there, and never recorded".to_owned(),
            };
        }
        let is_unmanaged = self.on.entry.as_ref().is_some_and(|entry| entry.unmanaged)
            || self.on.folder.as_ref().is_some_and(|(folder, _)| folder.unmanaged);
        if is_unmanaged {
            return format!("removed here; {}", self.unmanaged());
        }
        match self.on.row.as_ref().and_then(Held::of) {
            Some(held @ Held::Removals(_)) => {
                let name = &self.mirror.name;
                format!(
                    "removed here; its copy is kept because the removal is held ({held}): \
                     fichierd approve {name}, or: fichierd reject {name}"
                )
            }
            Some(held) => format!("not there; its copy is kept: {}", held.text(&self.mirror.name)),
            None => format!("removed here; its copy is retired {}", self.next_look()),
        }
    }

    fn folder(&self) -> String {
        let Some((folder, files)) = &self.on.folder else {
            return format!("a folder that is not recorded yet; it is found {}", self.next_look());
        };
        if folder.unmanaged {
            return format!("a folder, {}", self.unmanaged());
        }
        if let Some(problem) = self.problem_above() {
            return problem;
        }
        let place = match folder.remote {
            Some(_) => "on 1fichier",
            None => "recorded, and made on 1fichier when a file goes into it",
        };
        let open = self.on.not_confirmed_below;
        let files = counted(files.saturating_sub(open), "file");
        let mut text = format!("a folder, {place}; {files} below it confirmed");
        if open > 0 {
            let open = counted(open, "file");
            write!(text, ", {open} sent and not confirmed by a hash yet").ok();
        }
        if self.on.problems_below > 0 {
            let problems = counted(self.on.problems_below, "problem");
            write!(text, ", {problems}: fichierd status").ok();
        }
        text
    }

    fn file(&self, seen: &Seen) -> String {
        if let Some(entry) = self.on.entry.as_ref().filter(|entry| entry.unmanaged) {
            let copy = entry.remote().map_or_else(String::new, |_| self.unmanaged());
            return format!("not excluded any more, and mirrored {}; {copy}", self.next_look());
        }
        if self.on.is_given_up {
            return "given up: it was removed on 1fichier again and again by somebody else; \
                    it is sent again when it changes"
                .to_owned();
        }
        if let Some(problem) = self.problem_above() {
            return problem;
        }
        if let Some((upload, file)) = &self.on.upload {
            return format!("{}{}", pending(upload, file), self.kept_meanwhile());
        }
        let is_unsettled = self.unsettled.and_then(|all| all.get(&self.mirror.name));
        let is_unsettled = is_unsettled.is_some_and(|all| all.contains(self.path));
        match &self.on.entry {
            Some(entry) if entry.stamp == seen.stamp => self.unchanged(entry),
            Some(_) if !is_unsettled && self.quiet_for(seen) >= self.mirror.settle => format!(
                "changed since it was sent; it is sent {}{}",
                self.next_look(),
                self.kept_meanwhile()
            ),
            None if !is_unsettled && self.quiet_for(seen) >= self.mirror.settle => {
                format!("not recorded yet; it is sent {}", self.next_look())
            }
            _ => format!(
                "waits for quiet: it was written {} ago, and is sent when it has been unchanged \
                 for {}, or after {} at the latest{}{}",
                while_long(self.quiet_for(seen)),
                while_long(self.mirror.settle),
                while_long(self.mirror.settle_at_most),
                self.but(),
                self.kept_meanwhile()
            ),
        }
    }

    /// A file that is as recorded.
    fn unchanged(&self, entry: &Entry) -> String {
        let Some(copy) = entry.remote() else {
            let what = if entry.stamp.size_bytes == 0 { "empty file" } else { "link" };
            return format!(
                "safe in the records, which are copied to 1fichier: it takes no {what} itself"
            );
        };
        if !copy.is_confirmed() {
            return self.not_confirmed(entry.stamp.size_bytes);
        }
        let since = told(copy.confirmed_s);
        match (self.on.missed_s, copy.unsettled) {
            (Some(missed), _) => format!(
                "confirmed at {since}, but a listing at {} did not show it; it is looked for again",
                told(missed)
            ),
            (None, true) => format!(
                "sent at {since} while it was being written, so the copy may be torn; it is sent \
                 again when it is quiet"
            ),
            (None, false) => format!("safe since {since}"),
        }
    }

    /// A file that is in its place, of this size, and whose hash 1fichier has not told.
    fn not_confirmed(&self, size_bytes: u64) -> String {
        if size_bytes <= PROVED_UP_TO {
            return "sent, and being confirmed: 1fichier has told its name and size and no hash; it \
                    is proved by a download, or as soon as the hash is told"
                .to_owned();
        }
        format!(
            "sent, and confirmed by name and size only: 1fichier tells no hash, and it is too \
             large to be downloaded as a proof by itself; to prove it: fichierd verify {} --full \
             --file {}",
            self.mirror.name,
            quoted(self.path)
        )
    }

    fn kept_meanwhile(&self) -> String {
        self.copy_since().map_or_else(String::new, |which| format!("; the copy {which} is kept"))
    }

    fn quiet_for(&self, seen: &Seen) -> Duration {
        let at = |ns: i64| UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap_or(0));
        let changed = at(seen.stamp.mtime_ns.max(seen.stamp.ctime_ns));
        SystemTime::now().duration_since(changed).unwrap_or_default()
    }

    /// When the mirror looks again, and what keeps it from that.
    fn next_look(&self) -> String {
        let when = match self.unsettled {
            Some(_) => "at the next look of the service",
            None => "at the next: fichierd sync",
        };
        format!("{when}{}", self.but())
    }

    /// What keeps the whole mirror from working.
    fn but(&self) -> String {
        if self.on.is_paused {
            return ", after: fichierd resume".to_owned();
        }
        match self.on.row.as_ref().and_then(Held::of) {
            None | Some(Held::Removals(_)) => String::new(),
            Some(held) => format!(", but all work is held: {}", held.text(&self.mirror.name)),
        }
    }

    /// The problem of the path or of a folder above it, with its next try.
    fn problem_above(&self) -> Option<String> {
        let problem = self.on.problem.as_ref()?;
        let next = told(problem.next_try_s);
        let Problem { what, hint, .. } = problem;
        let at = if problem.path == *self.path {
            String::new()
        } else {
            format!("below {}: ", self.mirror.source.join(os(&problem.path)).display())
        };
        Some(format!("{at}{what}; {hint}; next try at {next}{}", self.kept_meanwhile()))
    }

    fn unmanaged(&self) -> String {
        let name = &self.mirror.name;
        format!("its copy is kept as unmanaged; to remove it: fichierd prune {name}")
    }

    fn excluded(&self, at: &RelPath, by: &str, from: &Origin) -> String {
        let place = match from {
            Origin::Reserved => {
                return format!("not mirrored: the name `{at}` is reserved for fichierd");
            }
            Origin::Restore => {
                return format!("not mirrored: a restore keeps its unfinished files in `{at}`");
            }
            Origin::Config => {
                let file = self.config.path.display();
                match self.config.line_of_exclude(&self.mirror.name, by) {
                    Some(line) => format!("{file}:{line}"),
                    None => format!("{file}, `exclude` of `{}`", self.mirror.name),
                }
            }
            Origin::File { path, line } => {
                format!("{}:{line}", self.mirror.source.join(os(path)).display())
            }
        };
        let mut text = format!("excluded by {place}: `{by}`");
        if at != self.path {
            write!(text, " excludes {}", self.mirror.source.join(os(at)).display()).ok();
        }
        let has_copies = self.on.entry.as_ref().is_some_and(|entry| entry.remote().is_some())
            || self.on.folder.as_ref().is_some_and(|(_, files)| *files > 0);
        if has_copies {
            write!(text, "; {}", self.unmanaged()).ok();
        }
        text
    }

    /// The records in one phrase, for JSON.
    fn recorded(&self) -> Option<String> {
        if let Some((folder, files)) = &self.on.folder {
            let place =
                if folder.remote.is_some() { "on 1fichier" } else { "kept in the state only" };
            return Some(format!("a folder, {place}, {} below it", counted(*files, "file")));
        }
        let entry = self.on.entry.as_ref()?;
        let Some(copy) = entry.remote() else {
            return Some(
                "kept in the state only: 1fichier takes no empty files and no links".to_owned(),
            );
        };
        let at = told(copy.confirmed_s);
        let unsettled = if copy.unsettled { ", changed while it was read" } else { "" };
        let managed = if entry.unmanaged { ", unmanaged" } else { "" };
        let since = if copy.is_confirmed() {
            format!("since {at}")
        } else {
            "and not confirmed by a hash".to_owned()
        };
        Some(format!(
            "on 1fichier {since}, {}, BLAKE3 {}{unsettled}{managed}",
            counted(entry.stamp.size_bytes, "byte"),
            copy.fingerprint.to_hex()
        ))
    }
}

/// How far the upload of a file is.
fn pending(upload: &PendingUpload, file: &PendingFile) -> String {
    let at = told(upload.since_s);
    match (&file.url, &upload.xid) {
        (Some(_), _) => format!("sent at {at} and confirmed; it is being put in its place"),
        (None, Some(_)) => format!("sent at {at}, being confirmed by 1fichier"),
        (None, None) => format!(
            "its upload began at {at} and has not ended, or its end is not known; 1fichier is \
             asked before it is sent again"
        ),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are not special")]
fn special(mode: u32) -> &'static str {
    use rustix::fs::FileType::{BlockDevice, CharacterDevice, Fifo, Socket};
    match rustix::fs::FileType::from_raw_mode(mode) {
        Fifo => "not mirrored: it is a FIFO",
        Socket => "not mirrored: it is a socket",
        BlockDevice | CharacterDevice => "not mirrored: it is a device",
        _ => "not mirrored: it is neither a file, nor a folder, nor a link",
    }
}

fn os(path: &RelPath) -> &std::ffi::OsStr {
    std::ffi::OsStr::from_bytes(path.as_bytes())
}

/// A duration in a sentence; one below a second is a moment.
fn while_long(time: Duration) -> String {
    if time.as_secs() == 0 { "a moment".to_owned() } else { duration(time) }
}

/// A path as a shell takes it.
fn quoted(path: &RelPath) -> String {
    format!("'{}'", path.to_string().replace('\'', r"'\''"))
}
