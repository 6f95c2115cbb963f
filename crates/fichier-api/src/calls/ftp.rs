//! FTP: the accounts that may send files by FTP, and when these files are taken in
//! (docs/api-notes.md, B.20, C.8).
//!
//! **Unverified**: no reply of these endpoints was ever recorded.

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::pace::Lane;
use crate::types::FolderId;
use crate::wire::{Done, fields};

const PROCESS: &str = "ftp/process.cgi";
const LIST: &str = "ftp/users/ls.cgi";
const ADD: &str = "ftp/users/add.cgi";
const REMOVE: &str = "ftp/users/rm.cgi";

/// An account for FTP only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FtpUser {
    /// Its login name.
    pub user: String,
    /// Where its files go.
    pub folder: Option<FolderId>,
}

#[derive(Deserialize)]
struct ListReply {
    #[serde(alias = "data")]
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    user: String,
    #[serde(default, deserialize_with = "fields::optional_number")]
    folder_id: Option<i64>,
}

impl Client {
    /// Takes in the files that were sent by FTP, now. Costs one call.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn process_ftp(&self) -> Result<(), Error> {
        let _: Done = self.call(PROCESS, Lane::Call, true, &json!({})).await?;
        Ok(())
    }

    /// Lists the FTP accounts. Costs one call.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn ftp_users(&self) -> Result<Vec<FtpUser>, Error> {
        let reply: ListReply = self.call(LIST, Lane::Call, true, &json!({})).await?;
        let users = reply.users.into_iter();
        let user = |row: User| FtpUser { user: row.user, folder: row.folder_id.map(FolderId) };
        Ok(users.map(user).collect())
    }

    /// Makes an FTP account whose files go to `folder`. Costs one call, which is never repeated.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn add_ftp_user(
        &self,
        user: &str,
        password: &str,
        folder: FolderId,
    ) -> Result<(), Error> {
        let request = json!({"user": user, "pass": password, "folder_id": folder});
        let _: Done = self.call(ADD, Lane::Call, false, &request).await?;
        Ok(())
    }

    /// Removes an FTP account. Costs one call.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::NotFound`] if there is none of that name.
    pub async fn remove_ftp_user(&self, user: &str) -> Result<(), Error> {
        let _: Done = self.call(REMOVE, Lane::Call, true, &json!({"user": user})).await?;
        Ok(())
    }
}
