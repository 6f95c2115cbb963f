//! Which links of a batch the service reports as done.
//!
//! Pure.
//!
//! Invariant: a link is *done* only if the service names it, or names exactly one other link
//! where exactly one is left: then that is its new link. Nothing is concluded from counts or from
//! the order of links, which is not documented.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::link::FileUrl;
use crate::types::BatchOutcome;

/// The most links in one call. The service publishes no number; batches of this size have been
/// seen to work (docs/api-notes.md, G.1 row 1).
pub const MAX_LINKS_PER_CALL: usize = 100;

/// How many links the service takes in one call, as far as is known: less once it has refused
/// more. Clones share what was learnt.
#[derive(Clone, Debug)]
pub(crate) struct BatchSize(Arc<AtomicUsize>);

impl Default for BatchSize {
    fn default() -> BatchSize {
        BatchSize(Arc::new(AtomicUsize::new(MAX_LINKS_PER_CALL)))
    }
}

impl BatchSize {
    /// The first of these that go into one call, and the rest.
    pub(crate) fn split<'a, T>(&self, items: &'a [T]) -> (&'a [T], &'a [T]) {
        items.split_at(items.len().min(self.0.load(Ordering::Relaxed)))
    }

    /// Whether a refused call of so many links is worth another try with fewer. The service's
    /// words for a batch that is too large are not known: any refusal with HTTP 400 or 413 that
    /// is not understood is taken for one, until a single link is refused.
    pub(crate) fn shrinks_after(&self, links: usize, error: &Error) -> bool {
        let may_be_too_many = matches!(error.kind, ErrorKind::Refused { status: 400 | 413, .. });
        if links < 2 || !may_be_too_many {
            return false;
        }
        self.0.fetch_min(links / 2, Ordering::Relaxed);
        true
    }
}

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

/// What came of a batch whose parts were sent one after the other.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    outcome: BatchOutcome,
    /// What the service said last of a part that it does not know at all.
    unknown: Option<Error>,
    is_known: bool,
}

impl Parts {
    /// Adds what came of one part.
    ///
    /// # Errors
    ///
    /// Those of the part, unless it is only unknown: others may be known.
    pub(crate) fn add(
        &mut self,
        asked: impl Iterator<Item = FileUrl>,
        result: Result<BatchOutcome, Error>,
    ) -> Result<(), Error> {
        match result {
            Ok(part) => {
                self.is_known = true;
                self.outcome.done.extend(part.done);
                self.outcome.missing.extend(part.missing);
                self.outcome.new_urls.extend(part.new_urls);
                Ok(())
            }
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                self.outcome.missing.extend(asked);
                self.unknown = Some(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The outcome of all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if that was said of every part.
    pub(crate) fn finish(self) -> Result<BatchOutcome, Error> {
        match self.unknown {
            Some(error) if !self.is_known => Err(error),
            Some(_) | None => Ok(self.outcome),
        }
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
    fn a_batch_that_is_refused_is_halved_for_all_calls_to_come_and_one_link_is_not() {
        let refused = |status| {
            let kind = ErrorKind::Refused { status, message: "too many".to_owned() };
            Error { endpoint: "file/rm.cgi", attempts: 1, kind }
        };
        let (size, items) = (BatchSize::default(), [0; 100]);
        assert_eq!(size.split(&items).0.len(), 100);
        assert!(!size.shrinks_after(100, &refused(200)));
        assert!(size.shrinks_after(100, &refused(400)));
        assert!(size.clone().shrinks_after(50, &refused(413)));
        assert_eq!(size.split(&items).0.len(), 25);
        assert!(!size.shrinks_after(1, &refused(400)));
        assert_eq!(size.split(&items[..3]), (&items[..3], &items[..0]));
    }

    #[test]
    fn a_batch_in_parts_is_unknown_only_if_every_part_is() {
        let unknown =
            || Err(Error { endpoint: "file/mv.cgi", attempts: 1, kind: ErrorKind::NotFound });
        let mut parts = Parts::default();
        parts.add(urls("aaaaa").into_iter(), unknown()).unwrap();
        parts.add(urls("bbbbb").into_iter(), unknown()).unwrap();
        assert!(matches!(parts.finish().unwrap_err().kind, ErrorKind::NotFound));
        let mut parts = Parts::default();
        parts.add(urls("aaaaa").into_iter(), unknown()).unwrap();
        let done = BatchOutcome { done: urls("bbbbb"), ..BatchOutcome::default() };
        parts.add(urls("bbbbb").into_iter(), Ok(done)).unwrap();
        let outcome = parts.finish().unwrap();
        assert_eq!((outcome.done, outcome.missing), (urls("bbbbb"), urls("aaaaa")));
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
