//! Writing to stdout: text for people, JSON for scripts.
//!
//! Text that came from the service or from a file name is made harmless before it is printed: a
//! name may hold escape sequences that would repaint the reader's terminal, or marks that turn the
//! text around them. [`line()`] and [`json`] see to it for whatever is printed; a name on a line is
//! made harmless by itself ([`harmless`], [`shown_path`]), so that it cannot begin another line.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::Serialize;

use crate::base::words::is_hidden;

/// Prints text and a line break.
///
/// # Errors
///
/// The error of stdout, if it is closed or full; a closed pipe ends the command quietly
/// (`failure`).
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    let text = harmless_lines(text);
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

/// Prints a JSON document, indented.
///
/// # Errors
///
/// Those of [`line()`].
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    // Such a character stands in a string, where its escape means the same.
    let escape = |c: char| format!("\\u{:04x}", u32::from(c));
    line(&tamed(&text, |c| c != '\n' && is_hidden(c), escape))
}

/// The text without control characters and marks of direction, for use in a line: each is replaced
/// by an escape such as `\u{1b}`.
pub(super) fn harmless(text: &str) -> String {
    tamed(text, is_hidden, escaped).into_owned()
}

/// The same for a text of several lines.
pub(super) fn harmless_lines(text: &str) -> Cow<'_, str> {
    tamed(text, |c| !is_format(c) && is_hidden(c), escaped)
}

/// A path on this machine as people read it; bytes that are no text, and what [`harmless`]
/// replaces, as escapes.
pub(super) fn shown_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        shown += &harmless(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    shown
}

fn tamed(
    text: &str,
    is_bad: impl Fn(char) -> bool,
    escape: impl Fn(char) -> String,
) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return text.into();
    }
    let tame = |c| if is_bad(c) { escape(c) } else { c.to_string() };
    text.chars().map(tame).collect::<String>().into()
}

fn escaped(c: char) -> String {
    c.escape_default().to_string()
}

/// The characters that form text of several lines; only our own text has any.
fn is_format(c: char) -> bool {
    matches!(c, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_repaint_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
        assert_eq!(harmless("a\u{202e}b\u{9b}2Jc"), "a\\u{202e}b\\u{9b}2Jc");
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/srv/caf\xE9\n\xE2\x80\xAEx"));
        assert_eq!(shown_path(path), "/srv/caf\\xE9\\n\\u{202e}x");
    }
}
