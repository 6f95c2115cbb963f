//! Compares the recovered records with one look at the service: the folder with the most files.

use std::collections::HashMap;

use fichier_api::FileUrl;
use fichier_state::{Entry, Mirror, RelPath};

use super::{RecoverError, Recovering};

/// How one folder compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The folder, relative to the source.
    pub folder: RelPath,
    /// Files on record in it.
    pub files: u64,
    /// Of them, those that the service shows with the same size and hash.
    pub as_recorded: u64,
    /// Files that the service shows there and that are not on record: newer than the snapshot.
    pub newer: u64,
}

impl Recovering<'_> {
    /// Costs one listing, or none if the folder is the target itself.
    pub(super) async fn check_sample(
        &self,
        mirror: &Mirror,
    ) -> Result<Option<Sample>, RecoverError> {
        let Some((key, _)) = self.store.fullest_folder(mirror.id)? else { return Ok(None) };
        let spot = self.store.folder(key)?.and_then(|folder| folder.remote);
        let Some(spot) = spot else { return Ok(None) };
        let listing = if spot.id == self.place.target.id {
            self.place.target.clone()
        } else {
            match self.client.list_folder(spot.id).await {
                Ok(listing) => listing,
                // The folder was moved, or retired, since the snapshot was made.
                Err(error) if matches!(error.kind, fichier_api::ErrorKind::NotFound) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        };
        let there: HashMap<&FileUrl, _> =
            listing.files.iter().map(|file| (&file.url, file)).collect();
        let entries: Vec<Entry> = self.store.entries(key)?;
        let recorded: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((entry.object_bytes(), entry.remote()?)))
            .collect();
        let is_as_recorded = |(size, copy): &&(u64, &fichier_state::RemoteCopy)| {
            there.get(&copy.url).is_some_and(|file| {
                file.size_bytes == *size && file.whirlpool == Some(copy.whirlpool)
            })
        };
        let as_recorded = recorded.iter().filter(is_as_recorded).count() as u64;
        let known = recorded.iter().filter(|(_, copy)| there.contains_key(&copy.url)).count();
        Ok(Some(Sample {
            folder: self.store.path_of(key)?,
            files: recorded.len() as u64,
            as_recorded,
            newer: listing.files.len().saturating_sub(known) as u64,
        }))
    }
}
