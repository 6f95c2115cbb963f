//! Patterns that mean something else here than in git, and are refused for it.
//!
//! Patterns are promised to have the syntax of `.gitignore`, and are read by the crate `ignore`. In
//! a few places that crate differs from git without an error: a path would be sent, or left out,
//! against what was written. A test compares all others with git itself.

/// Why a pattern is refused, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {instead}")]
pub(crate) struct Strange {
    /// The part that means something else.
    pub(crate) what: &'static str,
    /// What to write instead.
    pub(crate) instead: &'static str,
}

const NAMED_CLASS: Strange = Strange {
    what: "a class with a name, such as [[:alpha:]], is not known here",
    instead: "write the characters: [a-zA-Z]",
};
const BLANK_AT_END: Strange = Strange {
    what: "a tab or another blank at its end is a part of the pattern in git",
    instead: "remove it",
};
const BRACE: Strange = Strange {
    what: "a brace is a brace in git, and no choice between names",
    instead: "write one pattern for each name, or `\\{` for the brace",
};
const IN_CLASS: Strange = Strange {
    what: "a backslash, a slash or a letter beyond ASCII between brackets differs from git",
    instead: "write `?` for it, or one pattern for each character",
};
const STARS: Strange = Strange {
    what: "two asterisks between a name and a slash differ from git",
    instead: "write `*/` for one folder, or `/**/` for all",
};
const UNCLOSED: Strange = Strange {
    what: "a bracket is not closed",
    instead: "close it, or write `\\[` for the bracket",
};

/// The reason to refuse a line of patterns; `None` for a pattern that means what it means in git,
/// and for a comment.
pub(crate) fn strange(line: &str) -> Option<Strange> {
    if line.starts_with('#') {
        return None;
    }
    let bare = line.trim_end_matches(' ');
    if bare.chars().next_back().is_some_and(char::is_whitespace) {
        return Some(BLANK_AT_END);
    }
    let mut stars = bare.match_indices("**/").map(|(at, _)| bare[..at].chars().next_back());
    if stars.any(|before| before.is_some_and(|char| !matches!(char, '/' | '*' | '!'))) {
        return Some(STARS);
    }
    let mut rest = bare.chars();
    while let Some(char) = rest.next() {
        match char {
            '\\' => _ = rest.next(),
            '{' | '}' => return Some(BRACE),
            '[' => match after_class(rest.as_str()) {
                Ok(after) => rest = after.chars(),
                Err(strange) => return Some(strange),
            },
            _ => {}
        }
    }
    None
}

/// What follows the class whose opening bracket was before `text`.
fn after_class(text: &str) -> Result<&str, Strange> {
    let text = text.strip_prefix(['!', '^']).unwrap_or(text);
    let mut chars = text.char_indices();
    // A closing bracket at the beginning stands for itself.
    let mut next = chars.next();
    loop {
        let Some((at, char)) = next else { return Err(UNCLOSED) };
        match char {
            ']' if at > 0 => return Ok(&text[at + 1..]),
            '[' if text[at + 1..].starts_with([':', '.', '=']) => return Err(NAMED_CLASS),
            '\\' | '/' => return Err(IN_CLASS),
            char if !char.is_ascii() => return Err(IN_CLASS),
            _ => {}
        }
        next = chars.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z52_what_means_something_else_in_git_is_refused_with_a_reason() {
        for (pattern, why) in [
            ("*[[:alpha:]]", NAMED_CLASS),
            ("a[x[:digit:]]", NAMED_CLASS),
            ("*.log\t", BLANK_AT_END),
            ("*.log\t  ", BLANK_AT_END),
            ("*.log\u{a0}", BLANK_AT_END),
            ("*.{jpg,png}", BRACE),
            ("a}", BRACE),
            ("[a/b]", IN_CLASS),
            ("[\\]]", IN_CLASS),
            ("[é]", IN_CLASS),
            ("d**/a", STARS),
            ("a[b", UNCLOSED),
            ("[]", UNCLOSED),
        ] {
            assert_eq!(strange(pattern), Some(why), "{pattern}");
        }
    }

    #[test]
    fn what_means_the_same_in_git_is_taken() {
        for pattern in [
            "*.log", "*.log  ", "a\\ ", "\\{a\\}", "[]a]", "[!]a]", "[^a-c]x", "\\[a", "#{", "",
            "é", "a b", "**/a", "!**/a", "a/**/b",
        ] {
            assert_eq!(strange(pattern), None, "{pattern}");
        }
    }
}
