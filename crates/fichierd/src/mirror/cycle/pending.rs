//! Leaves out of a plan what is on its way already.

use std::collections::BTreeMap;

use fichier_state::{RelPath, Stamp};

use super::Cycle;
use crate::base::state::blocking;
use crate::disk::SeenKind;
use crate::mirror::error::MirrorError;
use crate::plan::{Change, Survey};

impl Cycle<'_> {
    /// Takes out the files whose upload or copy is pending, so that they are not sent or copied twice.
    /// A change since that upload is found when the upload has ended: its paths are looked at then.
    pub(super) fn leave_out_pending(&self, seen: &mut Survey) -> Result<(), MirrorError> {
        let remote = &self.executor.remote;
        let uploads = remote.state.read(|s| s.uploads(remote.mirror))?;
        let files = uploads.into_iter().flat_map(|upload| upload.files);
        let mut pending: BTreeMap<RelPath, Option<Stamp>> =
            files.map(|file| (file.path, Some(file.stamp))).collect();
        pending.extend(remote.begun_copies()?.into_iter().map(|path| (path, None)));
        seen.changes.retain(|change| {
            let may_be_sent = matches!(change, Change::Added { .. } | Change::Touched { .. });
            !may_be_sent || !pending.contains_key(change.path())
        });
        if !remote.keep_versions && !seen.changes.is_empty() {
            seen.awaited = blocking(|| self.differing(&pending));
            seen.unsettled_bytes = blocking(|| self.sizes(&seen.unsettled));
        }
        Ok(())
    }

    fn sizes(&self, paths: &[RelPath]) -> Vec<u64> {
        let scanner = &self.executor.source.scanner;
        let seen = paths.iter().filter_map(|path| scanner.look(path).ok().flatten());
        seen.map(|seen| seen.stamp.size_bytes).collect()
    }

    /// The sizes of files that may differ from what was sent or copied for their paths, wherever this
    /// cycle looks.
    fn differing(&self, pending: &BTreeMap<RelPath, Option<Stamp>>) -> Vec<u64> {
        let differing = |(path, sent): (&RelPath, &Option<Stamp>)| {
            let now = self.executor.source.scanner.look(path).ok().flatten()?;
            let is_other = now.kind == SeenKind::File && *sent != Some(now.stamp);
            is_other.then_some(now.stamp.size_bytes)
        };
        pending.iter().filter_map(differing).collect()
    }
}
