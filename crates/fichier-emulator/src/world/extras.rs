//! What the endpoints beside the mirror's needs remember: remote uploads and FTP users
//! (docs/api-notes.md, B.19 and B.20).

use serde_json::Value;

/// What was asked for and is only kept.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// (date, addresses); the id is the position plus one.
    pub(crate) remote: Vec<(i64, Vec<Value>)>,
    /// (user, folder).
    pub(crate) ftp_users: Vec<(String, i64)>,
}
