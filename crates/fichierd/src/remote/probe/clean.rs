//! Removes the folder of a probe and the files and folders that the probe has put into it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fichier_api::names::RemoteName;
use fichier_api::{Error, ErrorKind, FileUrl, FolderId, FolderListing, MAX_LINKS_PER_CALL};

use super::Probe;

/// The beginning of the name of each file and folder of ours, whatever its case.
pub(super) const PREFIX: &str = "probe-";

/// How often the removal of a folder is tried: the service may refuse it for some seconds after its
/// files were removed.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_secs(30);

/// The file in the state folder that names the probe's own folder.
pub(super) struct Journal(PathBuf);

impl Journal {
    pub(super) fn at(state_dir: &Path) -> Journal {
        Journal(state_dir.join("probe"))
    }

    /// The name of the folder that an earlier run has made, or was about to make.
    pub(super) fn read(&self) -> Option<String> {
        let text = fs::read_to_string(&self.0).ok()?;
        let name = text.trim();
        name.starts_with("fichierd-probe-").then(|| name.to_owned())
    }

    /// Writes a new random name to disk, and returns it.
    pub(super) fn begin(&self) -> io::Result<String> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name = format!("fichierd-probe-{:016x}", u64::from_le_bytes(random));
        fs::write(&self.0, &name)?;
        fs::File::open(&self.0)?.sync_all()?;
        Ok(name)
    }

    #[expect(clippy::disallowed_methods, reason = "our own note, in the state folder")]
    pub(super) fn clear(&self) -> io::Result<()> {
        fs::remove_file(&self.0)
    }
}

impl Probe<'_> {
    /// Removes the folder of an earlier run, and its file in the account's root. Returns whether
    /// nothing of it is left.
    pub(super) async fn clean_by_name(&self, name: &str) -> Result<bool, Error> {
        let root = self.client.list_folder(FolderId::ROOT).await?;
        self.remove_named(&root, &root_file(name)).await?;
        let name = RemoteName::encode(name.as_bytes());
        for folder in root.folders.iter().filter(|folder| folder.name == name) {
            if !self.clean(folder.id).await? {
                return Ok(false);
            }
        }
        Ok(root.complete)
    }

    /// Removes a folder of ours with everything that is ours in it. Returns whether nothing is
    /// left.
    pub(super) async fn clean(&self, folder: FolderId) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let listing = match self.client.list_folder(folder).await {
                Ok(listing) => listing,
                Err(error) if is_gone(&error) => return Ok(true),
                Err(error) => return Err(error),
            };
            let files = listing.files.iter().filter(|file| ours(&file.name));
            self.remove_files(files.map(|file| file.url.clone()).collect()).await?;
            for inner in listing.folders.iter().filter(|inner| ours(&inner.name)) {
                Box::pin(self.clean(inner.id)).await?;
            }
            let strangers = listing.files.iter().map(|file| &file.name);
            let mut strangers = strangers.chain(listing.folders.iter().map(|inner| &inner.name));
            if strangers.any(|name| !ours(name)) {
                return Ok(false);
            }
            match self.client.remove_folder(folder).await {
                Ok(()) => return Ok(true),
                Err(error) if is_gone(&error) => return Ok(true),
                Err(error) if is_refused(&error) => self.wait(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Removes the files of this name in the account's root.
    pub(super) async fn remove_named(
        &self,
        root: &FolderListing,
        name: &RemoteName,
    ) -> Result<(), Error> {
        let named = root.files.iter().filter(|file| file.name == *name);
        self.remove_files(named.map(|file| file.url.clone()).collect()).await
    }

    /// Removes files, in batches as large as the service takes.
    async fn remove_files(&self, mut open: Vec<FileUrl>) -> Result<(), Error> {
        let mut at_once = MAX_LINKS_PER_CALL;
        while !open.is_empty() {
            let chunk = &open[..open.len().min(at_once)];
            let done = match self.client.remove_files(chunk).await {
                Ok(outcome) => outcome.done,
                Err(error) if is_gone(&error) || is_refused(&error) => Vec::new(),
                Err(error) => return Err(error),
            };
            if !done.is_empty() {
                open.retain(|url| !done.contains(url));
            } else if at_once > 1 {
                at_once /= 2;
            } else {
                open.remove(0);
            }
        }
        Ok(())
    }
}

/// Whether we gave this name, even if the service has put something before it.
fn ours(name: &RemoteName) -> bool {
    let name = name.as_str().trim_start_matches(|c: char| !c.is_alphanumeric());
    name.to_lowercase().starts_with(PREFIX)
}

/// The name of a file that may get into the account's root, made from the name of the probe's
/// folder: it is as much the probe's own.
pub(super) fn root_file(name: &str) -> RemoteName {
    RemoteName::encode(format!("{name}.txt").as_bytes())
}

pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::NotFound)
}

/// Whether the service understood the request and declined it.
pub(super) fn is_refused(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Refused { .. } | ErrorKind::NameTaken { .. } | ErrorKind::NotAllowed
    )
}
