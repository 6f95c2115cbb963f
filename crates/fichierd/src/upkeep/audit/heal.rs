//! Puts right what two looks have found not to be as recorded.
//!
//! Invariants: a file is taken for gone only when the service, asked for it by its link, does not
//! know it (`bring`); a listing that wrongly shows nothing therefore changes nothing (X08). Only
//! links on our own records are moved or renamed (I2), with one exception: the second copy of a
//! file of ours, equal in name, size and hash to the one beside it, goes to the versions. Nothing
//! is removed.

use fichier_api::{FileUrl, MAX_LINKS_PER_CALL, RemoteFile};
use fichier_state::{
    Content, Entry, Folder, Intent, Moved, NewVersion, Origin, RelPath, RemoteCopy, RemoteSpot,
    Retired,
};

use super::{Compared, Round};
use crate::base::words::counted;
use crate::remote::error::is_gone;
use crate::remote::{Brought, Leaving, Parcel, Remote, RemoteError};

/// Changed files in a folder that are sent again; with more than this none is, since then the
/// listing is at fault, or a person has to look at them.
const MOST_CHANGED: usize = 10;

impl Remote {
    pub(super) async fn heal(
        &self,
        folder: &Folder,
        path: &RelPath,
        odd: &Compared,
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        let Some(spot) = folder.remote else { return Ok(()) };
        self.put_back(path, spot, &odd.missing, round).await?;
        self.name_as_recorded(path, &odd.renamed, round).await?;
        self.send_changed_again(path, &odd.changed, round)?;
        self.retire_surplus(path, &odd.surplus, round).await?;
        self.look_for_folders(path, &odd.misplaced, round).await
    }

    /// Asks by number for the folders that their parent does not show.
    async fn look_for_folders(
        &self,
        path: &RelPath,
        misplaced: &[Folder],
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        for child in misplaced {
            let Some(spot) = child.remote else { continue };
            let path = path.join(&child.name);
            match self.client.list_folder(spot.id).await {
                Ok(_) => {
                    round.misplaced += 1;
                    tracing::warn!(path = %path, "folder `{path}` was renamed or moved on 1fichier \
                        by somebody else. What is in it is safe, and goes on being mirrored there; \
                        give it its name and place back");
                }
                // One lost folder at a time: asking for many that are gone leads to a ban.
                Err(error) if is_gone(&error) => return self.folder_is_lost(child, &path, round),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Moves files to their folder, which finds those that somebody moved elsewhere (X02), and
    /// tells whether the service still has the others at all (X01).
    async fn put_back(
        &self,
        path: &RelPath,
        spot: RemoteSpot,
        missing: &[Entry],
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        let (mut lost, mut found) = (Vec::new(), 0);
        for (n, chunk) in missing.chunks(MAX_LINKS_PER_CALL).enumerate() {
            let brought = match self.bring_back(path, spot, chunk).await {
                Err(RemoteError::Api(error)) if is_gone(&error) => return Ok(()),
                other => other?,
            };
            let (mut there, mut gone) = (0, Vec::new());
            for entry in chunk {
                let Some(copy) = entry.remote() else { continue };
                if let Some(url) = brought.url(&copy.url) {
                    self.record_link(entry, copy, url, &brought)?;
                    there += 1;
                } else if brought.is_gone(&copy.url) {
                    gone.push((entry.clone(), path.join(&entry.name)));
                } else {
                    round.unhealed += 1;
                    let path = path.join(&entry.name);
                    tracing::warn!(path = %path,
                        "`{path}` is not shown on 1fichier, which yet seems to have it");
                }
            }
            found += there;
            let none_is_known = there == 0 && gone.len() == chunk.len();
            lost.extend(gone);
            if none_is_known {
                // A hundred are a large enough sample: asking for many that are gone leads to a
                // ban.
                let rest = missing.iter().skip((n + 1) * MAX_LINKS_PER_CALL);
                lost.extend(rest.map(|entry| (entry.clone(), path.join(&entry.name))));
                break;
            }
        }
        if found > 0 {
            tracing::info!(path = %path, files = found,
                "{} that two listings of `{path}` did not show: in their place",
                counted(found, "file"));
        }
        round.put_back += found;
        round.lost += lost.len() as u64;
        self.forget_all_lost(&lost)
    }

    async fn bring_back(
        &self,
        path: &RelPath,
        spot: RemoteSpot,
        entries: &[Entry],
    ) -> Result<Brought, RemoteError> {
        let copies = || entries.iter().filter_map(|entry| Some((entry, entry.remote()?)));
        let then = copies()
            .map(|(entry, copy)| Moved {
                url: copy.url.clone(),
                from: path.join(&entry.name),
                to: path.join(&entry.name),
                into: spot.id,
                name: entry.remote_name(),
                early_name: None,
            })
            .collect();
        let intent = self.state.write(|w| w.begin(self.mirror, &Intent::Move { then }))?;
        let parcels: Vec<Parcel> =
            entries.iter().filter_map(|entry| Parcel::of_entry(entry, [])).collect();
        let brought = self.bring(&parcels, spot.id).await?;
        self.state.write(|w| w.resolve(intent))?;
        Ok(brought)
    }

    /// Records the present link of a file that was put back: it may be a new link, or that of
    /// another file with the same content.
    fn record_link(
        &self,
        entry: &Entry,
        copy: &RemoteCopy,
        url: &FileUrl,
        brought: &Brought,
    ) -> Result<(), RemoteError> {
        if *url == copy.url {
            return Ok(());
        }
        let origin = if brought.is_lookalike(&copy.url) { Origin::Adopted } else { copy.origin };
        let copy = RemoteCopy { url: url.clone(), origin, ..copy.clone() };
        let entry = Entry { content: Content::File(copy), ..entry.clone() };
        Ok(self.state.write(|w| {
            w.remove_foreign(entry.folder, url)?;
            w.put_entry(&entry)
        })?)
    }

    async fn name_as_recorded(
        &self,
        path: &RelPath,
        renamed: &[Entry],
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        for chunk in renamed.chunks(MAX_LINKS_PER_CALL) {
            let copies = chunk.iter().filter_map(|entry| Some((entry, entry.remote()?)));
            let names: Vec<_> =
                copies.map(|(entry, copy)| (copy.url.clone(), entry.remote_name())).collect();
            let intent = Intent::Rename { urls: names.clone() };
            let intent = self.state.write(|w| w.begin(self.mirror, &intent))?;
            let given = self.give_names(&names).await?;
            let mut refused = Vec::new();
            for (url, _) in names.iter().filter(|(url, _)| given.left.contains(url)) {
                if !self.keep_as_stored(url, &given)? {
                    refused.push(url);
                }
            }
            self.state.write(|w| w.resolve(intent))?;
            round.unhealed += refused.len() as u64;
            round.renamed += (names.len() - refused.len()) as u64;
            tracing::warn!(path = %path, files = names.len(), refused = refused.len(),
                "{} in `{path}` had been renamed on 1fichier by somebody else; {} got the old name \
                 back", counted(names.len() as u64, "file"), names.len() - refused.len());
        }
        Ok(())
    }

    /// Forgets the records of files whose content has changed, since a record of other content is
    /// no record (I1). The changed file stays, as one that is not ours, until the right one is
    /// there; then it goes to the versions, where files that are not ours are kept (X06).
    fn send_changed_again(
        &self,
        path: &RelPath,
        changed: &[(Entry, RemoteFile)],
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        if changed.len() > MOST_CHANGED {
            round.unhealed += changed.len() as u64;
            tracing::warn!(path = %path, files = changed.len(),
                "{} files in `{path}` have other sizes or hashes on 1fichier than it confirmed. \
                 That many at once are not sent again by themselves; look at some of them with: \
                 fichierd verify", changed.len());
            return Ok(());
        }
        for (entry, file) in changed {
            let path = path.join(&entry.name);
            tracing::warn!(path = %path,
                "`{path}` has other contents on 1fichier than were confirmed; sending it again");
            self.state.write(|w| {
                w.remove_entry(entry.folder, &entry.name)?;
                w.add_foreign(entry.folder, &file.into())
            })?;
            round.changed += 1;
            self.dirty.mark(path);
        }
        Ok(())
    }

    async fn retire_surplus(
        &self,
        path: &RelPath,
        surplus: &[(Entry, RemoteFile)],
        round: &mut Round,
    ) -> Result<(), RemoteError> {
        let leaving = surplus.iter().filter_map(|(entry, file)| {
            let copy = entry.remote()?;
            Some(Leaving::of_version(NewVersion {
                mirror: self.mirror,
                path: path.join(&entry.name),
                url: file.url.clone(),
                size_bytes: entry.stamp.size_bytes,
                whirlpool: file.whirlpool,
                fingerprint: Some(copy.fingerprint),
                metadata: None,
                folder: self.places.retired_to(),
                current_from_s: copy.confirmed_s,
                current_until_s: self.state.now_s(),
                reason: Retired::Orphan,
                cipher: copy.cipher,
            }))
        });
        let leaving: Vec<Leaving> = leaving.collect();
        if leaving.is_empty() {
            return Ok(());
        }
        self.retire_all(leaving).await?;
        self.state.write(|w| {
            surplus.iter().try_for_each(|(entry, file)| w.remove_foreign(entry.folder, &file.url))
        })?;
        round.surplus += surplus.len() as u64;
        tracing::warn!(path = %path, files = surplus.len(),
            "`{path}` had second copies of its files on 1fichier; they are among the versions now");
        Ok(())
    }
}
