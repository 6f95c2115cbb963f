//! Habits in calls that change files and folders of the account.

/// What happens to a file that arrives under a name that is in use (docs/api-notes.md, G.1 row 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTaken {
    /// Two files of the same name.
    Duplicate,
    /// The file keeps its folder and its name; a copy is not made.
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

/// What the service does with folders whose names begin with a dot (H.1, H.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DotFolders {
    /// They are folders like any others.
    Plain,
    /// `mkdir` refuses such a name.
    Refused,
    /// They are made, and no listing shows them.
    Hidden,
}

/// What happens to the links of a batch beyond [`crate::Rules::batch_max`] (G.1 rows 1 and 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchExcess {
    /// They are left out, and the reply counts the links that were done.
    LeaveOut,
    /// KO, and none of the batch is carried out.
    Refuse,
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

/// What `file/rm` says about a link that does not exist (docs/api-notes.md, B.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveUnknown {
    /// `OK`, with a count that leaves the link out.
    CountsZero,
    /// 404 `Resource not found` if none of the links exists.
    NotFound,
}
