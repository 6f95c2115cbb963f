//! Files that uploads leave in the staging folder: removed where two looks have shown that they are
//! not as they were sent, else moved to the versions once no upload waits for them.

use fichier_api::{FileUrl, MAX_LINKS_PER_CALL};
use fichier_state::{Intent, IntentId, MirrorId, Records, Writing};

use super::Leaving;
use crate::base::Fact;
use crate::remote::error::RemoteError;
use crate::remote::target::orphan;
use crate::remote::{Remote, ledger};

impl Remote {
    /// Notes that files of an upload that was sent at `since_s` may still show up without being on
    /// record.
    pub(super) fn expect_leftovers(&self, since_s: i64) -> Result<(), RemoteError> {
        let leftovers = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let latest_s = leftovers.map_or(since_s, |other| other.max(since_s));
        Ok(self.state.write(|w| leftovers_since_s(self.mirror).keep(w, &latest_s))?)
    }

    /// The same; returns whether it was not noted before.
    pub(super) fn may_leave(&self, since_s: i64) -> Result<bool, RemoteError> {
        let is_new = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?.is_none();
        self.expect_leftovers(since_s)?;
        Ok(is_new)
    }

    /// Retires the files in the staging folder that belong to no upload, if there may be some and
    /// all of them had enough time to show up. Only while nothing is under way. Costs one listing
    /// then.
    pub(crate) async fn retire_leftovers(&self) -> Result<(), RemoteError> {
        let since_s = self.state.read(|s| leftovers_since_s(self.mirror).read(s))?;
        let Some(since_s) = since_s else { return Ok(()) };
        if self.is_young(since_s) {
            // This makes the next cycle come soon.
            self.report(|report| report.uploads_pending += 1);
            return Ok(());
        }
        let listing = self.client.list_folder(self.places.incoming).await?;
        let known =
            self.state.read(|s| s.known_urls(listing.files.iter().map(|file| &file.url)))?;
        let mut leftovers = Vec::new();
        for file in listing.files.iter().filter(|file| !known.contains(&file.url)) {
            // An awaited file is looked for by name.
            if !self.state.read(|s| ledger::is_awaited(s, self.mirror, file))? {
                leftovers.push(file);
            }
        }
        let now_s = self.state.now_s();
        let leftovers = leftovers
            .into_iter()
            .map(|file| orphan(self.mirror, file, self.places.retired_to(), now_s));
        self.retire_all(leftovers.map(Leaving::of_version).collect()).await?;
        Ok(self.state.write(|w| leftovers_since_s(self.mirror).forget(w))?)
    }

    /// Removes other files that one of our uploads left in the staging folder (I2).
    pub(crate) async fn clear_staged(&self, urls: &[FileUrl]) -> Result<(), RemoteError> {
        let clearing = self.state.write(|w| begin_clearing(w, self.mirror, urls))?;
        self.clear_begun(clearing).await
    }

    pub(super) async fn clear_begun(
        &self,
        clearing: Vec<(IntentId, &[FileUrl])>,
    ) -> Result<(), RemoteError> {
        for (intent, urls) in clearing {
            let removal = self.remove_all(urls).await?;
            // The removal of files that the service left stays begun, and a later cycle finishes it
            // (`finish`).
            if removal.still_there.is_empty() {
                self.state.write(|w| w.resolve(intent))?;
            }
        }
        Ok(())
    }
}

/// Writes the intents to remove files from the staging folder, a call's worth in each.
pub(super) fn begin_clearing<'a>(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    urls: &'a [FileUrl],
) -> Result<Vec<(IntentId, &'a [FileUrl])>, fichier_state::Error> {
    let begin = |urls: &'a [FileUrl]| {
        let intent = Intent::Remove { urls: urls.to_vec(), paths: Vec::new() };
        Ok((w.begin(mirror, &intent)?, urls))
    };
    urls.chunks(MAX_LINKS_PER_CALL).map(begin).collect()
}

/// Whether the staging folder of a mirror may hold files that are not on record.
pub(super) fn expects_leftovers(
    records: &Records,
    mirror: MirrorId,
) -> Result<bool, fichier_state::Error> {
    leftovers_since_s(mirror).is_there(records)
}

/// Since when the staging folder of a mirror may hold files that are not on record; Unix seconds.
pub(crate) fn leftovers_since_s(mirror: MirrorId) -> Fact<i64> {
    Fact::about(format!("leftovers of mirror {}", mirror.0))
}
