//! The places in a target, and the names of its own folders.

use fichier_api::names::RemoteName;
use fichier_api::{FolderId, FolderListing};

/// The folder, at the top of a target, that holds everything besides the mirrored files.
pub const OWN_FOLDER: &str = ".fichierd";

/// Its name where the service does not take names that begin with a dot, or does not show them
/// (docs/api-notes.md, H.2).
pub const OTHER_OWN_FOLDER: &str = "_fichierd";

/// Whether a folder at the top of a target is the one of this program.
pub(crate) fn is_own(name: &RemoteName) -> bool {
    matches!(name.as_str(), OWN_FOLDER | OTHER_OWN_FOLDER)
}

/// The folder of this program in a listing of a target.
pub(crate) fn own_folder_in(target: &FolderListing) -> Option<FolderId> {
    let named = |name: &str| target.folder(&RemoteName::encode(name.as_bytes()));
    named(OWN_FOLDER).or_else(|| named(OTHER_OWN_FOLDER))
}

/// What the name of a staging folder begins with; that of its installation follows.
const STAGING: &str = "incoming-";
/// The folder that held the staging folders of older releases, each named after its installation.
pub(crate) const OLDER_STAGING: &str = "incoming";

/// The name of an installation's staging folder, in [`OWN_FOLDER`].
pub(crate) fn staging_name(installation: &str) -> String {
    format!("{STAGING}{installation}")
}

/// Whether a folder of this name is the staging folder of the installation, here or where older
/// releases made it.
pub(crate) fn is_staging_of(name: &str, installation: &str) -> bool {
    name.strip_prefix(STAGING).unwrap_or(name) == installation
}

/// The staging folders in a target, each with the installation that it belongs to: of the listing
/// of [`OWN_FOLDER`], and of that of [`OLDER_STAGING`] if it is there.
pub(crate) fn stagings(
    own: &FolderListing,
    older: Option<&FolderListing>,
) -> Vec<(String, FolderId)> {
    let here = own.folders.iter().filter_map(|folder| {
        Some((folder.name.as_str().strip_prefix(STAGING)?.to_owned(), folder.id))
    });
    let older = older.into_iter().flat_map(|older| &older.folders);
    here.chain(older.map(|folder| (folder.name.as_str().to_owned(), folder.id))).collect()
}

/// The folder, in [`OWN_FOLDER`], that holds the versions folders.
pub(crate) const VERSIONS_FOLDER: &str = "versions";

/// The folders of a mirror on the service; known once `target` has prepared it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The target folder itself.
    pub root: FolderId,
    /// This installation's staging folder.
    pub incoming: FolderId,
}

impl Places {
    /// The folder that an intent to retire a file names: the versions folder of the day is known
    /// only when the call is made.
    pub(crate) fn retired_to(&self) -> FolderId {
        self.incoming
    }
}

/// The day in UTC, as a folder name such as `2026-11-23`.
pub(crate) fn utc_day(now_s: i64) -> String {
    jiff::Timestamp::from_second(now_s).map_or_else(
        |_| "unknown-day".to_owned(),
        |now| now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string(),
    )
}
