//! Numbers, sizes, times, errors and paragraphs as people read them, and paths as JSON holds them.

use std::borrow::Cow;
use std::time::Duration;

use textwrap::{WordSeparator, WordSplitter};

/// Columns of a line that is written for people; a longer line is wrapped between words.
pub(crate) const WIDTH: usize = 80;

/// A paragraph whose first line begins with `first` and each further line with `rest`.
pub(crate) fn paragraph(text: &str, first: &str, rest: &str) -> String {
    filled(text, options(WIDTH).initial_indent(first).subsequent_indent(rest))
}

/// The text, wrapped into lines of `width` columns.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    filled(text, options(width))
}

fn filled(text: &str, options: textwrap::Options<'_>) -> String {
    textwrap::fill(&commands_tied(text), options).replace(TIE, " ")
}

/// Stands for a space at which no line is to end. It is of the private use area, where no name has
/// characters; if one has, its commands are wrapped like other words.
const TIE: char = '\u{e0f1}';

/// The programs of the commands in our texts.
const PROGRAMS: [&str; 13] = [
    "chmod",
    "fichierd",
    "findmnt",
    "journalctl",
    "ls",
    "openssl",
    "readlink",
    "setfacl",
    "sudo",
    "sysctl",
    "systemctl",
    "timedatectl",
    "umask",
];

/// The text with ties in the place of the spaces of its commands, so that a line does not end
/// within one and it can be copied. A command stands between backquotes, in parentheses, behind a
/// colon or at the beginning; it ends with the text, or before a comma, a semicolon or a parenthesis.
fn commands_tied(text: &str) -> Cow<'_, str> {
    if text.contains(TIE) {
        return text.into();
    }
    let (mut tied, mut end, mut last) = (String::with_capacity(text.len()), None, "");
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            tied.push(if end.is_some() { TIE } else { ' ' });
        }
        if end.is_none() {
            end = end_of_command(last, word);
        }
        if end.is_some_and(|ends: fn(&str) -> bool| ends(word)) {
            end = None;
        }
        tied.push_str(word);
        last = word;
    }
    tied.into()
}

/// How the last word of a command is recognised if `word` begins one.
fn end_of_command(last: &str, word: &str) -> Option<fn(&str) -> bool> {
    let bare = word.trim_start_matches('(');
    if bare.strip_prefix('`').is_some_and(|program| PROGRAMS.contains(&program)) {
        Some(|word| word.contains('`') && !word.trim_start_matches('(').starts_with('`'))
    } else if PROGRAMS.contains(&bare) && (last.is_empty() || last.ends_with(':') || bare != word) {
        Some(|word| word.ends_with([',', ';', ')']))
    } else {
        None
    }
}

/// A word that is wider than a line stays whole, so that it can be copied.
fn options<'a>(width: usize) -> textwrap::Options<'a> {
    let options = textwrap::Options::new(width).break_words(false);
    let options = options.word_separator(WordSeparator::AsciiSpace);
    options.word_splitter(WordSplitter::NoHyphenation)
}

/// An error with its causes in one line; a cause that the text already ends with is not repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// `1 file`, `2 files`, `184,203 files`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The number with commas between the thousands: `184,203`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in binary units with three digits: `0 B`, `1.50 KiB`, `12.3 GiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut scaled = number;
    let mut unit = 0;
    // Integer steps keep 1023.99 KiB from being shown as 1024 KiB.
    while scaled >= 1024 * 1024 {
        scaled /= 1024;
        unit += 1;
    }
    let (whole, hundredths) = (scaled / 1024, scaled % 1024 * 100 / 1024);
    match whole {
        0..10 => format!("{whole}.{hundredths:02} {}", UNITS[unit]),
        10..100 => format!("{whole}.{} {}", hundredths / 10, UNITS[unit]),
        _ => format!("{whole} {}", UNITS[unit]),
    }
}

/// A duration in its one or two largest units: `4 s`, `2 min`, `3 h 20 min`, `12 days`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 if seconds % 3_600 < 60 => format!("{} h", seconds / 3_600),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A word of a command as a shell reads it back, whatever bytes are in it: as it is, between single
/// quotes, or with escapes (`$'…'`, which bash, zsh and ksh know) where it cannot be shown.
pub(crate) fn shell_word(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(byte);
    // A tilde or an equals sign at the beginning has a meaning, so these are quoted too.
    match str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && bytes.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.chars().any(is_hidden) => format!("'{}'", text.replace('\'', "'\\''")),
        Ok(_) | Err(_) => {
            let mut word = "$'".to_owned();
            for byte in bytes {
                let written = match byte {
                    b'\'' | b'\\' => write!(word, "\\{}", char::from(*byte)),
                    b' '..=b'~' => write!(word, "{}", char::from(*byte)),
                    _ => write!(word, "\\x{byte:02x}"),
                };
                // Writing to a string cannot fail.
                debug_assert!(written.is_ok());
            }
            word + "'"
        }
    }
}

/// Whether a character changes what is shown around it instead of showing itself: a control
/// character, or one that turns or hides text.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A path in JSON: a string, or an array of bytes if the path is not UTF-8.
pub(crate) mod path_text {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(PathBuf),
        Bytes(Vec<u8>),
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => to.serialize_str(text),
            None => to.collect_seq(path.as_os_str().as_bytes()),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Written::deserialize(from)? {
            Written::Text(path) => path,
            Written::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z106_a_line_does_not_end_within_a_command() {
        let text = "read the words (fichierd remote mv), see: journalctl -u fichierd; if it is meant: \
                    fichierd approve --take-over photos, and `fichierd check --online` tells more of \
                    it; try: ls";
        for width in 1..100 {
            let lines = wrapped(text, width);
            for whole in [
                "(fichierd remote mv),",
                "journalctl -u fichierd;",
                "fichierd approve --take-over photos,",
                "`fichierd check --online`",
            ] {
                assert!(lines.lines().any(|line| line.contains(whole)), "{width}:\n{lines}");
            }
            assert_eq!(lines.replace('\n', " "), text);
        }
    }

    #[test]
    fn a_word_is_read_back_by_a_shell_as_it_was() {
        for word in [
            &b"plain/2025-05.jpg"[..],
            b"two words",
            b"it's \"quoted\" $HOME `x` \\ *?[a]{b} !",
            b"~",
            b"=x",
            b"-rf",
            b"",
            b"line\nbreak\tand 'quote' \\",
            b"caf\xE9\x1bf",
            "\u{202e}right".as_bytes(),
            "été".as_bytes(),
        ] {
            let script = format!("printf %s {}", shell_word(word));
            let read = std::process::Command::new("bash").arg("-c").arg(script).output().unwrap();
            assert_eq!(read.stdout, word, "{}", shell_word(word));
            assert!(!shell_word(word).chars().any(is_hidden));
        }
        assert_eq!(shell_word(b"2025/a.jpg"), "2025/a.jpg");
        assert_eq!(shell_word(b"a b"), "'a b'");
    }
}
