//! Matches the files of an upload with those that a node or a listing tells of.
//!
//! A file has arrived when its size and hash are told as they were sent. A hash that is not told
//! proves nothing, neither that a file has arrived nor that it is another one.
//!
//! Pure.

use std::collections::HashSet;

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, Whirlpool};
use fichier_state::PendingFile;

/// A remote file that may be one of ours, as `end.pl` or a listing describes it.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The file's link.
    pub(crate) url: FileUrl,
    /// The file's name as stored.
    pub(crate) name: RemoteName,
    /// The file's size.
    pub(crate) size_bytes: u64,
    /// The file's hash, if it was told.
    pub(crate) whirlpool: Option<Whirlpool>,
}

/// A file that was told with a hash that no file of ours has, or not the one of its name. It is
/// not judged before a second look has told the same.
pub(crate) type Doubt = (FileUrl, Whirlpool);

/// The matches between pending files and found ones.
#[derive(Debug, Default)]
pub(super) struct MatchedFiles {
    /// Files that arrived: their numbers in the upload, and their links.
    pub(super) arrived: Vec<(u32, FileUrl)>,
    /// Those of them that have another name than they were sent under: the name that they have.
    pub(super) misnamed: Vec<(u32, FileUrl, RemoteName)>,
    /// Files whose names and sizes came back without a hash.
    pub(super) unproved: Vec<(u32, FileUrl)>,
    /// Pending files whose names came back with other content, and the links that have it.
    pub(super) damaged: Vec<(PendingFile, Doubt)>,
    /// Pending files whose own hash is not known any more, and whose names came back: it cannot be
    /// told whether they arrived.
    pub(super) unknown: Vec<PendingFile>,
    /// Found files whose hash no pending file has.
    pub(super) surplus: Vec<Doubt>,
    /// Whether a found file without a hash has the name of no pending file.
    pub(super) has_untold_rest: bool,
}

impl MatchedFiles {
    /// The found files whose content is not as it was sent, for a second look.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &Doubt> {
        self.damaged.iter().map(|(_, doubt)| doubt).chain(&self.surplus)
    }
}

/// Matches the files as a multiset by name, size and hash; then, for names that the service
/// changed, by size and hash alone (N06, U06, U07); then by name and size, where no hash is told; at
/// last by size alone, among the links that the node `told` for this upload, if only one has it.
pub(super) fn match_arrived(
    pending: &[PendingFile],
    found: &[Arrived],
    told: &HashSet<FileUrl>,
) -> MatchedFiles {
    let mut matched = MatchedFiles::default();
    let mut free: Vec<&Arrived> = found.iter().collect();
    let mut open: Vec<&PendingFile> = pending.iter().collect();
    for (file, found) in
        take(&mut open, &mut free, |file, found| is_named(file, found) && has(file, found))
    {
        matched.arrived.push((file.seq, found.url.clone()));
    }
    for (file, found) in take(&mut open, &mut free, has) {
        matched.arrived.push((file.seq, found.url.clone()));
        matched.misnamed.push((file.seq, found.url.clone(), found.name.clone()));
    }
    let is_unproved = |file: &PendingFile, found: &Arrived| {
        let is_alike = is_named(file, found) && file.object_bytes() == found.size_bytes;
        is_alike && found.whirlpool.is_none() && file.whirlpool.is_some()
    };
    for (file, found) in take(&mut open, &mut free, is_unproved) {
        matched.unproved.push((file.seq, found.url.clone()));
    }
    let (sizes, links) = (open.clone(), free.clone());
    let is_alone = |file: &PendingFile, found: &Arrived| {
        let is_it = |found: &&&Arrived| {
            told.contains(&found.url)
                && found.whirlpool.is_none()
                && found.size_bytes == file.size_bytes
        };
        is_it(&&found)
            && file.whirlpool.is_some()
            && links.iter().filter(is_it).count() == 1
            && sizes.iter().filter(|other| other.size_bytes == file.size_bytes).count() == 1
    };
    for (file, found) in take(&mut open, &mut free, is_alone) {
        matched.unproved.push((file.seq, found.url.clone()));
        matched.misnamed.push((file.seq, found.url.clone(), found.name.clone()));
    }
    for (file, found) in take(&mut open, &mut free, is_named) {
        match (file.whirlpool, doubt(found)) {
            (None, doubt) => {
                matched.unknown.push(file.clone());
                matched.surplus.extend(doubt);
            }
            (Some(_), Some(doubt)) => matched.damaged.push((file.clone(), doubt)),
            // Without a hash another size proves nothing.
            (Some(_), None) => {}
        }
    }
    matched.has_untold_rest = free.iter().any(|found| found.whirlpool.is_none());
    matched.surplus.extend(free.into_iter().filter_map(doubt));
    matched
}

/// Takes out of both lists the pairs that fit.
fn take<'a>(
    open: &mut Vec<&'a PendingFile>,
    free: &mut Vec<&'a Arrived>,
    fits: impl Fn(&PendingFile, &Arrived) -> bool,
) -> Vec<(&'a PendingFile, &'a Arrived)> {
    let mut taken = Vec::new();
    open.retain(|file| match free.iter().position(|found| fits(file, found)) {
        Some(at) => {
            taken.push((*file, free.swap_remove(at)));
            false
        }
        None => true,
    });
    taken
}

/// Whether some content has more links than it was sent times: one of them leads nowhere, and only
/// a listing tells which.
pub(super) fn is_ambiguous(pending: &[PendingFile], links: &[Arrived]) -> bool {
    pending.iter().any(|file| {
        let is_alike = |link: &&Arrived| is_named(file, link) && has(file, link);
        let sent = pending.iter().filter(|other| {
            other.sent_as == file.sent_as
                && (other.size_bytes, other.whirlpool) == (file.size_bytes, file.whirlpool)
        });
        links.iter().filter(is_alike).count() > sent.count()
    })
}

fn doubt(found: &Arrived) -> Option<Doubt> {
    Some((found.url.clone(), found.whirlpool?))
}

fn is_named(file: &PendingFile, found: &Arrived) -> bool {
    file.sent_as == found.name
}

/// Whether a found file has the content that was sent.
fn has(file: &PendingFile, found: &Arrived) -> bool {
    file.object_bytes() == found.size_bytes
        && file.whirlpool.is_some()
        && file.whirlpool == found.whirlpool
}

#[cfg(test)]
mod tests {
    use fichier_state::{Metadata, RelPath, Stamp};

    use super::*;

    const ONE: Whirlpool = Whirlpool::from_bytes([1; 64]);
    const TWO: Whirlpool = Whirlpool::from_bytes([2; 64]);

    fn pending(seq: u32, name: &str, whirlpool: Option<Whirlpool>) -> PendingFile {
        let name = RemoteName::from_service(name.to_owned());
        PendingFile {
            seq,
            path: RelPath::parse(name.as_str().as_bytes()).unwrap(),
            sent_as: name.clone(),
            name,
            stamp: Stamp { size_bytes: 1, mtime_ns: 0, ctime_ns: 0, inode: 1 },
            metadata: Metadata::default(),
            size_bytes: 1,
            whirlpool,
            fingerprint: None,
            url: None,
            unsettled: false,
            cipher: None,
        }
    }

    fn found(id: &str, name: &str, whirlpool: Option<Whirlpool>) -> Arrived {
        let url = url(id);
        let name = RemoteName::from_service(name.to_owned());
        Arrived { url, name, size_bytes: 1, whirlpool }
    }

    fn url(id: &str) -> FileUrl {
        FileUrl::parse(&format!("https://1fichier.com/?{id}")).unwrap()
    }

    #[test]
    fn y41_a_hash_that_is_not_told_neither_proves_nor_damages_a_file() {
        let sent = [pending(0, "a", Some(ONE)), pending(1, "b", Some(TWO))];
        let matched = match_arrived(
            &sent,
            &[found("aaaaa", "a", None), found("bbbbb", "b", Some(ONE))],
            &HashSet::new(),
        );
        // The content of `a` under the name of `b` is `a`, as far as hashes tell.
        assert_eq!(matched.arrived, [(0, url("bbbbb"))]);
        assert!(matched.damaged.is_empty() && matched.surplus.is_empty(), "{matched:?}");

        let matched = match_arrived(&sent[..1], &[found("aaaaa", "a", None)], &HashSet::new());
        assert_eq!(matched.unproved, [(0, url("aaaaa"))]);
        assert!(!matched.has_untold_rest);
        assert!(matched.arrived.is_empty() && matched.doubts().next().is_none(), "{matched:?}");
    }

    #[test]
    fn y41_a_file_without_a_hash_that_nobody_waits_for_is_noticed() {
        let sent = [pending(0, "a", Some(ONE))];
        let told = [found("aaaaa", "a", Some(ONE)), found("bbbbb", "b", None)];
        let matched = match_arrived(&sent, &told, &HashSet::new());
        assert!(matched.has_untold_rest && matched.doubts().next().is_none(), "{matched:?}");
    }

    #[test]
    fn a_name_with_another_hash_is_doubted_and_one_that_nobody_sent_too() {
        let sent = [pending(0, "a", Some(ONE))];
        let matched = match_arrived(
            &sent,
            &[found("aaaaa", "a", Some(TWO)), found("xxxxx", "x", Some(TWO))],
            &HashSet::new(),
        );
        assert_eq!(matched.damaged.len(), 1);
        assert_eq!(matched.doubts().count(), 2);
    }

    #[test]
    fn y44_a_file_without_name_and_hash_is_known_by_its_size_if_the_node_told_one_such_link() {
        let sent = [pending(0, "a & b", Some(ONE))];
        let (one, other) = (found("aaaaa", "a &amp; b", None), found("bbbbb", "x", None));
        let told: HashSet<FileUrl> = [url("aaaaa")].into();
        let matched = match_arrived(&sent, &[one.clone(), other.clone()], &told);
        assert_eq!(matched.unproved, [(0, url("aaaaa"))]);
        assert_eq!(matched.misnamed.len(), 1);
        let told: HashSet<FileUrl> = [url("aaaaa"), url("bbbbb")].into();
        let matched = match_arrived(&sent, &[one, other], &told);
        assert!(matched.unproved.is_empty(), "{matched:?}");
    }

    #[test]
    fn y44_a_file_is_known_by_its_content_under_a_name_that_the_service_changed() {
        let sent = [pending(0, "a & b", Some(ONE))];
        let matched =
            match_arrived(&sent, &[found("aaaaa", "a &amp; b", Some(ONE))], &HashSet::new());
        assert_eq!(matched.arrived, [(0, url("aaaaa"))]);
        assert_eq!(matched.misnamed.len(), 1);
    }
}
