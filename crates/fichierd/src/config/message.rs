//! The mistakes of a configuration, told to the person who wrote it.
//!
//! Every complaint names the file, the line and the column, shows the line with a caret, and
//! proposes what to write instead. On a terminal it is drawn by `annotate-snippets`, as the
//! compiler draws its own; in a pipe or the journal each complaint begins with `file:line:column:
//! message`, one that editors and `grep` understand.

use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::secret::masked;
use crate::base::words::{WIDTH, wrapped};

/// Columns that the drawing puts before a message (`error: `); the message gets the others.
const BEFORE_MESSAGE: usize = 7;
/// Columns that the drawing puts before a remedy (`╰ help: `) beside line numbers of four digits;
/// the remedy gets the others.
const BEFORE_HELP: usize = 13;

/// A configuration that cannot be used. It ends the program with exit code 78.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    NotFound { looked_at: Vec<PathBuf> },
    Unreadable(io::Error),
    Wrong { text: String, complaints: Vec<Complaint> },
}

/// One mistake.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    /// What is wrong, as a sentence without a full stop.
    pub(super) message: String,
    /// The place of the mistake, in bytes of the text; `None` if something is missing.
    pub(super) span: Option<Range<usize>>,
    /// What to write instead.
    pub(super) help: Option<String>,
}

/// How a [`ConfigError`] is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// For pipes, files and the journal.
    Plain,
    /// For a terminal, in colour.
    Colour,
    /// For a terminal whose user set `NO_COLOR`.
    Monochrome,
}

impl ConfigError {
    pub(super) fn not_found(looked_at: Vec<PathBuf>) -> Self {
        let file = looked_at.first().cloned().unwrap_or_default();
        ConfigError { file, cause: Cause::NotFound { looked_at } }
    }

    pub(super) fn unreadable(file: &Path, error: io::Error) -> Self {
        ConfigError { file: file.to_path_buf(), cause: Cause::Unreadable(error) }
    }

    pub(super) fn wrong(file: &Path, text: &str, mut complaints: Vec<Complaint>) -> Self {
        let shown = masked(text);
        for complaint in &mut complaints {
            let hides = |span: &Range<usize>| text.get(span.clone()) != shown.get(span.clone());
            if complaint.span.as_ref().is_some_and(hides) {
                complaint.message = without_value(&complaint.message);
            }
            complaint.message = masked(&complaint.message);
        }
        complaints.sort_by_key(|complaint| complaint.span.as_ref().map(|span| span.start));
        let cause = Cause::Wrong { text: shown, complaints };
        ConfigError { file: file.to_path_buf(), cause }
    }

    /// Draws the error, with a line break at the end.
    pub fn render(&self, drawing: Drawing) -> String {
        let renderer = match drawing {
            Drawing::Plain => return format!("{self}\n"),
            Drawing::Colour => Renderer::styled().hyperlink(false),
            Drawing::Monochrome => Renderer::plain(),
        };
        let Cause::Wrong { text, complaints } = &self.cause else {
            return format!("{self}\n");
        };
        let renderer = renderer.decor_style(DecorStyle::Unicode).term_width(WIDTH);
        let file = self.name();
        let draw = |complaint| renderer.render(&[drawn(&file, text, complaint)]) + "\n";
        complaints.iter().map(draw).collect::<Vec<_>>().join("\n")
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Unreadable(error) => Some(error),
            Cause::NotFound { .. } | Cause::Wrong { .. } => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.name();
        match &self.cause {
            Cause::NotFound { looked_at } => {
                f.write_str("there is no configuration; looked for:")?;
                for path in looked_at {
                    write!(f, "\n  {}", path.display())?;
                }
                f.write_str(
                    "\n  help: copy the sample to one of these, or name a file with --config",
                )
            }
            Cause::Unreadable(error) => write!(f, "{file}: cannot be read: {error}"),
            Cause::Wrong { text, complaints } => {
                let shown = complaints.iter().map(|complaint| plain(&file, text, complaint));
                f.write_str(&shown.collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

fn plain(file: &str, text: &str, complaint: &Complaint) -> String {
    let mut shown = String::new();
    // Writing to a String cannot fail.
    let _ok = match &complaint.span {
        Some(span) => {
            let place = Place::of(text, span);
            let margin = " ".repeat(place.line.to_string().len());
            let indent = " ".repeat(place.column - 1);
            write!(
                shown,
                "{file}:{}:{}: {}\n  {} | {}\n  {margin} | {indent}{}",
                place.line,
                place.column,
                complaint.message,
                place.line,
                place.shown,
                "^".repeat(place.width)
            )
        }
        None => write!(shown, "{file}: {}", complaint.message),
    };
    if let Some(help) = &complaint.help {
        let _ok = write!(shown, "\n  help: {help}");
    }
    shown
}

/// A complaint in the form that `annotate-snippets` draws. The library cuts long lines of the file
/// to the width of the terminal, but does not wrap the message, which is done here.
fn drawn<'a>(file: &'a str, text: &'a str, complaint: &Complaint) -> Group<'a> {
    let title = Level::ERROR.primary_title(wrapped(&complaint.message, WIDTH - BEFORE_MESSAGE));
    let group = match &complaint.span {
        Some(span) => {
            let start = floor(text, span.start);
            let span = start..floor(text, span.end).max(start);
            let mark = AnnotationKind::Primary.span(span);
            title.element(Snippet::source(text).path(file).annotation(mark))
        }
        None => title.element(Origin::path(file)),
    };
    match &complaint.help {
        Some(help) => group.element(Level::HELP.message(wrapped(help, WIDTH - BEFORE_HELP))),
        None => group,
    }
}

/// A span in lines and columns, both counted from 1, columns in characters.
struct Place<'a> {
    line: usize,
    column: usize,
    /// Characters to mark; at least one, and only on the first line.
    width: usize,
    shown: &'a str,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let start = floor(text, span.start);
        let end = floor(text, span.end);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let marked = text[start..end.clamp(start, line_end)].chars().count();
        Place {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: marked.max(1),
            shown: text[line_start..line_end].trim_end_matches('\r'),
        }
    }
}

/// The nearest boundary between characters at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl From<&toml::de::Error> for Complaint {
    /// Rewords the parser's message, so that a typing error names its remedy.
    fn from(error: &toml::de::Error) -> Self {
        let said = error.message().trim_end_matches('\n');
        let complaint = |message: String, help| Complaint { message, span: error.span(), help };
        // The phrases are those of serde's `Error` trait; the tests notice a change.
        if let Some(rest) = said.strip_prefix("unknown field ") {
            let mut words = quoted(rest);
            let unknown = words.next().unwrap_or_default();
            let known = words.collect::<Vec<_>>();
            let help = of_encryption(unknown, &known).or_else(|| suggestion(unknown, &known));
            return complaint(format!("unknown key `{unknown}`"), help);
        }
        if let Some(missing) = missing_key(error) {
            return complaint(format!("the key `{missing}` is missing here"), None);
        }
        if let Some(rest) = said.strip_prefix("invalid type: ") {
            return complaint(format!("wrong type: {}", in_plain_words(rest)), None);
        }
        complaint(said.to_owned(), None)
    }
}

/// The key that the parser misses; `None` if the error is another one.
pub(super) fn missing_key(error: &toml::de::Error) -> Option<&str> {
    quoted(error.message().strip_prefix("missing field ")?).next()
}

/// Names the types of TOML instead of those of Rust.
fn in_plain_words(rest: &str) -> String {
    let plain = [
        ("expected f64", "expected a number"),
        ("expected i64", "expected a whole number"),
        ("expected a sequence", "expected a list: [\"…\", \"…\"]"),
        ("expected a string", "expected text in quotes"),
        ("expected path string", "expected a path in quotes"),
        ("expected struct EncryptFile", "expected a table: { password_file = \"/…\" }"),
    ];
    let found = plain.into_iter().find(|(rust, _)| rest.ends_with(rust));
    found.map_or_else(|| rest.to_owned(), |(rust, words)| rest.replace(rust, words))
}

/// The message without the value that was found: it may be a secret in the wrong place.
fn without_value(message: &str) -> String {
    match (message.strip_prefix("wrong type: "), message.rsplit_once(", expected ")) {
        (Some(_), Some((_, expected))) => format!("wrong type: expected {expected}"),
        _ => message.to_owned(),
    }
}

/// The words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What to do about an unknown key that has to do with encryption: a password itself, a key in the
/// wrong table, or a word of rclone's.
fn of_encryption(unknown: &str, known: &[&str]) -> Option<String> {
    let (in_table, in_mirror) = (known.contains(&"password_file"), known.contains(&"encrypt"));
    let is_table_key = || {
        let ends = ["_file", "_credential", "_command"];
        ends.iter().any(|end| matches!(unknown.strip_suffix(end), Some("password" | "salt")))
    };
    let file = match unknown {
        "password" | "passphrase" | "passwd" | "pass" | "secret" => "password_file",
        "password2" | "salt" => "salt_file",
        "filename_encryption" if in_table => return Some("it is called `names` here".to_owned()),
        "filename_encoding" if in_table => {
            return Some("it is called `name_encoding` here".to_owned());
        }
        "directory_name_encryption" if in_table => {
            let help = "folders follow `names`: with \"standard\" their names are encrypted too";
            return Some(help.to_owned());
        }
        _ if in_mirror && is_table_key() => {
            return Some("it belongs into the table `encrypt`: [mirror.encrypt]".to_owned());
        }
        _ => return None,
    };
    (in_table || in_mirror).then(|| {
        let place = if in_table { "" } else { " in [mirror.encrypt]" };
        format!(
            "the configuration holds no secrets: write it into a file that only its owner may \
             read, and name that file with `{file}`{place}"
        )
    })
}

/// "did you mean" with the known key that is most similar; all known keys if none is similar
/// enough.
pub(super) fn suggestion(unknown: &str, known: &[&str]) -> Option<String> {
    /// The Jaro-Winkler similarity that a suggestion needs; a less similar key would confuse more
    /// than help.
    const NEAR: f64 = 0.8;
    let near = known
        .iter()
        .map(|key| (strsim::jaro_winkler(unknown, key), key))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, key)) => Some(format!("did you mean `{key}`?")),
        None if known.is_empty() => None,
        None => Some(format!("the keys here are {}", known.join(", "))),
    }
}
