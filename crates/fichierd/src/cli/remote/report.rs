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
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    action: &'a str,
    deeds: &'a [Deed],
}

/// Prints one line for each deed, or the document `fichierd.remote-report/1`.
///
/// The exit code is [`Exit::Problems`] if the service left something out.
pub(super) fn deeds(action: &str, deeds: &[Deed], json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&Report { schema: "fichierd.remote-report/1", action, deeds })?;
    } else {
        for deed in deeds {
            let not = if deed.done { "" } else { "NOT " };
            output::line(&format!("{not}{action}: {}", output::harmless(&deed.what)))?;
        }
    }
    Ok(if deeds.iter().all(|deed| deed.done) { Exit::Done } else { Exit::Problems })
}

/// A deed that the service has confirmed.
pub(super) fn done(what: impl Into<String>) -> Deed {
    Deed { what: what.into(), done: true }
}
