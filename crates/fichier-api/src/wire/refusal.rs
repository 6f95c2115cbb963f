//! The meaning of a refusal: the service's words decide, and if they are not known, the family of
//! the number behind them.
//!
//! The `#n` behind a message looks like a source line and drifts from year to year, the words change
//! with the language of the account, and HTTP 403 is used for floods and for permanent refusals
//! alike (docs/api-notes.md, E). So the one place that reads the service's texts is here, and
//! it turns them into an [`ErrorKind`]; the table of what is known is in `known`, what people see
//! of a text is made in `words`.
//!
//! Invariant: what neither words nor number explain is unknown, and never a reason to believe that
//! work is done.

mod known;
mod words;

use std::time::Duration;

pub(crate) use self::words::{for_people, of_page};
use crate::error::{ErrorKind, saying};
use crate::wire::refusal::known::Meaning;

/// The pause after a lock of the account, which needs a longer one than a lock of the address (E).
const USER_FLOOD_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The kind of a well-formed refusal: HTTP status and `message`.
pub(crate) fn classify(status: u16, message: &str) -> ErrorKind {
    let known = known::by_text(message)
        .or_else(|| known::is_suspended(message).then_some(Meaning::OwnerLocked))
        .or_else(|| known::by_number(status, message));
    known.map(|meaning| kind_of(meaning, status, message)).unwrap_or_else(|| match status {
        429 => ErrorKind::Throttled { retry_after: None },
        401 => ErrorKind::KeyRefused,
        500.. => ErrorKind::Failing { status, words: for_people(message) },
        _ => ErrorKind::Refused { status, message: for_people(message) },
    })
}

/// The kind of an HTML page, or of an empty or other text, that came instead of JSON.
///
/// A page without a known text is never a refusal: the outcome of the request is unknown. Only the
/// API itself can say that something is gone, or done already: a proxy's page that reads "resource
/// not found" must not pass for a removed file or an absent folder.
pub(crate) fn classify_page(status: u16, page: &str) -> ErrorKind {
    let words = of_page(page);
    let passes_for_success =
        |meaning: &Meaning| matches!(meaning, Meaning::NotFound | Meaning::NothingRenamed);
    let known = known::by_text(page)
        .or_else(|| known::by_number_on_a_page(&words))
        // Only with a status that refuses: an ordinary page may have such words too.
        .or_else(|| {
            let refuses = (400..500).contains(&status);
            (refuses && known::is_suspended(&words)).then_some(Meaning::OwnerLocked)
        });
    let known = known.filter(|meaning| !passes_for_success(meaning));
    known.map(|meaning| kind_of(meaning, status, &words)).unwrap_or_else(|| match status {
        429 => ErrorKind::Throttled { retry_after: None },
        500.. => ErrorKind::Failing { status, words },
        _ => ErrorKind::unexpected(format!(
            "HTTP {status} with a page instead of JSON{}",
            saying(&words)
        )),
    })
}

/// The kind of a text that is known, whatever page it stands on; `None` for any other text.
pub(crate) fn known_text(status: u16, page: &str) -> Option<ErrorKind> {
    known::by_text(page).map(|meaning| kind_of(meaning, status, &of_page(page)))
}

fn kind_of(meaning: Meaning, status: u16, message: &str) -> ErrorKind {
    match meaning {
        Meaning::Flood => ErrorKind::Throttled { retry_after: None },
        Meaning::UserFlood => ErrorKind::Throttled { retry_after: Some(USER_FLOOD_PAUSE) },
        Meaning::OwnerLocked => ErrorKind::OwnerLocked { message: for_people(message) },
        Meaning::AddressLocked => ErrorKind::Locked,
        Meaning::KeyRefused => ErrorKind::KeyRefused,
        Meaning::CustomersOnly => ErrorKind::CustomersOnly,
        Meaning::AddressRefused => ErrorKind::AddressRefused,
        Meaning::OneLocation => ErrorKind::OneLocation,
        Meaning::NotFound => ErrorKind::NotFound,
        Meaning::NotAllowed => ErrorKind::NotAllowed,
        Meaning::NothingRenamed => ErrorKind::NothingRenamed,
        Meaning::NodeStorage => ErrorKind::NodeStorage,
        Meaning::NoFileInUpload => ErrorKind::NoFileInUpload,
        Meaning::Maintenance => ErrorKind::Maintenance,
        Meaning::Failing => ErrorKind::Failing { status, words: for_people(message) },
    }
}

/// Whether `page` says that an upload has arrived and waits for the virus scanner (C.4).
pub(crate) fn says_being_scanned(page: &str) -> bool {
    let page = page.to_lowercase();
    ["veuillez patienter", "scanned by our anti-virus", "antivirus"]
        .iter()
        .any(|t| page.contains(t))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_recorded_messages_are_understood_whatever_their_number() {
        let messages = [
            (403, "Flood detected: IP Locked #374"),
            (403, "Flood detected: IP Locked #999"),
            (403, "Flood detected: User Locked #218"),
            (403, "Flood detected: User APK Locked #1"),
            (200, "IP Locked #12"),
            (403, "Owner locked #649"),
            (401, "Not authenticated #247"),
            (403, "No such user #93"),
            (403, "Must be a customer (Premium, Access) #236"),
            (404, "Resource not found #469"),
            (403, "Resource not allowed #631"),
            (403, "Invalid password. Resource not allowed #77"),
            (403, "Only 1 location allowed at a time #887"),
            (403, "You must have CDN credits #913"),
            (403, "Flood detected: IP Locked #1032"),
            (403, "Adresse IP bloqu\u{e9}e pour flood #79"),
            (403, "Acc\u{e8}s refus\u{e9} #374"),
            (403, "Qu\u{e9} l\u{e1}stima #913"),
            (403, "Une seule connexion #887"),
            (401, "Not authenticated #48"),
            (403, "Non authentifi\u{e9} #12"),
            (403, "Owner locked #620"),
            (403, "Compte suspendu, contactez le support"),
            (403, "Acc\u{e8}s refus\u{e9}"),
            (200, "Introuvable #469"),
            (404, "Introuvable #469"),
            (200, "D\u{e9}j\u{e0} fait #312"),
            (410, "Gone"),
            (403, ""),
            (200, "No file has been renamed #312"),
            (400, "Content-Type not JSON #24"),
            (200, "Something new #1"),
            (429, "Slow down"),
        ];
        let kinds = messages.map(|(status, text)| format!("{:?}\n", classify(status, text)));
        expect![[r#"
            Throttled { retry_after: None }
            Throttled { retry_after: None }
            Throttled { retry_after: Some(300s) }
            Throttled { retry_after: Some(300s) }
            Locked
            OwnerLocked { message: "Owner locked #649" }
            KeyRefused
            KeyRefused
            CustomersOnly
            NotFound
            NotAllowed
            NotAllowed
            OneLocation
            AddressRefused
            Throttled { retry_after: None }
            Locked
            Throttled { retry_after: None }
            AddressRefused
            OneLocation
            KeyRefused
            KeyRefused
            OwnerLocked { message: "Owner locked #620" }
            OwnerLocked { message: "Compte suspendu, contactez le support" }
            Refused { status: 403, message: "Accès refusé" }
            Refused { status: 200, message: "Introuvable #469" }
            NotFound
            Refused { status: 200, message: "Déjà fait #312" }
            Refused { status: 410, message: "Gone" }
            Refused { status: 403, message: "(no message)" }
            NothingRenamed
            Refused { status: 400, message: "Content-Type not JSON #24" }
            Refused { status: 200, message: "Something new #1" }
            Throttled { retry_after: None }
        "#]]
        .assert_eq(&kinds.concat());
    }

    #[test]
    fn pages_are_read_for_what_they_say_and_are_never_a_plain_refusal() {
        let pages = [
            (503, "<html>Our services are in maintenance"),
            (200, "<p>Your requests are too fast</p>"),
            (200, "<div class=\"bloc2\">Ne peut ouvrir le fichier destination</div>"),
            (200, "<div>Pas de fichier trouvé dans l'envoi</div>"),
            (200, "<h1>Software error:</h1>"),
            (502, "<html>nginx"),
            (504, ""),
            (404, "<html>Not Found"),
            (401, "<html>Authorization Required"),
            (403, "<h1>403 Forbidden</h1><hr>nginx"),
            (403, "<p>This account has been suspended</p>"),
            (200, "<p>\u{c9}quipement non r\u{e9}sidentiel #913.</p>"),
            (403, "<p>Too many requests</p>"),
            (200, "<html>hello"),
        ];
        let kinds = pages.map(|(status, page)| format!("{:?}\n", classify_page(status, page)));
        expect![[r#"
            Maintenance
            Throttled { retry_after: None }
            NodeStorage
            NoFileInUpload
            Failing { status: 200, words: "Software error:" }
            Failing { status: 502, words: "nginx" }
            Failing { status: 504, words: "(no message)" }
            UnexpectedReply { detail: "HTTP 404 with a page instead of JSON, and says “Not Found”" }
            UnexpectedReply { detail: "HTTP 401 with a page instead of JSON, and says “Authorization Required”" }
            UnexpectedReply { detail: "HTTP 403 with a page instead of JSON, and says “403 Forbidden nginx”" }
            OwnerLocked { message: "This account has been suspended" }
            AddressRefused
            Throttled { retry_after: None }
            UnexpectedReply { detail: "HTTP 200 with a page instead of JSON, and says “hello”" }
        "#]]
        .assert_eq(&kinds.concat());
    }

    #[test]
    fn h07_no_page_says_that_the_work_is_done_already() {
        for page in
            ["<html>Resource not found", "<p>No file has been renamed</p>", "resource not found"]
        {
            for status in [200, 403, 404] {
                let kind = classify_page(status, page);
                assert!(matches!(kind, ErrorKind::UnexpectedReply { .. }), "{page}: {kind:?}");
            }
        }
    }

    #[test]
    fn the_scanners_page_is_recognised_in_both_languages() {
        assert!(says_being_scanned("<b>Veuillez patienter</b>"));
        assert!(says_being_scanned("wait until the file has been scanned by our anti-virus"));
        assert!(!says_being_scanned("<html>nginx"));
    }
}
