//! Turns a failure in the script into a fault of the emulator.

use fichier_emulator::{Action, Emulator, Fault};
use fichier_testkit::endpoints::ENDPOINTS;

use crate::script::Spoiling;

pub fn inject(emulator: &Emulator, endpoint: u8, skip: u8, how: Spoiling) {
    let page = || "<html><body>maintenance</body></html>".to_owned();
    // Some failures make sense at one endpoint only.
    let (fixed, action) = match how {
        Spoiling::LoseReply => (None, Action::DoItThenReset),
        Spoiling::ResetBefore => (None, Action::Reset),
        Spoiling::Status(status) => (None, Action::Status(status, String::new())),
        Spoiling::Page => (None, Action::Html(200, page())),
        Spoiling::Partial(first) => (None, Action::Partial(usize::from(first))),
        Spoiling::Truncated => (None, Action::Truncated),
        Spoiling::Empty => (None, Action::Empty),
        Spoiling::Slow(delay) => (None, Action::Delay(delay)),
        Spoiling::Scanning(times) => (Some("upload.cgi"), Action::Scanning(usize::from(times))),
        Spoiling::NoLinks(times) => (Some("upload.cgi"), Action::EmptyLinks(usize::from(times))),
        Spoiling::ReorderedLinks => (Some("end.pl"), Action::ReorderedLinks),
        Spoiling::ExtraLinks => (Some("end.pl"), Action::ExtraLinks),
        Spoiling::WrongWhirlpool => (Some("end.pl"), Action::WrongWhirlpool),
        Spoiling::WrongSize => (Some("end.pl"), Action::WrongSize),
        Spoiling::NoFolderId => (Some("folder/mkdir.cgi"), Action::NoFolderId),
        Spoiling::NodeStorage => (Some("upload.cgi"), Action::NodeStorage),
        Spoiling::Flood => (None, Action::Flood),
        Spoiling::RetryAfter(seconds) => (None, Action::RetryAfter(seconds.to_string())),
        Spoiling::EmptyListing => (Some("folder/ls.cgi"), Action::EmptyListing),
    };
    let on = fixed.unwrap_or(ENDPOINTS[usize::from(endpoint) % ENDPOINTS.len()]);
    emulator.inject(Fault::once(on, action).after(usize::from(skip)));
}
