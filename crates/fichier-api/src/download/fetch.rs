//! Downloads: a single-use address, then the bytes, checked against size and hash.
//!
//! A broken connection is resumed where it ended, with a new address each time (docs/api-notes.md,
//! D, G.1 row 30). Error pages come with status 200, a server may lead to another one, and a
//! request for a part may be answered with the whole: each reply is examined before it is believed.
//!
//! Invariant: the bytes written to the sink are those of the file, in order and without gaps, or
//! the result is an error; a caller that expects a size and a hash gets exactly that content or
//! [`ErrorKind::Corrupt`].

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::Client;
use crate::download::content::{Content, Downloaded};
use crate::download::reply::{is_unknown, leads_to, refusal, start_of_data};
use crate::download::token::DownloadUrl;
use crate::error::{Error, ErrorKind, Remedy};
use crate::hash::Whirlpool;
use crate::link::FileUrl;
use crate::pace::{Lane, Turn};
use crate::transport::{Part, unreachable};

pub(super) const DOWNLOAD: &str = "download";
/// The most attempts in a row that bring no byte; then the download has failed.
const FRUITLESS_ATTEMPTS: u32 = 4;
/// Pages that came instead of the file; a new address may help once.
const MOST_PAGES: u32 = 2;
/// The most servers that one address may lead to, one after the other; more are an error (H.2).
const MOST_REDIRECTS: u32 = 3;
/// The pause before an attempt that follows a fruitless one; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

impl Client {
    /// Downloads a file into `sink`, which is flushed at the end. Costs one paced call for each
    /// attempt; the transfer itself is not paced. Uses about 2 MiB of memory.
    ///
    /// Small files, of 50 MiB or less or of unknown size, are started one after the other and at
    /// least 500 ms apart by all clients that share the pacer: many in quick succession get the
    /// address locked (docs/api-notes.md, D). How many are under way at once is not limited here.
    ///
    /// With `expect`, size and hash of the content are compared. The sink is written to before
    /// the comparison can be made: after an error, drop what is in it.
    ///
    /// A broken connection is resumed where it ended, up to four times in a row without a new byte.
    /// Everything else is the caller's to decide, and returned at once.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Corrupt`]: the content has another size or hash than expected.
    /// * [`ErrorKind::Sink`]: the sink failed.
    /// * [`ErrorKind::Unreachable`]: the connection broke, and resuming did not help.
    /// * [`ErrorKind::OneLocation`]: another address is downloading, for some more minutes.
    /// * [`ErrorKind::AddressRefused`]: the options must say
    ///   [`use_cdn`](crate::DownloadOptions::use_cdn).
    ///
    /// Source: docs/api-notes.md, D.
    pub async fn download(
        &self,
        url: &FileUrl,
        expect: Option<(u64, Whirlpool)>,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Downloaded, Error> {
        let content = Content::new(sink, expect.map(|(size_bytes, _)| size_bytes));
        self.finish_download(url, expect, content).await
    }

    /// Goes on with a download whose beginning is already there: `had` is read to its end, to
    /// hash it and to know its length, and `sink` gets what follows. Otherwise as
    /// [`Client::download`].
    ///
    /// # Errors
    ///
    /// As [`Client::download`]; [`ErrorKind::Sink`] also if `had` cannot be read.
    pub async fn resume_download(
        &self,
        url: &FileUrl,
        expect: Option<(u64, Whirlpool)>,
        had: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Downloaded, Error> {
        let mut content = Content::new(sink, expect.map(|(size_bytes, _)| size_bytes));
        content.begin_with(had).await.map_err(|kind| failed(0, kind))?;
        self.finish_download(url, expect, content).await
    }

    async fn finish_download(
        &self,
        url: &FileUrl,
        expect: Option<(u64, Whirlpool)>,
        mut content: Content<'_, impl AsyncWrite + Unpin>,
    ) -> Result<Downloaded, Error> {
        let (mut attempts, mut fruitless, mut pages) = (0, 0, 0);
        // An empty rest cannot be asked for.
        while !content.is_whole() {
            let before = content.size_bytes();
            let (address, turn) = self.begin(url, content.is_small(), attempts).await?;
            attempts += 1;
            let transferred = self.transfer(&address, turn, &mut content).await;
            self.pacer().count(DOWNLOAD, transferred.as_ref().err());
            let kind = match transferred {
                Ok(()) => break,
                Err(kind) => kind,
            };
            self.pacer().note_failure(DOWNLOAD, &kind);
            if content.size_bytes() > before {
                (fruitless, pages) = (0, 0);
            } else {
                fruitless += 1;
                pages += u32::from(matches!(kind, ErrorKind::UnexpectedReply { .. }));
            }
            let is_enough = fruitless == FRUITLESS_ATTEMPTS || pages == MOST_PAGES;
            if !may_go_on(&kind) || is_enough {
                return Err(failed(attempts, kind));
            }
            tracing::debug!(had_bytes = content.size_bytes(), "resuming a download: {kind}");
            if fruitless > 0 {
                let pause = FIRST_PAUSE * 2_u32.pow(fruitless - 1);
                tokio::time::sleep(pause / self.pacer().time_scale()).await;
            }
        }
        content.finish(expect).await.map_err(|kind| failed(attempts, kind))
    }

    /// An address, and the turn to use it if the file is small. Asked for only when its use is
    /// next, since it is good for five minutes.
    pub(super) async fn begin(
        &self,
        url: &FileUrl,
        is_small: bool,
        attempts: u32,
    ) -> Result<(DownloadUrl, Option<Turn>), Error> {
        if !is_small {
            return Ok((self.download_url(url, self.download_options()).await?, None));
        }
        let _next = self.pacer().next_small_download().await;
        let address = self.download_url(url, self.download_options()).await?;
        let turn = self.pacer().turn(Lane::SmallDownload).await;
        Ok((address, Some(turn.map_err(|kind| failed(attempts, kind))?)))
    }

    /// One connection: from where `content` is to the end of the file.
    async fn transfer(
        &self,
        address: &DownloadUrl,
        turn: Option<Turn>,
        content: &mut Content<'_, impl AsyncWrite + Unpin>,
    ) -> Result<(), ErrorKind> {
        let response = self.ask_for_data(address, Part::From(content.size_bytes())).await?;
        drop(turn);
        let Some(start) = start_of_data(&response, content.size_bytes()) else {
            return Err(refusal(self.transport(), response).await);
        };
        let received = receive(response, start?, content).await;
        // The bytes that came before an error stay, too.
        content.pass_on().await?;
        received
    }
}

impl Client {
    /// The response to one address, or to the last one of those that it leads to.
    pub(super) async fn ask_for_data(
        &self,
        address: &DownloadUrl,
        part: Part,
    ) -> Result<reqwest::Response, ErrorKind> {
        let mut from = self.transport().address().download(&address.0)?;
        let mut redirects = 0;
        loop {
            let response = self.transport().download(from.clone(), part).await?;
            let Some(next) = leads_to(self.transport().address(), &from, &response)? else {
                return Ok(response);
            };
            redirects += 1;
            if redirects > MOST_REDIRECTS {
                let detail =
                    format!("the download server leads to others more than {MOST_REDIRECTS} times");
                return Err(ErrorKind::unexpected(detail));
            }
            from = next;
        }
    }
}

/// Takes the data of a response, which begins at byte `start` of the file.
async fn receive(
    mut response: reqwest::Response,
    start: u64,
    content: &mut Content<'_, impl AsyncWrite + Unpin>,
) -> Result<(), ErrorKind> {
    if let Some(rest) = response.content_length() {
        content.expect_whole(start + rest)?;
    }
    // The whole came instead of a part: the bytes that are there already are skipped.
    let mut skip = content.size_bytes() - start;
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        skip -= skipped as u64;
        content.add(&chunk[skipped..]).await?;
    }
    if content.is_cut() {
        let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        return Err(ErrorKind::Unreachable(ended));
    }
    Ok(())
}

/// Whether another attempt at the same download makes sense within seconds.
pub(super) fn may_go_on(kind: &ErrorKind) -> bool {
    if let ErrorKind::Refused { status, .. } = kind {
        // The address may have expired. A refusal in words that are not known is the caller's.
        return is_unknown(*status);
    }
    kind.remedy() == Remedy::TryAgain
        && !matches!(kind, ErrorKind::Corrupt { .. } | ErrorKind::OneLocation)
}

pub(super) fn failed(attempts: u32, kind: ErrorKind) -> Error {
    Error { endpoint: DOWNLOAD, attempts, kind }
}
