//! Finds versions whose content is on the disk again: a folder that left for seconds, a restore in
//! place.

use std::collections::{BTreeMap, HashMap, HashSet};

use fichier_api::Fingerprint;
use fichier_state::{MirrorId, RelPath, Version};

use super::{MOST_ALIKE, sendable};
use crate::base::{Form, State};
use crate::plan::change::Change;
use crate::plan::decide::Known;

/// Which versions may be used.
#[derive(Clone, Copy, Debug)]
pub struct Usable<'a> {
    /// Versions of other paths too. Not where a number of versions is kept for each path: the other
    /// path would lose one of its own.
    pub of_other_paths: bool,
    /// Also in the place of a file that is on 1fichier now. Not while it is not known whether two
    /// files can have one name: the old copy would have to go first (I4).
    pub as_replacement: bool,
    /// The form that files of the mirror have. A version of another one stays where it is.
    pub form: &'a Form,
}

/// Finds a version for each file whose content was read, that of its own path if there is one. No
/// version is found twice.
///
/// # Errors
///
/// Errors of the state file.
pub fn versions(
    state: &State,
    mirror: MirrorId,
    (changes, known): (&[Change], &Known),
    usable: Usable<'_>,
) -> Result<BTreeMap<RelPath, Version>, fichier_state::Error> {
    let mut found = BTreeMap::new();
    let mut others: HashMap<(u64, Fingerprint), Vec<&RelPath>> = HashMap::new();
    for change in changes.iter().filter(|it| usable.as_replacement || !replaces(it, known)) {
        let Some((path, seen)) = sendable(change, usable.form.stores_empty_files()) else {
            continue;
        };
        let Some(fingerprint) = known.fingerprints.get(path) else { continue };
        if known.identical.contains(path) {
            continue;
        }
        let size_bytes = seen.stamp.size_bytes;
        let best = state
            .read(|s| s.versions_with_content(mirror, size_bytes, fingerprint, path, MOST_ALIKE))?;
        match best.into_iter().find(|it| usable.form.is_of(it.cipher.as_ref())) {
            Some(version) if version.path == *path => {
                found.insert(path.clone(), version);
            }
            Some(_) => others.entry((size_bytes, *fingerprint)).or_default().push(path),
            None => {}
        }
    }
    if !usable.of_other_paths {
        return Ok(found);
    }
    let taken: HashSet<_> = found.values().map(|version| version.id).collect();
    for ((size_bytes, fingerprint), paths) in others {
        let root = RelPath::root();
        let mut versions = state.read(|s| {
            s.versions_with_content(
                mirror,
                size_bytes,
                &fingerprint,
                &root,
                paths.len() + taken.len(),
            )
        })?;
        versions.retain(|version| {
            !taken.contains(&version.id) && usable.form.is_of(version.cipher.as_ref())
        });
        for path in paths.into_iter().take(versions.len()) {
            let same_name = versions.iter().position(|it| it.path.name() == path.name());
            found.insert(path.clone(), versions.remove(same_name.unwrap_or(0)));
        }
    }
    Ok(found)
}

/// Whether the file stands where another one is on the service.
fn replaces(change: &Change, known: &Known) -> bool {
    let is_ours = matches!(change, Change::Touched { was, .. } if was.remote().is_some());
    is_ours || known.in_the_way.contains_key(change.path())
}
