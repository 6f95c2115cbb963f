//! The proof: everything is read back through the API, as a stranger would, and compared byte
//! for byte with the disk.
//!
//! Nothing that the service remembers is used: the folders are listed, each file is downloaded.
//! The calls wait for the same pacer as the service's own, since the limits hold for them too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fichier_api::{Client, FileUrl, FolderId, FolderListing};

use super::album;
use super::paint::Row;
use super::waiting::remote_path;

/// The folder in the target that is the program's own.
const OWN: &str = ".fichierd";
const VERSIONS: &str = ".fichierd/versions/";
const STAGING: &str = ".fichierd/incoming-";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    /// Files of the mirror that were downloaded.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    pub(super) listings: u64,
    pub(super) downloads: u64,
    /// Earlier versions that are there with the bytes that they had.
    pub(super) versions: u64,
    /// What is not as it should be, for people; empty if all is well.
    pub(super) differences: Vec<String>,
}

/// A remote file and the path it has below the target.
struct Found {
    path: String,
    url: FileUrl,
}

/// Reads all that is below `target` and compares it with `source` and with the hashes of the
/// contents that were replaced or deleted.
///
/// Costs one call a folder and one a file.
///
/// # Errors
///
/// When a listing is incomplete or a call fails; a difference is not an error.
pub(super) async fn read_back(
    client: &Client,
    target: &str,
    source: &Path,
    earlier: &[blake3::Hash],
    row: &Row,
) -> anyhow::Result<ReadBack> {
    let mut result = ReadBack::default();
    let found = walk(client, target, &mut result, row).await?;
    let (kept, mirrored): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|file| file.path.starts_with(VERSIONS));
    let mut local: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in album::files(source)? {
        local.insert(remote_path(source, &path), path);
    }
    let total = mirrored.len() + kept.len();
    for file in mirrored {
        let content = download(client, &file, &mut result).await?;
        row.say(&format!("{} of {total} files compared", result.downloads));
        result.files += 1;
        result.bytes += content.len() as u64;
        // Taken out, so that a second file of the same name has no counterpart.
        let on_disk = local.remove(&file.path).map(fs::read).transpose()?;
        result.differences.extend(difference(&file.path, on_disk.as_deref(), &content));
    }
    result.differences.extend(local.keys().map(|path| format!("{path}: not on the service")));
    let mut missing = earlier.to_vec();
    for file in kept {
        let content = blake3::hash(&download(client, &file, &mut result).await?);
        row.say(&format!("{} of {total} files compared", result.downloads));
        match missing.iter().position(|hash| *hash == content) {
            Some(at) => {
                missing.swap_remove(at);
                result.versions += 1;
            }
            None => result.differences.push(format!("{}: not a version that was", file.path)),
        }
    }
    if !missing.is_empty() {
        result.differences.push(format!("{} earlier versions are not kept", missing.len()));
    }
    Ok(result)
}

/// What is wrong with a remote file, if anything is.
fn difference(path: &str, on_disk: Option<&[u8]>, remote: &[u8]) -> Option<String> {
    let Some(on_disk) = on_disk else {
        return Some(format!("{path}: on the service, and not (or not twice) on disk"));
    };
    if on_disk == remote {
        return None;
    }
    if on_disk.len() != remote.len() {
        let (disk, remote) = (on_disk.len(), remote.len());
        return Some(format!("{path}: {disk} bytes on disk, {remote} on the service"));
    }
    let at = on_disk.iter().zip(remote).position(|(a, b)| a != b).unwrap_or_default();
    Some(format!("{path}: differs from byte {at} on"))
}

/// Lists everything below `target`.
async fn walk(
    client: &Client,
    target: &str,
    result: &mut ReadBack,
    row: &Row,
) -> anyhow::Result<Vec<Found>> {
    let mut folder = FolderId::ROOT;
    for name in target.split('/').filter(|name| !name.is_empty()) {
        let listing = list(client, folder, result).await?;
        let next = listing.folders.iter().find(|folder| folder.name.as_str() == name);
        folder = next.with_context(|| format!("{target} is not on the service"))?.id;
    }
    let (mut found, mut waiting) = (Vec::new(), vec![(String::new(), folder)]);
    while let Some((above, folder)) = waiting.pop() {
        let listing = list(client, folder, result).await?;
        row.say(&format!("{} folders listed", result.listings));
        for folder in listing.folders {
            waiting.push((format!("{above}{}/", folder.name.as_str()), folder.id));
        }
        for file in listing.files {
            let path = format!("{above}{}", file.name.as_str());
            if above.starts_with(STAGING) {
                result.differences.push(format!("{path}: left behind"));
            } else if !above.starts_with(OWN) || above.starts_with(VERSIONS) {
                found.push(Found { path, url: file.url });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

async fn list(
    client: &Client,
    folder: FolderId,
    result: &mut ReadBack,
) -> anyhow::Result<FolderListing> {
    let listing = client.list_folder(folder).await?;
    result.listings += 1;
    if !listing.complete {
        bail!("a listing is incomplete");
    }
    Ok(listing)
}

async fn download(client: &Client, file: &Found, result: &mut ReadBack) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    client.download(&file.url, None, &mut content).await?;
    result.downloads += 1;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use fichier_api::{ApiKey, PaceConfig, Pacer};
    use fichier_emulator::{Emulator, Rules};

    use super::*;

    /// The same two files on both sides and one kept version, then `meddle`.
    async fn differences(meddle: impl FnOnce(&Emulator, &[String])) -> Vec<String> {
        let emulator = Emulator::builder().rules(Rules::scaled(2_000)).start().await.unwrap();
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("a")).unwrap();
        fs::write(source.path().join("a/x"), "one").unwrap();
        fs::write(source.path().join("y"), "other").unwrap();
        let links = [
            emulator.add_file("/demo/t/a", "x", b"one"),
            emulator.add_file("/demo/t", "y", b"other"),
            emulator.add_file("/demo/t/.fichierd/versions/2026-01-01", "x", b"before"),
        ];
        emulator.add_folder("/demo/t/.fichierd/incoming-installation");
        meddle(&emulator, &links);
        let pace = PaceConfig { calls_per_second: 3.0, time_scale: 2_000 };
        let key = ApiKey::new(emulator.api_key()).unwrap();
        let client = Client::builder(key, Pacer::in_memory(pace));
        let client = client.api_url(&emulator.api_url()).build().unwrap();
        let earlier = [blake3::hash(b"before")];
        let row = Row::begin("read back");
        let read = read_back(&client, "/demo/t", source.path(), &earlier, &row).await.unwrap();
        emulator.assert_no_violations();
        read.differences
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn equal_sides_have_no_difference() {
        assert_eq!(differences(|_, _| {}).await, [""; 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_changed_byte_is_found() {
        let found = differences(|emulator, links| emulator.replace_content(&links[0], b"onE"));
        assert_eq!(found.await, ["a/x: differs from byte 2 on"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cut_file_is_found() {
        let found = differences(|emulator, links| emulator.replace_content(&links[1], b"othe"));
        assert_eq!(found.await, ["y: 5 bytes on disk, 4 on the service"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_missing_a_second_and_a_strange_file_are_found() {
        let found = differences(|emulator, links| {
            emulator.remove_file(&links[1]);
            emulator.add_file("/demo/t/a", "x", b"one");
            emulator.add_file("/demo/t/b", "z", b"strange");
        });
        let expected = [
            "a/x: on the service, and not (or not twice) on disk",
            "b/z: on the service, and not (or not twice) on disk",
            "y: not on the service",
        ];
        assert_eq!(found.await, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_that_is_lost_or_spoiled_and_a_file_left_in_staging_are_found() {
        let lost = differences(|emulator, links| emulator.remove_file(&links[2]));
        assert_eq!(lost.await, ["1 earlier versions are not kept"]);
        let found = differences(|emulator, links| {
            emulator.replace_content(&links[2], b"BEFORE");
            emulator.add_file("/demo/t/.fichierd/incoming-installation", "s", b"staged");
        });
        let expected = [
            ".fichierd/incoming-installation/s: left behind",
            ".fichierd/versions/2026-01-01/x: not a version that was",
            "1 earlier versions are not kept",
        ];
        assert_eq!(found.await, expected);
    }
}
