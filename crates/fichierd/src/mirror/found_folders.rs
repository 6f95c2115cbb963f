//! Recognises folders that were renamed here before the records were made anew: a walk knows their
//! files on the service by name, size and hash, and nothing else.
//!
//! Such a folder is moved as any other that was renamed; its files are adopted in its new place, each
//! when its whole content has been compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fichier_api::Whirlpool;
use fichier_state::{Folder, RelPath};

use crate::base::State;
use crate::disk::hash::hash_file;
use crate::disk::{Scanner, SeenKind};
use crate::mirror::error::MirrorError;
use crate::plan::Change;
use crate::remote::FolderMove;

/// Files of a folder that are compared, at most.
const LOOK_AT: usize = 20;

/// Bytes that are read to tell whether a folder is the same, after which no further file is begun.
const ENOUGH_BYTES: u64 = 64 << 20;

/// A file that the service has in a folder that is gone here.
struct Known {
    /// Its path in the folder.
    path: RelPath,
    size_bytes: u64,
    whirlpool: Whirlpool,
}

/// Folders that only a listing has told of, that are not on disk, and whose files are in a folder
/// that is on disk and not on record.
pub(super) fn found_folders(
    state: &State,
    scanner: &Scanner,
    changes: &[Change],
) -> Result<Vec<FolderMove>, MirrorError> {
    let is_found = |folder: &Folder| {
        folder.inode == 0 && folder.remote.is_some_and(|spot| !spot.made_by_us && spot.listed)
    };
    let gone = changes.iter().filter_map(|change| {
        let Change::FolderRemoved { path, folder } = change else { return None };
        is_found(folder).then_some((path, folder))
    });
    let mut moves = Vec::new();
    let mut places = None;
    let mut taken = BTreeSet::new();
    for (from, folder) in gone {
        let known = known_files(state, folder)?;
        let places = places.get_or_insert_with(|| Places::of(changes));
        let Some(to) = places.best(&known) else { continue };
        if !taken.contains(&to) && is_same(scanner, &to, &known) {
            taken.insert(to.clone());
            moves.push(FolderMove { key: folder.key, from: from.clone(), to });
        }
    }
    Ok(moves)
}

/// Some files at and below a folder.
fn known_files(state: &State, folder: &Folder) -> Result<Vec<Known>, MirrorError> {
    let mut known = Vec::new();
    let mut open = vec![(folder.key, RelPath::root())];
    while let Some((key, below)) = open.pop()
        && known.len() < LOOK_AT
    {
        let (files, folders) = state.read(|s| Ok((s.foreign(key)?, s.subfolders(key)?)))?;
        known.extend(files.into_iter().filter_map(|file| {
            let path = below.join(&file.name.decode());
            Some(Known { path, size_bytes: file.size_bytes, whirlpool: file.whirlpool? })
        }));
        open.extend(folders.into_iter().map(|inside| (inside.key, below.join(&inside.name))));
    }
    known.truncate(LOOK_AT);
    Ok(known)
}

/// The new folders on disk, and the new files.
struct Places<'a> {
    folders: BTreeSet<&'a RelPath>,
    files: HashMap<(&'a [u8], u64), Vec<&'a RelPath>>,
}

impl<'a> Places<'a> {
    fn of(changes: &'a [Change]) -> Places<'a> {
        let mut places = Places { folders: BTreeSet::new(), files: HashMap::new() };
        for change in changes {
            if let Change::FolderAdded { path, .. } = change {
                places.folders.insert(path);
            } else if let Change::Added { path, seen } = change
                && seen.kind == SeenKind::File
            {
                let content = (path.name(), seen.stamp.size_bytes);
                places.files.entry(content).or_default().push(path);
            }
        }
        places
    }

    /// The new folder that has most of these files, by name and size; at least half of them.
    fn best(&self, known: &[Known]) -> Option<RelPath> {
        let mut found: BTreeMap<RelPath, usize> = BTreeMap::new();
        for file in known {
            let alike = self.files.get(&(file.path.name(), file.size_bytes));
            for path in alike.into_iter().flatten().take(LOOK_AT) {
                let folder = folder_of(path, &file.path);
                if let Some(folder) = folder.filter(|folder| self.folders.contains(folder)) {
                    *found.entry(folder).or_default() += 1;
                }
            }
        }
        let (folder, files) = found.into_iter().max_by_key(|(_, files)| *files)?;
        (files * 2 >= known.len()).then_some(folder)
    }
}

/// The folder in which a file with this path would have the path `below`.
fn folder_of(path: &RelPath, below: &RelPath) -> Option<RelPath> {
    let (mut at, mut below) = (path.clone(), below.clone());
    while !below.is_root() {
        if at.name() != below.name() {
            return None;
        }
        at = at.parent()?;
        below = below.parent()?;
    }
    Some(at)
}

/// Whether at least half of the files have the very contents that the service has. The smallest are
/// read first.
fn is_same(scanner: &Scanner, folder: &RelPath, known: &[Known]) -> bool {
    let mut known: Vec<&Known> = known.iter().collect();
    known.sort_by_key(|file| file.size_bytes);
    let (mut read, mut looked_at, mut same) = (0, 0, 0);
    for file in known {
        if read > ENOUGH_BYTES {
            break;
        }
        let path = file.path.components().fold(folder.clone(), |path, name| path.join(name));
        looked_at += 1;
        let hashed = scanner.open_file(&path).and_then(|opened| hash_file(opened, true));
        if let Ok(hashed) = hashed {
            read += hashed.size_bytes;
            same += usize::from(hashed.whirlpool == Some(file.whirlpool));
        }
    }
    same > 0 && same * 2 >= looked_at
}
