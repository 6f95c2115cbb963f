//! Habits of the upload nodes.

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
