//! The reply of an upload node to the files: a redirect to their result, or a page.
//!
//! Success is the redirect and nothing else (docs/api-notes.md, C.3): nodes say with status 200
//! that they stored nothing.

use std::ops::RangeInclusive;

use url::Url;

use crate::error::ErrorKind;
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
    match (refusal::classify_page(reply.status, &page), message(&page)) {
        (ErrorKind::UnexpectedReply { .. }, Some(message)) => ErrorKind::unexpected(format!(
            "the upload node answered HTTP {} and said: {}",
            reply.status,
            refusal::for_people(message)
        )),
        (kind, _) => kind,
    }
}

/// The text of the first box of a node's page that is not empty.
fn message(page: &str) -> Option<&str> {
    page.split("class=\"bloc2\">").skip(1).find_map(|rest| {
        let text = rest.split("</div>").next()?.trim();
        (!text.is_empty()).then_some(text)
    })
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
        assert!(matches!(reply(200, None, "ok"), Err(ErrorKind::UnexpectedReply { .. })));
        assert!(matches!(reply(500, None, ""), Err(ErrorKind::Failing { status: 500 })));
    }

    #[test]
    fn an_unknown_message_of_a_node_reaches_people_but_decides_nothing() {
        let page = "<div class=\"bloc2\"> </div><div class=\"bloc2\">Espace insuffisant</div>";
        let kind = reply(200, None, page).unwrap_err();
        assert!(kind.outcome_unknown());
        assert_eq!(
            kind.to_string(),
            "unexpected reply from the service: the upload node answered HTTP 200 and said: \
             Espace insuffisant"
        );
    }
}
