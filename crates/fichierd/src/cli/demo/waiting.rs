//! Waiting until the service has mirrored what was done, without a call and without guessing how
//! long it takes.
//!
//! It looks into the imitation of 1fichier past its API, so that the wait costs no call; what is
//! believed in the end is only what `readback` gets through the API.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use fichier_api::names::RemoteName;
use fichier_emulator::Emulator;

use super::album;
use super::paint::Row;
use super::stage::{Stage, TARGET};
use crate::disk::hash::hash_file;
use crate::status::MirrorState;

/// Far more than an act takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Files and folders by what is known of them without reading the remote ones.
#[derive(Debug, PartialEq, Eq)]
struct Tree {
    /// Path as the service writes it, size, Whirlpool. Sorted.
    files: Vec<(String, u64, String)>,
    folders: BTreeSet<String>,
}

/// Waits until the service is idle and has what is on disk, and shows in `row` what it does and
/// how many calls it has made since `calls`.
///
/// # Errors
///
/// When it needs a decision, or does not get there within a minute.
pub(super) async fn until_mirrored(stage: &Stage, calls: usize, row: &Row) -> anyhow::Result<()> {
    let wanted = Tree::on_disk(&stage.source())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = stage.status().await?;
        let made = stage.emulator.calls() - calls;
        row.say(&format!("{}, {made} calls", status.what));
        if let Some(held) = status.held {
            bail!("the service holds back: {}", held.reason);
        }
        if status.state == MirrorState::Idle && Tree::on_service(&stage.emulator) == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("not mirrored within {PATIENCE:?}; the service says: {}", status.what);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Tree {
    fn on_disk(source: &Path) -> io::Result<Tree> {
        let mut found = Vec::new();
        for path in album::files(source)? {
            let hashed = hash_file(File::open(&path)?, true)?;
            let whirlpool = hashed.whirlpool.map(|hash| hash.to_hex()).unwrap_or_default();
            found.push((remote_path(source, &path), hashed.size_bytes, whirlpool));
        }
        found.sort();
        let folders = album::folders(source)?;
        let folders = folders.iter().map(|path| remote_path(source, path)).collect();
        Ok(Tree { files: found, folders })
    }

    fn on_service(emulator: &Emulator) -> Tree {
        let below = |path: &str| {
            let path = path.strip_prefix(TARGET)?.trim_start_matches('/').to_owned();
            (!path.starts_with(".fichierd")).then_some(path)
        };
        let files = emulator.files().into_iter().filter_map(|file| {
            let path = below(&format!("{}/{}", file.path, file.name))?;
            Some((path, file.size, file.whirlpool))
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        let folders = emulator.folders();
        let folders = folders.iter().filter_map(|path| below(path)).filter(|path| !path.is_empty());
        Tree { files, folders: folders.collect() }
    }
}

/// The path below `source`, with each name as the service has it.
pub(super) fn remote_path(source: &Path, path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let below = path.strip_prefix(source).unwrap_or(path);
    let names = below.iter().map(|name| RemoteName::encode(name.as_bytes()));
    names.map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join("/")
}
