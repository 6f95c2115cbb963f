//! Prepares a mirror's target folder: finds it or makes it, and makes sure that it is ours.
//!
//! `.fichierd/incoming-<installation>/` is both the staging folder and the sign of ownership: a
//! second installation that finds another one's name there stops before it does any harm (C08). The
//! staging folder's id is checked whenever the service starts, because 1fichier puts files with a
//! wrong folder id into the account's root without a word (C.3).
//!
//! Costs one call when everything is as recorded, and one for each folder that is made the first
//! time; the folders of versions, of claims and of snapshots are made when they are first needed.
//!
//! A run that is not the service believes what the last clean end knew of the target
//! ([`believed`]), and looks at it, by one claim, before its first call ([`enter`]).

use fichier_api::names::RemoteName;
use fichier_api::{BatchOutcome, Client, ErrorKind, FolderId, FolderListing, RemoteFile};
use fichier_state::{Mirror, MirrorId, NewVersion, RelPath, RemoteSpot, Retired, Store};

use crate::base::words::counted;
use crate::base::{Flag, Form, State};
use crate::remote::bring::is_refusal;
use crate::remote::claims::{self, EPOCH_FOLDER, take_over};
use crate::remote::error::{RemoteError, TargetRefused};
use crate::remote::execute::leftovers_since_s;
use crate::remote::folders::{FoundFolder, with_all_folders};
use crate::remote::layout::{
    OLDER_STAGING, Places, VERSIONS_FOLDER, is_staging_of, staging_name, stagings,
};
use crate::remote::{ledger, marker, owner, rename_folders};

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
    form: &Form,
    claims: bool,
) -> Result<Places, RemoteError> {
    let is_proven = owner::check(client, state).await?;
    claims::check_known(state, mirror)?;
    let preparing = Preparing { client, state, mirror, form, is_proven };
    let Prepared { places, staging, is_new } = preparing.places().await?;
    if claims && !is_new {
        claims::claim(client, state, mirror, places.root).await?;
    }
    if let Some(staging) = staging {
        preparing.retire_orphans(&staging).await?;
    }
    Ok(places)
}

/// The calls that a run makes for the target before it works there, if nobody else has changed it.
pub(crate) fn calls_expected(records: &Store, mirror: &Mirror) -> fichier_state::Result<u64> {
    let claim = claims::calls_expected(records, mirror)?;
    if is_believed(records, mirror)? {
        return Ok(claim);
    }
    let is_recorded = records.folder(mirror.root)?.is_some_and(|row| row.remote.is_some());
    if is_recorded && mirror.incoming.is_some() {
        return Ok(1 + claim);
    }
    // The account's root is listed. Each folder on the way is listed, or made. Then come our own:
    // `.fichierd`, and the staging folder.
    let way = mirror.target.split('/').filter(|part| !part.is_empty()).count() as u64;
    Ok(1 + way + 2)
}

/// The places on record, if they can be believed without a call: the key is the one that has proven
/// the records, the process before this one ended cleanly on this machine, and nothing is in doubt
/// or waits for a decision. Whether somebody else has claimed the target since is not known then;
/// [`enter`] tells it before the first change.
///
/// # Errors
///
/// [`TargetRefused::OtherMachine`] and [`TargetRefused::OtherCopy`], if that is on record.
pub fn believed(
    client: &Client,
    state: &State,
    mirror: &Mirror,
) -> Result<Option<Places>, RemoteError> {
    claims::check_known(state, mirror)?;
    let (root, is_believed) = state.read(|s| {
        let is_believed = owner::is_proven_by(s, client)? && is_believed(s, mirror)?;
        Ok((s.folder(mirror.root)?.and_then(|row| row.remote), is_believed))
    })?;
    let (Some(root), Some(incoming), true) = (root, mirror.incoming, is_believed) else {
        return Ok(None);
    };
    Ok(Some(Places { root: root.id, incoming }))
}

/// Whether the places on record can be believed without a call, if the key is the one that has
/// proven them.
pub(crate) fn is_believed(records: &Store, mirror: &Mirror) -> fichier_state::Result<bool> {
    let has_root = records.folder(mirror.root)?.is_some_and(|row| row.remote.is_some());
    let is_there = has_root && mirror.incoming.is_some();
    Ok(is_there
        && claims::is_plain(records, mirror)?
        && !start_anew(&mirror.name).is_set(records)?)
}

/// Claims a target whose places were [`believed`], before the first call of this process. Costs one
/// call where nobody else has claimed it since; otherwise the target is looked at as at the start
/// of the service.
///
/// # Errors
///
/// Those of [`prepare`].
pub async fn enter(
    client: &Client,
    state: &State,
    mirror: &Mirror,
    form: &Form,
    places: Places,
) -> Result<Places, RemoteError> {
    match claims::claim(client, state, mirror, places.root).await {
        Ok(()) => Ok(places),
        Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => {
            prepare(client, state, mirror, form, true).await
        }
        Err(error) => Err(error),
    }
}

/// A target that was found or made.
struct Prepared {
    places: Places,
    /// The contents of the staging folder, if it was there before.
    staging: Option<FolderListing>,
    /// `.fichierd` was made just now, so nobody else can have claimed the target.
    is_new: bool,
}

/// Our own folders of a target, as they were found or made.
struct OwnFolders {
    prepared: Prepared,
    /// The folder of all versions, if there is one.
    versions: Option<FolderId>,
    /// The folder of the claims, if there is one.
    claims: Option<FolderId>,
}

struct Preparing<'a> {
    client: &'a Client,
    state: &'a State,
    mirror: &'a Mirror,
    form: &'a Form,
    /// Whether the key is known to belong to the account of the records.
    is_proven: bool,
}

impl Preparing<'_> {
    async fn places(&self) -> Result<Prepared, RemoteError> {
        let root = self.state.read(|s| s.folder(self.mirror.root))?.and_then(|row| row.remote);
        if let (Some(root), Some(incoming)) = (root, self.mirror.incoming) {
            match self.client.list_folder(incoming).await {
                Ok(listing) if is_staging_of(&listing.name, &self.installation()?) => {
                    self.state.write(|w| {
                        owner::prove(w, self.client)?;
                        claims::staging_is_seen(w, self.mirror.id)
                    })?;
                    let places = Places { root: root.id, incoming };
                    return Ok(Prepared { places, staging: Some(listing), is_new: false });
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
            let listing = self.client.list_folder(here).await?;
            let found = match listing.folder(&name) {
                Some(found) => Some(found),
                None => with_all_folders(self.client, listing).await?.folder(&name),
            };
            let Some(found) = found else { return Ok(false) };
            here = found;
        }
        Ok(here == recorded)
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
        let OwnFolders { prepared, versions, claims } = self.own_folders(here, root).await?;
        let incoming = Some(prepared.places.incoming);
        let mirror = Mirror { incoming, versions, ..self.mirror.clone() };
        self.state.write(|w| {
            w.set_folder_remote(self.mirror.root, Some(spot), None)?;
            if made_by_us {
                w.set_audited(self.mirror.root, w.now_s())?;
            }
            start_anew(&self.mirror.name).set(w, false)?;
            if self.mirror.incoming.is_none() {
                claims::begin_anew(w, self.mirror.id)?;
            }
            claims::remember_folder(w, self.mirror.id, claims)?;
            claims::staging_is_seen(w, self.mirror.id)?;
            if prepared.is_new {
                claims::nobody_has_claimed(w, self.mirror.id)?;
            }
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
    ) -> Result<OwnFolders, RemoteError> {
        let client = self.client;
        let own = target.step_into_own(client).await?;
        let is_new = own.is_new();
        // A staging folder that is not shown may be that of another installation.
        let own = with_all_folders(client, own.listed(client).await?).await?;
        // What the state knows of the form, or what a person has approved, is newer than the marks.
        let is_approved = self.state.read(|s| rename_folders::is_needed(s, self.mirror.id))?;
        if self.mirror.incoming.is_none() && !is_approved {
            marker::check(&own, self.form)?;
        }
        let folder = |name: &str| own.folder(&RemoteName::encode(name.as_bytes()));
        let (versions, claims) = (folder(VERSIONS_FOLDER), folder(EPOCH_FOLDER));
        let state = folder(ledger::STATE_FOLDER);
        self.state.write(|w| ledger::remember_folders(w, self.mirror.id, own.id, state))?;
        let staging = self.staging_folder(own).await?;
        let places = Places { root, incoming: staging.id() };
        let listing = if staging.is_new() { None } else { Some(staging.listed(client).await?) };
        let prepared = Prepared { places, staging: listing, is_new };
        Ok(OwnFolders { prepared, versions, claims })
    }

    /// The staging folder; it is made when there is none, unless another installation has its own.
    async fn staging_folder(&self, own: FolderListing) -> Result<FoundFolder, RemoteError> {
        let installation = self.installation()?;
        let older = match own.folder(&RemoteName::encode(OLDER_STAGING.as_bytes())) {
            Some(older) => {
                let listing = self.client.list_folder(older).await?;
                Some(with_all_folders(self.client, listing).await?)
            }
            None => None,
        };
        let mut there = stagings(&own, older.as_ref());
        if let Some((_, ours)) = there.iter().find(|(whose, _)| *whose == installation) {
            return Ok(FoundFolder::Unread(*ours));
        }
        if let Some((other, _)) = there.pop()
            && !self.is_taken_over()?
        {
            return Err(TargetRefused::OwnedByAnother { other }.into());
        }
        let name = staging_name(&installation);
        Ok(FoundFolder::Listed(own).step_into(self.client, &name).await?)
    }

    /// The folder of all versions; it is made when there is none.
    async fn all_versions(&self) -> Result<FolderId, RemoteError> {
        let (row, own) = self.state.read(|s| {
            let row = s.mirror(&self.mirror.name, &self.mirror.target)?;
            Ok((row, ledger::own_folder(s, self.mirror.id)?))
        })?;
        let row = row.unwrap_or_else(|| self.mirror.clone());
        if let Some(known) = row.versions {
            return Ok(known);
        }
        let own = match (own, self.state.read(|s| s.folder(row.root))?.and_then(|row| row.remote)) {
            (Some(own), _) => FoundFolder::Unread(own),
            (None, Some(root)) => FoundFolder::Unread(root.id).step_into_own(self.client).await?,
            (None, None) => return Err(TargetRefused::Gone.into()),
        };
        let id = own.step_into(self.client, VERSIONS_FOLDER).await?.id();
        self.state.write(|w| w.update_mirror(&Mirror { versions: Some(id), ..row.clone() }))?;
        Ok(id)
    }

    /// Moves files in the staging folder that belong to no upload still open to the versions: such
    /// a file may be the only copy left.
    async fn retire_orphans(&self, staging: &FolderListing) -> Result<(), RemoteError> {
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
        if orphans.is_empty() {
            return Ok(());
        }
        let versions = self.all_versions().await?;
        for chunk in orphans.chunks(fichier_api::MAX_LINKS_PER_CALL) {
            self.move_orphans(chunk, versions).await?;
        }
        Ok(())
    }

    /// Moves so many files of the staging folder to the versions. Those that do not move, because
    /// their names are taken there perhaps, are left to the cycle, which gives them other names.
    async fn move_orphans(
        &self,
        orphans: &[&RemoteFile],
        versions: FolderId,
    ) -> Result<(), RemoteError> {
        let urls: Vec<_> = orphans.iter().map(|file| file.url.clone()).collect();
        let outcome = match self.client.move_files(&urls, versions).await {
            Ok(outcome) => outcome,
            Err(error) if is_refusal(&error) => BatchOutcome::default(),
            Err(error) => return Err(error.into()),
        };
        let files = outcome.done.len();
        self.state.write(|w| {
            for file in orphans.iter().filter(|file| outcome.done.contains(&file.url)) {
                let url = outcome.new_urls.get(&file.url).unwrap_or(&file.url).clone();
                let version = orphan(self.mirror.id, file, versions, w.now_s());
                w.add_version(&NewVersion { url, ..version })?;
            }
            let leftovers = leftovers_since_s(self.mirror.id);
            if files < orphans.len() && !leftovers.is_there(w)? {
                // They are listed already, so that nothing has to be waited for.
                leftovers.keep(w, &0)?;
            }
            Ok(())
        })?;
        let left = counted(files as u64, "leftover");
        tracing::info!(files, "moved {left} of broken uploads to the versions");
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
    file: &RemoteFile,
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
        cipher: None,
    }
}
