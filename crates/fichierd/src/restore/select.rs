//! The paths of a tree that a restore wants: patterns in the syntax of `.gitignore`, as in
//! `exclude`, but for files that are taken instead of left out.

use std::collections::BTreeSet;

use fichier_state::RelPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The wanted paths; without patterns, all of them.
#[derive(Debug, Default)]
pub struct Selection {
    patterns: Option<Gitignore>,
    /// If set, these files and no others.
    only: Option<BTreeSet<RelPath>>,
}

impl Selection {
    /// Reads patterns: `*.jpg` anywhere, `/2025/` at the top with all that is in it.
    ///
    /// # Errors
    ///
    /// A sentence for the person who wrote them.
    pub fn parse(patterns: &[String]) -> Result<Selection, String> {
        if patterns.is_empty() {
            return Ok(Selection::default());
        }
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            let read = builder.add_line(None, pattern);
            read.map_err(|error| format!("`{pattern}` cannot be read as a pattern: {error}"))?;
        }
        let patterns = builder.build().map_err(|error| error.to_string())?;
        Ok(Selection { patterns: Some(patterns), only: None })
    }

    /// Selects exactly these files.
    pub fn only(paths: BTreeSet<RelPath>) -> Selection {
        Selection { patterns: None, only: Some(paths) }
    }

    /// Whether a path is wanted, by itself or with a folder above it.
    pub fn wants(&self, path: &RelPath, is_folder: bool) -> bool {
        if let Some(only) = &self.only {
            return only.contains(path);
        }
        let Some(patterns) = &self.patterns else { return true };
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
        self.patterns.is_none() && self.only.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection::parse(&patterns).unwrap();
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
    fn a_pattern_that_cannot_be_read_is_said() {
        let said = Selection::parse(&["a{b".to_owned()]).unwrap_err();
        assert!(said.starts_with("`a{b` cannot be read as a pattern"), "{said}");
    }
}
