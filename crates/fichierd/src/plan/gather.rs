//! Collects the facts that a plan needs besides the changes: contents that had to be read, records
//! that may be moved or copied, files that were on the service before us.
//!
//! The disk is read only where that can save a call: a file is hashed before it is sent if some
//! record or version has its size (it may be a rename, a copy, unchanged, or back), or if a file of its
//! name and size is on the service already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;

use fichier_api::Whirlpool;
use fichier_api::names::RemoteName;
use fichier_state::{Content, Entry, Folder, ForeignFile, MirrorId, RelPath};

use crate::base::{Form, State};
use crate::disk::hash::{hash_file, hash_untold};
use crate::disk::{Hashed, Scanner, Seen, SeenKind};
use crate::plan::change::Change;
use crate::plan::decide::{GoneFolder, Known};

mod read;
mod versions;

/// Records of one content that are looked at for one that may be copied.
const MOST_ALIKE: usize = 4;

pub use self::read::Unread;
pub(crate) use self::read::read;
pub use self::versions::{Usable, versions};

/// The gathered facts, and the files that could not be read.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The facts for the plan.
    pub known: Known,
    /// Files that are left out this time, and why.
    pub unread: Vec<(RelPath, Unread)>,
}

/// Where facts come from.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The records.
    pub state: &'a State,
    /// Opens the files of the source.
    pub scanner: &'a Scanner,
    /// The mirror.
    pub mirror: MirrorId,
    /// How files are stored.
    pub form: &'a Form,
}

/// Gathers for the changes of one mirror. Blocks while it reads files. It does not read those in
/// `restless`, which change too often: their content is decided when they are sent.
///
/// A file whose size is told to be 0 is read, and gets the size that it turns out to have.
///
/// # Errors
///
/// Errors of the state file.
pub fn gather(
    from: Around<'_>,
    changes: &mut [Change],
    restless: &BTreeSet<RelPath>,
) -> Result<Gathered, fichier_state::Error> {
    let Around { state, scanner, mirror, form } = from;
    let known = Known { keys: form.keys_id(), ..Known::default() };
    let mut gathered = Gathered { known, unread: Vec::new() };
    let measured = measure(scanner, changes, restless, &mut gathered.unread);
    let known = &mut gathered.known;
    for change in &*changes {
        if let Change::FolderRemoved { path, folder } = change {
            known.gone.insert(path.clone(), gone_folder(state, path, folder)?);
        }
    }
    let stores_empty = form.stores_empty_files();
    let sendable: Vec<(&RelPath, &Seen)> =
        changes.iter().filter_map(|change| sendable(change, stores_empty)).collect();
    known.remote_folders = remote_folders(state, mirror, &sendable)?;
    known.in_the_way = in_the_way(from, &sendable)?;
    known.alike = alike(&known.in_the_way, form, &sendable, restless);
    let sizes: Vec<u64> = sendable.iter().map(|(_, seen)| seen.stamp.size_bytes).collect();
    let sizes = state.read(|s| {
        let mut known = s.has_size(mirror, &sizes)?;
        known.extend(s.has_version_of_size(mirror, &sizes)?);
        Ok(known)
    })?;
    for (path, seen) in sendable {
        let maybe_identical = known
            .in_the_way
            .get(path)
            .filter(|file| form.is_of(None) && file.size_bytes == seen.stamp.size_bytes)
            .and_then(|file| file.whirlpool);
        let saves_a_call = maybe_identical.is_some() || sizes.contains(&seen.stamp.size_bytes);
        if !saves_a_call || restless.contains(path) {
            continue;
        }
        let hashed = match measured.get(path) {
            Some(hashed) if maybe_identical.is_none() => Ok(hashed.clone()),
            Some(_) | None => {
                read(scanner, path, seen, |file| hash_file(file, maybe_identical.is_some()))
            }
        };
        match hashed {
            Ok(hashed) => remember(from, known, path, &hashed, maybe_identical)?,
            Err(unread) => gathered.unread.push((path.clone(), unread)),
        }
    }
    Ok(gathered)
}

/// Reads the files that are told to be empty, and gives those that are not their true size.
fn measure(
    scanner: &Scanner,
    changes: &mut [Change],
    restless: &BTreeSet<RelPath>,
    unread: &mut Vec<(RelPath, Unread)>,
) -> HashMap<RelPath, Hashed> {
    let mut measured = HashMap::new();
    for change in changes {
        let (Change::Added { path, seen } | Change::Touched { path, seen, .. }) = change else {
            continue;
        };
        if seen.kind != SeenKind::File || seen.stamp.size_bytes > 0 {
            continue;
        }
        let hashed = match scanner.open_file(path).and_then(hash_untold) {
            Ok(hashed) => hashed,
            // It cannot be read, so the told size is all that is known of its content.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            Err(error) => {
                unread.push((path.clone(), Unread::Failed(error)));
                continue;
            }
        };
        let same = hashed.stamp_before == seen.stamp && hashed.stamp_after == seen.stamp;
        if !same && !restless.contains(path) {
            unread.push((path.clone(), Unread::Changed));
        } else if hashed.size_bytes > 0 {
            seen.stamp.size_bytes = hashed.size_bytes;
            measured.insert(path.clone(), hashed);
        }
    }
    measured
}

fn remember(
    from: Around<'_>,
    known: &mut Known,
    path: &RelPath,
    hashed: &Hashed,
    maybe_identical: Option<Whirlpool>,
) -> Result<(), fichier_state::Error> {
    known.fingerprints.insert(path.clone(), hashed.fingerprint);
    if maybe_identical.is_some() && maybe_identical == hashed.whirlpool {
        known.identical.insert(path.clone());
    }
    let content = (hashed.size_bytes, hashed.fingerprint);
    if !known.copies.contains_key(&content) {
        let Around { state, mirror, form, .. } = from;
        // While a mirror changes its form, there are copies in both.
        let alike = state.read(|s| s.with_content(mirror, content.0, &content.1, MOST_ALIKE))?;
        let is_of_form =
            |entry: &Entry| entry.remote().is_some_and(|copy| form.is_of(copy.cipher.as_ref()));
        let alike = alike.into_iter().find(is_of_form);
        known.copies.extend(alike.into_iter().map(|entry| (content, entry)));
    }
    Ok(())
}

fn sendable(change: &Change, stores_empty: bool) -> Option<(&RelPath, &Seen)> {
    match change {
        Change::Added { path, seen } | Change::Touched { path, seen, .. } => {
            seen.is_sent(stores_empty).then_some((path, seen))
        }
        Change::FolderAdded { .. }
        | Change::FolderTouched { .. }
        | Change::FolderRemoved { .. }
        | Change::FolderUnmanaged { .. }
        | Change::FolderManaged { .. }
        | Change::Unmanaged { .. }
        | Change::Managed { .. }
        | Change::Removed { .. } => None,
    }
}

/// Of the folders that files may go into, those that exist on the service.
fn remote_folders(
    state: &State,
    mirror: MirrorId,
    sendable: &[(&RelPath, &Seen)],
) -> Result<BTreeSet<RelPath>, fichier_state::Error> {
    let (mut there, mut looked_at) = (BTreeSet::new(), HashSet::new());
    for (path, _) in sendable {
        let mut folder = path.parent();
        while let Some(path) = folder {
            if !looked_at.insert(path.clone()) {
                break;
            }
            let row = state.read(|s| s.folder_at(mirror, &path))?;
            if row.is_some_and(|row| row.remote.is_some()) {
                there.insert(path.clone());
            }
            folder = path.parent();
        }
    }
    Ok(there)
}

/// Foreign files that have the name of a file that is to be sent.
fn in_the_way(
    from: Around<'_>,
    sendable: &[(&RelPath, &Seen)],
) -> Result<HashMap<RelPath, ForeignFile>, fichier_state::Error> {
    let Around { state, mirror, form, .. } = from;
    let mut by_folder: BTreeMap<RelPath, Vec<(&RelPath, u64)>> = BTreeMap::new();
    for (path, seen) in sendable {
        let folder = path.parent().unwrap_or_else(RelPath::root);
        by_folder.entry(folder).or_default().push((path, form.object_bytes(seen.stamp.size_bytes)));
    }
    let mut found = HashMap::new();
    for (folder, files) in by_folder {
        let Some(row) = state.read(|s| s.folder_at(mirror, &folder))? else { continue };
        let mut foreign: HashMap<RemoteName, Vec<ForeignFile>> = HashMap::new();
        for file in state.read(|s| s.foreign(row.key))? {
            foreign.entry(file.name.clone()).or_default().push(file);
        }
        for (path, size) in files {
            if let Some(twins) = foreign.get_mut(&form.file_name(path.name())) {
                // Of several files with the same name the one of the right size may be identical.
                let best = twins.iter().position(|file| file.size_bytes == size).unwrap_or(0);
                found.insert(path.clone(), twins[best].clone());
            }
        }
    }
    Ok(found)
}

/// Enciphered foreign files that may be the local ones.
fn alike(
    in_the_way: &HashMap<RelPath, ForeignFile>,
    form: &Form,
    sendable: &[(&RelPath, &Seen)],
    restless: &BTreeSet<RelPath>,
) -> BTreeSet<RelPath> {
    if form.crypt().is_none() {
        return BTreeSet::new();
    }
    let may_be = |(path, seen): &&(&RelPath, &Seen)| {
        let size_bytes = form.object_bytes(seen.stamp.size_bytes);
        let file = in_the_way.get(*path);
        file.is_some_and(|file| file.size_bytes == size_bytes && file.whirlpool.is_some())
            && !restless.contains(*path)
    };
    sendable.iter().filter(may_be).map(|(path, _)| (*path).clone()).collect()
}

fn gone_folder(
    state: &State,
    path: &RelPath,
    folder: &Folder,
) -> Result<GoneFolder, fichier_state::Error> {
    let mut entries: Vec<(RelPath, Box<Entry>)> = Vec::new();
    let mut wholly_ours = true;
    state.read(|s| {
        s.entries_below(folder.key, |entry_path, entry| {
            wholly_ours &= !entry.unmanaged;
            if matches!(entry.content, Content::File(_)) {
                entries.push((entry_path, Box::new(entry)));
            }
            ControlFlow::Continue(())
        })
    })?;
    let mut folders = Vec::new();
    remote_below(state, path, folder, &mut folders, &mut wholly_ours)?;
    entries.retain(|(_, entry)| !entry.unmanaged);
    Ok(GoneFolder { key: folder.key, entries, folders, wholly_ours })
}

/// The folders on the service below one that is gone, children first.
fn remote_below(
    state: &State,
    path: &RelPath,
    folder: &Folder,
    found: &mut Vec<(RelPath, Box<Folder>)>,
    wholly_ours: &mut bool,
) -> Result<(), fichier_state::Error> {
    for child in state.read(|s| s.subfolders(folder.key))? {
        remote_below(state, &path.join(&child.name), &child, found, wholly_ours)?;
    }
    if let Some(spot) = folder.remote {
        *wholly_ours &= spot.made_by_us && !folder.unmanaged;
        *wholly_ours &= state.read(|s| s.foreign(folder.key))?.is_empty();
        found.push((path.clone(), Box::new(folder.clone())));
    }
    Ok(())
}
