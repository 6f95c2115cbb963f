//! Writing to stdout: text for people, JSON for scripts.
//!
//! Text that came from the service or from a file name is made harmless before it is printed: a
//! name may hold escape sequences that would repaint the reader's terminal.

use std::io::{self, Write};

use serde::Serialize;

/// Prints text and a line break.
///
/// # Errors
///
/// The error of stdout, if it is closed or full; a closed pipe ends the command quietly
/// (`failure`).
pub(super) fn line(text: &str) -> anyhow::Result<()> {
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
    line(&serde_json::to_string_pretty(document)?)
}

/// The text with control characters replaced by escapes such as `\u{1b}`.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_repaint_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
    }
}
