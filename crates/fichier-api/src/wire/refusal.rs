//! The meaning of a refusal: the words of the service decide, never their number.
//!
//! The `#n` behind a message looks like a source line and drifts from year to year, and HTTP 403 is
//! used for floods and for permanent refusals alike (docs/api-notes.md, E). So the one place that
//! reads the service's texts is here, and it turns them into an [`ErrorKind`].

use std::time::Duration;

use crate::error::ErrorKind;

/// The pause after a lock of the account, which needs a longer one than a lock of the address (E).
const USER_FLOOD_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The most characters of a message that people see; the rest is cut off.
const MAX_MESSAGE_CHARS: usize = 200;

/// The kind of a well-formed refusal: HTTP status and `message`.
pub(crate) fn classify(status: u16, message: &str) -> ErrorKind {
    known_text(status, message).unwrap_or_else(|| match status {
        429 => ErrorKind::Throttled { retry_after: None },
        401 => ErrorKind::KeyRefused,
        500.. => ErrorKind::Failing { status },
        _ => ErrorKind::Refused { status, message: for_people(message) },
    })
}

/// The kind of an HTML page, or of an empty or other text, that came instead of JSON.
///
/// A page without a known text is never a refusal: the outcome of the request is unknown. Only the
/// API itself can say that something is gone, or done already: a proxy's page that reads "resource
/// not found" must not pass for a removed file or an absent folder.
pub(crate) fn classify_page(status: u16, page: &str) -> ErrorKind {
    let passes_for_success =
        |kind: &ErrorKind| matches!(kind, ErrorKind::NotFound | ErrorKind::NothingRenamed);
    let known = known_text(status, page).filter(|kind| !passes_for_success(kind));
    known.unwrap_or_else(|| match status {
        429 => ErrorKind::Throttled { retry_after: None },
        401 => ErrorKind::KeyRefused,
        500.. => ErrorKind::Failing { status },
        _ => ErrorKind::unexpected(format!("HTTP {status} with a page instead of JSON")),
    })
}

/// Whether `page` says that an upload has arrived and waits for the virus scanner (C.4).
pub(crate) fn says_being_scanned(page: &str) -> bool {
    let page = page.to_lowercase();
    ["veuillez patienter", "scanned by our anti-virus", "antivirus"]
        .iter()
        .any(|t| page.contains(t))
}

/// The kind of a text that is known, whatever it stands in.
pub(crate) fn known_text(status: u16, text: &str) -> Option<ErrorKind> {
    let text = text.to_lowercase();
    let says = |part: &str| text.contains(part);
    // The flood messages contain `IP Locked`, and so come first.
    let kind = if says("flood detected") {
        let user = says("user locked") || says("user apk locked");
        ErrorKind::Throttled { retry_after: user.then_some(USER_FLOOD_PAUSE) }
    } else if says("requests are too fast") {
        ErrorKind::Throttled { retry_after: None }
    } else if says("owner locked") {
        ErrorKind::OwnerLocked
    } else if says("ip locked") || says("unlock within 1 hour") {
        ErrorKind::Locked
    } else if says("not authenticated") || says("no such user") {
        ErrorKind::KeyRefused
    } else if says("must be a customer") {
        ErrorKind::CustomersOnly
    } else if says("professional equipment") || says("cdn credits") || says("residential private") {
        ErrorKind::AddressRefused
    } else if says("allowed at a time") {
        ErrorKind::OneLocation
    } else if says("resource not found") {
        ErrorKind::NotFound
    } else if says("resource not allowed")
        || says("password not provided")
        || says("invalid password")
    {
        ErrorKind::NotAllowed
    } else if says("no file has been renamed") {
        ErrorKind::NothingRenamed
    } else if says("ne peut ouvrir le fichier destination") {
        ErrorKind::NodeStorage
    } else if says("pas de fichier trouv") {
        ErrorKind::NoFileInUpload
    } else if says("in maintenance") || says("under maintenance") {
        ErrorKind::Maintenance
    } else if says("software error:") {
        ErrorKind::Failing { status }
    } else {
        return None;
    };
    Some(kind)
}

/// `text` on one line, not too long, and without links, which are capabilities.
pub(crate) fn for_people(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        // First: a word without its control characters may be a link.
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        if word.contains("://") || word.contains("/?") { "(link)".to_owned() } else { word }
    });
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let shown = line.chars().take(MAX_MESSAGE_CHARS).collect::<String>();
    if shown.is_empty() { "(no message)".to_owned() } else { shown }
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
            OwnerLocked
            KeyRefused
            KeyRefused
            CustomersOnly
            NotFound
            NotAllowed
            NotAllowed
            OneLocation
            AddressRefused
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
            (200, "<html>hello"),
        ];
        let kinds = pages.map(|(status, page)| format!("{:?}\n", classify_page(status, page)));
        expect![[r#"
            Maintenance
            Throttled { retry_after: None }
            NodeStorage
            NoFileInUpload
            Failing { status: 200 }
            Failing { status: 502 }
            Failing { status: 504 }
            UnexpectedReply { detail: "HTTP 404 with a page instead of JSON" }
            UnexpectedReply { detail: "HTTP 200 with a page instead of JSON" }
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
    fn a_message_for_people_is_one_short_line_without_links() {
        let shown = for_people("No\n https://1fichier.com/?abcde12345 1fichier.com/?x here\u{7}");
        assert_eq!(shown, "No (link) (link) here");
        assert_eq!(
            for_people("https:\u{1}//1fichier.com/?abcde 1fichier.com/\u{13}?x"),
            "(link) (link)"
        );
        assert_eq!(for_people(&"x".repeat(900)).len(), MAX_MESSAGE_CHARS);
        assert_eq!(for_people(" \u{1} "), "(no message)");
    }

    #[test]
    fn the_scanners_page_is_recognised_in_both_languages() {
        assert!(says_being_scanned("<b>Veuillez patienter</b>"));
        assert!(says_being_scanned("wait until the file has been scanned by our anti-virus"));
        assert!(!says_being_scanned("<html>nginx"));
    }
}
