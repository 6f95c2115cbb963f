//! Compares a folder's listing with its records.
//!
//! Pure. A file is recognised by its link. Only the differences are found here: whether they are
//! believed, and what is done about them, is decided in `audit` and `heal`.

use std::collections::{HashMap, HashSet};

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderListing, RemoteFile};
use fichier_state::{Entry, Folder, ForeignFile, Origin};

use crate::upkeep::unproved::confirmed;

/// How long after its confirmation a file may be missing from a listing without being reported,
/// unless the service was measured to take longer.
pub(super) const FRESH_S: i64 = 10 * 60;

/// The differences between a listing and the records; those of our own files and folders are found
/// by their local names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Files that the listing does not show.
    pub(super) missing: Vec<Entry>,
    /// Files that it shows with another size or hash.
    pub(super) changed: Vec<(Entry, RemoteFile)>,
    /// Files that it shows under another name.
    pub(super) renamed: Vec<Entry>,
    /// Files that are not on record and stand beside one of ours with the same name and content.
    pub(super) surplus: Vec<(Entry, RemoteFile)>,
    /// Folders that it does not show, or shows under another name.
    pub(super) misplaced: Vec<Folder>,
    /// Records of copies whose hash the listing shows as it was inherited; they are marked as
    /// confirmed here.
    pub(super) confirmed: Vec<Entry>,
    /// Files in the listing that are not on record.
    pub(super) foreign: Vec<ForeignFile>,
    /// Files on record, and their bytes.
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Compares a complete listing with the records of its folder. `known` are the links in it that are
/// on record anywhere. A file that was confirmed less than `fresh_s` ago need not be shown yet.
pub(super) fn compare(
    entries: &[Entry],
    children: &[Folder],
    listing: &FolderListing,
    known: &HashSet<FileUrl>,
    now_s: i64,
    fresh_s: i64,
) -> Compared {
    let by_url: HashMap<&FileUrl, &RemoteFile> =
        listing.files.iter().map(|file| (&file.url, file)).collect();
    let strangers = || listing.files.iter().filter(|file| !known.contains(&file.url));
    let mut found =
        Compared { foreign: strangers().map(ForeignFile::from).collect(), ..Compared::default() };
    let mut twins: HashMap<(&RemoteName, u64), Vec<&RemoteFile>> = HashMap::new();
    for file in strangers() {
        twins.entry((&file.name, file.size_bytes)).or_default().push(file);
    }
    for (entry, copy) in entries.iter().filter_map(|entry| Some((entry, entry.remote()?))) {
        found.files += 1;
        found.bytes += entry.stamp.size_bytes;
        let Some(file) = by_url.get(&copy.url) else {
            if !(0..fresh_s).contains(&(now_s - copy.confirmed_s)) {
                found.missing.push(entry.clone());
            }
            continue;
        };
        let name = entry.remote_name();
        let is_same = file.size_bytes == entry.object_bytes()
            && file.whirlpool.is_none_or(|hash| hash == copy.whirlpool);
        if !is_same {
            found.changed.push((entry.clone(), (*file).clone()));
        } else if file.name != name {
            found.renamed.push(entry.clone());
        } else if copy.origin == Origin::Copied && file.whirlpool.is_some() {
            found.confirmed.push(confirmed(entry, copy, now_s));
        }
        // A file that was there before us is left as it was found.
        let beside = twins.get(&(&name, entry.object_bytes())).into_iter().flatten();
        let same = beside.filter(|file| file.whirlpool == Some(copy.whirlpool));
        let same = same.filter(|_| is_same && copy.origin != Origin::Adopted);
        found.surplus.extend(same.map(|file| (entry.clone(), (*file).clone())));
    }
    for child in children {
        let Some(spot) = child.remote else { continue };
        let shown = listing.folders.iter().find(|folder| folder.id == spot.id);
        if shown.is_none_or(|folder| folder.name != child.remote_name()) {
            found.misplaced.push(child.clone());
        }
    }
    found
}

impl Compared {
    /// The local names of all differences; one name may come several times.
    pub(super) fn odd_names(&self) -> impl Iterator<Item = &[u8]> {
        let files = self.missing.iter().chain(&self.renamed);
        let files = files.chain(self.changed.iter().chain(&self.surplus).map(|(entry, _)| entry));
        let folders = self.misplaced.iter().map(|folder| folder.name.as_slice());
        files.map(|entry| entry.name.as_slice()).chain(folders)
    }

    /// The differences of the names that `is_sure` accepts.
    pub(super) fn only(&self, is_sure: impl Fn(&[u8]) -> bool) -> Compared {
        let of = |entries: &[Entry]| {
            entries.iter().filter(|entry| is_sure(&entry.name)).cloned().collect()
        };
        let with_file = |entries: &[(Entry, RemoteFile)]| {
            entries.iter().filter(|(entry, _)| is_sure(&entry.name)).cloned().collect()
        };
        Compared {
            missing: of(&self.missing),
            renamed: of(&self.renamed),
            changed: with_file(&self.changed),
            surplus: with_file(&self.surplus),
            misplaced: self.misplaced.iter().filter(|f| is_sure(&f.name)).cloned().collect(),
            ..Compared::default()
        }
    }
}
