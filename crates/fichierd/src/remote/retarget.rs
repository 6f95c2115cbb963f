//! Moves the target of a mirror on the service, with everything in it: a move, a rename, or both.
//!
//! The target is known by its number, so that the work may be cut short anywhere and done again: a
//! folder that is in its place already is left there. What is approved is on disk first (I3).
//!
//! Two targets that are exchanged are moved one after the other. The one that is in the way steps
//! aside under another name, if it is to be moved itself; any other folder in the way is left alone.

use fichier_api::names::RemoteName;
use fichier_api::{Client, FolderId, FolderListing};
use fichier_state::{Mirror, Records, Writing};

use crate::base::{Fact, Form, State};
use crate::remote::claims;
use crate::remote::error::{RemoteError, TargetRefused};
use crate::remote::folders::{FoundFolder, with_all_folders};
use crate::remote::target;

/// Whether a person has approved that the target of this mirror becomes `to`.
pub(crate) fn is_approved(
    records: &Records,
    row: &Mirror,
    to: &str,
) -> fichier_state::Result<bool> {
    Ok(approved(row).read(records)?.is_some_and(|approved| approved == to))
}

/// Records that the target is to be moved to `to`.
pub(crate) fn approve(w: &mut Writing<'_>, row: &Mirror, to: &str) -> fichier_state::Result<()> {
    approved(row).keep(w, &to.to_owned())
}

/// Records the target that the configuration says, while a person has not decided: such a target
/// may step aside for another one.
pub(crate) fn is_wanted(w: &mut Writing<'_>, row: &Mirror, to: &str) -> fichier_state::Result<()> {
    wanted(row).keep(w, &to.to_owned())
}

fn approved(row: &Mirror) -> Fact<String> {
    Fact::about(format!("approved new target of mirror {}", row.id.0))
}

fn wanted(row: &Mirror) -> Fact<String> {
    Fact::about(format!("new target of mirror {}", row.id.0))
}

/// Moves the target of `row` to `to`, and returns the row with it.
///
/// # Errors
///
/// [`TargetRefused::Occupied`] if something else is there; those of [`target::prepare`].
pub async fn retarget(
    client: &Client,
    state: &State,
    row: &Mirror,
    form: &Form,
    to: &str,
) -> Result<Mirror, RemoteError> {
    let root = state.read(|s| s.folder(row.root))?.and_then(|row| row.remote);
    if let Some(root) = root {
        // Nobody else may work on it, and it has to be there.
        target::prepare(client, state, row, form, true).await?;
        Moving { client, state, row, to, root: root.id }.run().await?;
    }
    let row = state.read(|s| s.mirrors())?.into_iter().find(|now| now.id == row.id);
    let row = row.ok_or(fichier_state::Error::Missing("mirror"))?;
    let moved = Mirror { target: to.to_owned(), held: None, ..row };
    state.write(|w| {
        w.update_mirror(&moved)?;
        approved(&moved).forget(w)?;
        wanted(&moved).forget(w)?;
        claims::staging_is_doubted(w, moved.id)
    })?;
    tracing::info!(mirror = %moved.name, "the target of `{}` is {to} now", moved.name);
    Ok(moved)
}

struct Moving<'a> {
    client: &'a Client,
    state: &'a State,
    row: &'a Mirror,
    to: &'a str,
    root: FolderId,
}

impl Moving<'_> {
    async fn run(&self) -> Result<(), RemoteError> {
        let (above, name) = self.to.trim_end_matches('/').rsplit_once('/').unwrap_or(("", self.to));
        let name = RemoteName::encode(name.as_bytes());
        let mut parent = FoundFolder::Listed(self.client.list_folder(FolderId::ROOT).await?);
        for part in above.split('/').filter(|part| !part.is_empty()) {
            parent = parent.step_into(self.client, part).await?;
        }
        // What the listing does not show must not be there: the folder is moved beside it (I11).
        let parent = with_all_folders(self.client, parent.listed(self.client).await?).await?;
        if parent.folder(&name) == Some(self.root) {
            return Ok(());
        }
        if let Some(there) = parent.folder(&name) {
            self.make_room(there).await?;
        }
        let is_in_place = parent.folders.iter().any(|folder| folder.id == self.root);
        if is_in_place {
            return Ok(self.client.rename_folder(self.root, &name).await?);
        }
        let before = self.last_name();
        if before != name && is_taken(&parent, &before) {
            // On its way it must not meet a folder of its old name.
            self.client.rename_folder(self.root, &self.aside(self.row)).await?;
            self.client.move_folder(self.root, parent.id).await?;
            return Ok(self.client.rename_folder(self.root, &name).await?);
        }
        self.client.move_folder(self.root, parent.id).await?;
        if before != name {
            self.client.rename_folder(self.root, &name).await?;
        }
        Ok(())
    }

    fn last_name(&self) -> RemoteName {
        let last = self.row.target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        RemoteName::encode(last.as_bytes())
    }

    /// Lets a target of another mirror that is to be moved too step aside.
    async fn make_room(&self, there: FolderId) -> Result<(), RemoteError> {
        let waiting = self.state.read(|s| {
            for row in s.mirrors()? {
                let root = s.folder(row.root)?.and_then(|folder| folder.remote);
                let is_it = row.id != self.row.id && root.is_some_and(|root| root.id == there);
                if is_it && wanted(&row).read(s)?.is_some_and(|to| to != row.target) {
                    return Ok(Some(row));
                }
            }
            Ok(None)
        })?;
        let Some(other) = waiting else {
            self.state.write(|w| approved(self.row).forget(w))?;
            let (from, to) = (self.row.target.clone(), self.to.to_owned());
            return Err(TargetRefused::Occupied { from, to }.into());
        };
        Ok(self.client.rename_folder(there, &self.aside(&other)).await?)
    }

    /// The name of a target that waits beside the place of another one.
    fn aside(&self, row: &Mirror) -> RemoteName {
        RemoteName::encode(
            format!("{} (moved aside by fichierd, {})", row.name, row.id.0).as_bytes(),
        )
    }
}

fn is_taken(listing: &FolderListing, name: &RemoteName) -> bool {
    listing.folder(name).is_some()
}
