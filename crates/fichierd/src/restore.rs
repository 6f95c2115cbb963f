//! Puts files from the service back on a disk.

mod acl;
mod dest;
mod holes;
mod metadata;
mod owners;

pub use dest::{Dest, Found, InTheWay, Obstacle, Part, STAGING_NAME};
pub use holes::{holes_of, is_sparse, punch_holes};
pub use metadata::{MetadataSetter, Missed, Subject, Unset};
pub use owners::Owners;

#[cfg(test)]
mod tests;
