//! Files in batches: move, rename, copy, remove (docs/api-notes.md, B.8 to B.11).
//!
//! One call takes up to [`crate::MAX_LINKS_PER_CALL`] links. Batches can be carried out in part,
//! with status `OK` (docs/api-notes.md, G.1 row 2), so each result is compared link by link with
//! the request: a file that the service does not name as done is *missing*, and to be looked at.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::batch::{self, Named, Reported};
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::link::{FileUrl, RemovalCode};
use crate::names::RemoteName;
use crate::pace::Lane;
use crate::types::{BatchOutcome, Copied, FolderId};
use crate::wire::fields;

const MOVE: &str = "file/mv.cgi";
const RENAME: &str = "file/rename.cgi";
const COPY: &str = "file/cp.cgi";
const REMOVE: &str = "file/rm.cgi";

/// The reply to a move. Needs nothing: see [`Reported`].
#[derive(Deserialize)]
pub(crate) struct MoveReply {
    #[serde(flatten)]
    pub(crate) reported: Reported,
    /// Only after a rename.
    #[serde(default, deserialize_with = "fields::text")]
    filename: String,
}

impl Client {
    /// Moves files into a folder; their links stay good. Costs one call.
    ///
    /// It is not known what happens to a file of the same name there: most likely both stay
    /// (docs/api-notes.md, G.1 row 12).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the folder, or every file, does not exist.
    ///
    /// Source: docs/api-notes.md, B.9.
    pub async fn move_files(
        &self,
        urls: &[FileUrl],
        into: FolderId,
    ) -> Result<BatchOutcome, Error> {
        if !batch::is_any(MOVE, urls.len())? {
            return Ok(BatchOutcome::default());
        }
        let request = json!({"urls": urls, "destination_folder_id": into});
        let reply: MoveReply = self.call(MOVE, Lane::Call, true, &request).await?;
        Ok(reply.reported.outcome(urls))
    }

    /// Moves one file into another folder under another name. Costs one call.
    ///
    /// Not for a file that is in the folder already, which would keep its name, and not for one
    /// that has the name already, which would be refused (docs/api-notes.md, B.9). The file is
    /// *done* only if the service confirms the name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the file or the folder does not exist. After a lost reply, look
    /// where the file is: the call is not repeated.
    pub async fn move_and_rename_file(
        &self,
        url: &FileUrl,
        into: FolderId,
        name: &RemoteName,
    ) -> Result<BatchOutcome, Error> {
        let request =
            json!({"urls": [url], "destination_folder_id": into, "rename": name.as_str()});
        let reply: MoveReply = self.call(MOVE, Lane::Call, false, &request).await?;
        let urls = [url.clone()];
        if reply.filename == name.as_str() {
            return Ok(reply.reported.outcome(&urls));
        }
        let told = Some(reply.filename).filter(|told| !told.is_empty());
        let names = told.map(|told| (url.clone(), RemoteName::from_service(told)));
        let names = names.into_iter().collect();
        Ok(BatchOutcome { missing: urls.to_vec(), names, ..BatchOutcome::default() })
    }

    /// Renames files where they are. Costs one call.
    ///
    /// A file is *done* only if the service names the very name that was asked for; another one that
    /// it tells is in [`BatchOutcome::names`]. When the
    /// service says that nothing had to be renamed, all are done: that is also its answer to a
    /// repeated call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if none of the files exists.
    ///
    /// Source: docs/api-notes.md, B.10.
    pub async fn rename_files(
        &self,
        renames: &[(FileUrl, RemoteName)],
    ) -> Result<BatchOutcome, Error> {
        if !batch::is_any(RENAME, renames.len())? {
            return Ok(BatchOutcome::default());
        }
        let rows: Vec<Value> = renames
            .iter()
            .map(|(url, name)| json!({"url": url, "filename": name.as_str()}))
            .collect();
        let request = json!({"urls": rows});
        let reply: Result<Reported, Error> = self.call(RENAME, Lane::Call, true, &request).await;
        match reply {
            Ok(reply) => Ok(renamed(&reply, renames)),
            Err(error) => renamed_before(&error.kind, renames).map_or_else(|| Err(error), Ok),
        }
    }

    /// Copies files into a folder, without sending them anew. Costs one call. `rename` gives the
    /// copy another name, and is only for a single file.
    ///
    /// Each call makes new copies, and it is never repeated: after a lost reply list the folder.
    /// Files that are not in the result were not reported as copied.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the folder, or every file, does not exist.
    ///
    /// Source: docs/api-notes.md, B.11.
    pub async fn copy_files(
        &self,
        urls: &[FileUrl],
        into: FolderId,
        rename: Option<&RemoteName>,
    ) -> Result<Vec<Copied>, Error> {
        if !batch::is_any(COPY, urls.len())? {
            return Ok(Vec::new());
        }
        let mut request = json!({"urls": urls, "folder_id": into});
        if let Some(name) = rename {
            if urls.len() > 1 {
                return Err(batch::not_sent(COPY, "only a single copy can get another name"));
            }
            request["rename"] = name.as_str().into();
        }
        let reply: Reported = self.call(COPY, Lane::Call, false, &request).await?;
        Ok(copied(&reply, urls))
    }

    /// Removes files, for ever: the service has no trash. Costs one call.
    ///
    /// Listings may show a removed file for some time. The answer to a link that the service does
    /// not know is not documented (docs/api-notes.md, B.8): a single one that it calls unknown is
    /// done; of several, all are missing.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn remove_files(&self, urls: &[FileUrl]) -> Result<BatchOutcome, Error> {
        let rows = urls.iter().map(|url| json!({"url": url})).collect();
        self.remove_rows(urls, rows).await
    }

    /// Removes files that belong to no account, each by the code that [`crate::UploadedFile`] has.
    /// Costs one call. Only for files that were sent with a wrong key on purpose: that a code was
    /// told does not prove that a file is in no account.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn remove_strays(
        &self,
        strays: &[(FileUrl, RemovalCode)],
    ) -> Result<BatchOutcome, Error> {
        let urls: Vec<_> = strays.iter().map(|(url, _)| url.clone()).collect();
        let rows = strays.iter().map(|(url, code)| json!({"url": url, "code": code.as_str()}));
        self.remove_rows(&urls, rows.collect()).await
    }

    async fn remove_rows(&self, urls: &[FileUrl], rows: Vec<Value>) -> Result<BatchOutcome, Error> {
        if !batch::is_any(REMOVE, rows.len())? {
            return Ok(BatchOutcome::default());
        }
        let request = json!({"files": rows});
        let reply: Result<Reported, Error> = self.call(REMOVE, Lane::Call, true, &request).await;
        match reply {
            Ok(reported) => Ok(reported.outcome(urls)),
            Err(error) => removed_before(&error.kind, urls).map_or_else(|| Err(error), Ok),
        }
    }
}

/// The outcome of a rename: a file is done if the reply names it with the very name that was asked
/// for.
pub(crate) fn renamed(reply: &Reported, asked: &[(FileUrl, RemoteName)]) -> BatchOutcome {
    let rows = reply.rows().into_iter();
    let names: HashMap<FileUrl, RemoteName> = rows
        .filter_map(|row| Some((row.url?, RemoteName::from_service(row.name?))))
        .filter(|(url, _)| asked.iter().any(|(asked, _)| asked == url))
        .collect();
    let (done, missing): (Vec<_>, Vec<_>) =
        asked.iter().partition(|(url, name)| names.get(url) == Some(name));
    let urls =
        |rows: Vec<&(FileUrl, RemoteName)>| rows.into_iter().map(|(url, _)| url.clone()).collect();
    BatchOutcome { done: urls(done), missing: urls(missing), names, ..BatchOutcome::default() }
}

/// The copies that a reply names: with the file that each was made of, or the only one where one
/// was asked for.
pub(crate) fn copied(reply: &Reported, asked: &[FileUrl]) -> Vec<Copied> {
    let copy = |row: Named| {
        let (from, to) = match (row.url, row.other, asked) {
            (Some(from), Some(to), _) if asked.contains(&from) => (from, to),
            (None, Some(to), [only]) | (Some(to), None, [only]) => (only.clone(), to),
            _ => return None,
        };
        (!asked.contains(&to)).then_some(Copied { from, to })
    };
    let copies: Vec<Copied> = reply.rows().into_iter().filter_map(copy).collect();
    // More copies than files: which of them is ours cannot be told.
    if copies.len() > asked.len() { Vec::new() } else { copies }
}

/// The outcome if the service refuses because the files have their names already: all are done.
pub(crate) fn renamed_before(
    kind: &ErrorKind,
    asked: &[(FileUrl, RemoteName)],
) -> Option<BatchOutcome> {
    let is_done = matches!(kind, ErrorKind::NothingRenamed);
    is_done.then(|| {
        let done = asked.iter().map(|(url, _)| url.clone()).collect();
        BatchOutcome { done, ..BatchOutcome::default() }
    })
}

/// The outcome if the service refuses because files do not exist: done if it can only mean the one.
pub(crate) fn removed_before(kind: &ErrorKind, urls: &[FileUrl]) -> Option<BatchOutcome> {
    let urls = matches!(kind, ErrorKind::NotFound).then(|| urls.to_vec())?;
    Some(match urls[..] {
        [_] => BatchOutcome { done: urls, ..BatchOutcome::default() },
        _ => BatchOutcome { missing: urls, ..BatchOutcome::default() },
    })
}
