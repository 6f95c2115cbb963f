//! The row of a cycle in the history, and what a cycle takes from earlier ones.

use std::ops::Range;

use fichier_state::Cycle as CycleRow;

use super::MirrorWorker;
use crate::base::State;
use crate::mirror::ends::CycleEnd;
use crate::mirror::error::MirrorError;
use crate::plan::BatchLimits;
use crate::remote::execute::BANDWIDTH;
use crate::status::Completeness;

/// Seconds that the upload of a batch is meant to take at the measured bandwidth; a batch holds as
/// many bytes as fit in, so that one failure does not waste much.
const BATCH_SECONDS: u64 = 60;

impl MirrorWorker {
    pub(super) fn history_row(
        &self,
        end: &CycleEnd,
        completeness: &Completeness,
        seconds: Range<i64>,
    ) -> CycleRow {
        let outcome = match (&end.trouble, completeness.open()) {
            (Some(trouble), _) => trouble.text(&self.config.name),
            (None, Some(open)) => format!("not complete: {open}"),
            (None, None) => "done".to_owned(),
        };
        CycleRow {
            mirror: self.id,
            started_s: seconds.start,
            ended_s: seconds.end,
            outcome,
            looked_at: end.report.looked_at,
            uploaded_files: end.report.uploaded_files,
            uploaded_bytes: end.report.uploaded_bytes,
            relocated: end.report.relocated + end.report.moved_folders,
            copied: end.report.copied,
            retired: end.report.retired,
            problems: end.report.problems,
            calls: end.report.calls,
        }
    }
}

/// The bounds of an upload at the bandwidth that was measured.
pub(super) fn batch_limits(state: &State) -> Result<BatchLimits, MirrorError> {
    let measured = state.read(|s| BANDWIDTH.read(s))?;
    let limits = BatchLimits::default();
    Ok(match measured {
        Some(per_second) => {
            let bytes = per_second.saturating_mul(BATCH_SECONDS).clamp(16 << 20, 64 << 30);
            BatchLimits { bytes, ..limits }
        }
        None => limits,
    })
}
