//! A folder of an encrypted mirror, with everything in it.
//!
//! What cannot be had is told and left out: the rest is worth more than a clean end. Nothing is
//! overwritten; a second file of the same name is left out, too.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fichier_api::names::RemoteName;
use fichier_api::{ErrorKind, FolderId, FolderListing};

use super::fetch::Fetching;
use crate::cli::remote::Remote;
use crate::cli::remote::report::{Deed, done, left_out};
use crate::remote::layout::is_own;
use crate::restore::tree::is_name;

/// Why a file or folder is left out.
const NO_NAME: &str = "its name cannot be read with that password; fetch it by itself, with a name";

/// Fetches everything in a folder into `dest`, which is made. Costs one listing for each folder and
/// one call for each file.
///
/// # Errors
///
/// Those that every other file would meet, too.
pub(super) async fn fetch(
    id: FolderId,
    dest: PathBuf,
    fetching: &Fetching,
    remote: &mut Remote<'_>,
) -> anyhow::Result<Vec<Deed>> {
    let mut deeds = Vec::new();
    let mut folders = vec![(id, dest)];
    while let Some((id, dest)) = folders.pop() {
        std::fs::create_dir(&dest).with_context(|| dest.display().to_string())?;
        let listing = remote.tree.list(id).await?.clone();
        if !listing.complete {
            deeds.push(left_out(shown(&dest), "the service did not list everything in it"));
        }
        // Ours holds the versions, and none of the files.
        for folder in listing.folders.iter().filter(|folder| !is_own(&folder.name)) {
            let local = fetching.form.local_folder_name(&folder.name).filter(|name| is_name(name));
            match local {
                Some(local) => folders.push((folder.id, inside(&dest, &local))),
                None => deeds.push(left_out(stored(&dest, &folder.name), NO_NAME)),
            }
        }
        files(&listing, &dest, fetching, &mut deeds).await?;
    }
    Ok(deeds)
}

async fn files(
    listing: &FolderListing,
    dest: &Path,
    fetching: &Fetching,
    deeds: &mut Vec<Deed>,
) -> anyhow::Result<()> {
    for file in &listing.files {
        let local = fetching.form.local_file_name(&file.name).filter(|name| is_name(name));
        let Some(local) = local else {
            deeds.push(left_out(stored(dest, &file.name), NO_NAME));
            continue;
        };
        let to = inside(dest, &local);
        if to.symlink_metadata().is_ok() {
            deeds.push(left_out(shown(&to), "there is another one of this name"));
            continue;
        }
        match fetching.file(file, &to).await {
            Ok(()) => deeds.push(done(shown(&to))),
            Err(error) if is_of_one_file(&error) => {
                deeds.push(left_out(shown(&to), format!("{error:#}")));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn inside(folder: &Path, name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    folder.join(std::ffi::OsStr::from_bytes(name))
}

/// The place of something whose name cannot be read.
fn stored(folder: &Path, name: &RemoteName) -> String {
    folder.join(name.as_str()).display().to_string()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn is_of_one_file(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<fichier_api::Error>().map(|error| &error.kind);
    matches!(kind, Some(ErrorKind::Corrupt { .. } | ErrorKind::NotFound))
}
