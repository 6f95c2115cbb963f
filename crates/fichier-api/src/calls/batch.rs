//! Which links of a batch the service reports as done.
//!
//! Pure.
//!
//! Invariant: a link is *done* only if the service names it, or names exactly one other link
//! where exactly one is left: then that is its new link. Nothing is concluded from counts or from
//! the order of links, which is not documented.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::link::FileUrl;
use crate::types::BatchOutcome;
use crate::wire::fields;

/// The most links in one call; more are refused and nothing is sent. The service publishes no
/// number; batches of this size have been seen to work (docs/api-notes.md, G.1 row 1).
pub const MAX_LINKS_PER_CALL: usize = 100;

/// The links that a reply names as done. Needs nothing: of a link that is not named, or in a way
/// that cannot be read, the outcome is unknown.
#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    #[serde(default, rename = "urls", deserialize_with = "fields::optional_list")]
    rows: Option<Vec<Value>>,
}

/// One row of a batch's reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// The link that was asked for.
    pub(crate) url: Option<FileUrl>,
    /// Another link that the file has now, or that its copy has.
    pub(crate) other: Option<FileUrl>,
    /// The name that the file has now.
    pub(crate) name: Option<String>,
}

impl Named {
    /// Reads a row: a link alone, or an object of them (docs/api-notes.md, B.8 to B.11).
    pub(crate) fn read(row: &Value) -> Named {
        let link = |value: &Value| FileUrl::parse(&fields::words(value)?).ok();
        let Some(row) = row.as_object() else {
            return Named { url: link(row), ..Named::default() };
        };
        let first = |keys: &[&str]| keys.iter().find_map(|key| row.get(*key));
        Named {
            url: first(&["url", "from_url", "from", "old_url", "link"]).and_then(link),
            other: first(&["to_url", "to", "new_url"]).and_then(link),
            name: first(&["new_filename", "filename", "new_name"]).and_then(fields::words),
        }
    }
}

impl Reported {
    pub(crate) fn rows(&self) -> Vec<Named> {
        self.rows.iter().flatten().map(Named::read).collect()
    }

    /// Compares with the links that were asked for.
    pub(crate) fn outcome(&self, asked: &[FileUrl]) -> BatchOutcome {
        let wanted: HashSet<&FileUrl> = asked.iter().collect();
        let rows = self.rows();
        let reported: HashSet<&FileUrl> = rows.iter().filter_map(|row| row.url.as_ref()).collect();
        let mut new_urls: HashMap<FileUrl, FileUrl> = rows
            .iter()
            .filter_map(|row| Some((row.url.clone()?, row.other.clone()?)))
            .filter(|(url, other)| wanted.contains(url) && !wanted.contains(other))
            .collect();
        let (mut done, mut missing): (Vec<FileUrl>, Vec<FileUrl>) =
            asked.iter().cloned().partition(|url| reported.contains(url));
        let others = reported.iter().filter(|url| !wanted.contains(*url));
        let mut unasked: Vec<FileUrl> = others.map(|url| (*url).clone()).collect();
        if let ([left], [new]) = (missing.as_slice(), unasked.as_slice()) {
            new_urls.insert(left.clone(), new.clone());
            done.append(&mut missing);
            unasked.clear();
        }
        unasked.sort();
        BatchOutcome { done, missing, new_urls, unasked, ..BatchOutcome::default() }
    }
}

/// Whether there is anything to ask for at all.
///
/// # Errors
///
/// More than [`MAX_LINKS_PER_CALL`] links: they are for several calls.
pub(crate) fn is_any(endpoint: &'static str, links: usize) -> Result<bool, Error> {
    if links > MAX_LINKS_PER_CALL {
        return Err(not_sent(endpoint, "a call takes at most 100 links"));
    }
    Ok(links > 0)
}

/// A request that is wrong in itself and was not sent.
pub(crate) fn not_sent(endpoint: &'static str, problem: &str) -> Error {
    let kind = ErrorKind::InvalidRequest { problem: problem.to_owned() };
    Error { endpoint, attempts: 0, kind }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(reply: Value) -> Reported {
        Reported::deserialize(reply).unwrap()
    }

    fn urls(ids: &str) -> Vec<FileUrl> {
        let link = |id| FileUrl::parse(&format!("https://1fichier.com/?{id}")).unwrap();
        ids.split_whitespace().map(link).collect()
    }

    fn check(asked: &str, reported: &str, done: &str, missing: &str, new: &[(&str, &str)]) {
        let outcome = read(json!({"urls": urls(reported)})).outcome(&urls(asked));
        let pairs = new.iter().map(|(old, new)| (urls(old).remove(0), urls(new).remove(0)));
        let new_urls: HashMap<_, _> = pairs.collect();
        let (done, missing) = (urls(done), urls(missing));
        let expected = BatchOutcome { done, missing, new_urls, ..BatchOutcome::default() };
        assert_eq!(BatchOutcome { unasked: Vec::new(), ..outcome }, expected);
    }

    #[test]
    fn what_is_not_named_is_missing_whatever_the_order() {
        check("aaaaa bbbbb ccccc", "ccccc aaaaa", "aaaaa ccccc", "bbbbb", &[]);
    }

    #[test]
    fn one_other_link_for_one_that_is_left_is_its_new_link() {
        check("aaaaa bbbbb", "bbbbb nnnnn", "bbbbb aaaaa", "", &[("aaaaa", "nnnnn")]);
    }

    #[test]
    fn several_other_links_are_not_guessed_at() {
        check("aaaaa bbbbb", "nnnnn mmmmm", "", "aaaaa bbbbb", &[]);
        check("aaaaa", "nnnnn mmmmm", "", "aaaaa", &[]);
        let told = |reported| read(json!({"urls": urls(reported)})).outcome(&urls("aaaaa bbbbb"));
        assert_eq!(told("nnnnn mmmmm").unasked, urls("mmmmm nnnnn"));
        assert_eq!(told("nnnnn bbbbb").unasked, [], "it is the new link of the other one");
    }

    #[test]
    fn no_list_at_all_leaves_everything_open() {
        for reply in
            [json!({}), json!({"urls": null}), json!({"urls": 1}), json!({"urls": [7, {}]})]
        {
            assert_eq!(read(reply).outcome(&urls("aaaaa")).missing, urls("aaaaa"));
        }
    }

    #[test]
    fn y11_links_are_named_in_every_form() {
        let (one, new) = ("https://1fichier.com/?aaaaa", "https://1fichier.com/?nnnnn");
        for reply in [
            json!({"urls": one}),
            json!({"urls": {"0": one}}),
            json!({"urls": [{"url": one}]}),
            json!({"urls": [{"url": one, "to": "/backup"}]}),
            json!({"urls": {"from_url": one}}),
        ] {
            let outcome = read(reply.clone()).outcome(&urls("aaaaa"));
            assert_eq!(outcome.done, urls("aaaaa"), "{reply}");
            assert!(outcome.new_urls.is_empty(), "{reply}");
        }
        for reply in [json!({"urls": [{"url": one, "to": new}]}), json!({"urls": [new]})] {
            let outcome = read(reply.clone()).outcome(&urls("aaaaa"));
            assert_eq!(outcome.new_urls.values().cloned().collect::<Vec<_>>(), urls("nnnnn"));
            assert!(outcome.missing.is_empty(), "{reply}");
        }
    }

    #[test]
    fn more_links_than_a_call_takes_are_not_sent() {
        assert!(is_any("file/rm.cgi", MAX_LINKS_PER_CALL).unwrap());
        assert!(!is_any("file/rm.cgi", 0).unwrap());
        let error = is_any("file/rm.cgi", MAX_LINKS_PER_CALL + 1).unwrap_err();
        assert_eq!(error.attempts, 0);
        assert!(!error.outcome_unknown());
    }
}
