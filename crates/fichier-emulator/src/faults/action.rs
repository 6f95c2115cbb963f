//! What a fault does to the request that it hits.

use std::time::Duration;

use super::reshape::Reshape;

/// What happens to a request that a [`Fault`](crate::Fault) hits.
///
/// Unless it says otherwise, an action leaves the work undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers this status with this body, as `text/html`.
    Status(u16, String),
    /// Answers this status with this text, as `application/json`.
    Json(u16, String),
    /// Answers `Flood detected: IP Locked` and locks for [`crate::Rules::lock_length`].
    Flood,
    /// Answers `IP Locked`, without "Flood", and locks for an hour.
    HardLock,
    /// Answers `Owner locked` and locks for an hour.
    OwnerLocked,
    /// Closes the connection before the body is read.
    Reset,
    /// Closes the connection after this many bytes of the body. Nothing is stored. Of a download
    /// exactly these are sent, after the headers of the whole.
    ResetAfter(usize),
    /// Reads this many bytes of the body of an upload, then neither reads nor answers; sends this
    /// many of a download and then no more.
    StallBody(usize),
    /// Does the work and closes the connection instead of answering.
    DoItThenReset,
    /// Does the work and answers a page with this status: the front end lost the reply.
    DoItThenStatus(u16),
    /// Answers an HTML page with this status: maintenance, captive portal.
    Html(u16, String),
    /// Does the work and sends half of the reply, or of a download, as if it were all.
    Truncated,
    /// Does the work and answers 200 with nothing.
    Empty,
    /// Does the work and answers after this long, on the clock (not scaled).
    Delay(Duration),
    /// Reads the request and never answers.
    StallHeaders,
    /// Carries out the first n links of a batch and reports those.
    Partial(usize),
    /// The antivirus page from `end.pl`, n times for the upload that is hit. May be put on
    /// `upload.cgi` or on `end.pl`.
    Scanning(usize),
    /// No links from `end.pl`, n times for the upload that is hit. May be put on `upload.cgi` or
    /// on `end.pl`.
    EmptyLinks(usize),
    /// The file of this name is missing in the result of `end.pl`; it is stored.
    DropLink(String),
    /// `end.pl` tells a hash that is not that of the file. On `upload.cgi`, the bytes are others
    /// than were sent, and everything tells their hash.
    WrongWhirlpool,
    /// `end.pl` tells a size that is not that of the file.
    WrongSize,
    /// `end.pl` tells every file twice, the second time under a link that leads to no file.
    ExtraLinks,
    /// `end.pl` tells the files in reverse order.
    ReorderedLinks,
    /// The upload's result gets an id other than that of the upload.
    XidDiffers,
    /// The node's page `Ne peut ouvrir le fichier destination`.
    NodeStorage,
    /// An upload that contains a file of this name is answered with 500 and stores nothing;
    /// others pass and do not use up the fault.
    Poison(String),
    /// The uploaded file of the first name is stored under the second (F.1: names are mangled).
    StoreAs(String, String),
    /// The node refuses the files: no space left in the account.
    Quota,
    /// 302 to this address; downloads are sent to `…?c=SCAN` or `…?c=DB` (section D).
    RedirectTo(String),
    /// 200 with a JSON body of this many bytes.
    HugeBody(u64),
    /// 200 with a small gzip body that unpacks to JSON of at least this many bytes.
    GzipBomb(u64),
    /// Does the work and sends the reply at this many bytes a second (not scaled). Not the bytes of
    /// a download.
    Trickle(u64),
    /// Reads the body of an upload at this many bytes a second (not scaled).
    ReadSlowly(u64),
    /// 429 with this text as `Retry-After`.
    RetryAfter(String),
    /// Does the work and tells of it in another form. On calls and `end.pl`.
    Reshape(Reshape),
    /// `folder/mkdir` makes the folder and answers `OK` without its id.
    NoFolderId,
    /// A listing says `OK` and shows nothing.
    EmptyListing,
    /// A listing says `OK` and shows the first n rows, of files and of folders, as if these were
    /// all.
    PartialListing(usize),
    /// Answers with the words of a success and changes nothing. Not for use with
    /// [`crate::Storage::Folder`], where the contents of removed files are lost in any case.
    SaysDone,
    /// Every file of this name is gone for good before the call does its work: removed by the
    /// host. On calls and `end.pl`.
    Vanish(String),
    /// The node puts the files of an upload into the account's root and ignores the `did`.
    IntoRoot,
    /// The node treats an upload as anonymous and ignores the key.
    Anonymous,
    /// Answers 401 `Not authenticated`.
    KeyRefused,
    /// Answers 404 `Resource not found` about something that exists.
    Denied,
    /// `get_upload_server` names this host.
    ForeignNode(String),
    /// `get_upload_server` gives this id.
    BadUploadId(String),
    /// The byte in the middle of a download arrives changed.
    WrongBytes,
    /// A download that asks for a part gets 200 and the whole file (section D). Others pass and do
    /// not use up the fault.
    IgnoreRange,
    /// A download that asks for a part gets another one, which begins a byte before it, and the
    /// `Content-Range` of that. Others pass and do not use up the fault.
    WrongRange,
}
