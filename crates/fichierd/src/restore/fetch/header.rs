//! The header of a stored file that is known only from a listing, without the rest of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rclone_formats::crypt::Nonce;
use rclone_formats::crypt::size::HEADER_BYTES;
use tokio::io::AsyncWrite;

use super::Fetcher;
use crate::restore::plan::Content;

/// Takes a header, and then no more.
#[derive(Default)]
struct Header(Vec<u8>);

impl Fetcher {
    /// Reads the nonce of a content that no record tells, so that a file on disk can be compared with
    /// it. Costs one call for such a content, and the first piece of a download.
    ///
    /// A failure is no harm: the file on disk is then taken for another one.
    pub(in crate::restore) async fn learn_nonce(&self, content: &Content) {
        let Some(copy) = content.copies.first() else { return };
        let unknown = copy.reader.as_ref().filter(|reader| reader.nonce().is_none());
        let Some(reader) = unknown else { return };
        let expect = Some((copy.stored_bytes, copy.whirlpool));
        let mut header = Header::default();
        // It ends early, by the sink's error; the whole is neither wanted nor compared.
        let _ended = self.client.download(&copy.url, expect, &mut header).await;
        if let Ok(nonce) = Nonce::from_header(&header.0) {
            reader.learn(nonce);
        }
    }
}

impl AsyncWrite for Header {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = HEADER_BYTES - self.0.len();
        if room == 0 {
            return Poll::Ready(Err(io::Error::other("the header is all that was wanted")));
        }
        let taken = &bytes[..bytes.len().min(room)];
        self.0.extend_from_slice(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
