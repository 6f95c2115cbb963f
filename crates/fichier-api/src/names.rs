//! Names as the service can keep them: rclone's table, so that both programs can share an account.
//!
//! The service refuses or changes some characters (docs/api-notes.md, F.1), and local names are
//! bytes that need not be text. [`RemoteName::encode`] replaces unsafe characters by look-alikes
//! and quotes with `‛` those that look like a replacement already (F.2). Nothing is normalised: two
//! local names that differ in a byte differ on the service.
//!
//! Invariants: no two local names have one remote name. For every local name whose encoded form has
//! at most [`MAX_NAME_BYTES`] bytes, `encode(name).decode() == name`. A longer one is cut to a stem
//! and a hash of the whole name; then `decode` gives the cut form, and the caller must remember the
//! name. So is one that looks like a cut one: it could be that of its neighbour.
//!
//! The table of replacements is in `table`, the cutting of long names in `cut`. Used by everything
//! that names a file or a folder; uses no other module of the crate.

mod cut;
mod remote_name;
mod table;

pub use cut::MAX_NAME_BYTES;
pub use remote_name::RemoteName;

#[cfg(test)]
mod tests;
