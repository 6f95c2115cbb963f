//! Looks at a whole target, after which no stale records are left.
//!
//! Each remote folder on record is listed. A record whose file is not in its folder as it was
//! confirmed, at two looks (X08), is forgotten: the file on disk is then compared as if it were
//! new, and adopted where the service has the same under its path. Nothing is changed at the
//! service. Folders that were compared since the doubt began are done, so a look that was cut short
//! goes on where it stopped.
//!
//! Costs a call for each folder, and another, 30 s later, for each that differs from the records;
//! also one for each of a few files that were confirmed lately and are not listed yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fichier_api::{FileUrl, FolderListing, RemoteFile, RemoteFolder};
use fichier_state::{Entry, Folder, FolderKey, Intent, RelPath, RemoteSpot};
use tokio_util::sync::CancellationToken;

use super::{Doubt, Fence};
use crate::base::words::count;
use crate::remote::Remote;
use crate::remote::error::{RemoteError, is_gone};
use crate::remote::execute::Executor;
use crate::remote::layout::is_own;

/// Files of a folder that are asked for one by one, at most: the service frowns on many such calls
/// (A.5).
const MOST_ASKED: usize = 5;

/// The counts of a look.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    folders: u64,
    files: u64,
    stale: u64,
}

/// The files and folders that a listing does not show as recorded, by their local names.
type Odd = BTreeMap<FolderKey, BTreeSet<Vec<u8>>>;

impl Executor {
    /// Finds out whether the records can be believed; where they are in doubt, compares the whole
    /// target with them first. Returns `false` when the process is to stop before that is done.
    pub(crate) async fn is_believed(&self, stop: &CancellationToken) -> Result<bool, RemoteError> {
        let fence = self.remote.state.read(|s| Fence::read(s, self.remote.mirror))?;
        let Some(doubt) = fence.doubt else { return Ok(true) };
        self.finish_begun().await?;
        let (mut tally, mut odd) = (Tally::default(), Odd::new());
        while let Some(folder) = self.remote.next_folder(doubt, &odd)? {
            if stop.is_cancelled() {
                return Ok(false);
            }
            self.remote.look_at_folder(&folder, doubt, &mut odd, &mut tally).await?;
        }
        self.remote
            .state
            .write(|w| Fence::change(w, self.remote.mirror, |fence| fence.doubt = None))?;
        tracing::info!(
            folders = tally.folders,
            files = tally.files,
            stale = tally.stale,
            "the whole target was compared with the records: {} of {} files were not as recorded; \
             removals go on",
            count(tally.stale),
            count(tally.files)
        );
        Ok(true)
    }
}

impl Remote {
    /// A folder that has not been compared yet; those with differences wait until the others are
    /// done.
    fn next_folder(&self, doubt: Doubt, odd: &Odd) -> Result<Option<Folder>, RemoteError> {
        let due =
            self.state.read(|s| s.audits_due(self.mirror, doubt.since_s + 1, odd.len() + 1))?;
        let first = due.iter().find(|key| !odd.contains_key(key)).or(due.first());
        let Some(key) = first else { return Ok(None) };
        Ok(self.state.read(|s| s.folder(*key))?)
    }

    async fn look_at_folder(
        &self,
        folder: &Folder,
        doubt: Doubt,
        odd: &mut Odd,
        tally: &mut Tally,
    ) -> Result<(), RemoteError> {
        let Some(spot) = folder.remote else { return Ok(()) };
        let path = self.state.read(|s| s.path_of(folder.key))?;
        let listing = match self.client.list_folder_whole(spot.id).await {
            Ok(listing) => listing,
            Err(error) if is_gone(&error) && !path.is_root() => {
                tally.folders += 1;
                return Ok(self.state.write(|w| w.forget_remote_below(folder.key))?);
            }
            Err(error) => return Err(error.into()),
        };
        let missing = self.missing(folder, &listing)?;
        let before = odd.remove(&folder.key);
        if !missing.is_empty() && before.is_none() {
            odd.insert(folder.key, missing);
            return Ok(());
        }
        let mut stale: BTreeSet<&Vec<u8>> = match &before {
            Some(before) => missing.iter().filter(|name| before.contains(*name)).collect(),
            None => BTreeSet::new(),
        };
        for name in self.there_unlisted(folder, spot, &stale).await? {
            stale.remove(&name);
        }
        tally.folders += 1;
        tally.files += self.state.read(|s| s.entries(folder.key))?.len() as u64;
        tally.stale += self.forget_stale(folder, &path, &stale)?;
        self.learn(folder, &path, spot, &listing)?;
        let at_s = self.state.now_s().max(doubt.since_s + 1);
        let has_new = self.has_new_folders(folder, &path, &listing)?;
        Ok(self.state.write(|w| {
            if has_new {
                // The new folders are looked for by name once they have a record.
                let unlisted = RemoteSpot { listed: false, ..spot };
                w.set_folder_remote(folder.key, Some(unlisted), folder.remote_name.as_ref())?;
            }
            w.clear_missed(folder.key)?;
            w.set_audited(folder.key, at_s)
        })?)
    }

    /// The names of files and folders on record that the listing does not show as they are
    /// recorded.
    fn missing(
        &self,
        folder: &Folder,
        listing: &FolderListing,
    ) -> Result<BTreeSet<Vec<u8>>, RemoteError> {
        if !listing.complete {
            // A file that an incomplete listing does not show may well be there (I11).
            return Ok(BTreeSet::new());
        }
        let (entries, children) =
            self.state.read(|s| Ok((s.entries(folder.key)?, s.subfolders(folder.key)?)))?;
        let shown: HashMap<&FileUrl, &RemoteFile> =
            listing.files.iter().map(|file| (&file.url, file)).collect();
        let misnamed = self.awaiting_names()?;
        let files = entries.iter().filter(|entry| !is_shown(entry, &shown, &misnamed));
        let folders = children.iter().filter(|child| {
            let name = child.remote_name();
            let is_it = |shown: &RemoteFolder, id| shown.id == id && shown.name == name;
            child.remote.is_some_and(|spot| !listing.folders.iter().any(|f| is_it(f, spot.id)))
        });
        let names = files.map(|entry| entry.name.clone());
        Ok(names.chain(folders.map(|folder| folder.name.clone())).collect())
    }

    /// The links of files that have other names than their records say until the service renames
    /// them.
    fn awaiting_names(&self) -> Result<HashSet<FileUrl>, RemoteError> {
        let mut waiting = HashSet::new();
        for (_, intent, _) in self.state.read(|s| s.intents(self.mirror))? {
            if let Intent::Rename { urls } = intent {
                waiting.extend(urls.into_iter().map(|(url, _)| url));
            }
        }
        Ok(waiting)
    }

    /// Those of a few files with these names that the service knows to be in the folder, although
    /// its listing does not show them yet. Costs a call for each.
    async fn there_unlisted(
        &self,
        folder: &Folder,
        spot: RemoteSpot,
        names: &BTreeSet<&Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, RemoteError> {
        let mut there = Vec::new();
        let entries = self.state.read(|s| s.entries(folder.key))?;
        let copies = entries.iter().filter_map(|entry| Some((entry, entry.remote()?)));
        let young = copies.filter(|(entry, copy)| {
            names.contains(&entry.name) && copy.is_confirmed() && self.is_young(copy.confirmed_s)
        });
        for (entry, copy) in young.take(MOST_ASKED) {
            match self.client.file_info(&copy.url).await {
                Ok(now) if now.folder == Some(spot.id) && now.name == entry.remote_name() => {
                    there.push(entry.name.clone());
                }
                Ok(_) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(there)
    }

    /// Whether the service has folders there that are not on record.
    fn has_new_folders(
        &self,
        folder: &Folder,
        path: &RelPath,
        listing: &FolderListing,
    ) -> Result<bool, RemoteError> {
        let children = self.state.read(|s| s.subfolders(folder.key))?;
        let is_known = |shown: &RemoteFolder| {
            children.iter().any(|child| child.remote.is_some_and(|spot| spot.id == shown.id))
                || path.is_root() && is_own(&shown.name)
        };
        Ok(!listing.folders.iter().all(is_known))
    }

    /// Forgets the records with these names. Returns how many of them were files.
    fn forget_stale(
        &self,
        folder: &Folder,
        path: &RelPath,
        stale: &BTreeSet<&Vec<u8>>,
    ) -> Result<u64, RemoteError> {
        if stale.is_empty() {
            return Ok(0);
        }
        let (entries, children) =
            self.state.read(|s| Ok((s.entries(folder.key)?, s.subfolders(folder.key)?)))?;
        let (mut files, mut folders) = (0, 0);
        self.state.write(|w| {
            for entry in entries.iter().filter(|entry| stale.contains(&entry.name)) {
                w.remove_entry(entry.folder, &entry.name)?;
                files += 1;
            }
            for child in children.iter().filter(|child| stale.contains(&child.name)) {
                w.forget_remote_below(child.key)?;
                folders += 1;
            }
            Ok(())
        })?;
        for name in stale {
            self.dirty.mark(path.join(name));
        }
        tracing::debug!(path = %path, files, folders, "forgot records that were stale");
        Ok(files)
    }
}

/// Whether the listing shows the copy as it was confirmed; one of the `misnamed` may have any name. An
/// entry without a remote copy counts as shown.
fn is_shown(
    entry: &Entry,
    shown: &HashMap<&FileUrl, &RemoteFile>,
    misnamed: &HashSet<FileUrl>,
) -> bool {
    let Some(copy) = entry.remote() else { return true };
    shown.get(&copy.url).is_some_and(|file| {
        (file.name == entry.remote_name() || misnamed.contains(&copy.url))
            && file.size_bytes == entry.object_bytes()
            && file.whirlpool.is_none_or(|hash| hash == copy.whirlpool)
    })
}
