//! Checks each source: it exists, is still the same folder, and the service's user may read it.
//!
//! The look is bounded to [`MOST_LOOKED_AT`] entries of each source, so that a check of millions of
//! files does not take an hour.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fichier_state::Store;
use rclone_formats::crypt::names::Kind;

use super::Finding;
use super::unit::Unit;
use crate::base::Crypt;
use crate::base::words::{chain, count, counted};
use crate::config::{Config, MirrorConfig};
use crate::disk::root::check_root;
use crate::disk::{OnRecord, RootIdentity, RootTrouble};

/// Entries of a source that are looked at; further ones are not checked, and the finding says so.
const MOST_LOOKED_AT: u64 = 100_000;

/// The user who reads the sources: that of the service, if another user runs this check.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) user: String,
    pub(super) uid: u32,
    pub(super) gids: Vec<u32>,
}

impl Reader {
    /// The user of the service. `None` if that user runs this check, or if the unit lets it read
    /// everything: then the check is whether this process can read the sources.
    pub(super) fn of_service(
        config: &Config,
        unit: Option<&Unit>,
        is_root: bool,
    ) -> Option<Reader> {
        let reads_all = |unit: &Unit| {
            unit.setting("AmbientCapabilities").is_some_and(|it| it.contains("CAP_DAC_READ_SEARCH"))
        };
        if !is_root || unit.is_some_and(reads_all) {
            return None;
        }
        let uid = fs::metadata(&config.state_dir).ok()?.uid();
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        let group = fs::read_to_string("/etc/group").unwrap_or_default();
        if uid == 0 { None } else { Reader::from(uid, &passwd, &group) }
    }

    /// Reads the user from the texts of `/etc/passwd` and `/etc/group`.
    pub(super) fn from(uid: u32, passwd: &str, group: &str) -> Option<Reader> {
        let users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let is_it = |user: &Vec<&str>| user.get(2).and_then(|it| it.parse().ok()) == Some(uid);
        let user = users.into_iter().find(is_it)?;
        let (name, own) = ((*user.first()?).to_owned(), user.get(3)?.parse().ok()?);
        let groups = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let is_in = |group: &Vec<&str>| {
            group.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let others = groups.filter(is_in).filter_map(|group| group.get(2)?.parse().ok());
        let gids = std::iter::once(own).chain(others).collect();
        Some(Reader { user: name, uid, gids })
    }

    /// Whether the mode bits let the user read the entry; an ACL may decide otherwise.
    fn may_read(&self, found: &fs::Metadata) -> bool {
        let bits = if found.uid() == self.uid {
            found.mode() >> 6
        } else if self.gids.contains(&found.gid()) {
            found.mode() >> 3
        } else {
            found.mode()
        };
        let needed = if found.is_dir() { 0o5 } else { 0o4 };
        bits & needed == needed
    }
}

/// Looks at one source. Also returns how many folders it has. `crypt` is for the names, if they are
/// encrypted.
pub(super) fn look(
    config: &Config,
    mirror: &MirrorConfig,
    reader: Option<&Reader>,
    crypt: Option<&Crypt>,
) -> (Vec<Finding>, u64) {
    const ABOUT: &str = "source";
    let (name, path) = (&mirror.name, &mirror.source);
    let head = format!("mirror {name}: ");
    let known = recorded(config, mirror);
    let (identity, files) = known.map_or((None, 0), |(identity, files)| (identity, files));
    let on_record = OnRecord { files, approved: false };
    let mut findings = match check_root(path, identity.as_ref(), on_record) {
        Ok(found) if found.top.is_empty() => vec![Finding::warning(
            ABOUT,
            format!(
                "{head}{} is empty; if it was not empty before, its disk is taken for not mounted, \
                 and nothing is removed",
                path.display()
            ),
            format!("mount its disk: findmnt --target {}", path.display()),
        )],
        Ok(_) => vec![Finding::good(ABOUT, format!("{head}{}", path.display()))],
        Err(error) => {
            let what = chain(&error);
            let shown = path.display();
            let remedy = match &error {
                RootTrouble::Missing { .. } | RootTrouble::NotAFolder { .. } => format!(
                    "mount its disk, or correct `source` in {}; see: ls -ld {shown}",
                    config.path.display()
                ),
                RootTrouble::ALink { .. } | RootTrouble::BehindLink { .. } => format!(
                    "if the link is meant, write the path without it as `source` in {}: readlink \
                     -f {shown}",
                    config.path.display()
                ),
                RootTrouble::Unreadable { .. } => format!("ls -ld {shown}; dmesg | tail"),
                RootTrouble::BecameEmpty { .. }
                | RootTrouble::ChangedMeanwhile { .. }
                | RootTrouble::OtherFileSystem { .. }
                | RootTrouble::Replaced { .. } => format!(
                    "findmnt --target {shown}; if the change is intended: fichierd approve {name}"
                ),
            };
            vec![Finding::warning(ABOUT, format!("{head}{what}; the mirror waits"), remedy)]
        }
    };
    let seen = walk(path, reader, crypt);
    if let Some(first) = &seen.first_unreadable {
        let user = reader.map_or("this user", |reader| &reader.user);
        let what = format!(
            "{head}{user} may not read {} of {}{}, such as {}",
            count(seen.unreadable),
            counted(seen.entries, "path"),
            if seen.is_whole { "" } else { " (not all were looked at)" },
            first.display()
        );
        let remedy = match reader {
            Some(reader) => format!(
                "setfacl -R -m u:{}:rX {}; or give the unit its capability CAP_DAC_READ_SEARCH \
                 back: systemctl edit fichierd",
                reader.user,
                path.display()
            ),
            None => format!("chmod -R u+rX {}, or exclude it", path.display()),
        };
        findings.push(Finding::warning("permissions", what, remedy));
    } else if seen.entries > 0 {
        let first = if seen.is_whole { "" } else { "first " };
        let what =
            format!("{head}its entries can be read ({first}{} looked at)", count(seen.entries));
        findings.push(Finding::good("permissions", what));
    }
    findings.extend(seen.first_cut.as_ref().map(|first| cut_names(&head, &seen, first)));
    (findings, seen.folders)
}

/// Names that are too long when they are encrypted.
fn cut_names(head: &str, seen: &Seen, first: &Path) -> Finding {
    let what = format!(
        "{head}the encrypted names of {} of {}{} are too long, such as {}: fichierd stores them \
         under shorter ones and restores them, and rclone cannot read those",
        count(seen.cut),
        counted(seen.entries, "path"),
        if seen.is_whole { "" } else { " (not all were looked at)" },
        first.display()
    );
    let remedy = "nothing needs to be done for fichierd; for rclone, give them shorter names, or, \
                  before anything is sent, set name_encoding = \"base64\", which takes names of \
                  175 bytes";
    Finding::warning("names", what, remedy)
}

/// The source as the state has it: its identity, and how many files it had.
fn recorded(config: &Config, mirror: &MirrorConfig) -> Option<(Option<RootIdentity>, u64)> {
    let store = Store::open_read_only(&config.state_dir).ok()?;
    let row = store.mirror_of(&mirror.name, &mirror.source, &mirror.target).ok()??;
    if row.source != mirror.source {
        return None;
    }
    let files = store.totals(row.id).ok()?.files;
    Some((row.identity.as_deref().and_then(RootIdentity::parse), files))
}

#[derive(Default)]
struct Seen {
    entries: u64,
    folders: u64,
    unreadable: u64,
    first_unreadable: Option<PathBuf>,
    /// Entries whose encrypted names are too long.
    cut: u64,
    first_cut: Option<PathBuf>,
    is_whole: bool,
}

fn walk(source: &Path, reader: Option<&Reader>, crypt: Option<&Crypt>) -> Seen {
    let mut seen = Seen { is_whole: true, ..Seen::default() };
    let mut left = VecDeque::from([source.to_owned()]);
    while let Some(folder) = left.pop_front() {
        // A folder that this process cannot list was counted as unreadable before.
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        seen.folders += 1;
        for entry in entries.flatten() {
            if seen.entries >= MOST_LOOKED_AT {
                seen.is_whole = false;
                return seen;
            }
            let path = entry.path();
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            if !found.is_dir() && !found.is_file() {
                continue;
            }
            seen.entries += 1;
            let kind = if found.is_dir() { Kind::Folder } else { Kind::File };
            if crypt.is_some_and(|it| it.cuts(kind, entry.file_name().as_bytes())) {
                seen.cut += 1;
                seen.first_cut.get_or_insert_with(|| path.clone());
            }
            let may = match reader {
                Some(reader) => reader.may_read(&found),
                None => rustix::fs::access(&path, access_needed(&found)).is_ok(),
            };
            if !may {
                seen.unreadable += 1;
                seen.first_unreadable.get_or_insert(path.clone());
            } else if found.is_dir() {
                left.push_back(path);
            }
        }
    }
    seen
}

fn access_needed(found: &fs::Metadata) -> rustix::fs::Access {
    use rustix::fs::Access;
    if found.is_dir() { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK }
}
