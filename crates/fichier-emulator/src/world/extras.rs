//! The memory of the endpoints that a mirror does not need: remote uploads and FTP users
//! (docs/api-notes.md, B.19 and B.20).

use serde_json::Value;

/// Requests that are kept and never carried out.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Remote uploads as (date, addresses); the id is the position plus one.
    pub(crate) remote: Vec<(i64, Vec<Value>)>,
    /// FTP users as (user, folder).
    pub(crate) ftp_users: Vec<(String, i64)>,
}
