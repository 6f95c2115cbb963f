//! Handles files of ours that somebody else removed on the service: they are sent again, but not
//! for ever (X07).

use std::collections::HashMap;

use fichier_state::{Entry, GivenUp, MOST_LOST, NewProblem, RelPath};

use crate::plan::{Change, Survey};
use crate::remote::Remote;
use crate::remote::error::RemoteError;

/// Given up paths that are read from the state, at most.
const MOST_GIVEN_UP: usize = 100_000;

/// Seconds until a path that is given up is told of again.
const TELL_AGAIN_S: i64 = 24 * 3600;

impl Remote {
    /// Forgets a record whose remote file is gone, since without its file it is no record (I1): the
    /// file is sent again (X01).
    pub(super) fn forget_lost(&self, entry: &Entry, path: &RelPath) -> Result<(), RemoteError> {
        self.forget_all_lost(&[(entry.clone(), path.clone())])
    }

    /// Forgets such records, of many files.
    pub(crate) fn forget_all_lost(&self, lost: &[(Entry, RelPath)]) -> Result<(), RemoteError> {
        let Some((_, first)) = lost.first() else { return Ok(()) };
        self.state.write(|w| {
            for (entry, path) in lost {
                w.remove_entry(entry.folder, &entry.name)?;
                if !entry.unmanaged {
                    w.count_lost(self.mirror, path, &entry.stamp)?;
                }
            }
            Ok(())
        })?;
        for (_, path) in lost.iter().filter(|(entry, _)| !entry.unmanaged) {
            self.dirty.mark(path.clone());
        }
        match lost.len() {
            1 => tracing::warn!(path = %first,
                "`{first}` was removed on 1fichier by somebody else; sending it again"),
            more => tracing::warn!(
                files = more,
                "{more} files, `{first}` among them, were removed on 1fichier by somebody else; \
                 sending them again"
            ),
        }
        Ok(())
    }

    /// Leaves out files that were removed again and again: they are not sent until they change
    /// here.
    pub(crate) fn leave_out_given_up(&self, seen: &mut Survey) -> Result<(), RemoteError> {
        let given_up = self.state.read(|s| s.given_up(self.mirror, MOST_GIVEN_UP))?;
        if given_up.is_empty() {
            return Ok(());
        }
        let given_up: HashMap<&RelPath, &GivenUp> =
            given_up.iter().map(|given_up| (&given_up.path, given_up)).collect();
        let mut refused = Vec::new();
        let mut changed = Vec::new();
        seen.changes.retain(|change| {
            let Change::Added { path, seen } = change else { return true };
            let Some(given_up) = given_up.get(path) else { return true };
            let is_same = (seen.stamp.size_bytes, seen.stamp.mtime_ns)
                == (given_up.size_bytes, given_up.mtime_ns);
            if is_same {
                refused.push(path.clone())
            } else {
                changed.push(path.clone())
            }
            !is_same
        });
        let what = format!("it was removed on 1fichier {MOST_LOST} times, by somebody else");
        let hint = "it is not sent again until it changes here: ask 1fichier's support why, or \
                    exclude it; `touch` it to have it sent once more";
        let now_s = self.state.now_s();
        self.report(|report| report.problems += refused.len() as u64);
        Ok(self.state.write(|w| {
            changed.iter().try_for_each(|path| w.forget_lost(self.mirror, path))?;
            refused.iter().try_for_each(|path| {
                let next_try_s = now_s + TELL_AGAIN_S;
                let problem = NewProblem { path, what: &what, hint, is_wide: false, next_try_s };
                w.put_problem(self.mirror, &problem, now_s)
            })
        })?)
    }
}
