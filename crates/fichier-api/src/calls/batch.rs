//! Which links of a batch the service reports as done.
//!
//! Pure.
//!
//! Invariant: a link is *done* only if the service names it, or names exactly one other link
//! where exactly one is left: then that is its new link. Nothing is concluded from counts or from
//! the order of links, which is not documented.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::link::FileUrl;
use crate::types::BatchOutcome;

/// The most links in one call; more are refused and nothing is sent. The service publishes no
/// number; batches of this size have been seen to work (docs/api-notes.md, G.1 row 1).
pub const MAX_LINKS_PER_CALL: usize = 100;

/// The links that a reply names as done.
#[derive(Debug, Deserialize)]
pub(crate) struct Reported {
    urls: Option<Vec<FileUrl>>,
}

impl Reported {
    /// Compares with the links that were asked for.
    pub(crate) fn outcome(self, asked: &[FileUrl]) -> BatchOutcome {
        let reported = self.urls.unwrap_or_default();
        let known: HashSet<&FileUrl> = reported.iter().collect();
        let wanted: HashSet<&FileUrl> = asked.iter().collect();
        let (mut done, mut missing): (Vec<FileUrl>, Vec<FileUrl>) =
            asked.iter().cloned().partition(|url| known.contains(url));
        let mut new_urls = HashMap::new();
        let mut others = reported.iter().filter(|url| !wanted.contains(url));
        if let ([left], Some(new), None) = (missing.as_slice(), others.next(), others.next()) {
            new_urls.insert(left.clone(), new.clone());
            done.append(&mut missing);
        }
        BatchOutcome { done, missing, new_urls }
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
    use super::*;

    fn urls(ids: &str) -> Vec<FileUrl> {
        let link = |id| FileUrl::parse(&format!("https://1fichier.com/?{id}")).unwrap();
        ids.split_whitespace().map(link).collect()
    }

    fn check(asked: &str, reported: &str, done: &str, missing: &str, new: &[(&str, &str)]) {
        let outcome = Reported { urls: Some(urls(reported)) }.outcome(&urls(asked));
        let pairs = new.iter().map(|(old, new)| (urls(old).remove(0), urls(new).remove(0)));
        let new_urls: HashMap<_, _> = pairs.collect();
        let expected = BatchOutcome { done: urls(done), missing: urls(missing), new_urls };
        assert_eq!(outcome, expected);
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
    }

    #[test]
    fn no_list_at_all_leaves_everything_open() {
        let outcome = Reported { urls: None }.outcome(&urls("aaaaa"));
        assert_eq!(outcome.missing, urls("aaaaa"));
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
