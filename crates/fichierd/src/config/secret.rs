//! Hides an API key that was typed into the configuration, so that no message shows it.
//!
//! The key belongs into a file of its own. Some people type it into the configuration nevertheless,
//! and a complaint shows its line on the terminal and in the journal (invariant I10).

/// Characters of a key (docs/api-notes.md, A.2); a word of this length or more is hidden.
const KEY_LENGTH: usize = 32;

/// The text with stars in place of everything that may be a key. Every other byte stays where it
/// is, so that spans fit both.
pub(super) fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(|line| mask_tokens(&mask_value(line))).collect()
}

/// Puts stars in place of the value of `api_key…`, unless it is a path: no API key contains a
/// slash.
fn mask_value(line: &str) -> String {
    let value_at = line.find("api_key").and_then(|at| Some(at + line[at..].find('=')? + 1));
    let Some((name, value)) = value_at.map(|at| line.split_at(at)) else {
        return line.to_owned();
    };
    if value.contains('/') {
        return line.to_owned();
    }
    let stars = value.chars().map(|c| match c {
        '"' | '\'' | ' ' | '\n' | '\r' => c.to_string(),
        _ => "*".repeat(c.len_utf8()),
    });
    name.chars().map(String::from).chain(stars).collect()
}

/// Puts stars in place of each word that has the form of an API key.
fn mask_tokens(line: &str) -> String {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let word = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        match word {
            0 => {
                let next = rest.find(belongs).unwrap_or(rest.len());
                masked.push_str(&rest[..next]);
                rest = &rest[next..];
            }
            _ => {
                if word >= KEY_LENGTH && !rest[..word].bytes().all(|b| b == b'-') {
                    masked.push_str(&"*".repeat(word));
                } else {
                    masked.push_str(&rest[..word]);
                }
                rest = &rest[word..];
            }
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_key_is_masked_in_place() {
        let key = "0123456789abcdefghijABCDEFGHIJ_-";
        for line in [
            format!("api_key = \"{key}\"\n"),
            format!("account = {{ key = '{key}' }}\n"),
            format!("api_key_file = \"{key}\"\n"),
            format!("{key}\n"),
        ] {
            let shown = masked(&line);
            assert!(!shown.contains("0123456789"), "{shown}");
            assert_eq!(shown.len(), line.len());
        }
        assert_eq!(masked("api_key = \"shört\"\n"), "api_key = \"******\"\n");
    }

    #[test]
    fn everything_else_is_shown_as_it_is() {
        for line in [
            "api_key_file = \"/etc/fichierd/api_key\"\r\n",
            "name = \"photos\" # ------------------------------------------\n",
            "calls_per_second = 1",
            "",
        ] {
            assert_eq!(masked(line), line);
        }
    }
}
