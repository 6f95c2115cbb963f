//! What the service may do where its documentation is silent (docs/api-notes.md, G.1): one type
//! for each question with more answers than yes and no.
//!
//! The first answer of each is the cautious assumption, which [`crate::Rules`] begins with.

/// What happens to a file that arrives under a name which is in use (docs/api-notes.md, G.1 row 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTaken {
    /// Two files of the same name.
    Duplicate,
    /// The file stays where, or as, it was.
    Refuse,
    /// The arriving file gets a free name: `name (1)`.
    Rename,
    /// The file that was there is removed.
    Overwrite,
}

/// What `folder/mkdir` and `folder/mv` do about a name that a folder has there already
/// (docs/api-notes.md, B.14, G.1 rows 9 and 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderTaken {
    /// KO, without a number.
    Refuse,
    /// `mkdir` says `OK` with the number of the folder that is there; `mv` is refused.
    Existing,
    /// Two folders of the same name.
    Duplicate,
}

/// What becomes of the links of a batch beyond [`crate::Rules::batch_max`] (G.1 rows 1 and 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchExcess {
    /// They are left out, and the reply counts those that were done.
    LeaveOut,
    /// KO, and none of the batch is carried out.
    Refuse,
}

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

/// What happens to a file name longer than [`crate::Rules::name_max`] (G.1 row 23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongName {
    /// It is cut.
    Cut,
    /// A rename is refused; an upload loses the file.
    Refuse,
}

/// What `folder/rm` does with a folder that has something in it (G.1 row 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullFolder {
    /// KO, nothing is removed.
    Refuse,
    /// It is removed with all that is in it.
    Remove,
}

/// What a node does with a key that it does not know (docs/api-notes.md, C.7, G.1 row 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKeyOnNode {
    /// Takes the files as an anonymous upload, outside of the account.
    Anonymous,
    /// Answers 401.
    Refuse,
}

/// What `file/rm` says about a link that does not exist (docs/api-notes.md, B.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveUnknown {
    /// `OK`, with a count that leaves the link out.
    CountsZero,
    /// 404 `Resource not found` if none of the links exists.
    NotFound,
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

/// Whose certificate the servers show ([`crate::Emulator::set_certificate`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// A good one of the emulator's authority.
    #[default]
    Good,
    /// One that is its own authority.
    SelfSigned,
    /// One of the emulator's authority that ended in 2001.
    Expired,
    /// One of the emulator's authority for another host.
    OtherHost,
}

/// What the proxy does with those who ask for the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHabit {
    /// Leads there.
    Tunnel,
    /// 407: it wants a name and a password.
    Authenticate,
    /// Says that it leads there, and shows the page of a captive portal instead.
    Portal,
    /// 302 to the page of a captive portal.
    Redirect,
    /// 502: it cannot resolve the name.
    NoSuchHost,
    /// Accepts the connection and says nothing, as long as the other end waits.
    Silence,
}
