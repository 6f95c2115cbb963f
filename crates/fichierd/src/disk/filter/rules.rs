//! The lines of one `.fichierignore`.
//!
//! A line that cannot be read is left out and reported: the other lines still hold. Leaving it out
//! sends more to the service than was meant, never less.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder, Glob};

use crate::base::patterns::strange;

/// The largest size of a file of patterns; a larger one is an error. A person writes no longer one,
/// but anyone who can write into the tree could.
const MAX_BYTES: u64 = 64 * 1024;
/// The largest number of patterns in a file, each of which takes up to 4 KiB of memory; more are an
/// error.
const MAX_PATTERNS: usize = 1_000;

/// The patterns of one file, relative to the folder it is in.
#[derive(Debug)]
pub(crate) struct Rules {
    matcher: Gitignore,
    lines: HashMap<String, u32>,
}

/// A line that cannot be read as a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} cannot be read as a pattern and is left out: {message}")]
pub(crate) struct BadLine {
    /// The number of the line, from 1.
    pub(crate) line: u32,
    /// The error, in words.
    pub(crate) message: String,
}

impl Rules {
    /// The patterns in `text`, and the lines that cannot be read as one.
    pub(crate) fn parse(text: &[u8]) -> (Rules, Vec<BadLine>) {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut builder = GitignoreBuilder::new("");
        let mut lines = HashMap::new();
        let mut bad = Vec::new();
        for (bytes, line) in text.split(|byte| *byte == b'\n').zip(1..) {
            let Ok(pattern) = str::from_utf8(bytes) else {
                bad.push(BadLine { line, message: "it is not UTF-8".to_owned() });
                continue;
            };
            let pattern = pattern.strip_suffix('\r').unwrap_or(pattern);
            if let Some(strange) = strange(pattern) {
                bad.push(BadLine { line, message: strange.to_string() });
                continue;
            }
            match builder.add_line(None, pattern) {
                Ok(_) => _ = lines.insert(as_kept(pattern).to_owned(), line),
                Err(error) => bad.push(BadLine { line, message: message(&error) }),
            }
        }
        let matcher = builder.build().unwrap_or_else(|error| {
            bad.push(BadLine { line: 1, message: message(&error) });
            Gitignore::empty()
        });
        (Rules { matcher, lines }, bad)
    }

    /// The verdict of the last matching line on `path`, which is relative to the file's folder.
    pub(crate) fn matched(&self, path: &Path, is_dir: bool) -> Match<&Glob> {
        self.matcher.matched(path, is_dir)
    }

    /// The line of `pattern`, from 1; the last one if it occurs more than once.
    pub(crate) fn line_of(&self, pattern: &str) -> u32 {
        self.lines.get(pattern).copied().unwrap_or(1)
    }
}

/// Reads a file of patterns. A file that is too long, or has too many patterns, is an error: half
/// of the patterns would let paths through that the other half was to keep out.
pub(crate) fn read(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more than 64 KiB of patterns"));
    }
    let is_pattern = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
    if text.split(|byte| *byte == b'\n').filter(is_pattern).count() > MAX_PATTERNS {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more than 1,000 patterns"));
    }
    Ok(text)
}

/// The error in a pattern, without the pattern itself.
pub(crate) fn message(error: &ignore::Error) -> String {
    if let ignore::Error::Glob { err, .. } = error { err.clone() } else { error.to_string() }
}

/// A line as `ignore` keeps it: without the spaces at its end, except one that is escaped.
fn as_kept(line: &str) -> &str {
    let bare = line.trim_end_matches(' ');
    let backslashes = bare.len() - bare.trim_end_matches('\\').len();
    if backslashes.is_multiple_of(2) || bare.len() == line.len() {
        return bare;
    }
    &line[..=bare.len()]
}
