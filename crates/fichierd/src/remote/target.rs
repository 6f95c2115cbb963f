//! Prepares a mirror's target folder: finds it or makes it, and makes sure that it is ours.
//!
//! `.fichierd/incoming/<installation>/` is both the staging folder and the sign of ownership: a
//! second installation that finds another one's name there stops before it does any harm (C08). The
//! staging folder's id is checked whenever the service starts, because 1fichier puts files with a
//! wrong folder id into the account's root without a word (C.3).
//!
//! Costs one call when everything is as recorded, and about ten the first time.

use fichier_api::names::RemoteName;
use fichier_api::{Client, ErrorKind, FolderId, FolderListing};
use fichier_state::{Mirror, MirrorId, NewVersion, Records, RelPath, RemoteSpot, Retired};

use crate::base::words::counted;
use crate::base::{Flag, State};
use crate::remote::claims::{self, EPOCH_FOLDER, take_over};
use crate::remote::error::{RemoteError, TargetRefused};
use crate::remote::folders::FoundFolder;
use crate::remote::layout::{Places, utc_day};
use crate::remote::{ledger, owner};

/// Looks at the target of `mirror`, and makes the folders that are missing. The first time of a
/// process it claims the target (`claims`).
///
/// # Errors
///
/// [`TargetRefused::OwnedByAnother`], [`TargetRefused::OtherMachine`], [`TargetRefused::OtherCopy`]
/// and [`TargetRefused::Gone`] need a decision; other errors pass by themselves.
pub async fn prepare(
    client: &Client,
    state: &State,
    mirror: &Mirror,
    claims: bool,
) -> Result<Places, RemoteError> {
    let is_proven = owner::check(client, state).await?;
    claims::check_known(state, mirror)?;
    let preparing = Preparing { client, state, mirror, is_proven };
    let Prepared { places, staging, claims: folder } = preparing.places().await?;
    if claims {
        claims::claim(
            client,
            state,
            mirror,
            places.root,
            folder.filter(|(_, made)| *made).map(|(id, _)| id),
        )
        .await?;
    }
    if let Some(staging) = staging {
        preparing.retire_orphans(&staging, places.versions).await?;
    }
    Ok(places)
}

/// The calls that [`prepare`] makes in a process that has not claimed the target yet, if nobody
/// else has changed it.
pub(crate) fn calls_expected(records: &Records, mirror: &Mirror) -> fichier_state::Result<u64> {
    // A listing of the claims before, or the name of the machine; and the claim.
    let claim = 2;
    let is_recorded = records.folder(mirror.root)?.is_some_and(|row| row.remote.is_some())
        && mirror.incoming.is_some()
        && mirror.versions.is_some();
    if is_recorded {
        return Ok(1 + claim);
    }
    // The account's root is listed. Each folder on the way is listed, or made. Then come our own:
    // `.fichierd`, `incoming`, the installation's, `versions`, `epoch`, and that of the day.
    let way = mirror.target.split('/').filter(|part| !part.is_empty()).count() as u64;
    Ok(1 + way + 6 + claim)
}

/// A target that was found or made.
struct Prepared {
    places: Places,
    /// The contents of the staging folder, if it was there before.
    staging: Option<FolderListing>,
    /// The folder of the claims, if it was looked for, and whether it was made just now.
    claims: Option<(FolderId, bool)>,
}

struct Preparing<'a> {
    client: &'a Client,
    state: &'a State,
    mirror: &'a Mirror,
    /// Whether the key is known to belong to the account of the records.
    is_proven: bool,
}

impl Preparing<'_> {
    async fn places(&self) -> Result<Prepared, RemoteError> {
        let root = self.state.read(|s| s.folder(self.mirror.root))?.and_then(|row| row.remote);
        if let (Some(root), Some(incoming), Some(versions)) =
            (root, self.mirror.incoming, self.mirror.versions)
        {
            match self.client.list_folder(incoming).await {
                Ok(listing) if listing.name == self.installation()? => {
                    self.prove_key()?;
                    let places = Places { root: root.id, incoming, versions };
                    return Ok(Prepared { places, staging: Some(listing), claims: None });
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind, ErrorKind::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(root) = root
            && !self.is_proven
            && !self.is_approved()?
            && !self.leads_to(root.id).await?
        {
            return Err(TargetRefused::OtherAccount.into());
        }
        self.find_or_make(root).await
    }

    /// Whether the target's path leads to the folder on record. Makes nothing.
    async fn leads_to(&self, recorded: FolderId) -> Result<bool, RemoteError> {
        let mut here = FolderId::ROOT;
        for name in self.mirror.target.split('/').filter(|part| !part.is_empty()) {
            let name = RemoteName::encode(name.as_bytes());
            let Some(found) = self.client.list_folder(here).await?.folder(&name) else {
                return Ok(false);
            };
            here = found;
        }
        Ok(here == recorded)
    }

    /// Records that the folders on record are there, so the key belongs to the account of the
    /// records.
    fn prove_key(&self) -> Result<(), RemoteError> {
        Ok(self.state.write(|w| owner::prove(w, self.client))?)
    }

    /// Walks down from the account's root to the target, and makes the folders that are missing.
    async fn find_or_make(&self, recorded: Option<RemoteSpot>) -> Result<Prepared, RemoteError> {
        let mut here = FoundFolder::Listed(self.client.list_folder(FolderId::ROOT).await?);
        for name in self.mirror.target.split('/').filter(|part| !part.is_empty()) {
            here = here.step_into(self.client, name).await?;
        }
        let made_by_us = here.is_new();
        let was = recorded.map(|spot| spot.id);
        if was.is_some() && was != Some(here.id()) {
            if !self.is_approved()? {
                return Err(TargetRefused::Gone.into());
            }
            self.state.write(|w| w.forget_remote_below(self.mirror.root))?;
        }
        let root = here.id();
        let spot = match recorded.filter(|spot| spot.id == root) {
            Some(spot) => spot,
            None => RemoteSpot { id: root, made_by_us, listed: made_by_us },
        };
        let prepared = self.own_folders(here, root).await?;
        let places = prepared.places;
        let mirror = Mirror {
            incoming: Some(places.incoming),
            versions: Some(places.versions),
            ..self.mirror.clone()
        };
        self.state.write(|w| {
            w.set_folder_remote(self.mirror.root, Some(spot), None)?;
            if made_by_us {
                w.set_audited(self.mirror.root, w.now_s())?;
            }
            start_anew(&self.mirror.name).set(w, false)?;
            if self.mirror.incoming.is_none() {
                claims::begin_anew(w, self.mirror.id)?;
            }
            claims::remember_folder(w, self.mirror.id, prepared.claims.map(|(id, _)| id))?;
            // A new mirror proves nothing about the mirrors that are on record already.
            if was.is_some() || !owner::is_known(w)? {
                owner::prove(w, self.client)?;
            }
            w.update_mirror(&mirror)
        })?;
        Ok(prepared)
    }

    async fn own_folders(
        &self,
        target: FoundFolder,
        root: FolderId,
    ) -> Result<Prepared, RemoteError> {
        let client = self.client;
        let own = target.step_into_own(client).await?.listed(client).await?;
        let state = own.folder(&RemoteName::encode(ledger::STATE_FOLDER.as_bytes()));
        self.state.write(|w| ledger::remember_folders(w, self.mirror.id, own.id, state))?;
        let own = FoundFolder::Listed(own);
        let incoming = own.clone().step_into(client, "incoming").await?.listed(client).await?;
        let installation = self.installation()?;
        let other = incoming.folders.iter().find(|folder| folder.name.as_str() != installation);
        if let Some(other) = other
            && !self.is_taken_over()?
            && !incoming.folders.iter().any(|folder| folder.name.as_str() == installation)
        {
            let other = other.name.as_str().to_owned();
            return Err(TargetRefused::OwnedByAnother { other }.into());
        }
        let staging = FoundFolder::Listed(incoming).step_into(client, &installation).await?;
        let versions = own.clone().step_into(client, "versions").await?;
        let claims = own.step_into(client, EPOCH_FOLDER).await?;
        let places = Places { root, incoming: staging.id(), versions: versions.id() };
        self.day_folder(versions).await?;
        let listing = if staging.is_new() { None } else { Some(staging.listed(client).await?) };
        Ok(Prepared { places, staging: listing, claims: Some((claims.id(), claims.is_new())) })
    }

    /// Makes today's versions folder, so that the first edit costs no more than later ones.
    async fn day_folder(&self, versions: FoundFolder) -> Result<(), RemoteError> {
        let day = utc_day(self.state.now_s());
        if self.state.read(|s| s.retired_room(self.mirror.id, &day))?.is_empty() {
            let folder = versions.step_into(self.client, &day).await?;
            self.state.write(|w| w.add_versions_folder(self.mirror.id, &day, 1, folder.id()))?;
        }
        Ok(())
    }

    /// Moves files in the staging folder that belong to no upload still open to the versions: such
    /// a file may be the only copy left.
    async fn retire_orphans(
        &self,
        staging: &FolderListing,
        versions: FolderId,
    ) -> Result<(), RemoteError> {
        let known =
            self.state.read(|s| s.known_urls(staging.files.iter().map(|file| &file.url)))?;
        let open = self.state.read(|s| s.uploads(self.mirror.id))?;
        if !open.is_empty() {
            return Ok(());
        }
        let mut orphans = Vec::new();
        for file in staging.files.iter().filter(|file| !known.contains(&file.url)) {
            // A snapshot whose arrival is not on record yet is looked for by name.
            if !self.state.read(|s| ledger::is_awaited(s, self.mirror.id, file))? {
                orphans.push(file);
            }
        }
        for chunk in orphans.chunks(fichier_api::MAX_LINKS_PER_CALL) {
            let urls: Vec<_> = chunk.iter().map(|file| file.url.clone()).collect();
            let outcome = self.client.move_files(&urls, versions).await?;
            self.state.write(|w| {
                for file in chunk.iter().filter(|file| !outcome.missing.contains(&file.url)) {
                    w.add_version(&orphan(self.mirror.id, file, versions, w.now_s()))?;
                }
                Ok(())
            })?;
            let files = urls.len();
            let left = counted(files as u64, "leftover");
            tracing::info!(files, "moved {left} of broken uploads to the versions");
        }
        Ok(())
    }

    fn installation(&self) -> Result<String, RemoteError> {
        Ok(self.state.read(|s| s.installation())?.unwrap_or_default())
    }

    fn is_approved(&self) -> Result<bool, RemoteError> {
        Ok(self.state.read(|s| start_anew(&self.mirror.name).is_set(s))?)
    }

    fn is_taken_over(&self) -> Result<bool, RemoteError> {
        Ok(self.state.read(|s| take_over(&self.mirror.name).is_set(s))?)
    }
}

/// The flag that lets a mirror start anew, once, with a target that is gone.
pub fn start_anew(mirror: &str) -> Flag {
    Flag::named(format!("approved target of {mirror}"))
}

/// The version record of a file in the staging folder that belongs to no upload.
pub(crate) fn orphan(
    mirror: MirrorId,
    file: &fichier_api::RemoteFile,
    folder: FolderId,
    until_s: i64,
) -> NewVersion {
    NewVersion {
        mirror,
        path: RelPath::root().join(&file.name.decode()),
        url: file.url.clone(),
        size_bytes: file.size_bytes,
        whirlpool: file.whirlpool,
        fingerprint: None,
        metadata: None,
        folder,
        current_from_s: 0,
        current_until_s: until_s,
        reason: Retired::Orphan,
    }
}
