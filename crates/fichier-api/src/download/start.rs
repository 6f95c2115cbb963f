//! The first bytes of a file, without the rest of it: a header that tells what the file is.

use crate::client::Client;
use crate::download::fetch::{DOWNLOAD, failed, may_go_on};
use crate::download::reply::{refusal, start_of_data};
use crate::download::token::DownloadUrl;
use crate::error::{Error, ErrorKind};
use crate::link::FileUrl;
use crate::transport::{Part, unreachable};

/// The attempts to get the same few bytes.
const MOST_ATTEMPTS: u32 = 2;

impl Client {
    /// The first `bytes` of a file, or all of a shorter one. Costs one paced call, and a request for
    /// these bytes alone; a server that sends the whole all the same is left after them.
    ///
    /// Whatever the size of the file, such requests are made one after the other and at least 500 ms
    /// apart, as those for small files are ([`Client::download`]). One that fails on its way is made
    /// a second time. Nothing tells whether the bytes are those that were stored.
    ///
    /// # Errors
    ///
    /// As [`Client::download`], but for [`ErrorKind::Corrupt`] and [`ErrorKind::Sink`].
    ///
    /// Source: docs/api-notes.md, D.
    pub async fn download_start(&self, url: &FileUrl, bytes: usize) -> Result<Vec<u8>, Error> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let mut attempts = 0;
        loop {
            let (address, turn) = self.begin(url, true, attempts).await?;
            attempts += 1;
            let started = self.ask_for_start(&address, bytes).await;
            drop(turn);
            self.pacer().count(DOWNLOAD, started.as_ref().err());
            let kind = match started {
                Ok(start) => return Ok(start),
                Err(kind) => kind,
            };
            self.pacer().note_failure(DOWNLOAD, &kind);
            if attempts == MOST_ATTEMPTS || !may_go_on(&kind) {
                return Err(failed(attempts, kind));
            }
        }
    }

    async fn ask_for_start(
        &self,
        address: &DownloadUrl,
        bytes: usize,
    ) -> Result<Vec<u8>, ErrorKind> {
        let mut response = self.ask_for_data(address, Part::UpTo(bytes as u64 - 1)).await?;
        match start_of_data(&response, 0) {
            Some(start) => start?,
            None => return Err(refusal(self.transport(), response).await),
        };
        let mut start = Vec::with_capacity(bytes);
        while start.len() < bytes {
            let Some(chunk) = response.chunk().await.map_err(unreachable)? else { break };
            let missing = bytes - start.len();
            start.extend_from_slice(&chunk[..chunk.len().min(missing)]);
        }
        Ok(start)
    }
}
