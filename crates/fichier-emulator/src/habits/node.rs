//! Habits of the upload nodes.

use std::time::Duration;

/// What a node does with an empty file (docs/api-notes.md, C.7, G.1 row 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyFile {
    /// It is lost; an upload of nothing else is answered with the page for no file at all.
    Lose,
    /// It is lost, also in an upload of nothing else, whose result then has no link.
    LoseUnsaid,
    /// It is stored like any other.
    Store,
}

/// What a node does with a key that it does not know (docs/api-notes.md, C.7, G.1 row 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKeyOnNode {
    /// Takes the files as an anonymous upload, outside of the account.
    Anonymous,
    /// Answers 401.
    Refuse,
}

/// What `end.pl` says about files that are still being moved to their storage
/// ([`crate::Rules::processing`]; docs/api-notes.md, C.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileProcessing {
    /// A result without links.
    NoLinks,
    /// The antivirus page.
    Page,
}

/// What a node does with files for which the account has no room (docs/api-notes.md, C.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtQuota {
    /// A page, and nothing is stored.
    Refuse,
    /// It takes them like any others, and the result names none of them.
    Lose,
}

/// A page that `end.pl` shows in place of a result (docs/api-notes.md, C.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndPage {
    /// The page, as `text/html`.
    pub text: String,
    /// How long it is shown after the files have arrived.
    pub lasts: Duration,
}

/// How a hash is written that the service does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHash {
    /// `""`.
    Empty,
    /// `null`.
    Null,
    /// The field is left out.
    LeftOut,
    /// A word in its place.
    Word,
}

/// How long the service does not know the hash of a new file, at each place that tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashLag {
    /// In `end.pl`.
    pub result: Duration,
    /// In listings.
    pub listing: Duration,
    /// In `file/info`.
    pub info: Duration,
}

/// The uploads that a node refuses, after their bodies came, and its page for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRefusal {
    /// The HTTP status of the page.
    pub status: u16,
    /// The page.
    pub page: String,
    /// Uploads of no more files than this are taken.
    pub above_files: usize,
}

/// Which names the service changes ([`crate::Rules::escape_names`] and the like).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamesChanged {
    /// Those of uploads, and those that calls give.
    Always,
    /// Those of uploads; a file that is renamed has the very name that was asked for.
    AtUpload,
    /// Those that calls give; an upload has the very name that was sent.
    AtRename,
}
