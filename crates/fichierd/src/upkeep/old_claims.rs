//! Removes the claims of earlier starts, between cycles, once several have accumulated: they are
//! empty folders that were made here, and each is listed first (I2). A claim into which somebody
//! has put something stays.

use std::time::Duration;

use fichier_api::FolderId;

use crate::remote::error::{is_gone, is_local};
use crate::remote::{Fence, Remote, RemoteError};
use crate::upkeep::Situation;

/// Old claims that are tolerated; when there are this many, they are tidied away.
const MOST_OLD: usize = 8;

/// How long until old claims are to be tidied away: zero if there are [`MOST_OLD`], `None` while
/// there are fewer.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let fence = at.state.read(|s| Fence::read(s, at.mirror.id))?;
    Ok((fence.old.len() >= MOST_OLD).then_some(Duration::ZERO))
}

/// The calls after the claim of one more start, which makes that before it an old one.
pub(crate) fn calls_expected(at: Situation<'_>) -> Result<u64, RemoteError> {
    let old = at.state.read(|s| Fence::read(s, at.mirror.id))?.old.len() + 1;
    Ok(if old >= MOST_OLD { 2 * old as u64 } else { 0 })
}

impl Remote {
    /// Removes the old claims. Costs two calls for each.
    pub(crate) async fn tidy_claims(&self) -> Result<(), RemoteError> {
        let fence = self.state.read(|s| Fence::read(s, self.mirror))?;
        for folder in fence.old {
            if self.gives_way() {
                return Ok(());
            }
            self.remove_claim(folder).await?;
            self.state.write(|w| {
                Fence::change(w, self.mirror, |fence| fence.old.retain(|old| *old != folder))
            })?;
        }
        Ok(())
    }

    async fn remove_claim(&self, folder: FolderId) -> Result<(), RemoteError> {
        let done = match self.client.list_folder(folder).await {
            Ok(found) if found.complete && found.files.is_empty() && found.folders.is_empty() => {
                self.client.remove_folder(folder).await
            }
            Ok(_) => return Ok(()),
            Err(error) => Err(error),
        };
        match done {
            Err(error) if !is_gone(&error) && !is_local(&error) => Err(error.into()),
            // A claim whose removal is refused is listed, and tried, again at the next start.
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
