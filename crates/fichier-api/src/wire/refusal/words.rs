//! The service's words as people see them: one short line, quoted, that can do no harm.
//!
//! Invariant: no link, no word that may be a key or the id of a file, no control character and no
//! mark that changes the direction of text comes out of here.

use crate::error::NO_WORDS;

/// The most characters of a message that people see; the rest is cut off.
const MAX_CHARS: usize = 200;
/// The most characters of a page that are looked at; of a larger one the rest is ignored.
const MAX_PAGE_CHARS: usize = 100_000;
/// The shortest word of letters and digits that may be the id of a file, or the API key
/// (docs/api-notes.md, A.2 and A.7).
const SECRET_CHARS: usize = 18;
/// `text` on one line, not too long, and without links, which are capabilities.
pub(crate) fn for_people(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        // First: a word without its control characters may be a link.
        let word: String = word.chars().filter(|c| is_shown(*c)).collect();
        if is_link(&word) {
            "(link)".to_owned()
        } else if may_be_secret(&word) {
            "(code)".to_owned()
        } else {
            word
        }
    });
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let shown = line.chars().take(MAX_CHARS).collect::<String>();
    if shown.is_empty() { NO_WORDS.to_owned() } else { shown }
}

/// The words that a page shows, as [`for_people`] shows them.
pub(crate) fn of_page(page: &str) -> String {
    let page: String = page.chars().take(MAX_PAGE_CHARS).collect();
    let mut words = String::new();
    let mut rest = page.as_str();
    while let Some((text, tag)) = rest.split_once('<') {
        words.push_str(text);
        words.push(' ');
        rest = after_tag(tag);
    }
    words.push_str(rest);
    for (entity, text) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&eacute;", "é"),
        ("&egrave;", "è"),
        ("&agrave;", "à"),
        ("&amp;", "&"),
    ] {
        words = words.replace(entity, text);
    }
    for_people(&words)
}

/// What follows a tag whose text begins here; of a script, a style or a comment, all of it is left
/// out.
fn after_tag(tag: &str) -> &str {
    let ends = [("script", "</script"), ("style", "</style"), ("!--", "-->")];
    for (name, end) in ends {
        let begins = tag.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        if begins {
            let lower = tag.to_ascii_lowercase();
            let Some(at) = lower.find(end) else { return "" };
            let rest = tag.get(at..).unwrap_or_default();
            return rest.split_once('>').map_or("", |(_, rest)| rest);
        }
    }
    tag.split_once('>').map_or("", |(_, rest)| rest)
}

fn is_link(word: &str) -> bool {
    let lower = word.to_lowercase();
    word.contains("://")
        || word.contains("/?")
        || lower.contains(".com/")
        || lower.starts_with("www.")
}

/// Whether a word looks like an API key or like the id in a link.
fn may_be_secret(word: &str) -> bool {
    let is_of_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
    word.split(|c: char| !is_of_code(c))
        .any(|part| part.len() >= SECRET_CHARS && part.contains(|c: char| c.is_ascii_digit()))
}

/// Whether a character shows itself and changes nothing else.
fn is_shown(c: char) -> bool {
    let is_mark = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !c.is_control() && !is_mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_for_people_is_one_short_line_without_links() {
        let shown = for_people("No\n https://1fichier.com/?abcde12345 1fichier.com/?x here\u{7}");
        assert_eq!(shown, "No (link) (link) here");
        assert_eq!(
            for_people("https:\u{1}//1fichier.com/?abcde 1fichier.com/\u{13}?x"),
            "(link) (link)"
        );
        assert_eq!(for_people(&"x".repeat(900)).len(), MAX_CHARS);
        assert_eq!(for_people(" \u{1} "), "(no message)");
    }

    #[test]
    fn nothing_that_may_be_a_key_or_an_id_is_shown() {
        assert_eq!(
            for_people("the key abcDEF123456789_-=ghiJKL01234567 of file=2zk52quqlm0cbjr93ri5, no"),
            "the key (code) of (code) no"
        );
        assert_eq!(for_people("www.1fichier.com 1fichier.com/dir/x1"), "(link) (link)");
        assert_eq!(for_people("Verwaltungsgerichtshof #1032"), "Verwaltungsgerichtshof #1032");
    }

    #[test]
    fn marks_of_direction_do_not_reach_a_terminal() {
        assert_eq!(for_people("a\u{202e}b \u{200f}\u{9b}c\u{feff}"), "ab c");
    }

    #[test]
    fn a_page_is_read_as_a_person_sees_it() {
        let page = "<html><head><title>403 Forbidden</title><style>#374 { }</style>\n<script>if \
            (a < b) { 'x' }</script></head><body><!-- <p>no</p> --><h1>Acc&egrave;s \
            refus&eacute;</h1><hr>nginx</body></html>";
        assert_eq!(of_page(page), "403 Forbidden Accès refusé nginx");
        for (page, words) in [
            ("", NO_WORDS),
            ("<html", NO_WORDS),
            ("a < b", "a"),
            ("<script>x", NO_WORDS),
            ("plain", "plain"),
        ] {
            assert_eq!(of_page(page), words, "{page}");
        }
    }
}
