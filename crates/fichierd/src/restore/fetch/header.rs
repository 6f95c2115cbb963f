//! The nonce of a stored file that is known only from a listing.

use rclone_formats::crypt::Nonce;
use rclone_formats::crypt::size::HEADER_BYTES;

use super::Fetcher;
use crate::restore::plan::Content;

impl Fetcher {
    /// Reads the nonce of a content that no record tells, so that a file on disk can be compared with
    /// it. Costs one call for such a content, and no more bytes than its header has.
    ///
    /// A failure is no harm: the file on disk is then taken for another one.
    pub(in crate::restore) async fn learn_nonce(&self, content: &Content) {
        let Some(copy) = content.copies.first() else { return };
        let unknown = copy.reader.as_ref().filter(|reader| reader.nonce().is_none());
        let Some(reader) = unknown else { return };
        let Ok(header) = self.client.download_start(&copy.url, HEADER_BYTES).await else { return };
        if let Ok(nonce) = Nonce::from_header(&header) {
            reader.learn(nonce);
        }
    }
}
