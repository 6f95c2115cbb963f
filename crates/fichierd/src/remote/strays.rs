//! Puts versions back among the versions that left them for the mirror, and may not stay there: the
//! move was cut short, or the service does not give them their names. Their rows have never gone.

use std::collections::BTreeMap;

use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FileUrl, FolderId, MAX_LINKS_PER_CALL};
use fichier_state::{Cipher, MirrorId, Moved, Version, VersionId};

use crate::base::{Flag, Form};
use crate::remote::Remote;
use crate::remote::bring::{Brought, Parcel};
use crate::remote::error::{RemoteError, is_gone};

/// Set once some version may have another name on the service than its path has.
pub(super) fn other_names(mirror: MirrorId) -> Flag {
    Flag::named(format!("some versions of mirror {} have other names", mirror.0))
}

/// The name that a version is likely to have on the service: it keeps the one that it had.
pub(super) fn stored_name(form: &Form, local: &[u8], cipher: Option<&Cipher>) -> RemoteName {
    match cipher {
        Some(_) if form.is_of(cipher) => form.file_name(local),
        Some(_) | None => RemoteName::encode(local),
    }
}

/// A version that may lie in the mirror.
pub(super) struct Stray {
    version: VersionId,
    pub(super) parcel: Parcel,
    went_to: FolderId,
}

impl Stray {
    pub(super) fn of(moved: &Moved, version: &Version, form: &Form) -> Stray {
        let old_name = stored_name(form, version.path.name(), version.cipher.as_ref());
        let names = moved.early_name.iter().chain([&moved.name, &old_name]).cloned().collect();
        let parcel = Parcel::new(&version.url, names, version.object_bytes(), version.whirlpool);
        Stray { version: version.id, parcel, went_to: moved.into }
    }

    /// The same, under the link that it has by now.
    pub(super) fn at(self, url: &FileUrl) -> Stray {
        Stray { parcel: self.parcel.at(url), ..self }
    }
}

impl Remote {
    /// The version that was to be moved to the mirror, if the file is one.
    pub(super) fn stray(&self, moved: &Moved) -> Result<Option<Stray>, RemoteError> {
        let version = self.state.read(|s| s.version_of_url(&moved.url))?;
        Ok(version.map(|version| Stray::of(moved, &version, &self.form)))
    }

    /// Moves files to the versions of today, wherever they are. One that is not found keeps its row
    /// as it is.
    pub(super) async fn return_strays(&self, strays: &[Stray]) -> Result<(), RemoteError> {
        for chunk in strays.chunks(MAX_LINKS_PER_CALL) {
            let into = self.versions_folder(chunk.len(), None).await?;
            self.state.write(|w| other_names(self.mirror).set(w, true))?;
            let parcels: Vec<Parcel> = chunk.iter().map(|stray| stray.parcel.clone()).collect();
            let brought = self.bring_to(&parcels, into).await?;
            let mut back: Vec<(VersionId, FileUrl)> = chunk
                .iter()
                .filter_map(|it| Some((it.version, brought.url(&it.parcel.url)?.clone())))
                .collect();
            let missing = chunk.iter().filter(|it| brought.url(&it.parcel.url).is_none());
            back.extend(self.return_found(missing, into).await?);
            self.state.write(|w| {
                for (version, url) in &back {
                    w.move_version(*version, url, into)?;
                }
                w.count_retired(into, u32::try_from(back.len()).unwrap_or(u32::MAX), None)
            })?;
        }
        Ok(())
    }

    /// The service may have given files new links when it moved them (B.9): they are looked for in
    /// the folders that they went to. Costs a listing for each.
    async fn return_found<'a>(
        &self,
        missing: impl Iterator<Item = &'a Stray>,
        into: FolderId,
    ) -> Result<Vec<(VersionId, FileUrl)>, RemoteError> {
        let mut by_folder: BTreeMap<FolderId, Vec<&Stray>> = BTreeMap::new();
        for stray in missing {
            by_folder.entry(stray.went_to).or_default().push(stray);
        }
        let mut back = Vec::new();
        for (folder, strays) in by_folder {
            let parcels: Vec<Parcel> = strays.iter().map(|it| it.parcel.clone()).collect();
            let found = match self.find_in(&parcels, folder).await {
                Err(RemoteError::Api(error)) if matches!(error.kind, ErrorKind::NotFound) => {
                    continue;
                }
                other => other?,
            };
            let here: Vec<(VersionId, Parcel)> = strays
                .iter()
                .filter_map(|it| {
                    let url = found.url(&it.parcel.url)?;
                    Some((it.version, it.parcel.at(url)))
                })
                .collect();
            let parcels: Vec<Parcel> = here.iter().map(|(_, parcel)| parcel.clone()).collect();
            let brought = self.bring_to(&parcels, into).await?;
            back.extend(here.iter().filter_map(|(version, parcel)| {
                Some((*version, brought.url(&parcel.url)?.clone()))
            }));
        }
        Ok(back)
    }

    async fn bring_to(&self, parcels: &[Parcel], into: FolderId) -> Result<Brought, RemoteError> {
        if parcels.is_empty() {
            return Ok(Brought::default());
        }
        match self.bring(parcels, into).await {
            Err(RemoteError::Api(error)) if is_gone(&error) => {
                self.versions_folder_is_gone(into)?;
                Err(error.into())
            }
            other => other,
        }
    }
}
