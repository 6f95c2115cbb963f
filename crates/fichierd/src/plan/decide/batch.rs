//! Groups work into calls: as few as the service allows, none larger than is wise.
//!
//! A batch that fails is sent again as a whole, so each is bounded by count, by bytes and so by
//! time. Files of one folder stay together where they fit: publishing costs one call for each
//! folder.

use std::collections::{BTreeMap, BTreeSet};

use fichier_api::{MAX_FILES_PER_UPLOAD, MAX_LINKS_PER_CALL};
use fichier_state::{RelPath, Version};

use crate::plan::steps::{Placement, Relocation, Retirement};

/// Bounds of one upload.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// The largest number of files, at most [`MAX_FILES_PER_UPLOAD`].
    pub files: usize,
    /// The largest number of bytes, about a minute of the measured bandwidth; a single larger file
    /// goes alone.
    pub bytes: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        BatchLimits { files: MAX_FILES_PER_UPLOAD, bytes: 256 << 20 }
    }
}

impl BatchLimits {
    /// Cuts files into uploads.
    pub fn cut(&self, places: Vec<Placement>) -> Vec<Vec<Placement>> {
        uploads(places, self)
    }
}

/// Fills uploads folder by folder, in path order.
pub(super) fn uploads(places: Vec<Placement>, limits: &BatchLimits) -> Vec<Vec<Placement>> {
    let mut folders: BTreeMap<RelPath, Vec<Placement>> = BTreeMap::new();
    for place in places {
        folders.entry(place.folder()).or_default().push(place);
    }
    let mut batches = Vec::new();
    let mut open = Batch::default();
    for (_, files) in folders {
        let bytes: u64 = files.iter().map(Placement::size_bytes).sum();
        let fits_alone = files.len() <= limits.files && bytes <= limits.bytes;
        if fits_alone && !open.has_room(files.len(), bytes, limits) {
            open.close(&mut batches);
        }
        for file in files {
            if !open.has_room(1, file.size_bytes(), limits) {
                open.close(&mut batches);
            }
            open.bytes += file.size_bytes();
            open.files.push(file);
        }
    }
    open.close(&mut batches);
    batches
}

#[derive(Default)]
struct Batch {
    files: Vec<Placement>,
    bytes: u64,
}

impl Batch {
    fn has_room(&self, files: usize, bytes: u64, limits: &BatchLimits) -> bool {
        self.files.is_empty()
            || self.files.len() + files <= limits.files && self.bytes + bytes <= limits.bytes
    }

    fn close(&mut self, batches: &mut Vec<Vec<Placement>>) {
        let full = std::mem::take(self);
        if !full.files.is_empty() {
            batches.push(full.files);
        }
    }
}

/// Orders relocations so that each finds its new path free, in rounds that can be batched.
///
/// In a chain (`log.1` to `log.2`, `log` to `log.1`) the last file goes first. A swap has no last
/// file: one of its files steps aside first, under a temporary name in its own folder, and takes
/// its new path when all others have theirs.
pub(super) fn relocations(all: Vec<Relocation>) -> Vec<Vec<Relocation>> {
    let mut waiting: BTreeMap<RelPath, Relocation> =
        all.into_iter().map(|relocation| (relocation.from.clone(), relocation)).collect();
    let aside: Vec<Relocation> =
        one_of_each_circle(&waiting).iter().filter_map(|from| waiting.remove(from)).collect();
    let stepping = aside.iter().cloned().map(|file| Relocation { aside: true, ..file });
    let mut rounds = calls(stepping.collect());
    while !waiting.is_empty() {
        let ready: Vec<RelPath> = waiting
            .values()
            .filter(|relocation| !waiting.contains_key(&relocation.to.path))
            .map(|relocation| relocation.from.clone())
            .collect();
        rounds.extend(calls(ready.iter().filter_map(|from| waiting.remove(from)).collect()));
    }
    rounds.extend(calls(aside));
    rounds
}

/// Each path is left once and taken once at most, so a way that leads back to its start is a
/// circle.
fn one_of_each_circle(waiting: &BTreeMap<RelPath, Relocation>) -> Vec<RelPath> {
    let mut visited = BTreeSet::new();
    let mut found = Vec::new();
    for start in waiting.keys() {
        let mut at = start;
        while visited.insert(at) {
            let Some(relocation) = waiting.get(at) else { break };
            at = &relocation.to.path;
            if at == start {
                found.push(start.clone());
            }
        }
    }
    found
}

/// Cuts versions that come back into calls, each of which moves files into one folder.
pub(super) fn by_folder(all: Vec<(Placement, Version)>) -> Vec<Vec<(Placement, Version)>> {
    let mut folders: BTreeMap<RelPath, Vec<(Placement, Version)>> = BTreeMap::new();
    for (place, version) in all {
        folders.entry(place.folder()).or_default().push((place, version));
    }
    folders.into_values().flat_map(calls).collect()
}

/// Cuts retirements into calls; they all go to one folder, wherever they come from.
pub(super) fn retirements(all: Vec<Retirement>) -> Vec<Vec<Retirement>> {
    calls(all)
}

fn calls<T>(mut all: Vec<T>) -> Vec<Vec<T>> {
    let mut calls = Vec::new();
    while !all.is_empty() {
        let rest = all.split_off(all.len().min(MAX_LINKS_PER_CALL));
        calls.push(std::mem::replace(&mut all, rest));
    }
    calls
}
