//! Sorts changes by what is done with each content: kept, moved, copied, sent or retired.
//!
//! A rename is found here, by content: a removal and an addition (or a file whose content
//! changed) with the same size and fingerprint. It works across folders and restarts, because
//! it needs no event, only the two facts.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use fichier_api::Fingerprint;
use fichier_state::{Content, Entry, ForeignFile, RelPath, Retired, Version};

use super::{BatchLimits, GoneFolder, Known, back, copies, recognise};
use crate::disk::Seen;
use crate::plan::change::Change;
use crate::plan::steps::{Note, Occupant, Placement, Relocation, Retirement};

/// Changes, sorted by what is done about them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) notes: Vec<Note>,
    pub(super) adoptions: Vec<(Placement, ForeignFile)>,
    /// Adoptions at a path whose record names another file, which is no longer there. They come
    /// after relocations, since the file of the record may be wanted in another place.
    pub(super) late_adoptions: Vec<(Placement, ForeignFile)>,
    pub(super) relocations: Vec<Relocation>,
    /// Files whose content is a version.
    pub(super) brought_back: Vec<(Placement, Version)>,
    /// Files whose content the service has elsewhere.
    pub(super) copies: Vec<(Placement, Entry)>,
    /// Files in whose place an enciphered file is that may have their content.
    pub(super) alike: Vec<(Placement, ForeignFile)>,
    pub(super) uploads: Vec<Placement>,
    /// Single files without a place on disk.
    pub(super) gone_files: Vec<Retirement>,
    /// Whole folders without a place on disk.
    pub(super) gone_folders: Vec<(RelPath, GoneFolder)>,
}

impl Sorted {
    /// Records that lose their live copy without a successor (I6).
    pub(super) fn removals(&self) -> u64 {
        let in_folders: usize = self.gone_folders.iter().map(|(_, gone)| gone.entries.len()).sum();
        (self.gone_files.len() + in_folders) as u64
    }

    /// Takes relocated files out of both: they are not gone, and not in the way of a file that
    /// takes their old path. An empty file or link that takes it is recorded with the relocation.
    fn leave_out_relocated(&mut self, lost: &mut Lost, gone: &mut BTreeMap<RelPath, GoneFolder>) {
        let moved: BTreeSet<RelPath> =
            self.relocations.iter().map(|relocation| relocation.from.clone()).collect();
        for relocation in &mut self.relocations {
            relocation.then = lost.remove(&relocation.from).and_then(|(_, then)| then);
        }
        for folder in gone.values_mut() {
            folder.entries.retain(|(path, _)| !moved.contains(path));
        }
        let relocated = self.relocations.iter_mut().map(|relocation| &mut relocation.to);
        let back = self.brought_back.iter_mut().map(|(place, _)| place);
        let copied = self.copies.iter_mut().map(|(place, _)| place).chain(back);
        let late = self.late_adoptions.iter_mut().chain(&mut self.alike).map(|(place, _)| place);
        for place in relocated.chain(copied).chain(late).chain(&mut self.uploads) {
            if moved.contains(&place.path) {
                place.replaces = None;
            }
        }
    }

    /// Every placement, each of which needs its folder on the service.
    pub(super) fn placements(&self) -> impl Iterator<Item = &Placement> {
        let adopted = self.adoptions.iter().chain(&self.late_adoptions).chain(&self.alike);
        let adopted = adopted.map(|(place, _)| place);
        let moved = self.relocations.iter().map(|relocation| &relocation.to);
        let back = self.brought_back.iter().map(|(place, _)| place);
        let copied = self.copies.iter().map(|(place, _)| place).chain(back);
        adopted.chain(moved).chain(copied).chain(&self.uploads)
    }
}

/// Files that are gone from their path, with the empty file or link that is there now, if any.
type Lost = BTreeMap<RelPath, (Box<Entry>, Option<Seen>)>;

/// Contents that lost their place on disk and may be wanted elsewhere.
type Freed = HashMap<(u64, Fingerprint), VecDeque<(RelPath, Box<Entry>)>>;

pub(super) fn sort(
    changes: Vec<Change>,
    mut gone: BTreeMap<RelPath, GoneFolder>,
    known: &Known,
    limits: &BatchLimits,
) -> Sorted {
    let mut sorted = Sorted::default();
    let mut places = Vec::new();
    let mut lost = Lost::new();
    for change in changes {
        match change {
            Change::Added { path, seen } => added(path, seen, known, &mut sorted, &mut places),
            Change::Touched { path, seen, was } => {
                touched(path, seen, was, known, &mut sorted, &mut places, &mut lost);
            }
            Change::Removed { path, was } => match was.content {
                Content::File(_) => {
                    lost.insert(path, (was, None));
                }
                Content::Empty | Content::Symlink(_) => {
                    sorted.notes.push(Note::Forget(path, was));
                }
            },
            Change::Unmanaged { path, was } => {
                sorted.notes.push(Note::Manage(path, was, false));
            }
            Change::Managed { path, was } => {
                sorted.notes.push(Note::Manage(path, was, true));
            }
            Change::FolderUnmanaged { path, folder } => {
                sorted.notes.push(Note::ManageFolder(path, folder, false));
            }
            Change::FolderManaged { path, folder } => {
                sorted.notes.push(Note::ManageFolder(path, folder, true));
            }
            // Folders on disk are recorded before planning; those that are gone are in `gone`.
            Change::FolderAdded { .. }
            | Change::FolderTouched { .. }
            | Change::FolderRemoved { .. } => {}
        }
    }
    let mut freed = freed(&lost, &places, &gone, known);
    for place in places {
        settle_place(place, known, &mut freed, &mut sorted);
    }
    recognise::choose(&mut sorted, limits);
    copies::choose(&mut sorted);
    back::choose(&mut sorted);
    sorted.leave_out_relocated(&mut lost, &mut gone);
    sorted.gone_files = lost
        .into_iter()
        .map(|(path, (was, then))| Retirement { path, was, reason: Retired::Deleted, then })
        .collect();
    for (path, folder) in gone {
        if folder.entries.is_empty() && folder.folders.is_empty() {
            sorted.notes.push(Note::ForgetFolder(path, folder.key));
        } else {
            sorted.gone_folders.push((path, folder));
        }
    }
    sorted
}

fn added(
    path: RelPath,
    seen: Seen,
    known: &Known,
    sorted: &mut Sorted,
    places: &mut Vec<Placement>,
) {
    if seen.is_sent(known.stores_empty_files()) {
        let foreign = known.in_the_way.get(&path).cloned();
        let foreign = foreign.map(|file| Occupant::Foreign(Box::new(file)));
        places.push(placement(path, seen, known, foreign));
    } else {
        sorted.notes.push(Note::Unsendable(path, seen));
    }
}

fn touched(
    path: RelPath,
    seen: Seen,
    was: Box<Entry>,
    known: &Known,
    sorted: &mut Sorted,
    places: &mut Vec<Placement>,
    lost: &mut Lost,
) {
    let Content::File(copy) = &was.content else {
        return added(path, seen, known, sorted, places);
    };
    if !seen.is_sent(known.stores_empty_files()) {
        // The file was emptied, or turned into a link: the record loses its live copy, unless a
        // person has decided that the copy stays.
        if !was.unmanaged {
            lost.insert(path, (was, Some(seen)));
        }
        return;
    }
    if known.fingerprints.get(&path) == Some(&copy.fingerprint)
        && seen.stamp.size_bytes == was.stamp.size_bytes
        && known.is_of_form(copy)
    {
        sorted.notes.push(Note::Refresh(path, seen, was));
        return;
    }
    places.push(placement(path, seen, known, Some(Occupant::Ours(was))));
}

fn placement(path: RelPath, seen: Seen, known: &Known, replaces: Option<Occupant>) -> Placement {
    let fingerprint = known.fingerprints.get(&path).copied();
    Placement { path, seen, fingerprint, replaces }
}

/// Of the contents that a placement wants, those whose path no longer has them: removed, emptied,
/// below a folder that is gone, or overwritten.
fn freed(
    lost: &Lost,
    places: &[Placement],
    gone: &BTreeMap<RelPath, GoneFolder>,
    known: &Known,
) -> Freed {
    let removed = lost.iter().map(|(path, (was, _))| (path, was));
    let in_folders =
        gone.values().flat_map(|folder| &folder.entries).map(|(path, was)| (path, was));
    let overwritten = places.iter().filter_map(|place| match &place.replaces {
        Some(Occupant::Ours(was)) => Some((&place.path, was)),
        Some(Occupant::Foreign(_)) | None => None,
    });
    let wanted: HashSet<(u64, Fingerprint)> = places.iter().filter_map(content).collect();
    let mut freed = Freed::new();
    for (path, was) in removed.chain(in_folders).chain(overwritten) {
        if let Content::File(copy) = &was.content {
            let content = (was.stamp.size_bytes, copy.fingerprint);
            if !wanted.contains(&content) || !known.is_of_form(copy) {
                continue;
            }
            freed.entry(content).or_default().push_back((path.clone(), was.clone()));
        }
    }
    freed
}

/// The content that belongs there, if it was read.
fn content(place: &Placement) -> Option<(u64, Fingerprint)> {
    place.fingerprint.map(|fingerprint| (place.size_bytes(), fingerprint))
}

/// Finds the cheapest way to bring the content of `place` to its path.
fn settle_place(place: Placement, known: &Known, freed: &mut Freed, sorted: &mut Sorted) {
    if known.identical.contains(&place.path) {
        match (&place.replaces, known.in_the_way.get(&place.path)) {
            (Some(Occupant::Foreign(file)), _) => {
                let file = file.as_ref().clone();
                return sorted.adoptions.push((place, file));
            }
            // The records are older than the service: the file that they name has been replaced.
            (Some(Occupant::Ours(_)), Some(file)) => {
                return sorted.late_adoptions.push((place, file.clone()));
            }
            (Some(Occupant::Ours(_)) | None, _) => {}
        }
    }
    let content = content(&place);
    let moved = content.and_then(|content| take_best(freed.get_mut(&content)?, &place));
    if let Some((from, was)) = moved {
        return sorted.relocations.push(Relocation {
            from,
            was,
            to: place,
            then: None,
            aside: false,
        });
    }
    // A move is cheaper than a copy: it takes a hundred files in one call.
    if let Some(version) = known.versions.get(&place.path) {
        return sorted.brought_back.push((place, version.clone()));
    }
    if known.alike.contains(&place.path)
        && let Some(file) = known.in_the_way.get(&place.path)
    {
        return sorted.alike.push((place, file.clone()));
    }
    match content.and_then(|content| known.copies.get(&content)) {
        Some(source) => sorted.copies.push((place, source.clone())),
        None => sorted.uploads.push(place),
    }
}

/// Prefers a file of the same name, then one of the same folder: that is the likely rename.
fn take_best(
    candidates: &mut VecDeque<(RelPath, Box<Entry>)>,
    place: &Placement,
) -> Option<(RelPath, Box<Entry>)> {
    let same_name = candidates.iter().position(|(from, _)| from.name() == place.path.name());
    let same_folder = candidates.iter().position(|(from, _)| from.parent() == place.path.parent());
    candidates.remove(same_name.or(same_folder).unwrap_or(0))
}
