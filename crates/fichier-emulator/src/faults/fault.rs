//! A fault: which requests it waits for, and how often it strikes.

use super::action::Action;

/// What to spoil, and when.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The endpoint that it waits for, as in [`crate::Request::endpoint`]: for example
    /// `file/mv.cgi`, `upload.cgi`, `end.pl`, or `download` for the GET of a file's bytes; `*` is
    /// all.
    pub on: String,
    /// How many matching requests pass before the first is spoiled.
    pub skip: usize,
    /// How many are spoiled; `usize::MAX` is "until cleared".
    pub times: usize,
    /// The action that spoils them.
    pub action: Action,
    /// Link or name of the only file that the fault concerns; requests about others pass and do not
    /// use it up. It works for downloads, and for calls that name one file as `url`.
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
    pub(super) fn concerns(&self, endpoint: &str, subject: Subject) -> bool {
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
