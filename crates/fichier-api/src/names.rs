//! Names as the service can keep them; see [`RemoteName`].

mod remote_name;

pub use remote_name::{MAX_NAME_BYTES, RemoteName};
