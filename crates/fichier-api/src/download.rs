//! Downloads: a single-use address, then the bytes, checked against size and hash.
//!
//! A connection that breaks is taken up where it ended, with a new address each time
//! (docs/api-notes.md, D, G.1 row 30). Error pages come with status 200, and a request for a part
//! may be answered with the whole: what arrives is looked at before it is believed.
//!
//! Invariant: the bytes written to the sink are those of the file, in order and without gaps, or
//! the result is an error; whoever expects a size and a hash gets exactly that content or
//! [`ErrorKind::Corrupt`].

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use whirlpool::Digest;

use crate::client::{Client, decode};
use crate::digest::Whirlpool;
use crate::error::{Error, ErrorKind, Remedy};
use crate::link::FileUrl;
use crate::pace::Lane;
use crate::transport::{Transport, unreachable};

const TOKEN: &str = "download/get_token.cgi";
const DOWNLOAD: &str = "download";
/// Attempts in a row that may bring no byte before a download is given up.
const FRUITLESS_ATTEMPTS: u32 = 4;
/// Before an attempt that follows a fruitless one; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const BLOCK_BYTES: usize = 256 * 1024;

/// How a download address may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DownloadOptions {
    /// The file's password.
    pub password: Option<String>,
    /// Uses the account's CDN credits, which the service wants of addresses in data centres.
    pub use_cdn: bool,
    /// Lets browsers show the file instead of saving it.
    pub inline: bool,
    /// Allows the address for one request only.
    pub single: bool,
}

/// An address that gives the content of a file to whoever asks: to be used within 5 minutes,
/// resumed within 30 (docs/api-notes.md, D).
#[derive(Clone, PartialEq, Eq)]
pub struct DownloadUrl(String);

/// What a download brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Length of the whole content.
    pub size_bytes: u64,
    /// Hash of the whole content.
    pub whirlpool: Whirlpool,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    url: &'a FileUrl,
    single: u8,
    inline: u8,
    cdn: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
}

#[derive(Deserialize)]
struct TokenReply {
    url: String,
}

impl Client {
    /// Makes a download address. Costs one call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CustomersOnly`], [`ErrorKind::AddressRefused`], [`ErrorKind::OneLocation`] and
    /// [`ErrorKind::NotAllowed`] besides the usual ones.
    ///
    /// Source: docs/api-notes.md, B.1.
    pub async fn download_url(
        &self,
        url: &FileUrl,
        options: &DownloadOptions,
    ) -> Result<DownloadUrl, Error> {
        let request = TokenRequest {
            url,
            single: u8::from(options.single),
            inline: u8::from(options.inline),
            cdn: u8::from(options.use_cdn),
            pass: options.password.as_deref(),
        };
        let reply: TokenReply = self.call(TOKEN, Lane::Call, true, &request).await?;
        match self.transport().address().download(&reply.url) {
            Ok(checked) => Ok(DownloadUrl(checked.into())),
            Err(kind) => Err(Error { endpoint: TOKEN, attempts: 1, kind }),
        }
    }

    /// Downloads a file into `sink`, which is flushed at the end. Costs one paced call for each
    /// attempt; the transfer itself is not paced.
    ///
    /// With `expect`, size and hash of the content are compared. The sink is written to before
    /// the comparison can be made: after an error, drop what is in it.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Corrupt`]: the content has another size or hash than expected.
    /// * [`ErrorKind::Sink`]: the sink failed.
    /// * [`ErrorKind::Unreachable`]: the connection broke, and taking it up again did not help.
    ///
    /// Source: docs/api-notes.md, D.
    pub async fn download(
        &self,
        url: &FileUrl,
        expect: Option<(u64, Whirlpool)>,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Downloaded, Error> {
        self.finish_download(url, expect, sink, Progress::default()).await
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
        let mut progress = Progress::default();
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let count = had.read(&mut block).await.map_err(|error| Error {
                endpoint: DOWNLOAD,
                attempts: 0,
                kind: ErrorKind::Sink(error),
            })?;
            if count == 0 {
                break;
            }
            progress.add(&block[..count]);
        }
        self.finish_download(url, expect, sink, progress).await
    }

    async fn finish_download(
        &self,
        url: &FileUrl,
        expect: Option<(u64, Whirlpool)>,
        sink: &mut (impl AsyncWrite + Unpin),
        mut progress: Progress,
    ) -> Result<Downloaded, Error> {
        progress.whole = expect.map(|(size_bytes, _)| size_bytes);
        let (mut attempts, mut fruitless) = (0, 0);
        // An empty rest cannot be asked for.
        while !progress.is_whole() {
            let before = progress.size_bytes;
            let address = self.download_url(url, &DownloadOptions::default()).await?;
            attempts += 1;
            let kind = match self.transfer(&address, &mut progress, sink).await {
                Ok(()) => break,
                Err(kind) => kind,
            };
            self.pacer().note_flood(&kind);
            fruitless = if progress.size_bytes > before { 0 } else { fruitless + 1 };
            if kind.remedy() != Remedy::TryAgain
                || matches!(kind, ErrorKind::Corrupt { .. } | ErrorKind::OneLocation)
                || fruitless == FRUITLESS_ATTEMPTS
            {
                return Err(Error { endpoint: DOWNLOAD, attempts, kind });
            }
            tracing::debug!(had_bytes = progress.size_bytes, "taking a download up again: {kind}");
            if fruitless > 0 {
                let pause = FIRST_PAUSE * 2_u32.pow(fruitless - 1);
                tokio::time::sleep(pause / self.pacer().time_scale()).await;
            }
        }
        let ended = sink.flush().await.map_err(ErrorKind::Sink);
        ended.and_then(|()| progress.finish(expect)).map_err(|kind| Error {
            endpoint: DOWNLOAD,
            attempts,
            kind,
        })
    }

    /// One connection: from where `progress` is to the end of the file.
    async fn transfer(
        &self,
        address: &DownloadUrl,
        progress: &mut Progress,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), ErrorKind> {
        let offset = progress.size_bytes;
        let from = self.transport().address().download(&address.0)?;
        let response = self.transport().download(from, offset).await?;
        let Some(start) = start_of_data(&response, offset) else {
            return Err(refusal(self.transport(), response).await);
        };
        // The whole came for a part: what is there already is skipped.
        let mut skip = offset - start?;
        let mut response = response;
        if let Some(rest) = response.content_length() {
            progress.expect_whole(offset - skip + rest)?;
        }
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            let fresh = &chunk[skipped..];
            progress.room_for(fresh.len())?;
            sink.write_all(fresh).await.map_err(ErrorKind::Sink)?;
            progress.add(fresh);
        }
        if progress.whole.is_some_and(|whole| progress.size_bytes < whole) {
            let ended = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
            return Err(ErrorKind::Unreachable(ended));
        }
        Ok(())
    }
}

impl DownloadUrl {
    /// The address. Whoever has it can download the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DownloadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DownloadUrl(…)")
    }
}

/// What has been written so far.
#[derive(Default)]
struct Progress {
    size_bytes: u64,
    whirlpool: whirlpool::Whirlpool,
    /// The size of the whole, once it is known.
    whole: Option<u64>,
}

impl Progress {
    fn add(&mut self, bytes: &[u8]) {
        self.whirlpool.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    fn is_whole(&self) -> bool {
        self.whole.is_some_and(|whole| self.size_bytes >= whole)
    }

    /// Compares the size that the server announces with the one known.
    fn expect_whole(&mut self, announced: u64) -> Result<(), ErrorKind> {
        let whole = *self.whole.get_or_insert(announced);
        if whole == announced { Ok(()) } else { Err(wrong_size(whole, announced)) }
    }

    fn room_for(&self, more: usize) -> Result<(), ErrorKind> {
        let size_bytes = self.size_bytes + more as u64;
        match self.whole {
            Some(whole) if size_bytes > whole => Err(wrong_size(whole, size_bytes)),
            _ => Ok(()),
        }
    }

    fn finish(self, expect: Option<(u64, Whirlpool)>) -> Result<Downloaded, ErrorKind> {
        let whirlpool = Whirlpool::from_bytes(self.whirlpool.finalize().into());
        if let Some((size_bytes, _)) = expect.filter(|(size, _)| *size != self.size_bytes) {
            return Err(wrong_size(size_bytes, self.size_bytes));
        }
        if let Some((_, expected)) = expect.filter(|(_, hash)| *hash != whirlpool) {
            let detail = format!("expected the hash {expected:?}, got {whirlpool:?}");
            return Err(ErrorKind::Corrupt { detail });
        }
        Ok(Downloaded { size_bytes: self.size_bytes, whirlpool })
    }
}

fn wrong_size(expected: u64, got: u64) -> ErrorKind {
    ErrorKind::Corrupt { detail: format!("expected {expected} bytes, got {got}") }
}

/// Where the data of a response begins; `None` if it is not data at all but a page.
fn start_of_data(response: &reqwest::Response, asked: u64) -> Option<Result<u64, ErrorKind>> {
    let text =
        |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let is_page = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"))
        && !response.headers().contains_key(CONTENT_DISPOSITION);
    match response.status().as_u16() {
        200 if !is_page => Some(Ok(0)),
        206 if !is_page => {
            let range = text(CONTENT_RANGE).and_then(|range| range.strip_prefix("bytes "));
            let start = range.and_then(|range| range.split('-').next()?.parse::<u64>().ok());
            Some(match start {
                Some(start) if start == asked => Ok(start),
                _ => Err(ErrorKind::unexpected("another part of the file than was asked for")),
            })
        }
        _ => None,
    }
}

/// What the download server says instead of the data.
async fn refusal(transport: &Transport, response: reqwest::Response) -> ErrorKind {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    if location.is_some_and(|place| place.contains("?c=DB") || place.contains("?c=SCAN")) {
        return ErrorKind::Maintenance;
    }
    let kind = match transport.read(response).await {
        Ok(reply) => decode::<serde_json::Value>(&reply).err(),
        Err(kind) => Some(kind),
    };
    match kind {
        // What the server does not know (any more) is the address, not the file.
        None | Some(ErrorKind::NotFound | ErrorKind::Refused { .. }) => {
            ErrorKind::unexpected("a page instead of the file")
        }
        Some(kind) => kind,
    }
}
