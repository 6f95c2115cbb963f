//! The report of what a `remote` command did, for people and for scripts.
//!
//! A file link is shown only if it was asked for, since anybody who has it can download the file
//! (invariant I10).

use serde::Serialize;

use crate::base::Exit;
use crate::cli::output;

/// The result for one file or folder.
#[derive(Debug, Serialize)]
pub(super) struct Deed {
    /// The file or folder, as it was typed.
    pub(super) what: String,
    /// Whether the service confirmed it.
    pub(super) done: bool,
    /// What else is to be said about it, for people. With this, what is not done may be done later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Why it was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

impl Deed {
    /// The result for one file or folder, by whether the service confirmed it.
    pub(super) fn new(what: impl Into<String>, done: bool) -> Deed {
        Deed { what: what.into(), done, note: None, why: None }
    }

    /// Not done, as far as anybody knows.
    fn is_left_out(&self) -> bool {
        !self.done && self.note.is_none()
    }
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    action: &'a str,
    deeds: &'a [Deed],
}

/// Prints one line for each deed, or the document `fichierd.remote-report/1`.
///
/// The exit code is [`Exit::Problems`] if the service left something out, and [`Exit::TryLater`] if
/// it has not confirmed something.
pub(super) fn deeds(action: &str, deeds: &[Deed], json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&Report { schema: "fichierd.remote-report/1", action, deeds })?;
    } else {
        for deed in deeds {
            let what = output::harmless(&deed.what);
            output::line(&match (deed.done, &deed.note) {
                (true, None) => format!("{action}: {what}"),
                (true, Some(note)) => format!("{action}: {what}; {}", output::harmless(note)),
                (false, None) => match &deed.why {
                    Some(why) => format!("NOT {action}: {what}: {}", output::harmless(why)),
                    None => format!("NOT {action}: {what}"),
                },
                (false, Some(note)) => {
                    format!("{action}, and NOT CONFIRMED: {what}; {}", output::harmless(note))
                }
            })?;
        }
    }
    Ok(if deeds.iter().any(Deed::is_left_out) {
        Exit::Problems
    } else if deeds.iter().any(|deed| !deed.done) {
        Exit::TryLater
    } else {
        Exit::Done
    })
}

/// A deed that the service has confirmed.
pub(super) fn done(what: impl Into<String>) -> Deed {
    Deed::new(what, true)
}

/// Something that was left out, and why.
pub(super) fn left_out(what: impl Into<String>, why: impl Into<String>) -> Deed {
    Deed { why: Some(why.into()), ..Deed::new(what, false) }
}
