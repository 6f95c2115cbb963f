//! Faults on command: what the emulator does wrong because a test asked for it.
//!
//! A [`Fault`] waits for requests to one endpoint, lets some of them pass, and then spoils some.
//! Faults are looked at after the rules: a spoiled request has been counted and recorded like any
//! other; downloads are no calls and are only recorded. Several faults may wait for the same endpoint; the first that is due is taken.

use std::time::Duration;

/// What to spoil, and when.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The endpoint as in [`crate::Request::endpoint`], for example `file/mv.cgi`, `upload.cgi`,
    /// `end.pl`, or `download` for the GET of a file's bytes; `*` is all.
    pub on: String,
    /// How many matching requests pass before the first is spoiled.
    pub skip: usize,
    /// How many are spoiled; `usize::MAX` is "until cleared".
    pub times: usize,
    /// What happens to them.
    pub action: Action,
    /// Link or name of the only file that is concerned; requests about others pass and do not use
    /// up the fault. For downloads, and for calls that name one file as `url`.
    pub only: Option<String>,
}

impl Fault {
    /// Spoils the next request to `endpoint`.
    pub fn once(endpoint: &str, action: Action) -> Fault {
        Fault { on: endpoint.to_owned(), skip: 0, times: 1, action, only: None }
    }

    /// Spoils every request to `endpoint` until [`crate::Emulator::clear_faults`].
    pub fn always(endpoint: &str, action: Action) -> Fault {
        Fault { on: endpoint.to_owned(), skip: 0, times: usize::MAX, action, only: None }
    }

    /// The same fault after `skip` requests have passed.
    #[must_use]
    pub fn after(self, skip: usize) -> Fault {
        Fault { skip, ..self }
    }

    /// The same fault for the file of this link or name alone: "this one always comes damaged".
    #[must_use]
    pub fn only(self, link_or_name: &str) -> Fault {
        Fault { only: Some(link_or_name.to_owned()), ..self }
    }

    /// Whether a request is of the kind that this fault waits for.
    fn concerns(&self, endpoint: &str, subject: Subject) -> bool {
        let of_file = self.only.as_deref().is_none_or(|only| {
            subject.link.is_some_and(|link| link == only) || subject.name == Some(only)
        });
        let needs_range = matches!(self.action, Action::IgnoreRange | Action::WrongRange);
        (self.on == "*" || self.on == endpoint)
            && of_file
            && (subject.has_range || !needs_range)
            && !matches!(self.action, Action::Poison(_))
    }
}

/// What a request is about, as far as faults depend on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) link: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    /// It asks for a part of a file.
    pub(crate) has_range: bool,
}

/// What happens to a request that a [`Fault`] hits.
///
/// Unless it says otherwise, an action leaves the work undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers this status with this body, as `text/html`.
    Status(u16, String),
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
    /// `end.pl` tells a hash that is not that of the file.
    WrongWhirlpool,
    /// `end.pl` tells a size that is not that of the file.
    WrongSize,
    /// `end.pl` tells every file twice, the second time under a link of nothing.
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
    /// `folder/mkdir` makes the folder and answers `OK` without its id.
    NoFolderId,
    /// A listing says `OK` and shows nothing.
    EmptyListing,
    /// A listing says `OK` and shows the first n rows, of files and of folders, as if these were
    /// all.
    PartialListing(usize),
    /// `OK`, in the words of a success, and nothing has changed. Not with
    /// [`crate::Storage::Folder`], where removed contents are gone all the same.
    SaysDone,
    /// Every file of this name is gone for good before the call does its work: removed by the
    /// host. On calls and `end.pl`.
    Vanish(String),
    /// The node puts the files of an upload into the account's root, whatever the `did`.
    IntoRoot,
    /// The node takes the files of an upload for nobody's, whatever the key.
    Anonymous,
    /// 401 `Not authenticated`.
    KeyRefused,
    /// 404 `Resource not found`, of something that is there.
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

/// The faults that are waiting.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to a request to `endpoint`, if anything.
    pub(crate) fn take(&mut self, endpoint: &str, subject: Subject) -> Option<Action> {
        let mut due = None;
        for fault in &mut self.0 {
            if !fault.concerns(endpoint, subject) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 && due.is_none() {
                fault.times -= 1;
                due = Some(fault.action.clone());
            }
        }
        self.forget_spent();
        due
    }

    /// Whether a fault poisons an upload of files with these names.
    pub(crate) fn poisons(&mut self, endpoint: &str, names: &[&str]) -> bool {
        let poisoned = self.0.iter_mut().find(|fault| {
            let name_matches =
                matches!(&fault.action, Action::Poison(name) if names.contains(&name.as_str()));
            name_matches && (fault.on == "*" || fault.on == endpoint) && fault.times > 0
        });
        let hit = match poisoned {
            Some(fault) if fault.skip > 0 => {
                fault.skip -= 1;
                false
            }
            Some(fault) => {
                fault.times -= 1;
                true
            }
            None => false,
        };
        self.forget_spent();
        hit
    }

    fn forget_spent(&mut self) {
        self.0.retain(|fault| fault.times > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        faults.add(Fault { times: 2, ..Fault::once("file/mv.cgi", Action::Reset).after(1) });
        let struck = [0; 4].map(|_| faults.take("file/mv.cgi", Subject::default()).is_some());
        assert_eq!(struck, [false, true, true, false]);
    }

    #[test]
    fn a_fault_leaves_other_endpoints_alone() {
        let mut faults = Faults::default();
        faults.add(Fault::always("file/mv.cgi", Action::Empty));
        assert_eq!(faults.take("file/rm.cgi", Subject::default()), None);
        faults.add(Fault::always("*", Action::Reset));
        assert_eq!(faults.take("file/rm.cgi", Subject::default()), Some(Action::Reset));
        assert_eq!(faults.take("file/mv.cgi", Subject::default()), Some(Action::Empty));
    }

    #[test]
    fn a_fault_of_one_file_passes_the_others_and_is_not_used_up_by_them() {
        let mut faults = Faults::default();
        let subject = |link, name| Subject { link, name, has_range: false };
        for only in ["https://1fichier.com/?aaaaa", "a.bin"] {
            faults.add(Fault::once("download", Action::WrongBytes).only(only));
            assert_eq!(faults.take("download", Subject::default()), None);
            let other = subject(Some("https://1fichier.com/?bbbbb"), Some("b.bin"));
            assert_eq!(faults.take("download", other), None);
            let file = subject(Some("https://1fichier.com/?aaaaa"), Some("a.bin"));
            assert_eq!(faults.take("download", file), Some(Action::WrongBytes), "{only}");
        }
    }

    #[test]
    fn poison_strikes_only_the_upload_that_contains_it() {
        let mut faults = Faults::default();
        faults.add(Fault::always("upload.cgi", Action::Poison("bad.bin".into())));
        assert_eq!(faults.take("upload.cgi", Subject::default()), None);
        assert!(!faults.poisons("upload.cgi", &["good.bin"]));
        assert!(faults.poisons("upload.cgi", &["good.bin", "bad.bin"]));
        assert!(faults.poisons("upload.cgi", &["bad.bin"]));
    }
}
