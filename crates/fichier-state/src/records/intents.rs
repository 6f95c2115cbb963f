//! Changes at the service that were begun and are not known to be done (I3).
//!
//! An intent is on disk before its call is made, and resolved in the transaction that stores the
//! result. One that is found at start was cut short: the call was made, or not, or in part. It says
//! enough to find out, and to finish or undo it in the records.
//!
//! Kept as JSON: recovery reads all of them, and nothing looks for one by its fields.

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, FolderId};
use rusqlite::params;
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};

use super::versions::NewVersion;
use crate::base::{BadValue, Error, FolderKey, IntentId, MirrorId, RelPath, Result};
use crate::store::{Records, Writing};

/// One change at the service that was begun.
///
/// The names of variants and fields are part of the file's form, like those of columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Make the remote copy of a folder.
    MakeFolder {
        /// Where it is made.
        parent: FolderId,
        /// Under which name.
        name: RemoteName,
        /// The local folder.
        path: RelPath,
    },
    /// Move a remote folder, rename it, or both: that is two calls.
    MoveFolder {
        /// The local folder.
        folder: FolderKey,
        /// Its remote copy.
        id: FolderId,
        /// The remote parent before.
        from: FolderId,
        /// The remote parent after.
        into: FolderId,
        /// The remote name before.
        name_before: RemoteName,
        /// The remote name after, if it is another.
        rename: Option<RemoteName>,
        /// The local path after.
        to: RelPath,
    },
    /// Give files temporary names, or their own names back; records do not change.
    Rename {
        /// The files and the names that they get.
        urls: Vec<(FileUrl, RemoteName)>,
    },
    /// Bring files to other paths: renamed, moved into another remote folder, or both.
    Move {
        /// Each file, and the change of its record.
        then: Vec<Moved>,
    },
    /// Let the service copy a file. The new link is not known before it answers.
    Copy {
        /// The file that is copied.
        from: FileUrl,
        /// The remote folder that the copy goes to.
        into: FolderId,
        /// The name that the copy gets.
        name: RemoteName,
        /// The local file that it becomes the copy of.
        to: RelPath,
    },
    /// Move a file to the versions. Which of the versions folders is decided when it is moved.
    Retire {
        /// The version that is put on record then.
        version: NewVersion,
    },
    /// Move a folder that we made to the versions, with everything in it.
    RetireFolder {
        /// The local folder.
        folder: FolderKey,
        /// Its remote copy.
        id: FolderId,
        /// The versions folder.
        into: FolderId,
        /// When its files stopped being current; Unix seconds.
        until_s: i64,
    },
    /// Remove files from the service.
    Remove {
        /// Links of the files.
        urls: Vec<FileUrl>,
        /// The local paths that they were the copies of, in the same order.
        paths: Vec<RelPath>,
    },
}

/// A file whose record gets another path once its remote copy has been moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Link of the file.
    pub url: FileUrl,
    /// The remote folder that it is moved to.
    pub into: FolderId,
    /// The remote name that it gets.
    pub name: RemoteName,
    /// The name that it is given before it is moved, if its old one is taken in the new folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_name: Option<RemoteName>,
    /// The path on record.
    pub from: RelPath,
    /// The path afterwards.
    pub to: RelPath,
}

impl Records {
    /// The intents that are not resolved, oldest first, each with the time (Unix seconds) when it
    /// was begun.
    pub fn intents(&self, mirror: MirrorId) -> Result<Vec<(IntentId, Intent, i64)>> {
        let mut select = self.db.prepare_cached(
            "SELECT id, body, since_s FROM intents WHERE mirror_id = ?1 ORDER BY id",
        )?;
        let rows = select.query_map([mirror], |row| {
            // serde's message would quote the text, and that has links.
            let intent = serde_json::from_str(row.get_ref(1)?.as_str()?)
                .map_err(|_| BadValue("an intent").at(1, Type::Text))?;
            Ok((row.get(0)?, intent, row.get(2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Puts an intent on record. To be on disk before the service is called (I3).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if there is no such mirror.
    pub fn begin(&mut self, mirror: MirrorId, intent: &Intent) -> Result<IntentId> {
        let body = serde_json::to_string(intent).map_err(|error| {
            Error::Sqlite(rusqlite::Error::ToSqlConversionFailure(error.into()))
        })?;
        self.db
            .prepare_cached("INSERT INTO intents (mirror_id, body, since_s) VALUES (?1, ?2, ?3)")?
            .execute(params![mirror, body, self.now_s()])?;
        Ok(IntentId(self.db.last_insert_rowid()))
    }

    /// Removes an intent: its call was carried out, or is known not to have been.
    pub fn resolve(&mut self, intent: IntentId) -> Result<()> {
        self.db.prepare_cached("DELETE FROM intents WHERE id = ?1")?.execute([intent])?;
        Ok(())
    }
}
