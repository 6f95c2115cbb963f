//! Recovers without a snapshot: the remote folders are walked, one listing for each.
//!
//! Folders and files are recorded as a first look at an older target records them: folders that
//! were there before, and foreign files with their hashes. A mirror adopts those that it finds on
//! disk; a restore takes them as they are. Files in the versions become versions.
//!
//! The state holds the progress: folders whose contents are not known are still to be listed, and
//! each listing is one transaction.

use std::collections::HashSet;

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FolderId, FolderListing};
use fichier_state::{
    FolderFacts, FolderKey, ForeignFile, Metadata, Mirror, NewVersion, RelPath, RemoteSpot,
    Retired, Writing,
};
use serde::{Deserialize, Serialize};

use super::{RecoverError, Recovering, Source, Step, begun, files, name_for};
use crate::base::Form;
use crate::mirror::forms;
use crate::remote::layout::{OLDER_STAGING, is_own, stagings};
use crate::remote::{claims, ledger, trust};
use crate::restore::tree::is_name;

/// The counts of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walked {
    /// Folders, without the target itself.
    pub folders: u64,
    /// Files in them.
    pub files: u64,
    /// Files in the versions.
    pub versions: u64,
    /// Folders that the service did not list whole.
    pub incomplete: u64,
    /// Names that no file system could take; their files are left alone.
    pub refused_names: u64,
    /// Names that are not of the mirror's form, and are on record as they are stored.
    #[serde(default)]
    pub unread_names: u64,
}

impl Recovering<'_> {
    /// Lists every remote folder that is not known yet.
    pub(super) async fn walk(
        &mut self,
        say: &mut (dyn FnMut(Step) + Send),
    ) -> Result<Walked, RecoverError> {
        let mirror = match files::known(&self.store, &self.order.target)? {
            Some(mirror) if self.order.has_form_of(&mirror) => mirror,
            Some(mirror) => return Err(RecoverError::OtherForm(mirror.target)),
            None => self.begin_walk().await?,
        };
        let mut walked = Walked::default();
        let mut given_up = HashSet::new();
        loop {
            let unlisted = self.store.unlisted_folders(mirror.id, given_up.len() + 1)?;
            let Some(&key) = unlisted.iter().find(|key| !given_up.contains(*key)) else { break };
            if !self.list_one(&mirror, key, &mut walked).await? {
                given_up.insert(key);
            }
            let (known, left) = self.store.count_unlisted(mirror.id)?;
            let files = self.store.totals(mirror.id)?.foreign;
            say(Step::Walking { listed: known - left, left, files });
        }
        self.walk_versions(&mirror, &mut walked).await?;
        walked.incomplete += given_up.len() as u64;
        walked.folders = self.store.count_unlisted(mirror.id)?.0.saturating_sub(1);
        walked.files = self.store.totals(mirror.id)?.foreign;
        walked.versions = self.store.version_totals(mirror.id)?.0;
        let inode = self.store.inode();
        self.store.write(|w| crate::remote::trust::trust_listings(w, &mirror.name, inode))?;
        Ok(walked)
    }

    /// The mirror, with its root. Its former name is not known any more.
    async fn begin_walk(&mut self) -> Result<Mirror, RecoverError> {
        let order = self.order;
        let installation = self.only_installation().await?;
        let name = order.name.clone().unwrap_or_else(|| name_for(&order.target));
        let source = order.source.clone().unwrap_or_else(|| format!("/srv/{name}").into());
        if order.source.is_none() {
            let text = format!(
                "# Made by `fichierd recover`: no snapshot was left. Correct `source`.\n\n\
                 [[mirror]]\nname = \"{name}\"\nsource = \"{}\"\ntarget = {}\n",
                source.display(),
                toml::Value::String(order.target.clone())
            );
            files::write_config(&order.state_dir, &text)?;
        }
        let (root, versions) = (self.place.target.id, self.place.own_folder("versions"));
        let own = self.place.own.as_ref().map(|own| own.id);
        let state = self.place.state.as_ref().map(|state| state.id);
        let incoming = installation.as_ref().map(|(_, folder)| *folder);
        Ok(self.store.write(|w| {
            let mirror = w.add_mirror(&name, &source, &order.target)?;
            let spot = RemoteSpot { id: root, made_by_us: false, listed: false };
            w.set_folder_remote(mirror.root, Some(spot), None)?;
            if w.installation()?.is_none()
                && let Some((installation, _)) = &installation
            {
                w.set_installation(installation)?;
            }
            if let Some(own) = own {
                ledger::remember_folders(w, mirror.id, own, state)?;
            }
            trust::hold_removals(w, mirror.id, true)?;
            claims::begin_anew(w, mirror.id)?;
            begun(&order.target).keep(w, &Source::Walk(Walked::default()))?;
            let mirror = Mirror { incoming, versions, ..mirror };
            w.update_mirror(&mirror)?;
            forms::record(w, &mirror, &order.form)?;
            Ok(mirror)
        })?)
    }

    /// The installation whose staging folder is there, if it is the only one. Costs one listing
    /// where older releases have made the folder.
    async fn only_installation(&self) -> Result<Option<(String, FolderId)>, RecoverError> {
        let Some(own) = &self.place.own else { return Ok(None) };
        let older = match self.place.own_folder(OLDER_STAGING) {
            Some(older) => Some(self.client.list_folder(older).await?),
            None => None,
        };
        let is_whole = own.complete && older.as_ref().is_none_or(|older| older.complete);
        let mut there = stagings(own, older.as_ref());
        Ok(if is_whole && there.len() == 1 { there.pop() } else { None })
    }

    /// Lists one folder. Says whether its contents are known now.
    async fn list_one(
        &mut self,
        mirror: &Mirror,
        key: FolderKey,
        walked: &mut Walked,
    ) -> Result<bool, RecoverError> {
        let folder = self.store.folder(key)?.ok_or(fichier_state::Error::Missing("folder"))?;
        let Some(spot) = folder.remote else { return Ok(true) };
        let listing = if spot.id == self.place.target.id {
            self.place.target.clone()
        } else {
            match self.client.list_folder_whole(spot.id).await {
                Ok(listing) => listing,
                // The folder is gone since its parent was listed.
                Err(error) if matches!(error.kind, ErrorKind::NotFound) => {
                    self.store.write(|w| w.set_folder_remote(key, None, None))?;
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        };
        let is_root = folder.parent.is_none();
        let Recovering { store, order, .. } = self;
        store.write(|w| {
            learn(w, (mirror, key), (&listing, is_root), &mut Names { form: &order.form, walked })?;
            let spot = RemoteSpot { listed: listing.complete, ..spot };
            w.set_folder_remote(key, Some(spot), folder.remote_name.as_ref())
        })?;
        Ok(listing.complete)
    }

    /// Walks the days of the versions; a day that is on record has been walked.
    async fn walk_versions(
        &mut self,
        mirror: &Mirror,
        walked: &mut Walked,
    ) -> Result<(), RecoverError> {
        let Some(versions) = self.place.own_folder("versions") else { return Ok(()) };
        let listing = self.client.list_folder(versions).await?;
        walked.incomplete += u64::from(!listing.complete);
        for folder in &listing.folders {
            let Some((day, seq)) = day_of(folder.name.as_str()) else { continue };
            let known = self.store.retired_room(mirror.id, &day)?;
            if known.iter().any(|room| room.id == folder.id) {
                continue;
            }
            let mut found = Vec::new();
            let mut items = 0;
            let mut open = vec![(folder.id, RelPath::root())];
            // Folders that were retired whole have others in them.
            while let Some((id, below)) = open.pop() {
                let listing = self.client.list_folder_whole(id).await?;
                walked.incomplete += u64::from(!listing.complete);
                if below.is_root() {
                    items = listing.files.len() + listing.folders.len();
                }
                let mut names = Names { form: &self.order.form, walked: &mut *walked };
                for inside in &listing.folders {
                    if let Some(name) = names.of_folder(&inside.name) {
                        open.push((inside.id, below.join(&name)));
                    }
                }
                found.extend(listing.files.into_iter().map(|file| (below.clone(), id, file)));
            }
            let mut names = Names { form: &self.order.form, walked: &mut *walked };
            self.store.write(|w| {
                w.add_versions_folder(mirror.id, &day, seq, folder.id)?;
                w.count_retired(folder.id, u32::try_from(items).unwrap_or(u32::MAX), None)?;
                for (below, id, file) in &found {
                    let Some(name) = names.of_file(&file.name) else { continue };
                    w.add_version(&NewVersion {
                        mirror: mirror.id,
                        path: below.join(&name),
                        url: file.url.clone(),
                        size_bytes: file.size_bytes,
                        whirlpool: file.whirlpool,
                        fingerprint: None,
                        metadata: None,
                        folder: *id,
                        current_from_s: 0,
                        current_until_s: w.now_s(),
                        reason: Retired::Orphan,
                        cipher: None,
                    })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Puts the files and folders of a listing on record.
fn learn(
    w: &mut Writing<'_>,
    (mirror, key): (&Mirror, FolderKey),
    (listing, is_root): (&FolderListing, bool),
    names: &mut Names<'_>,
) -> Result<(), fichier_state::Error> {
    let mut taken: HashSet<Vec<u8>> =
        w.subfolders(key)?.into_iter().map(|folder| folder.name).collect();
    for folder in &listing.folders {
        if is_root && is_own(&folder.name) {
            continue;
        }
        let Some(name) = names.of_folder(&folder.name) else { continue };
        if !taken.insert(name.clone()) {
            names.walked.refused_names += 1;
            continue;
        }
        // The folder's metadata on disk is not known.
        let facts = FolderFacts { device: 0, inode: 0, ctime_ns: 0, metadata: Metadata::default() };
        let child = w.add_folder(mirror.id, key, &name, &facts)?;
        let spot = RemoteSpot { id: folder.id, made_by_us: false, listed: false };
        let other = (RemoteName::encode(&name) != folder.name).then_some(&folder.name);
        w.set_folder_remote(child, Some(spot), other)?;
    }
    let files: Vec<ForeignFile> = listing.files.iter().map(ForeignFile::from).collect();
    let is_unread = |file: &&ForeignFile| names.form.local_file_name(&file.name).is_none();
    names.walked.unread_names += files.iter().filter(is_unread).count() as u64;
    w.set_foreign(key, &files)
}

/// Reads names, and counts those that are odd.
struct Names<'a> {
    form: &'a Form,
    walked: &'a mut Walked,
}

impl Names<'_> {
    /// The local name that the remote one of a file stands for, if a file can have it.
    fn of_file(&mut self, name: &RemoteName) -> Option<Vec<u8>> {
        let local = self.form.local_file_name(name);
        self.judge(name, local)
    }

    /// The same for a folder.
    fn of_folder(&mut self, name: &RemoteName) -> Option<Vec<u8>> {
        let local = self.form.local_folder_name(name);
        self.judge(name, local)
    }

    /// A name that cannot be read is taken as it is stored: what is in the folder, or file, can be
    /// read all the same, if the name was only cut.
    fn judge(&mut self, stored: &RemoteName, local: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let is_read = local.is_some();
        let name = local.unwrap_or_else(|| stored.decode());
        if !is_name(&name) {
            self.walked.refused_names += 1;
            return None;
        }
        self.walked.unread_names += u64::from(!is_read);
        Some(name)
    }
}

/// The day and the number of a versions folder: `2026-11-24`, `2026-11-24.2`.
fn day_of(name: &str) -> Option<(String, u32)> {
    let (day, seq) = match name.split_once('.') {
        Some((day, seq)) => (day, seq.parse().ok()?),
        None => (name, 1),
    };
    day.parse::<jiff::civil::Date>().ok()?;
    Some((day.to_owned(), seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_folders_are_known_by_their_names() {
        assert_eq!(day_of("2026-11-24"), Some(("2026-11-24".to_owned(), 1)));
        assert_eq!(day_of("2026-11-24.3"), Some(("2026-11-24".to_owned(), 3)));
        for other in ["notes", "2026-13-40", "2026-11-24.x", ""] {
            assert_eq!(day_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        let mut walked = Walked::default();
        let mut names = Names { form: &Form::Plain, walked: &mut walked };
        let mut decoded = |name: &str| names.of_file(&RemoteName::from_service(name.to_owned()));
        assert_eq!(decoded("a b").as_deref(), Some(&b"a b"[..]));
        for evil in ["／etc／passwd", "．．", "．", "a\u{2400}b", ""] {
            assert_eq!(decoded(evil), None, "{evil}");
        }
        assert_eq!((walked.refused_names, walked.unread_names), (5, 0));
    }
}
