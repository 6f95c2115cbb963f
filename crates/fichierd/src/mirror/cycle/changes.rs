//! Changes that a cycle records, or puts off.

use fichier_state::{FolderFacts, MirrorId, RelPath, Writing};

use crate::base::Form;
use crate::plan::Change;

/// The paths of all changes that may remove a remote file.
pub(super) fn removals(changes: &[Change], form: &Form) -> Vec<RelPath> {
    let is_removal = |change: &&Change| {
        if let Change::Touched { seen, was, .. } = change {
            return was.remote().is_some() && !seen.is_sent(form.stores_empty_files());
        }
        matches!(change, Change::Removed { .. } | Change::FolderRemoved { .. })
    };
    changes.iter().filter(is_removal).map(|change| change.path().clone()).collect()
}

/// Records a new or changed folder.
pub(super) fn record_folder(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    change: &Change,
    facts: &FolderFacts,
) -> Result<(), fichier_state::Error> {
    if let Change::FolderAdded { path, .. } = change {
        let parent = w.folder_at(mirror, &path.parent().unwrap_or_else(RelPath::root))?;
        if let Some(parent) = parent {
            w.add_folder(mirror, parent.key, path.name(), facts)?;
        }
    } else if let Change::FolderTouched { key, .. } = change {
        w.set_folder_facts(*key, facts)?;
    }
    Ok(())
}
