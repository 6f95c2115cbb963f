//! The common part of the commands that look into the past: they choose a mirror and a moment.
//!
//! They read the state file beside a service that may be running, and make no call.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use fichier_state::{Mirror, Moment, RelPath, Store};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::ended;
use super::output::shown_path;
use crate::base::{Exit, when};
use crate::config::Config;
use crate::restore::{Selection, Tree};

/// The records of one mirror.
pub(super) struct Recorded {
    /// The state file, opened read-only.
    pub(super) store: Store,
    /// The mirror's row.
    pub(super) mirror: Mirror,
}

impl Recorded {
    /// Opens the records of the mirror called `name`: the one that is configured, else one that
    /// only the state knows, as after `recover`.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] with the recorded names if there is none of this name; those of the state
    /// file.
    pub(super) fn open(config: &Config, name: &str) -> anyhow::Result<Recorded> {
        let store = open_store(config)?;
        let configured = match config.mirror(name) {
            Some(mirror) => store.mirror_of(&mirror.name, &mirror.source, &mirror.target)?,
            None => None,
        };
        let all = store.mirrors()?;
        let known = configured.or_else(|| all.iter().rev().find(|m| m.name == name).cloned());
        let Some(mirror) = known else {
            let mut names: Vec<&str> = all.iter().map(|mirror| mirror.name.as_str()).collect();
            names.dedup();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let message = format!("nothing is recorded of a mirror `{name}`; recorded: {there}");
            return Err(ended(Exit::Usage, message));
        };
        Ok(Recorded { store, mirror })
    }

    /// Opens the records of the mirror whose source contains `path`, which need not exist any more.
    /// Also returns the path in that source.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] if the path lies below no source.
    pub(super) fn of_path(config: &Config, path: &Path) -> anyhow::Result<(Recorded, RelPath)> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = std::path::absolute(path)?;
        let store = open_store(config)?;
        let found = store.mirrors()?.into_iter().rev().find_map(|mirror| {
            let below = path.strip_prefix(&mirror.source).ok()?;
            let below = RelPath::parse(below.as_os_str().as_bytes()).ok()?;
            Some((mirror, below))
        });
        let Some((mirror, below)) = found else {
            let message = format!("{} is not below the source of any mirror", shown_path(&path));
            return Err(ended(Exit::Usage, message));
        };
        Ok((Recorded { store, mirror }, below))
    }

    /// The paths that `--path` and `--file` want, in a tree of this mirror.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for a pattern that cannot be read and a path that is none in the source;
    /// [`Exit::Failed`] for a path that is not in the tree.
    pub(super) fn selection(
        &self,
        tree: &Tree<'_>,
        patterns: &[String],
        files: &[PathBuf],
    ) -> anyhow::Result<Selection> {
        let mut paths = BTreeSet::new();
        for typed in files {
            let path = inside(&self.mirror, Some(typed))?;
            if tree.at(&path)?.is_none() {
                return Err(ended(Exit::Failed, self.held_no(&path)));
            }
            paths.insert(path);
        }
        Selection::parse(patterns, paths).map_err(|message| ended(Exit::Usage, message))
    }

    /// The message that a path was not in the tree.
    pub(super) fn held_no(&self, path: &RelPath) -> String {
        format!("`{}` held no {path} then", self.mirror.name)
    }

    /// The moment that `--at` names; without it the newest one.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] for a text that is no time, and for a time of which nothing is kept.
    pub(super) fn moment(&self, at: Option<&str>) -> anyhow::Result<Moment> {
        let Some(at) = at else { return Ok(self.store.newest_moment()?) };
        let now_s = self.store.clock().now_s();
        let now = Timestamp::from_second(now_s).unwrap_or(Timestamp::UNIX_EPOCH);
        let at_s = when::parse(at, now, &TimeZone::system())
            .map_err(|message| ended(Exit::Usage, message))?;
        let from = self.store.history_from(self.mirror.id)?;
        match self.store.moment_at(at_s)?.filter(|moment| *moment >= from) {
            Some(moment) => Ok(moment),
            None => {
                let begins = self.store.time_of(from)?.unwrap_or(now_s);
                let message = format!(
                    "nothing is kept of that time: the history of `{}` begins at {}",
                    self.mirror.name,
                    when::told(begins)
                );
                Err(ended(Exit::Usage, message))
            }
        }
    }
}

/// Reads a path in a mirror as it was typed: below the source, with or without a `/` before it, or
/// the path on this machine.
///
/// # Errors
///
/// [`Exit::Usage`] if the path leads out of the source.
pub(super) fn inside(mirror: &Mirror, typed: Option<&Path>) -> anyhow::Result<RelPath> {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(typed) = typed else { return Ok(RelPath::root()) };
    let below = typed.strip_prefix(&mirror.source).or_else(|_| typed.strip_prefix("/"));
    let below = below.unwrap_or(typed);
    let clean: PathBuf = below.components().filter(|part| *part != Component::CurDir).collect();
    RelPath::parse(clean.as_os_str().as_bytes()).map_err(|_| {
        let message = format!(
            "{} is no path in `{}`; write it relative to {}",
            shown_path(typed),
            mirror.name,
            shown_path(&mirror.source)
        );
        ended(Exit::Usage, message)
    })
}

fn open_store(config: &Config) -> anyhow::Result<Store> {
    match Store::open_read_only(&config.state_dir) {
        Ok(store) => Ok(store),
        Err(fichier_state::Error::Absent { path }) => {
            let message = format!(
                "nothing is recorded yet: there is no {}; on a new machine begin with: fichierd \
                 recover --target PATH",
                path.display()
            );
            Err(ended(Exit::Failed, message))
        }
        Err(error) => Err(error.into()),
    }
}
