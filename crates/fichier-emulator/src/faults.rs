//! Faults on command: what the emulator does wrong because a test asked for it.
//!
//! A [`Fault`] waits for requests to one endpoint, lets some of them pass, and then spoils some.
//! Faults are looked at after the rules: a spoiled request has been counted and recorded like any
//! other. Several faults may wait for the same endpoint; the first that is due is taken.

use std::time::Duration;

/// What to spoil, and when.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The endpoint as in [`crate::Request::endpoint`], for example `file/mv.cgi`, `upload.cgi`
    /// or `end.pl`; `*` is all.
    pub on: String,
    /// How many matching requests pass before the first is spoiled.
    pub skip: usize,
    /// How many are spoiled; `usize::MAX` is "until cleared".
    pub times: usize,
    /// What happens to them.
    pub action: Action,
}

impl Fault {
    /// Spoils the next request to `endpoint`.
    pub fn once(endpoint: &str, action: Action) -> Fault {
        Fault { on: endpoint.to_owned(), skip: 0, times: 1, action }
    }

    /// Spoils every request to `endpoint` until [`crate::Emulator::clear_faults`].
    pub fn always(endpoint: &str, action: Action) -> Fault {
        Fault { on: endpoint.to_owned(), skip: 0, times: usize::MAX, action }
    }

    /// The same fault after `skip` requests have passed.
    #[must_use]
    pub fn after(self, skip: usize) -> Fault {
        Fault { skip, ..self }
    }
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
    /// Closes the connection after this many bytes of the body. Nothing is stored.
    ResetAfter(usize),
    /// Reads this many bytes of the body of an upload, then neither reads nor answers.
    StallBody(usize),
    /// Does the work and closes the connection instead of answering.
    DoItThenReset,
    /// Answers an HTML page with this status: maintenance, captive portal.
    Html(u16, String),
    /// Does the work and sends half of the reply, as if it were all.
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
    /// 302 to this address.
    RedirectTo(String),
    /// 200 with a JSON body of this many bytes.
    HugeBody(u64),
    /// 429 with this text as `Retry-After`.
    RetryAfter(String),
    /// `folder/mkdir` makes the folder and answers `OK` without its id.
    NoFolderId,
    /// A listing says `OK` and shows nothing.
    EmptyListing,
    /// 401 `Not authenticated`.
    KeyRefused,
    /// `get_upload_server` names this host.
    ForeignNode(String),
    /// `get_upload_server` gives this id.
    BadUploadId(String),
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
    pub(crate) fn take(&mut self, endpoint: &str) -> Option<Action> {
        let mut due = None;
        for fault in &mut self.0 {
            if fault.on != "*" && fault.on != endpoint || matches!(fault.action, Action::Poison(_))
            {
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
        let struck = [0; 4].map(|_| faults.take("file/mv.cgi").is_some());
        assert_eq!(struck, [false, true, true, false]);
    }

    #[test]
    fn a_fault_leaves_other_endpoints_alone() {
        let mut faults = Faults::default();
        faults.add(Fault::always("file/mv.cgi", Action::Empty));
        assert_eq!(faults.take("file/rm.cgi"), None);
        faults.add(Fault::always("*", Action::Reset));
        assert_eq!(faults.take("file/rm.cgi"), Some(Action::Reset));
        assert_eq!(faults.take("file/mv.cgi"), Some(Action::Empty));
    }

    #[test]
    fn poison_strikes_only_the_upload_that_contains_it() {
        let mut faults = Faults::default();
        faults.add(Fault::always("upload.cgi", Action::Poison("bad.bin".into())));
        assert_eq!(faults.take("upload.cgi"), None);
        assert!(!faults.poisons("upload.cgi", &["good.bin"]));
        assert!(faults.poisons("upload.cgi", &["good.bin", "bad.bin"]));
        assert!(faults.poisons("upload.cgi", &["bad.bin"]));
    }
}
