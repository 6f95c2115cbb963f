//! Uploads: from `get_upload_server`, which gives an id, to `end.pl`, which tells what arrived
//! under it (docs/api-notes.md, B.2 and C.4).
//!
//! An upload whose client was not told what arrived is marked ([`Upload::reply_lost`]) until the
//! client asks: the same file sent again before that is a violation.

use std::collections::HashMap;
use std::time::Instant;

use crate::faults::Action;

/// One upload id, from `get_upload_server` to the end of its result.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// When `get_upload_server` gave the id.
    pub(crate) given: Option<Instant>,
    /// How many bodies came under this id.
    pub(crate) posts: usize,
    /// When the files were stored, and what `end.pl` tells about them.
    pub(crate) result: Option<(Instant, Vec<Entry>)>,
    /// How many more times `end.pl` says that the antivirus is at work.
    pub(crate) scanning: usize,
    /// How many more times `end.pl` shows no links.
    pub(crate) empty: usize,
    /// The files were stored but the client was not told, and has not asked since.
    pub(crate) reply_lost: bool,
}

/// One file in the result of an upload.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) folder: i64,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) whirlpool: String,
    /// Empty when the upload belongs to an account.
    pub(crate) removal_code: String,
}

impl Upload {
    /// Applies a fault on `upload.cgi` or `end.pl` that concerns the polls to come.
    pub(crate) fn prepare(&mut self, action: Option<&Action>) {
        match action {
            Some(Action::Scanning(polls)) => self.scanning = *polls,
            Some(Action::EmptyLinks(polls)) => self.empty = *polls,
            _ => {}
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.result.iter().flat_map(|(_, entries)| entries)
    }
}

/// All uploads, by their id.
#[derive(Debug, Default)]
pub(crate) struct Uploads(HashMap<String, Upload>);

impl Uploads {
    /// Gives out an id; nothing was sent under it yet.
    pub(crate) fn give(&mut self, id: String, now: Instant) {
        self.0.insert(id, Upload { given: Some(now), ..Upload::default() });
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Upload> {
        self.0.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Upload> {
        self.0.get_mut(id)
    }

    /// The upload of an id; a new one if the id was never given out.
    pub(crate) fn of(&mut self, id: &str) -> &mut Upload {
        self.0.entry(id.to_owned()).or_default()
    }

    /// Whether a file like this was stored by an upload whose client was not told.
    pub(crate) fn has_lost_reply_about(&self, name: &str, whirlpool: &str) -> bool {
        self.0
            .values()
            .filter(|upload| upload.reply_lost)
            .any(|upload| upload.entries().any(|e| e.name == name && e.whirlpool == whirlpool))
    }

    /// Notes that a folder was listed, which is another way to ask what arrived in it.
    pub(crate) fn forget_lost_replies(&mut self, folder: i64) {
        for upload in self.0.values_mut().filter(|upload| upload.reply_lost) {
            let shows_it = upload.entries().any(|entry| entry.folder == folder);
            upload.reply_lost = !shows_it;
        }
    }
}
