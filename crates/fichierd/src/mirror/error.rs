//! Why a cycle, or a round of chores, did not come to its end.

use std::io;

use fichier_api::{ErrorKind, Remedy};

use crate::plan::survey::SurveyError;
use crate::remote::error::RemoteError;

/// What stopped the work of one mirror. What was done until then is on record.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The service, the state file, the root of the source, or the target.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The walk through the watched folder.
    #[error("cannot look through the watched folder")]
    Survey(#[from] SurveyError),
    /// The watched folder cannot be opened.
    #[error("cannot open the watched folder")]
    Source(#[source] io::Error),
}

impl From<fichier_state::Error> for MirrorError {
    fn from(error: fichier_state::Error) -> Self {
        MirrorError::Remote(error.into())
    }
}

impl MirrorError {
    /// Whether the target has to be looked at again before anything goes there.
    ///
    /// A refused key must fail at a listing: a node would take files for nobody's account, where
    /// all the world may read them (docs/api-notes.md, C.7).
    pub(super) fn doubts_the_target(&self) -> bool {
        let MirrorError::Remote(RemoteError::Api(error)) = self else { return false };
        matches!(error.kind, ErrorKind::NotFound) || matches!(error.remedy(), Remedy::AskOperator)
    }
}
