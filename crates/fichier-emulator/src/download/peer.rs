//! The client of a download, which may have to take some bytes before its connection is closed.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::world::Caller;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) caller: Caller,
    /// Told when the connection has taken all that was written to it.
    pub(crate) flushed: Arc<Notify>,
}
