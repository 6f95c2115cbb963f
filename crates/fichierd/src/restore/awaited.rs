//! The files whose copies were lost and were not sent again yet: they have no record at present, and
//! a restore must say that it lacks them.
//!
//! A lost copy is counted by the state when its record goes; one that is damaged is on a note here.
//! Either counts until a cycle has ended with everything safe, or until the path has a record again.

use std::collections::BTreeSet;

use fichier_state::{Error, MirrorId, RelPath, Writing};

use super::tree::Tree;
use crate::base::Fact;

/// Lost files that are told; more are left out.
const MOST: usize = 10_000;

/// Why such a file is not restored.
pub(super) const WHY: &str = "its copy on 1fichier was lost or damaged, and was not sent again yet";

/// The files of `tree` that are awaited; none in a tree of the past, which knows what it held.
pub(super) fn in_tree(tree: &Tree<'_>) -> Result<Vec<RelPath>, Error> {
    let (store, mirror) = (tree.store(), tree.mirror());
    if tree.moment() != store.newest_moment()? {
        return Ok(Vec::new());
    }
    let since_s = mirror.last_success_s.unwrap_or(i64::MIN);
    let lost = store.lost_since(mirror.id, since_s, MOST)?;
    let damaged = damaged(mirror.id).read(store)?.unwrap_or_default();
    let damaged = damaged.into_iter().filter(|(_, at_s)| *at_s >= since_s).map(|(path, _)| path);
    let mut awaited = Vec::new();
    for path in lost.into_iter().chain(damaged).collect::<BTreeSet<_>>() {
        if tree.at(&path)?.is_none() {
            awaited.push(path);
        }
    }
    Ok(awaited)
}

/// Notes that the record of a damaged copy goes, so that the file is sent again.
pub(super) fn note_damaged(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    path: &RelPath,
) -> Result<(), Error> {
    let now_s = w.now_s();
    damaged(mirror).change(w, |paths: &mut Vec<(RelPath, i64)>| {
        paths.retain(|(noted, _)| noted != path);
        paths.push((path.clone(), now_s));
        let older = paths.len().saturating_sub(MOST);
        paths.drain(..older);
    })
}

/// The damaged copies whose records went, and when; Unix seconds.
fn damaged(mirror: MirrorId) -> Fact<Vec<(RelPath, i64)>> {
    Fact::about(format!("damaged copies of mirror {}", mirror.0))
}
