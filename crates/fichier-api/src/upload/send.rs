//! Sending files: a slot on a node, then one request with up to 500 of them.
//!
//! An upload has three steps (docs/api-notes.md, C): [`Client::open_upload`] names a node and an
//! id, [`Client::send_files`] streams the files there, [`Client::upload_result`] tells what was
//! stored. Nothing can be resumed, and a request whose reply was lost may have been carried out:
//! ask for the result before sending anything again.
//!
//! Invariant: a slot's body is sent at most once; nothing here repeats it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::pace::Lane;
use crate::types::FolderId;
use crate::upload::file::{SentFile, UploadFile};
use crate::upload::form::{self, Form};
use crate::upload::hasher::Block;
use crate::upload::node_reply;
use crate::upload::reader;
use crate::upload::slot::UploadSlot;

/// The most files of one upload; one more is an error and nothing is sent (docs/api-notes.md, C.1).
pub const MAX_FILES_PER_UPLOAD: usize = 500;
/// The most bytes of one file; a larger one is an error and nothing is sent (docs/api-notes.md,
/// C.1).
pub const MAX_FILE_BYTES: u64 = 300_000_000_000;
/// The most bytes of one request, form included; more is an error and nothing is sent
/// (docs/api-notes.md, C.1).
pub const MAX_UPLOAD_BYTES: u64 = 500_000_000_000;

const SEND: &str = "upload.cgi";
/// Stall timeouts that a node has between the last byte and its reply; after them the upload
/// failed.
const STALLS_FOR_REPLY: u32 = 5;

/// An upload that a node accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The id to ask for the result with; usually the slot's own.
    pub xid: String,
    /// The files in the order given.
    pub files: Vec<SentFile>,
}

/// Why an upload was not completed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A file could not be opened or read, became shorter, or cannot be sent at all. The request
    /// was broken off before its end, so that nothing is stored, as far as is known
    /// (docs/api-notes.md, C.6).
    #[error("file {index} of the upload cannot be sent")]
    File {
        /// Which one, counted from 0 in the order given.
        index: usize,
        /// The error of the file system, or the reason why it cannot be sent.
        source: io::Error,
    },
    /// The service refused, or could not be reached.
    #[error("the upload failed")]
    Service {
        /// The error of the call.
        #[source]
        error: Error,
        /// The files that had been read by then, possibly all, in the order given.
        sent: Vec<SentFile>,
        /// Whether the whole body was handed over. If so, and [`Error::outcome_unknown`], the
        /// service may hold the files.
        complete: bool,
    },
}

impl Client {
    /// Sends files to a slot, into `folder`, which must exist: the service puts files for an
    /// unknown folder into the account's root and says nothing (docs/api-notes.md, C.3).
    ///
    /// Streams: memory grows neither with the files nor with their number. Costs one paced call
    /// for 1 to [`MAX_FILES_PER_UPLOAD`] files. `progress` grows by the bytes of files handed to
    /// the socket. The service allows four hours, so 300 GB need a sustained 21 MB/s.
    ///
    /// Dropping the future breaks the request off.
    ///
    /// # Errors
    ///
    /// After [`SendError::Service`] the service may hold none or all of the files. Never send to
    /// the same slot again: ask [`Client::upload_result`], then list the folder, then send to a new
    /// slot the files that are missing.
    ///
    /// * [`ErrorKind::NodeStorage`]: once more, to another slot.
    /// * [`ErrorKind::NoFileInUpload`]: the node saw no file; sending the same again is no use.
    ///
    /// Source: docs/api-notes.md, C.1 to C.6.
    pub async fn send_files(
        &self,
        slot: &UploadSlot,
        folder: FolderId,
        files: Vec<UploadFile>,
        progress: Arc<AtomicU64>,
    ) -> Result<Sent, SendError> {
        let form = form(folder, &files)?;
        let to = match slot.check(self.transport().address()) {
            Ok(()) => self.node(slot, &format!("/{SEND}?id={}", slot.id)),
            Err(kind) => Err(kind),
        };
        let to = to.map_err(not_begun)?;
        let _turn = self.pacer().turn(Lane::Call).await.map_err(not_begun)?;

        let (content_type, length) = (form.content_type(), form.content_length());
        let handed_over = Arc::new(HandedOver { content_bytes: progress, ..Default::default() });
        let (blocks, findings) = if self.transport().has_network() {
            let started = reader::start(form, files);
            let (mut blocks, findings) =
                started.map_err(|source| SendError::File { index: 0, source })?;
            (stream::poll_fn(move |cx| blocks.poll_recv(cx)).boxed(), findings)
        } else {
            let (blocks, findings) = reader::read_all(form, files);
            (stream::iter(blocks).boxed(), findings)
        };
        let body = body(blocks, Arc::clone(&handed_over));
        let stall = self.transport().stall_timeout();
        let replied = tokio::select! {
            biased;
            reply = self.transport().send_form(to.clone(), &content_type, length, body) => reply,
            kind = handed_over.stalled(stall) => Err(kind),
        };

        let read = findings.take();
        let complete = handed_over.is_complete.load(Ordering::Acquire);
        if let Some((index, source)) = read.failure {
            return Err(SendError::File { index, source });
        }
        let xid = replied.and_then(|reply| node_reply::xid(&reply, &to));
        self.pacer().count(SEND, xid.as_ref().err());
        match xid {
            Ok(xid) => {
                self.pacer().note_ok(SEND);
                Ok(Sent { xid, files: read.files })
            }
            Err(kind) => {
                self.pacer().note_failure(SEND, &kind);
                let error = Error { endpoint: SEND, attempts: 1, kind };
                Err(SendError::Service { error, sent: read.files, complete })
            }
        }
    }
}

/// The form for these files, if the service would take them all.
fn form(folder: FolderId, files: &[UploadFile]) -> Result<Form, SendError> {
    let refuse = |index, problem: &str| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, problem.to_owned());
        SendError::File { index, source }
    };
    for (index, file) in files.iter().enumerate() {
        if file.size_bytes == 0 && !file.is_trial {
            return Err(refuse(index, "the service takes no empty files"));
        } else if file.size_bytes > MAX_FILE_BYTES {
            return Err(refuse(index, "the service takes no file above 300 GB"));
        } else if index == MAX_FILES_PER_UPLOAD {
            return Err(refuse(index, "an upload holds at most 500 files"));
        }
    }
    if files.is_empty() {
        return Err(refuse(0, "an upload holds at least one file"));
    }
    let boundary = form::random_boundary()
        .map_err(|error| SendError::File { index: 0, source: io::Error::other(error) })?;
    let parts = files.iter().map(|file| (&file.name, file.size_bytes));
    let form = Form::new(boundary, folder, parts)
        .map_err(|index| refuse(index, "the name is none that the service could keep"))?;
    if form.content_length() > MAX_UPLOAD_BYTES {
        return Err(refuse(files.len() - 1, "the service takes no upload above 500 GB"));
    }
    Ok(form)
}

fn not_begun(kind: ErrorKind) -> SendError {
    let error = Error { endpoint: SEND, attempts: 0, kind };
    SendError::Service { error, sent: Vec::new(), complete: false }
}

fn body(
    blocks: BoxStream<'static, io::Result<Block>>,
    handed_over: Arc<HandedOver>,
) -> reqwest::Body {
    let bytes = blocks.map(move |block| {
        block.map(|block| {
            handed_over.note(&block);
            block.bytes
        })
    });
    reqwest::Body::wrap_stream(bytes)
}

/// How much of a body the socket has taken.
#[derive(Debug, Default)]
struct HandedOver {
    content_bytes: Arc<AtomicU64>,
    blocks: AtomicU64,
    is_complete: AtomicBool,
}

impl HandedOver {
    fn note(&self, block: &Block) {
        self.content_bytes.fetch_add(block.content_bytes, Ordering::Relaxed);
        self.is_complete.fetch_or(block.is_last, Ordering::Release);
        self.blocks.fetch_add(1, Ordering::Release);
    }

    /// Returns when the socket has taken nothing for `stall`, or the reply to a whole body is
    /// overdue.
    async fn stalled(&self, stall: Duration) -> ErrorKind {
        let mut seen = self.blocks.load(Ordering::Acquire);
        let mut deadline = Instant::now() + stall;
        loop {
            sleep_until(deadline).await;
            let now = self.blocks.load(Ordering::Acquire);
            if now == seen {
                break;
            }
            seen = now;
            let is_complete = self.is_complete.load(Ordering::Acquire);
            deadline = Instant::now() + stall * if is_complete { STALLS_FOR_REPLY } else { 1 };
        }
        let text = format!("the upload made no progress for {} s", stall.as_secs());
        ErrorKind::Unreachable(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}
