//! The paths of a tree that a restore wants: patterns in the syntax of `.gitignore`, as in
//! `exclude`, but for files that are taken instead of left out; and paths as they are, for names
//! that would be patterns.

use std::collections::BTreeSet;

use fichier_state::RelPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The wanted paths; without patterns, all of them.
#[derive(Debug, Default)]
pub struct Selection {
    patterns: Option<Gitignore>,
    /// Files, and folders with all that is in them.
    paths: BTreeSet<RelPath>,
    /// If set, these files and no others.
    only: Option<BTreeSet<RelPath>>,
}

impl Selection {
    /// Reads patterns: `*.jpg` anywhere, `/2025/` at the top with all that is in it. `paths` are
    /// wanted too, whatever the patterns say.
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote them.
    pub fn parse(patterns: &[String], paths: BTreeSet<RelPath>) -> Result<Selection, String> {
        if patterns.is_empty() {
            return Ok(Selection { paths, ..Selection::default() });
        }
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            let read = builder.add_line(None, pattern);
            read.map_err(|error| format!("`{pattern}` cannot be read as a pattern: {error}"))?;
        }
        let patterns = builder.build().map_err(|error| error.to_string())?;
        Ok(Selection { patterns: Some(patterns), paths, only: None })
    }

    /// Selects exactly these files.
    pub fn only(paths: BTreeSet<RelPath>) -> Selection {
        Selection { only: Some(paths), ..Selection::default() }
    }

    /// Whether a path is wanted, by itself or with a folder above it.
    pub fn wants(&self, path: &RelPath, is_folder: bool) -> bool {
        if let Some(only) = &self.only {
            return only.contains(path);
        }
        if self.paths.iter().any(|wanted| path.starts_with(wanted)) {
            return true;
        }
        let Some(patterns) = &self.patterns else { return self.paths.is_empty() };
        let mut at = Some((path.clone(), is_folder));
        while let Some((path, is_folder)) = at {
            let verdict = patterns.matched(path.as_path(), is_folder);
            if verdict.is_ignore() {
                return true;
            }
            if verdict.is_whitelist() {
                return false;
            }
            at = path.parent().filter(|parent| !parent.is_root()).map(|parent| (parent, true));
        }
        false
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.patterns.is_none() && self.paths.is_empty() && self.only.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection::parse(&patterns, BTreeSet::new()).unwrap();
        selection.wants(&RelPath::parse(path.as_bytes()).unwrap(), false)
    }

    #[test]
    fn patterns_take_what_they_name_with_all_below() {
        assert!(wanted(&[], "a/b"));
        assert!(wanted(&["*.jpg"], "a/b.jpg"));
        assert!(!wanted(&["*.jpg"], "a/b.png"));
        assert!(wanted(&["/2025/"], "2025/05/a"));
        assert!(!wanted(&["/2025/"], "old/2025/a"));
        assert!(wanted(&["2025/"], "old/2025/a"));
        assert!(!wanted(&["/2025/", "!/2025/05/"], "2025/05/a"));
    }

    #[test]
    fn a_path_is_taken_as_it_is_beside_patterns_or_alone() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let paths = || BTreeSet::from(["a[1]*?.txt", "!b", "folder"].map(path));
        let alone = Selection::parse(&[], paths()).unwrap();
        for wanted in ["a[1]*?.txt", "!b", "folder", "folder/deep/file"] {
            assert!(alone.wants(&path(wanted), false), "{wanted}");
        }
        for other in ["a1xx.txt", "b", "folder2", "x/folder", "c.jpg"] {
            assert!(!alone.wants(&path(other), false), "{other}");
        }
        assert!(!alone.is_everything());
        let beside = Selection::parse(&["*.jpg".to_owned(), "!/folder/".to_owned()], paths());
        let beside = beside.unwrap();
        assert!(beside.wants(&path("c.jpg"), false) && beside.wants(&path("folder/x"), false));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_said() {
        let said = Selection::parse(&["a{b".to_owned()], BTreeSet::new()).unwrap_err();
        assert!(said.starts_with("`a{b` cannot be read as a pattern"), "{said}");
    }
}
