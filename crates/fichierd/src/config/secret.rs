//! Hides an API key or a password that was typed into the configuration, so that no message shows
//! it.
//!
//! They belong into files of their own. Some people type them into the configuration nevertheless,
//! and a complaint shows its line on the terminal and in the journal (invariant I10).

use std::ops::Range;

/// Characters of a key (docs/api-notes.md, A.2); a word of this length or more is hidden.
const KEY_LENGTH: usize = 32;

/// The text with stars in place of everything that may be a key or a password. Every other byte
/// stays where it is, so that spans fit both.
pub(super) fn masked(text: &str) -> String {
    let text = mask_values(text, may_be_of_password);
    text.split_inclusive('\n').map(|line| mask_tokens(&mask_value(line))).collect()
}

/// The text with stars in place of the addresses of receivers of alerts, for a copy that leaves the
/// machine: who knows such an address can report in our name.
pub(crate) fn without_addresses(text: &str) -> String {
    mask_values(text, |key| key == "url")
}

/// Puts stars in place of the values of these keys, but for whole paths to files.
fn mask_values(text: &str, is_secret: fn(&str) -> bool) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(value) = next_secret(text, at, is_secret) {
        masked.push_str(&text[at..value.start]);
        masked.extend(stars(&text[value.clone()]));
        at = value.end;
    }
    masked + &text[at..]
}

/// The place of the first value at or behind `from` that is hidden.
fn next_secret(text: &str, from: usize, is_secret: fn(&str) -> bool) -> Option<Range<usize>> {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut at = from;
    loop {
        let begin = at + text[at..].find(is_of_key)?;
        let length = text[begin..].find(|c| !is_of_key(c)).unwrap_or(text.len() - begin);
        at = begin + length;
        let key = &text[begin..at];
        let Some(value) = value_behind(text, at).filter(|_| is_secret(key)) else {
            continue;
        };
        let rest = &text[value..];
        let is_path = key.ends_with("_file") && ["\"/", "'/"].iter().any(|it| rest.starts_with(it));
        let is_table = key == "encrypt" && rest.starts_with('{');
        if !is_path && !is_table {
            return Some(value..value + length_of_value(key, rest));
        }
    }
}

fn may_be_of_password(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "encrypt"
        || key == "url"
        || ["pass", "salt", "secret", "token"].iter().any(|word| key.starts_with(word))
}

/// Where the value begins, if a key ends at `at`.
fn value_behind(text: &str, at: usize) -> Option<usize> {
    let blank = [' ', '\t'];
    let rest = text[at..].trim_start_matches(['"', '\'']).trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':'])?.trim_start_matches(blank);
    Some(text.len() - value.len())
}

/// How much of `rest` is the value of `key`: too much rather than too little.
fn length_of_value(key: &str, rest: &str) -> usize {
    let line = rest.find(['\r', '\n']).unwrap_or(rest.len());
    let is_known = ["_file", "_credential", "_command"].iter().any(|end| key.ends_with(end));
    if let Some(quotes) = ["\"\"\"", "'''"].into_iter().find(|it| rest.starts_with(it)) {
        return rest[3..].find(quotes).map_or(rest.len(), |end| end + 6);
    }
    let end = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) if is_known => end_of_quoted(&rest[..line], quote),
        Some('[') => end_of_list(rest),
        _ => None,
    };
    // Whatever follows a value in its line is no part of it only behind one of these.
    let is_end = |end: &usize| {
        let behind = rest[*end..].trim_start_matches([' ', '\t']);
        behind.is_empty() || behind.starts_with([',', '}', ']', '#', '\r', '\n'])
    };
    end.filter(is_end).unwrap_or(line)
}

fn end_of_quoted(rest: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    let mut characters = rest.char_indices().skip(1);
    let (at, _) = characters.find(|(_, c)| {
        let ends = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && quote == '"' && !is_escaped;
        ends
    })?;
    Some(at + 1)
}

fn end_of_list(rest: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        let next = at + rest[at..].find(['"', '\'', ']'])?;
        match rest[next..].chars().next()? {
            ']' => return Some(next + 1),
            quote => at = next + end_of_quoted(&rest[next..], quote)?,
        }
    }
}

/// A star for each byte, but for the quotes or brackets around it, and its line ends.
fn stars(value: &str) -> impl Iterator<Item = char> {
    let last = value.trim_end().len().saturating_sub(1);
    let stars = value.char_indices().map(move |(at, c)| match c {
        '"' | '\'' | '[' | ']' if at == 0 || at == last => (c, 1),
        '\n' | '\r' => (c, 1),
        _ => ('*', c.len_utf8()),
    });
    stars.flat_map(|(c, times)| std::iter::repeat_n(c, times))
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
    fn what_may_be_a_password_is_masked_in_place() {
        for line in [
            "password = \"hunter2\"\n",
            "password = \"hunter2, \"hunter2\", hunter2\n",
            "password = hunter2 hunter2 # hunter2\n",
            "\"password\" = 'hunter2'\n",
            "Password2: hunter2\n",
            "encrypt.salt='hunter2'\n",
            "encrypt = { password = \"hunter2\" }\n",
            "encrypt = \"hunter2\"\n",
            "encrypt = hunter2\n",
            "password_file = \"hunter2\"\n",
            "password_file = 'etc/hunter2'\n",
            "password_file = \"hunter2\\\"/hunter2\"\n",
            "password_credential = \"hunter2\" hunter2\n",
            "password_command = \"echo hunter2\"\n",
            "salt_command = [\"echo\",\n  \"]hunter2\", # hunter2\n  'hunter2']\n",
            "password = \"\"\"\nhunter2\nhunter2\"\"\"\n",
            "password = '''\nhunter2",
            "password_command = [ hunter2\n",
            "passphrase = \"hunter2\"\n",
        ] {
            let shown = masked(line);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains("echo"), "{shown}");
            assert_eq!(shown.len(), line.len());
            assert_eq!(shown.matches('\n').count(), line.matches('\n').count());
        }
        let line = "encrypt = { password_command = [\"pass\", \"é\"], name = \"off\" }";
        let shown = "encrypt = { password_command = [************], name = \"off\" }";
        assert_eq!(masked(line), shown);
        assert_eq!(masked("password = \"shört\" # é\n"), "password = \"************\n");
    }

    #[test]
    fn addresses_of_receivers_are_hidden_wherever_they_stand() {
        for line in [
            "url = \"https://hc-ping.com/secret-uuid\"\n",
            "notify = [{ name = \"a\", url = 'https://a/secret' }]\n",
            "url = \"\"\"\nhttps://a/secret\"\"\"\n",
            "token = \"secret\"\n",
        ] {
            assert!(!masked(line).contains("secret"), "{}", masked(line));
            let left = without_addresses(line);
            assert_eq!(left.contains("secret"), line.starts_with("token"), "{left}");
        }
        let other = "api_url = \"https://api.1fichier.com/v1\"\nurl_file = \"/etc/a\"\n";
        assert_eq!((masked(other), without_addresses(other)), (other.into(), other.into()));
    }

    #[test]
    fn everything_else_is_shown_as_it_is() {
        for line in [
            "encrypt = { password_file = \"/etc/fichierd/p\", nams = \"off\" }\n",
            "[mirror.encrypt] # password, salt and so on\n",
            "name = \"passage\"\nsource = \"/srv/secrets\"\n",
            "exclude = [\"*.passwd\", \"salt*\"]\n",
            "api_key_file = \"/etc/fichierd/api_key\"\r\n",
            "name = \"photos\" # ------------------------------------------\n",
            "calls_per_second = 1",
            "",
        ] {
            assert_eq!(masked(line), line);
        }
    }
}
