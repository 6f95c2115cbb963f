//! Compares the files that an upload sent with those that the service says it stored.
//!
//! The service gives links in any order, and sometimes too many or too few (docs/api-notes.md,
//! C.4, F.3). A sent file is confirmed only by a link of its name, its size and its hash; equal
//! files are told apart by counting.
//!
//! Pure.

use std::collections::HashMap;

use crate::hash::Whirlpool;
use crate::link::FileUrl;
use crate::upload::file::SentFile;
use crate::upload::result::UploadedFile;

/// Which link belongs to which sent file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// The link of each sent file, by its index; `None` if nothing stored is equal to it in name,
    /// size and hash.
    pub urls: Vec<Option<FileUrl>>,
    /// Links that belong to no sent file: another name, size or hash, or one too many. Stored
    /// without having been asked for, if stored at all.
    pub wrong: Vec<FileUrl>,
    /// Links without a hash: whose they are is not known yet.
    pub unproved: Vec<FileUrl>,
}

/// Finds a link for each sent file.
///
/// A link without a hash confirms nothing and disproves nothing.
pub fn match_uploaded(sent: &[SentFile], got: &[UploadedFile]) -> Matched {
    match_keys(sent.iter().map(|file| (file.name.as_str(), file.size_bytes, file.whirlpool)), got)
}

type Key<'a> = (&'a str, u64, Whirlpool);

fn match_keys<'a>(sent: impl Iterator<Item = Key<'a>>, got: &[UploadedFile]) -> Matched {
    let mut free: HashMap<Key<'_>, Vec<&FileUrl>> = HashMap::new();
    let mut matched = Matched::default();
    for file in got {
        match file.whirlpool {
            Some(hash) => {
                free.entry((file.name.as_str(), file.size_bytes, hash)).or_default().push(&file.url)
            }
            None => matched.unproved.push(file.url.clone()),
        }
    }
    for file in free.values_mut() {
        // The first of equal links goes to the first of equal files.
        file.reverse();
    }
    for key in sent {
        let url = free.get_mut(&key).and_then(Vec::pop).cloned();
        matched.urls.push(url);
    }
    matched.wrong.extend(free.into_values().flatten().cloned());
    matched.wrong.sort_unstable();
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RemoteName;

    const ONE: Whirlpool = Whirlpool::from_bytes([1; 64]);
    const TWO: Whirlpool = Whirlpool::from_bytes([2; 64]);

    fn url(id: &str) -> FileUrl {
        FileUrl::parse(&format!("https://1fichier.com/?{id}")).unwrap()
    }

    fn got(id: &str, name: &str, size_bytes: u64, hash: Option<Whirlpool>) -> UploadedFile {
        let name = RemoteName::from_service(name.to_owned());
        UploadedFile { url: url(id), name, size_bytes, whirlpool: hash, removal: None }
    }

    fn check(sent: &[Key<'_>], got: &[UploadedFile], urls: &[Option<&str>], wrong: &[&str]) {
        let matched = match_keys(sent.iter().copied(), got);
        let urls: Vec<_> = urls.iter().map(|id| id.map(url)).collect();
        assert_eq!(matched.urls, urls);
        assert_eq!(matched.wrong, wrong.iter().map(|id| url(id)).collect::<Vec<_>>());
    }

    #[test]
    fn the_order_of_the_links_means_nothing() {
        check(
            &[("a", 1, ONE), ("b", 2, TWO)],
            &[got("bbbbb", "b", 2, Some(TWO)), got("aaaaa", "a", 1, Some(ONE))],
            &[Some("aaaaa"), Some("bbbbb")],
            &[],
        );
    }

    #[test]
    fn another_name_size_or_hash_confirms_nothing() {
        check(
            &[("a", 1, ONE), ("b", 1, ONE), ("c", 1, ONE), ("d", 1, ONE)],
            &[
                got("aaaaa", "A", 1, Some(ONE)),
                got("bbbbb", "b", 2, Some(ONE)),
                got("ccccc", "c", 1, Some(TWO)),
                got("ddddd", "d", 1, None),
            ],
            &[None, None, None, None],
            &["aaaaa", "bbbbb", "ccccc"],
        );
    }

    #[test]
    fn equal_files_get_one_link_each_and_a_surplus_is_wrong() {
        check(
            &[("a", 1, ONE), ("a", 1, ONE)],
            &[
                got("first", "a", 1, Some(ONE)),
                got("second", "a", 1, Some(ONE)),
                got("third", "a", 1, Some(ONE)),
            ],
            &[Some("first"), Some("second")],
            &["third"],
        );
        check(
            &[("a", 1, ONE), ("a", 1, ONE)],
            &[got("first", "a", 1, Some(ONE))],
            &[Some("first"), None],
            &[],
        );
    }
}
