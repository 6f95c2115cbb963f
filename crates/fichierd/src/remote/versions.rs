//! The versions folders `<target>/.fichierd/versions/<UTC day>`, with at most 4,000 items each.

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::{Folder, Mirror, Records, RelPath};

use crate::remote::error::{RemoteError, is_gone, is_local};
use crate::remote::folders::SubFolder;
use crate::remote::layout::{VERSIONS_FOLDER, utc_day};
use crate::remote::{Remote, ledger};

/// Items in a versions folder, at most; then another is made. A listing shows 5,000 rows at most
/// (A.5), so a fuller folder could no longer be read.
const MAX_ITEMS: u64 = 4_000;

/// The calls that the first file of a day costs that goes to the versions: one for its folder, and
/// one for the folder of all versions, if they are not there yet.
pub(crate) fn calls_expected(
    records: &Records,
    mirror: &Mirror,
    now_s: i64,
) -> fichier_state::Result<u64> {
    let day = utc_day(now_s);
    if !records.retired_room(mirror.id, &day)?.is_empty() {
        return Ok(0);
    }
    Ok(1 + u64::from(mirror.versions.is_none()))
}

impl Remote {
    /// A versions folder of today with room for `items`, and without a folder called `name`. It is
    /// made when there is none: one call a day.
    pub(crate) async fn versions_folder(
        &self,
        items: usize,
        name: Option<&RemoteName>,
    ) -> Result<FolderId, RemoteError> {
        let day = utc_day(self.state.now_s());
        let rooms = self.state.read(|s| s.retired_room(self.mirror, &day))?;
        for room in &rooms {
            let has_room = u64::from(room.items) + items as u64 <= MAX_ITEMS;
            let is_free = match name {
                Some(name) => !self.state.read(|s| s.retired_name_taken(room.id, name.as_str()))?,
                None => true,
            };
            if has_room && is_free {
                return Ok(room.id);
            }
        }
        let seq = rooms.iter().map(|room| room.seq + 1).max().unwrap_or(1);
        self.make_versions_folder(&day, seq).await
    }

    /// Counts a versions folder that is gone as full, so that nothing more is put there.
    pub(super) fn versions_folder_is_gone(&self, id: FolderId) -> Result<(), RemoteError> {
        tracing::warn!("a versions folder was removed on 1fichier by somebody else");
        let full = u32::try_from(MAX_ITEMS).unwrap_or(u32::MAX);
        Ok(self.state.write(|w| w.count_retired(id, full, None))?)
    }

    /// Forgets the folder of all versions, which was removed: the next retirement makes it again.
    fn versions_are_gone(&self) -> Result<(), RemoteError> {
        let rows = self.state.read(|s| s.mirrors())?;
        let Some(row) = rows.into_iter().find(|row| row.id == self.mirror) else { return Ok(()) };
        let row = Mirror { versions: None, ..row };
        Ok(self.state.write(|w| w.update_mirror(&row))?)
    }

    async fn make_versions_folder(&self, day: &str, seq: u32) -> Result<FolderId, RemoteError> {
        let name = if seq == 1 { day.to_owned() } else { format!("{day}.{seq}") };
        let name = RemoteName::encode(name.as_bytes());
        let parent = self.all_versions().await?;
        let found = self.sub_folder(parent, &name).await?;
        if let SubFolder::Absent(error) = &found
            && is_gone(error)
        {
            self.versions_are_gone()?;
        }
        let id = found.id()?;
        self.state.write(|w| w.add_versions_folder(self.mirror, day, seq, id))?;
        Ok(id)
    }

    /// The folder of all versions; it is made when there is none.
    pub(crate) async fn all_versions(&self) -> Result<FolderId, RemoteError> {
        let rows = self.state.read(|s| s.mirrors())?;
        let row = rows.into_iter().find(|row| row.id == self.mirror);
        if let Some(known) = row.as_ref().and_then(|row| row.versions) {
            return Ok(known);
        }
        let own = self.own_folder().await?;
        let name = RemoteName::encode(VERSIONS_FOLDER.as_bytes());
        let found = self.sub_folder(own, &name).await?;
        if let SubFolder::Absent(error) = &found
            && is_gone(error)
        {
            self.own_folder_is_gone()?;
        }
        let id = found.id()?;
        if let Some(row) = row {
            self.state.write(|w| w.update_mirror(&Mirror { versions: Some(id), ..row }))?;
        }
        Ok(id)
    }

    /// The folder `.fichierd`. Costs a call if no look at the target has shown it.
    pub(crate) async fn own_folder(&self) -> Result<FolderId, RemoteError> {
        if let Some(own) = self.state.read(|s| ledger::own_folder(s, self.mirror))? {
            return Ok(own);
        }
        self.find_own_folder().await
    }

    /// Forgets `.fichierd`, which somebody removed: the next preparation of the target makes it
    /// again.
    pub(crate) fn own_folder_is_gone(&self) -> Result<(), RemoteError> {
        Ok(self.state.write(|w| ledger::forget_folders(w, self.mirror))?)
    }

    pub(crate) fn confirm_retired_folder(
        &self,
        folder: &Folder,
        name: &RemoteName,
        into: FolderId,
        until_s: i64,
        files: u64,
    ) -> Result<(), RemoteError> {
        self.state.write(|w| {
            w.retire_tree(folder.key, into, until_s, fichier_state::Retired::Deleted)?;
            w.count_retired(into, 1, Some(name.as_str()))
        })?;
        self.count_removals(files)?;
        self.report(|report| report.retired += files);
        Ok(())
    }

    /// Removes a folder, if no file is on record in it and a listing shows it empty.
    pub(super) async fn remove_if_empty(
        &self,
        path: &RelPath,
        folder: &Folder,
    ) -> Result<(), RemoteError> {
        let Some(spot) = folder.remote else { return Ok(()) };
        if self.state.read(|s| s.count_below(folder.key))?.files > 0 {
            return Ok(());
        }
        let outcome = match self.client.list_folder(spot.id).await {
            Ok(listing) if !listing.complete => Ok(()),
            Ok(listing) if listing.files.is_empty() && listing.folders.is_empty() => {
                self.client.remove_folder(spot.id).await
            }
            Ok(_) => {
                tracing::info!(path = %path,
                    "folder `{path}` is gone here; on 1fichier it holds things that fichierd did \
                     not put there, and stays");
                Ok(())
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) if is_local(&error) => {
                let what = format!("the folder is gone here, but stays on 1fichier: {error}");
                return self.problem(path, &what, "it is tried again by itself");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.state.write(|w| w.remove_folder(folder.key))?)
    }
}
