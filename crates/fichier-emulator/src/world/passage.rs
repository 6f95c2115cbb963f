//! A download while its bytes are on their way.

use std::sync::Arc;

use super::shared::World;

/// Counts as one download under way until it is dropped.
#[derive(Debug)]
pub(crate) struct Passage {
    world: Arc<World>,
    cdn: bool,
}

impl Passage {
    /// Begins a download; with `cdn`, its bytes are paid with CDN credit.
    pub(crate) fn begin(world: Arc<World>, cdn: bool) -> Passage {
        world.traffic.begin_download();
        Passage { world, cdn }
    }

    /// Counts bytes as sent.
    pub(crate) fn count(&self, bytes: u64) {
        self.world.traffic.count_sent(bytes, self.cdn);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.world.traffic.end_download();
    }
}
