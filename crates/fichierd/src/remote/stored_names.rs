//! The names that the service may store in place of those that it is asked for.
//!
//! Pure.

use fichier_api::names::RemoteName;
use icu_normalizer::ComposingNormalizerBorrowed;

/// Bytes of a name that is recognised by its beginning, at least: one of a shorter limit could be a
/// name of its own.
const LEAST_CUT_BYTES: usize = 20;

/// Whether `stored` may be the name that the service made of `asked`: as [`is_other_form`], or cut.
pub(super) fn may_be_stored_as(asked: &RemoteName, stored: &RemoteName) -> bool {
    is_other_form(asked, stored)
        || stored.as_str().len() >= LEAST_CUT_BYTES && plain(asked).starts_with(&plain(stored))
}

/// Whether `stored` is the whole of `asked` in another form: the service may compose names, as those
/// of macOS are not (N06), escape them, or drop a last dot.
pub(super) fn is_other_form(asked: &RemoteName, stored: &RemoteName) -> bool {
    matches!(plain(asked).strip_prefix(&plain(stored)), Some("" | "."))
}

/// The name as it is when it was neither decomposed nor escaped.
fn plain(name: &RemoteName) -> String {
    let name = ComposingNormalizerBorrowed::new_nfc().normalize(name.as_str());
    name.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_be(asked: &str, stored: &str) -> bool {
        let name = |name: &str| RemoteName::from_service(name.to_owned());
        may_be_stored_as(&name(asked), &name(stored))
    }

    #[test]
    fn y95_a_name_is_known_when_it_was_composed_escaped_or_cut() {
        assert!(may_be("cafe\u{301}", "caf\u{e9}") && may_be("caf\u{e9}", "cafe\u{301}"));
        assert!(may_be("a & b", "a &amp; b"));
        assert!(may_be("notes.", "notes"));
        assert!(may_be(&"long ".repeat(9), &"long ".repeat(4)));
    }

    #[test]
    fn the_beginning_of_a_name_is_no_other_form_of_it() {
        let name = |name: &str| RemoteName::from_service(name.to_owned());
        assert!(is_other_form(&name("a & b."), &name("a &amp; b")));
        assert!(!is_other_form(
            &name("holiday pictures 2024-2025"),
            &name("holiday pictures 2024")
        ));
    }

    #[test]
    fn another_name_is_not_taken_for_it() {
        assert!(!may_be("a", "b") && !may_be("a", "ab"));
        assert!(!may_be("notes.txt", "notes"), "a file of its own");
        assert!(!may_be("Notes", "notes"));
    }
}
