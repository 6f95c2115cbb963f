//! Patterns of paths that are left out: `exclude` in the configuration, `.fichierignore` in the tree.
//!
//! The bytes are patterns, one a line; after a line `--` come paths that they are asked about.

use std::fs;
use std::sync::Arc;

use fichier_state::RelPath;
use fichierd::disk::filter::{RESERVED_NAMES, RULES_FILE};
use fichierd::disk::{Filter, FilterVerdict, Origin};
use tempfile::TempDir;

/// The bytes are patterns, read as a file in the tree and as those of the configuration.
pub fn patterns(data: &[u8]) {
    let end = data.windows(3).position(|line| line == b"--\n");
    let (text, paths) = end.map_or((data, &b""[..]), |end| (&data[..end], &data[end + 3..]));
    let dir = TempDir::new().expect("a folder");
    fs::write(dir.path().join(".fichierignore"), text).expect("a file");
    let lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();

    let in_tree = Filter::new(dir.path(), &[]).expect("no pattern is no bad one");
    let empty = TempDir::new().expect("a folder");
    let in_config = Filter::new(empty.path(), &lines).ok();
    let filters: Vec<_> = in_config.into_iter().chain([in_tree]).map(Arc::new).collect();
    for path in paths.split(|byte| *byte == b'\n').take(20) {
        let Ok(path) = RelPath::parse(path) else { continue };
        for filter in filters.iter().filter(|_| !path.is_root()) {
            check(filter, &path, lines.len());
        }
    }
}

/// The same answer to both questions, with a reason that can be looked up; and what is below an
/// excluded folder is excluded.
fn check(filter: &Arc<Filter>, path: &RelPath, lines: usize) {
    for is_dir in [false, true] {
        let verdict = filter.explain(path, is_dir);
        assert_eq!(filter.is_excluded(path, is_dir), verdict != FilterVerdict::Included);
        if RESERVED_NAMES.contains(&path.as_bytes()) {
            assert_ne!(verdict, FilterVerdict::Included, "our own name on the service is taken");
        }
        let FilterVerdict::Excluded { at, from, .. } = verdict else { continue };
        assert!(path.starts_with(&at) && !at.is_root(), "{at} says nothing about {path}");
        if let Origin::File { path, line } = from {
            assert_eq!(path.name(), RULES_FILE);
            assert!((1..=lines.max(1)).contains(&(line as usize)), "line {line} of {lines}");
        }
        if is_dir {
            assert!(filter.is_excluded(&path.join(b"below"), false), "{path}");
        }
    }
}
