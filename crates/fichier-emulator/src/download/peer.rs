//! The client of a download: a connection that breaks off must first have taken the bytes before
//! the break.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::world::Caller;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) caller: Caller,
    /// Notified when the connection has taken all that was written to it.
    pub(crate) flushed: Arc<Notify>,
}
