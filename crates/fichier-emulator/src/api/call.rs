//! One call on its way through an endpoint: what was asked, and what every endpoint needs.

use std::time::Instant;

use serde_json::Value;

use super::fields::Fields;
use crate::faults::Action;
use crate::habits::BatchExcess;
use crate::world::{Caller, File, State, Ticket, World};

/// One call on its way through an endpoint.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) world: &'a World,
    pub(crate) endpoint: &'a str,
    pub(crate) fields: Fields,
    pub(crate) now: Instant,
    pub(crate) caller: Caller,
    /// The fault that hit this call and concerns what the endpoint does.
    pub(crate) action: Option<Action>,
    pub(super) ticket: Ticket,
}

impl Call<'_> {
    /// Records that the call broke a rule of the service.
    pub(crate) fn violation(&mut self, broken: &str) {
        self.state.record.violation(self.endpoint, broken);
    }

    /// Records a broken rule, unless clients may try this: [`State::trial`].
    pub(crate) fn trial(&mut self, broken: &str) {
        self.state.trial(self.endpoint, broken);
    }

    /// The file of an id; `None` while calls do not know a new link yet.
    pub(crate) fn known_file(&self, id: &str) -> Option<&File> {
        let file = self.state.account.file(id)?;
        file.unknown_until.is_none_or(|until| self.now >= until).then_some(file)
    }

    /// The elements of a batch that will be carried out.
    pub(crate) fn batch(&mut self, name: &str) -> Vec<Value> {
        let items = self.fields.list(name).to_vec();
        if items.is_empty() {
            self.violation(&format!("`{name}` is empty or missing"));
        }
        if items.len() > self.state.rules.batch_tolerated {
            self.violation(&format!("{} links in one call", items.len()));
        }
        let mut most = self.state.rules.batch_max.unwrap_or(usize::MAX);
        if let Some(Action::Partial(first)) = self.action {
            most = most.min(first);
        }
        items.into_iter().take(most).collect()
    }

    /// Whether the call is refused because it names too many links. The service's words for that
    /// are not recorded.
    pub(super) fn is_batch_refused(&self) -> bool {
        let rules = &self.state.rules;
        let links =
            ["urls", "files"].iter().map(|name| self.fields.list(name).len()).sum::<usize>();
        rules.batch_excess == BatchExcess::Refuse
            && self.endpoint.starts_with("file/")
            && rules.batch_max.is_some_and(|most| links > most)
    }

    /// Records the folder and the number of links that the call names.
    pub(super) fn note_subject(&mut self) {
        let folder = ["folder_id", "destination_folder_id"]
            .iter()
            .rev()
            .find_map(|name| self.fields.number(name));
        let links = ["urls", "files"].iter().map(|name| self.fields.list(name).len()).sum();
        let one = usize::from(self.fields.has("url"));
        if let Some(note) = self.state.record.note(self.ticket) {
            note.folder_id = folder;
            note.links = if links > 0 { links } else { one };
        }
    }
}
