//! Hard links from one mirror into another: a change of a file is looked at under all its names.

use fichier_state::Stamp;

use super::Daemon;
use crate::remote::Linked;

/// Names of which it is kept which change was told last; beyond it all are forgotten, and told once
/// more.
const MOST_KEPT: usize = 10_000;

impl Daemon {
    /// Marks the names, in other mirrors, of files that were changed through a hard link. Each is
    /// told once of each change, so that two mirrors which cannot take it on do not keep each other
    /// busy.
    pub(super) fn look_at_linked(&mut self, linked: Vec<Linked>) {
        for Linked { mirror, path, stamp } in linked {
            let Some(seat) = self.seats.values_mut().find(|seat| seat.id == mirror) else {
                continue;
            };
            if seat.known.linked.len() >= MOST_KEPT {
                seat.known.linked.clear();
            }
            let told: Option<Stamp> = seat.known.linked.insert(path.clone(), stamp);
            if told != Some(stamp) {
                seat.dirty.mark(path);
            }
        }
    }
}
