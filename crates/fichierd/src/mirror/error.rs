//! The errors that stop a cycle or a round of chores.

use std::io;
use std::path::{Path, PathBuf};

use fichier_api::{ErrorKind, Remedy};

use crate::plan::SurveyError;
use crate::remote::RemoteError;

/// An error that stopped the work of one mirror. The work until then is on record.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The service, the state file, the root of the source, or the target is the cause.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The walk through the watched folder failed.
    #[error("cannot look through the watched folder")]
    Survey(#[from] SurveyError),
    /// The watched folder cannot be opened.
    #[error("cannot open the watched folder {}", path.display())]
    Source {
        /// The folder.
        path: PathBuf,
        /// Why it cannot be opened.
        source: io::Error,
    },
}

impl From<fichier_state::Error> for MirrorError {
    fn from(error: fichier_state::Error) -> Self {
        MirrorError::Remote(error.into())
    }
}

impl MirrorError {
    /// Makes an error of the watched folder at `path` from one of the file system.
    pub(super) fn source_at(path: &Path) -> impl FnOnce(io::Error) -> MirrorError {
        move |source| MirrorError::Source { path: path.to_path_buf(), source }
    }

    /// Whether the target has to be listed again before anything is sent to it.
    ///
    /// A refused key must fail at a listing: an upload node would take the files as anonymous ones,
    /// which everybody may read (docs/api-notes.md, C.7).
    pub(super) fn doubts_the_target(&self) -> bool {
        let MirrorError::Remote(RemoteError::Api(error)) = self else { return false };
        matches!(error.kind, ErrorKind::NotFound) || matches!(error.remedy(), Remedy::AskOperator)
    }
}
