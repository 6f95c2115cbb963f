//! The names that the service refuses for folders and changes for files (docs/api-notes.md, F.1).

use icu_normalizer::ComposingNormalizerBorrowed;

use super::switches::Rules;
use crate::habits::{LongName, NamesChanged};

const RESERVED: [char; 9] = ['\\', '<', '>', '\'', '$', '`', '/', '"', '\u{7f}'];
/// Characters of a folder name, which is refused if it is longer, as documented. Bytes of a file
/// name, which is cut, as assumed (G.1 row 23).
const MAX_LENGTH: usize = 250;

/// Why `mkdir` refuses a name.
pub(crate) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.chars().any(is_reserved) {
        Some("it contains a reserved character")
    } else if name.starts_with(' ') {
        Some("it begins with a space")
    } else if name.chars().count() > MAX_LENGTH {
        Some("it is longer than 250 characters")
    } else {
        None
    }
}

/// As [`stored`], for a file that gets its name by a call and not by an upload.
pub(crate) fn renamed(name: &str, rules: &Rules) -> (Option<String>, bool) {
    match rules.names_changed {
        NamesChanged::Always | NamesChanged::AtRename => changed(name, rules),
        NamesChanged::AtUpload => (Some(name.to_owned()), mangled(name) != name),
    }
}

/// The name that a file called `name` is stored under, and whether a careful client would have
/// sent another name. The name is `None` if the file is refused.
pub(crate) fn stored(name: &str, rules: &Rules) -> (Option<String>, bool) {
    match rules.names_changed {
        NamesChanged::Always | NamesChanged::AtUpload => changed(name, rules),
        NamesChanged::AtRename => (Some(name.to_owned()), mangled(name) != name),
    }
}

fn changed(name: &str, rules: &Rules) -> (Option<String>, bool) {
    let kept = mangled(name);
    let careless = kept != name;
    let mut stored = if rules.mangle_names { kept } else { name.to_owned() };
    if rules.compose_names {
        stored = composed(&stored);
    }
    if rules.escape_names {
        stored = stored.replace('&', "&amp;");
    }
    if rules.drop_last_dot && stored.len() > 1 && stored.ends_with('.') {
        stored.pop();
    }
    if stored.len() > rules.name_max {
        match rules.long_names {
            LongName::Cut => cut(&mut stored, rules.name_max),
            LongName::Refuse => return (None, careless),
        }
    }
    (Some(stored), careless)
}

/// The name in Unicode's composed form.
pub(crate) fn composed(name: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(name).into_owned()
}

/// The name that the service stores in place of `name`.
pub(crate) fn mangled(name: &str) -> String {
    let mut mangled: String =
        name.trim_matches(' ').chars().map(|c| if is_reserved(c) { '_' } else { c }).collect();
    cut(&mut mangled, MAX_LENGTH);
    if mangled.is_empty() { "_".to_owned() } else { mangled }
}

fn cut(name: &mut String, most: usize) {
    while name.len() > most {
        name.pop();
    }
}

fn is_reserved(c: char) -> bool {
    c.is_control() || RESERVED.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_is_neither_refused_nor_changed() {
        for name in ["a.txt", "été (1).jpg", "．．", "␠x", "日本"] {
            assert_eq!(refusal(name), None, "{name}");
            assert_eq!(mangled(name), name);
        }
    }

    #[test]
    fn reserved_characters_are_refused_for_folders_and_replaced_for_files() {
        assert_eq!(refusal("it's"), Some("it contains a reserved character"));
        assert_eq!(mangled(" a<b>$ "), "a_b__");
        assert_eq!(refusal(" a"), Some("it begins with a space"));
        assert_eq!(refusal(&"x".repeat(251)), Some("it is longer than 250 characters"));
        assert_eq!(mangled(&"é".repeat(200)).len(), 250);
    }

    #[test]
    fn a_name_is_composed_and_cut_or_not_taken_as_the_rules_say() {
        let plain = Rules::default();
        assert_eq!(stored("e\u{301}", &plain), (Some("e\u{301}".into()), false));
        let composing = Rules { compose_names: true, name_max: 3, ..Rules::default() };
        assert_eq!(stored("e\u{301}bc", &composing), (Some("\u{e9}b".into()), false));
        let refusing = Rules { long_names: LongName::Refuse, ..composing };
        assert_eq!(stored("abcd", &refusing), (None, false));
        assert_eq!(stored("<", &plain), (Some("_".into()), true));
    }
}
