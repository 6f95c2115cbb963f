//! The reply of an upload node to the files: a redirect to their result, or a page.
//!
//! Success is the redirect and nothing else (docs/api-notes.md, C.3): nodes say with status 200
//! that they stored nothing.

use std::ops::RangeInclusive;

use url::Url;

use crate::error::{ErrorKind, NO_WORDS};
use crate::wire::{Reply, refusal};

/// Characters of an upload id: ten, as far as is known; others are taken too (docs/api-notes.md,
/// H.2).
const ID_LENGTH: RangeInclusive<usize> = 6..=32;

/// The id to ask the result for, out of the redirect that answered a POST to `asked`.
///
/// # Errors
///
/// The refusal that the node sent instead.
pub(crate) fn xid(reply: &Reply, asked: &Url) -> Result<String, ErrorKind> {
    if !matches!(reply.status, 301..=303) {
        return Err(refused(reply));
    }
    let elsewhere = || ErrorKind::unexpected("a redirect to something else than the result");
    let location = reply.location.as_deref().ok_or_else(elsewhere)?;
    let result = asked.join(location).map_err(|_| elsewhere())?;
    if result.origin() != asked.origin() || result.path() != "/end.pl" {
        return Err(elsewhere());
    }
    let id = result.query_pairs().find(|(name, _)| name == "xid").map(|(_, id)| id.into_owned());
    id.filter(|id| is_upload_id(id)).ok_or_else(elsewhere)
}

/// The refusal on a page. If its text is not known, the files may have been stored or not.
fn refused(reply: &Reply) -> ErrorKind {
    let page = String::from_utf8_lossy(&reply.body);
    let known = refusal::known_text(reply.status, &page).filter(is_about_nodes);
    let kind = known.unwrap_or_else(|| match reply.status {
        401 => ErrorKind::KeyRefused,
        429 => ErrorKind::Throttled { retry_after: None },
        status => ErrorKind::NodeRefused { status, words: words(&page) },
    });
    reply.with_retry_after(kind)
}

/// Whether a known text means on a page of a node what it means elsewhere: a node's page can say
/// nothing about a file of ours.
fn is_about_nodes(kind: &ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::NotAllowed
            | ErrorKind::NothingRenamed
            | ErrorKind::Failing { .. }
    )
}

/// The words of a node's page, for people: those of the first box that is not empty, else all of
/// them without the markup.
pub(crate) fn words(page: &str) -> String {
    let boxes = page.split("class=\"bloc2\">").skip(1);
    let boxes = boxes.filter_map(|rest| rest.split("</div>").next());
    boxes
        .map(refusal::of_page)
        .find(|words| words != NO_WORDS)
        .unwrap_or_else(|| refusal::of_page(page))
}

/// Whether this may be an upload id: about ten letters and digits (docs/api-notes.md, A.7).
pub(crate) fn is_upload_id(text: &str) -> bool {
    ID_LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, location: Option<&str>, page: &str) -> Result<String, ErrorKind> {
        let asked = Url::parse("https://up2.1fichier.com/upload.cgi?id=9kGjlUU2CV").unwrap();
        let reply = Reply {
            status,
            content_type: Some("text/html".to_owned()),
            location: location.map(str::to_owned),
            retry_after: None,
            body: page.into(),
        };
        xid(&reply, &asked)
    }

    #[test]
    fn the_id_is_taken_from_a_relative_or_full_redirect() {
        for location in ["/end.pl?xid=AbC4567890", "https://up2.1fichier.com/end.pl?xid=AbC4567890"]
        {
            assert_eq!(reply(302, Some(location), "").unwrap(), "AbC4567890");
        }
    }

    #[test]
    fn a_redirect_elsewhere_is_no_success() {
        for location in [
            None,
            Some("https://evil.example/end.pl?xid=AbC4567890"),
            Some("http://up2.1fichier.com/end.pl?xid=AbC4567890"),
            Some("/login.pl?xid=AbC4567890"),
            Some("/end.pl"),
            Some("/end.pl?xid=short"),
            Some("/end.pl?xid=AbC45678/0"),
        ] {
            let refused = reply(302, location, "");
            assert!(matches!(refused, Err(ErrorKind::UnexpectedReply { .. })), "{location:?}");
        }
    }

    #[test]
    fn a_page_with_status_200_is_no_success() {
        let page = "<div class=\"bloc2\">Ne peut ouvrir le fichier destination</div>";
        assert!(matches!(reply(200, None, page), Err(ErrorKind::NodeStorage)));
        let page = "<div class=\"bloc2\">Pas de fichier trouvé dans l'envoi</div>";
        assert!(matches!(reply(200, None, page), Err(ErrorKind::NoFileInUpload)));
        for (status, page) in [(200, "ok"), (500, ""), (413, "<html>"), (403, "<h1>Forbidden")] {
            let kind = reply(status, None, page).unwrap_err();
            assert!(
                matches!(kind, ErrorKind::NodeRefused { status: told, .. } if told == status),
                "{kind:?}"
            );
        }
        for page in ["Your requests are too fast", "Flood detected: IP Locked #3"] {
            assert!(matches!(reply(403, None, page), Err(ErrorKind::Throttled { .. })), "{page}");
        }
        assert!(matches!(reply(429, None, ""), Err(ErrorKind::Throttled { .. })));
    }

    #[test]
    fn y42_the_words_of_a_node_reach_people_without_markup_and_links_and_decide_nothing() {
        let pages = [
            (
                "<div class=\"bloc2\"> </div><div class=\"bloc2\">Espace <b>insuffisant</b></div>",
                "Espace insuffisant",
            ),
            (
                "<html><head><style>p { a: b }</style></head><h1>413</h1><hr>nginx</html>",
                "413 nginx",
            ),
            ("Quota exceeded, see https://1fichier.com/?abcde", "Quota exceeded, see (link)"),
            ("<p>Désolé<script>var a = '<p>';", "Désolé"),
            ("", "(no message)"),
        ];
        for (page, words) in pages {
            let kind = reply(200, None, page).unwrap_err();
            assert!(kind.outcome_unknown(), "{page}");
            let told = kind.to_string();
            assert_eq!(told, format!("the upload node refused the files (HTTP 200): {words}"));
        }
    }
}
