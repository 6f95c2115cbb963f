//! The fetching of a copy that is stored enciphered.
//!
//! The unfinished file holds plain bytes. So a download goes on at the bound of a block: the file is
//! cut to whole blocks, which are enciphered again for the hash of the download, and the bytes from
//! the next block on are asked for.

use std::sync::Arc;

use fichier_api::Error;
use rclone_formats::crypt::size::BLOCK_BYTES;

use super::{Fetcher, Goal, disk, prepare};
use crate::restore::beginning::Beginning;
use crate::restore::decipher::{Decipher, PlainHash, explained, other_bytes};
use crate::restore::keyring::Reader;
use crate::restore::plan::{ContentId, KeptCopy};
use crate::restore::sink::PartSink;

impl Fetcher {
    /// Fills the file of `goal`, whose first `present` bytes are from an earlier try.
    pub(super) async fn try_enciphered(
        &self,
        goal: &Goal<'_>,
        copy: &KeptCopy,
        reader: &Reader,
        present: u64,
    ) -> Result<(), Error> {
        let Goal { content, holes, file, meter } = goal;
        let had = match reader.nonce() {
            None => 0,
            Some(_) if present == content.size_bytes => present,
            Some(_) => present - present % BLOCK_BYTES as u64,
        };
        let beginning = prepare(file, had).map_err(disk)?;
        let hash = PlainHash::default();
        let mut beginning = Beginning::new(beginning, had, reader.encryptor(), hash.clone());
        let part = PartSink::new(Arc::clone(file), Arc::clone(holes), had, Arc::clone(meter));
        let mut sink = Decipher::new(part, reader, (had, copy.stored_bytes), hash.clone());
        let expect = Some((copy.stored_bytes, copy.whirlpool));
        let fetched = self.client.resume_download(&copy.url, expect, &mut beginning, &mut sink);
        let fetched = fetched.await;
        meter.add_came(sink.came());
        fetched.map_err(explained)?;
        let is_whole = sink.has_ended() && had + sink.plain_bytes() == content.size_bytes;
        let is_right = match &content.id {
            ContentId::Known(fingerprint) => hash.fingerprint().as_bytes() == fingerprint,
            ContentId::Listed(_) => true,
        };
        if is_whole && is_right {
            return Ok(());
        }
        Err(other_bytes())
    }
}
