//! Where things are in the target, and what they are called.

use fichier_api::FolderId;

/// The folder, at the top of a target, that holds what is not the mirror itself.
pub const OWN_FOLDER: &str = ".fichierd";

/// Where a mirror lives on the service; known once `target` has prepared it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The target folder itself.
    pub root: FolderId,
    /// Our staging folder.
    pub incoming: FolderId,
    /// The parent of the versions folders.
    pub versions: FolderId,
}

/// `2026-11-23`, for a folder name.
pub(crate) fn utc_day(now_s: i64) -> String {
    jiff::Timestamp::from_second(now_s).map_or_else(
        |_| "unknown-day".to_owned(),
        |now| now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string(),
    )
}
