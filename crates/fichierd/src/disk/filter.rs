//! The paths that are left out of a mirror.
//!
//! Patterns have the syntax of `.gitignore`. They come from the config (`exclude`) and from files
//! named `.fichierignore` in the watched tree, each of which applies to its folder and everything
//! below. The config decides first, both ways: a file in the tree can neither bring back what the
//! administrator excluded nor hide what they re-included with `!`. Then the deepest file with a
//! matching line decides, in it the last such line. Everything below an excluded folder is
//! excluded, whatever other lines say.
//!
//! `.fichierd` at the root of a source is always left out: on the service that name belongs
//! to the staging folder and the versions of this mirror. So is, anywhere, the folder in which a
//! restore keeps unfinished files.
//!
//! Invariant: a new pattern removes nothing. It makes recorded copies *unmanaged* (see `diff`); so
//! a slip in a pattern costs no data.

mod rules;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fichier_state::{RelPath, Stamp};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::OFlags;

use crate::base::patterns::strange;
use crate::disk::seen::stamp_of;
pub(crate) use rules::{Rules, read as read_rules};

/// The files in the tree that hold patterns.
pub const RULES_FILE: &[u8] = b".fichierignore";

/// The names at the root of a source that would collide with our own folder on the service, which
/// has the second one where the service does not take or show the first.
pub const RESERVED_NAMES: [&[u8]; 2] = [b".fichierd", b"_fichierd"];

/// The folder in which a restore keeps unfinished files, at the top of its destination. That may be any
/// folder of a source.
pub const RESTORE_NAME: &[u8] = b".fichierd-restore";

/// The number of folders whose patterns are kept between questions of the watcher; beyond it all
/// are forgotten and read again, which costs time and nothing else.
const MAX_CACHED_FOLDERS: usize = 10_000;

/// The patterns of each folder: the stamp of its `.fichierignore`, and its patterns if it could be
/// read.
type Cache = HashMap<RelPath, (Stamp, Option<Arc<Rules>>)>;

/// The patterns of one mirror.
#[derive(Debug)]
pub struct Filter {
    source: PathBuf,
    config: Gitignore,
    // A std mutex: held for a few instructions, never while a file is read.
    cache: Mutex<Cache>,
}

/// A pattern in the config that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` cannot be read: {message}")]
pub struct FilterError {
    /// The pattern as it was written.
    pub pattern: String,
    /// The error, in the words of the parser.
    pub message: String,
}

/// The answer to "why is this (not) in the mirror?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterVerdict {
    /// No pattern excludes it.
    Included,
    /// A pattern excludes it, or a folder above it.
    Excluded {
        /// The path that the pattern matched: the one that was asked about, or a folder above it.
        at: RelPath,
        /// The pattern.
        by: String,
        /// The place where the pattern is written.
        from: Origin,
    },
}

/// The place where a pattern is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: the name is reserved ([`RESERVED_NAMES`]).
    Reserved,
    /// Nowhere: the folder is that of a restore ([`RESTORE_NAME`]).
    Restore,
    /// Under `exclude` in the config.
    Config,
    /// In a `.fichierignore` in the tree.
    File {
        /// The file, relative to the source.
        path: RelPath,
        /// Its line, from 1.
        line: u32,
    },
}

impl Filter {
    /// The filter of the mirror of `source`, with the patterns of its `exclude`.
    ///
    /// # Errors
    ///
    /// [`FilterError`] for the first pattern that cannot be read.
    pub fn new(source: &Path, exclude: &[String]) -> Result<Filter, FilterError> {
        let mut builder = GitignoreBuilder::new("");
        for pattern in exclude {
            let error = |message| FilterError { pattern: pattern.clone(), message };
            if let Some(strange) = strange(pattern) {
                return Err(error(strange.to_string()));
            }
            builder.add_line(None, pattern).map_err(|wrong| error(rules::message(&wrong)))?;
        }
        let config = builder.build().map_err(|error| FilterError {
            pattern: exclude.join(" "),
            message: rules::message(&error),
        })?;
        Ok(Filter { source: source.to_owned(), config, cache: Mutex::default() })
    }

    /// The filter for the names directly in the source, with the `.fichierignore` there.
    pub fn root(self: &Arc<Self>) -> FolderFilter {
        self.bare().with_rules(self.rules_in(&RelPath::root()))
    }

    /// Why `path` is in the mirror, or why not. Reads the `.fichierignore` files above it.
    pub fn explain(self: &Arc<Self>, path: &RelPath, is_dir: bool) -> FilterVerdict {
        let mut filter = self.root();
        let depth = path.depth();
        for (above, name) in path.components().enumerate() {
            let is_last = above + 1 == depth;
            let verdict = filter.explain(name, is_dir || !is_last);
            if is_last || verdict != FilterVerdict::Included {
                return verdict;
            }
            let below = filter.below(name);
            filter = below.with_rules(self.rules_in(&filter.path.join(name)));
        }
        FilterVerdict::Included
    }

    /// Whether `path`, or a folder above it, is excluded. Costs one `lstat` for each folder above
    /// it, so that a changed `.fichierignore` counts at once.
    pub fn is_excluded(self: &Arc<Self>, path: &RelPath, is_dir: bool) -> bool {
        self.explain(path, is_dir) != FilterVerdict::Included
    }

    /// The filter for the source without its `.fichierignore`.
    pub(crate) fn bare(self: &Arc<Self>) -> FolderFilter {
        FolderFilter { filter: Arc::clone(self), path: RelPath::root(), innermost: None }
    }

    /// The patterns in `folder`; none if they cannot be read, which `scan` reports.
    fn rules_in(&self, folder: &RelPath) -> Option<Arc<Rules>> {
        let file = self.source.join(folder.join(RULES_FILE).as_path());
        let found = fs::symlink_metadata(&file).ok().filter(|found| found.is_file())?;
        let stamp = stamp_of(&found);
        if let Some((known, rules)) = self.lock_cache().get(folder)
            && *known == stamp
        {
            return rules.clone();
        }
        let rules = read(&file).ok().map(|text| Arc::new(Rules::parse(&text).0));
        let mut cache = self.lock_cache();
        if cache.len() >= MAX_CACHED_FOLDERS {
            cache.clear();
        }
        cache.insert(folder.clone(), (stamp, rules.clone()));
        rules
    }

    fn lock_cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The filter for the names in one folder: a chain of the patterns in the folders above it.
#[derive(Clone, Debug)]
pub struct FolderFilter {
    filter: Arc<Filter>,
    path: RelPath,
    innermost: Option<Arc<Layer>>,
}

/// The patterns of one `.fichierignore`, and the chain above it.
#[derive(Debug)]
struct Layer {
    folder: RelPath,
    rules: Arc<Rules>,
    above: Option<Arc<Layer>>,
}

impl FolderFilter {
    /// Whether the entry `name` of this folder is excluded.
    pub fn is_excluded(&self, name: &[u8], is_dir: bool) -> bool {
        if self.kept_out(name, is_dir).is_some() {
            return true;
        }
        if self.innermost.is_none() && self.filter.config.is_empty() {
            return false;
        }
        self.deciding(&self.path.join(name), is_dir).is_some_and(|(found, _)| found.is_ignore())
    }

    /// Why the entry `name` of this folder is in the mirror, or why not.
    pub fn explain(&self, name: &[u8], is_dir: bool) -> FilterVerdict {
        let at = self.path.join(name);
        if let Some(from) = self.kept_out(name, is_dir) {
            let by = String::from_utf8_lossy(name).into_owned();
            return FilterVerdict::Excluded { at, by, from };
        }
        let Some((Match::Ignore(glob), layer)) = self.deciding(&at, is_dir) else {
            return FilterVerdict::Included;
        };
        let by = glob.original().to_owned();
        let from = match layer {
            None => Origin::Config,
            Some(layer) => {
                Origin::File { path: layer.folder.join(RULES_FILE), line: layer.rules.line_of(&by) }
            }
        };
        FilterVerdict::Excluded { at: at.clone(), by, from }
    }

    /// The filter for the sub-folder `name`, before the patterns in it are known.
    pub(crate) fn below(&self, name: &[u8]) -> FolderFilter {
        FolderFilter { path: self.path.join(name), ..self.clone() }
    }

    /// This filter with the patterns that are written in its own folder, if there are any.
    pub(crate) fn with_rules(self, rules: Option<Arc<Rules>>) -> FolderFilter {
        let FolderFilter { filter, path, innermost } = self;
        let innermost = match rules {
            None => innermost,
            Some(rules) => Some(Arc::new(Layer { folder: path.clone(), rules, above: innermost })),
        };
        FolderFilter { filter, path, innermost }
    }

    pub(crate) fn is_reserved(&self, name: &[u8]) -> bool {
        RESERVED_NAMES.contains(&name) && self.path.is_root()
    }

    /// Why the entry `name` of this folder is excluded, whatever patterns say.
    fn kept_out(&self, name: &[u8], is_dir: bool) -> Option<Origin> {
        if self.is_reserved(name) {
            return Some(Origin::Reserved);
        }
        (is_dir && name == RESTORE_NAME).then_some(Origin::Restore)
    }

    /// The pattern that decides about `path`, and the layer that it is from (`None`: the config).
    fn deciding<'a>(
        &'a self,
        path: &RelPath,
        is_dir: bool,
    ) -> Option<(Match<&'a ignore::gitignore::Glob>, Option<&'a Layer>)> {
        let found = self.filter.config.matched(path.as_path(), is_dir);
        if !found.is_none() {
            return Some((found, None));
        }
        let mut next = self.innermost.as_deref();
        while let Some(layer) = next {
            if let Some(inside) = path.strip_prefix(&layer.folder) {
                let found = layer.rules.matched(inside.as_path(), is_dir);
                if !found.is_none() {
                    return Some((found, Some(layer)));
                }
            }
            next = layer.above.as_deref();
        }
        None
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Reserved => f.write_str("the name is reserved for the target's own folder"),
            Origin::Restore => f.write_str("a restore keeps its unfinished files there"),
            Origin::Config => f.write_str("exclude in the config"),
            Origin::File { path, line } => write!(f, "{path}, line {line}"),
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    rules::read(fs::OpenOptions::new().read(true).custom_flags(flags).open(file)?)
}

#[cfg(test)]
mod tests;
