//! Finds versions whose content is on the disk again: a folder that left for seconds, a restore in
//! place.

use std::collections::{BTreeMap, HashMap, HashSet};

use fichier_api::Fingerprint;
use fichier_state::{MirrorId, RelPath, Version};

use super::sendable;
use crate::base::State;
use crate::plan::change::Change;
use crate::plan::decide::Known;

/// Finds a version for each file whose content was read, that of its own path if there is one. No
/// version is found twice.
///
/// With `own_path`, versions of other paths are left where they are: where a number of versions is
/// kept for each path, the other path would lose one of its own.
///
/// # Errors
///
/// Errors of the state file.
pub fn versions(
    state: &State,
    mirror: MirrorId,
    (changes, known): (&[Change], &Known),
    own_path: bool,
) -> Result<BTreeMap<RelPath, Version>, fichier_state::Error> {
    let mut found = BTreeMap::new();
    let mut others: HashMap<(u64, Fingerprint), Vec<&RelPath>> = HashMap::new();
    for (path, seen) in changes.iter().filter_map(sendable) {
        let Some(fingerprint) = known.fingerprints.get(path) else { continue };
        if known.identical.contains(path) {
            continue;
        }
        let size_bytes = seen.stamp.size_bytes;
        let best =
            state.read(|s| s.versions_with_content(mirror, size_bytes, fingerprint, path, 1))?;
        match best.into_iter().next() {
            Some(version) if version.path == *path => {
                found.insert(path.clone(), version);
            }
            Some(_) => others.entry((size_bytes, *fingerprint)).or_default().push(path),
            None => {}
        }
    }
    if own_path {
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
        versions.retain(|version| !taken.contains(&version.id));
        for path in paths.into_iter().take(versions.len()) {
            let same_name = versions.iter().position(|it| it.path.name() == path.name());
            found.insert(path.clone(), versions.remove(same_name.unwrap_or(0)));
        }
    }
    Ok(found)
}
