//! `fichierd remote download`: a file from the account, compared after it arrived.
//!
//! The file is written beside its destination under a temporary name, and gets its own name only if
//! size and hash are right. No existing file is ever overwritten.
//!
//! With `--decrypt` the file, or all files of a folder (`folder`), are deciphered on the way. The
//! format has no end mark: that a file is whole is told by its size in the listing, and its hash.

mod fetch;
mod folder;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use fichier_api::DownloadOptions;

use self::fetch::Fetching;
use super::Remote;
use super::place::{FoundItem, RemotePlace, missing};
use super::report::{deeds, done};
use crate::base::{Exit, Form};
use crate::cli::failure::ended;
use crate::config::Config;
use crate::restore::form_of;
use crate::restore::tree::is_name;

#[derive(Args, Debug)]
pub(super) struct DownloadArgs {
    /// A path in the account, or a link
    #[arg(value_name = "PATH|LINK")]
    place: RemotePlace,
    /// A folder, or the name of a new file
    #[arg(default_value = ".")]
    dest: PathBuf,
    /// Decipher it with the password of this mirror; PATH may be a folder, and be written as it is
    /// stored or as it was here
    #[arg(long, value_name = "MIRROR")]
    decrypt: Option<String>,
    /// Download with the account's CDN credits: 1 GB of them for each GB
    #[arg(long)]
    use_cdn: bool,
}

/// Downloads a file. Costs one listing for each folder above a path, or one call for a link, and
/// then one call for the download address.
pub(super) async fn run(args: DownloadArgs, remote: &mut Remote<'_>) -> anyhow::Result<Exit> {
    let form = match &args.decrypt {
        Some(mirror) => encrypted(remote.config, mirror)?,
        None => Form::Plain,
    };
    read(args, form, remote).await
}

/// Downloads what is stored in a form.
pub(super) async fn read(
    args: DownloadArgs,
    form: Form,
    remote: &mut Remote<'_>,
) -> anyhow::Result<Exit> {
    let client = if args.use_cdn {
        let paying = DownloadOptions { use_cdn: true, ..DownloadOptions::default() };
        remote.client.with_download_options(paying)
    } else {
        remote.client.clone()
    };
    remote.tree.read_names_by(form.clone());
    let fetching = Fetching { client, form };
    if let (Some(_), RemotePlace::Path(path)) = (fetching.form.crypt(), &args.place) {
        let found = remote.tree.find(path).await?.ok_or_else(|| missing(path))?;
        if let FoundItem::Folder { id, name, .. } = found {
            // The folder of the mirror itself, and those above, have plain names.
            let local = fetching.form.local_folder_name(&name).unwrap_or_else(|| name.decode());
            let dest = destination(&args.dest, Some(&local))?;
            let all = folder::fetch(id, dest, &fetching, remote).await?;
            return deeds("downloaded", &all, remote.json);
        }
    }
    let file = remote.tree.file(&args.place).await?;
    let local = fetching.form.local_file_name(&file.name);
    let dest = destination(&args.dest, local.as_deref())?;
    fetching.file(&file, &dest).await?;
    deeds("downloaded", &[done(dest.display().to_string())], remote.json)
}

/// The form of an encrypted mirror.
fn encrypted(config: &Config, name: &str) -> anyhow::Result<Form> {
    let Some(mirror) = config.mirror(name) else {
        return Err(ended(Exit::Usage, format!("there is no mirror `{name}`")));
    };
    let form = form_of(mirror)?;
    match form.crypt() {
        Some(_) => Ok(form),
        None => Err(ended(Exit::Usage, format!("the mirror `{name}` is not encrypted"))),
    }
}

/// The path of the file or folder to make. A name from the account never leads out of the folder.
/// Without a name that can be read it must be typed.
fn destination(typed: &Path, local: Option<&[u8]>) -> anyhow::Result<PathBuf> {
    let dest = match local {
        _ if !typed.is_dir() => typed.to_path_buf(),
        Some(local) if is_name(local) => typed.join(OsStr::from_bytes(local)),
        Some(_) | None => {
            let message = "its name in the account cannot be used here; give a new name";
            return Err(ended(Exit::Usage, message));
        }
    };
    if dest.symlink_metadata().is_ok() {
        return Err(ended(Exit::Failed, format!("{} exists already", dest.display())));
    }
    Ok(dest)
}

#[cfg(test)]
mod tests {
    use fichier_api::names::RemoteName;

    use super::*;

    #[test]
    fn a_name_from_the_account_stays_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(destination(dir.path(), Some(b"a.jpg")).unwrap(), dir.path().join("a.jpg"));
        for evil in ["／etc／passwd", "．．", "a\u{2400}b"] {
            let evil = RemoteName::from_service(evil.to_owned()).decode();
            for name in [Some(&evil[..]), None] {
                let said = destination(dir.path(), name).map_err(|error| error.to_string());
                let expected = "its name in the account cannot be used here; give a new name";
                assert_eq!(said.unwrap_err(), expected);
            }
        }
    }

    #[test]
    fn what_exists_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("a.jpg");
        std::fs::write(&there, "precious").unwrap();
        for typed in [dir.path(), &there] {
            let said = destination(typed, Some(b"a.jpg")).unwrap_err().to_string();
            assert_eq!(said, format!("{} exists already", there.display()));
        }
    }
}
