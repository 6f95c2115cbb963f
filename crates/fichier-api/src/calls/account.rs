//! The account: its offer, its storage and its settings (docs/api-notes.md, B.18).
//!
//! The service allows one reading in a minute and one in five for the user, and answers more with
//! a lock of the address. So a reading is kept in the pacer's memory for ten minutes, where the
//! other processes of the account find it too.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::client::{Client, retry};
use crate::error::{Error, ErrorKind};
use crate::pace::{Lane, TurnOr};
use crate::types::FolderId;
use crate::wire::{self, Done, Reply, dates, fields};

const INFO: &str = "user/info.cgi";

/// Days without a download after which an account without a Premium subscription may lose a file.
const EXPIRES_AFTER_DAYS: u32 = 30;

/// The service's description of the account. Its figures are computed now and then, not live.
///
/// Needs nothing but a reply that is no refusal: what the service does not say is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The address that it is registered with, if the service says it.
    #[serde(default, deserialize_with = "fields::optional_text")]
    pub email: Option<String>,
    /// The offer that is paid for, if the service says it.
    #[serde(default, deserialize_with = "offer")]
    pub offer: Option<Offer>,
    /// When the subscription ends; `None` without one.
    #[serde(default, deserialize_with = "date")]
    pub subscription_end: Option<Timestamp>,
    /// Used cold storage: that of files which nobody has accessed for 60 full days (H.1).
    #[serde(rename = "cold_storage", default, deserialize_with = "fields::optional_number")]
    pub cold_storage_bytes: Option<u64>,
    /// Used hot storage: that of all other files, such as fresh uploads.
    #[serde(rename = "hot_storage", default, deserialize_with = "fields::optional_number")]
    pub hot_storage_bytes: Option<u64>,
    /// How much cold storage the account may use.
    #[serde(
        rename = "allowed_cold_storage",
        default,
        deserialize_with = "fields::optional_number"
    )]
    pub allowed_cold_storage_bytes: Option<u64>,
    /// The rest of that, as far as is known; negative when too much is used. One client takes it
    /// for the total: where [`Account::allowed_cold_storage_bytes`] is present, use that.
    #[serde(
        rename = "available_cold_storage",
        default,
        deserialize_with = "fields::optional_number"
    )]
    pub available_cold_storage_bytes: Option<i64>,
    /// The rest of the whole storage; negative when too much is used.
    #[serde(rename = "available_storage", default, deserialize_with = "fields::optional_number")]
    pub available_storage_bytes: Option<i64>,
    /// When the figures were computed.
    #[serde(rename = "stats_date", default, deserialize_with = "date")]
    pub computed_at: Option<Timestamp>,
    /// More is stored than is allowed.
    #[serde(default, deserialize_with = "fields::flag")]
    pub overquota: bool,
    /// Uploads are refused: the quota is reached, or the service suspects abuse.
    #[serde(default, deserialize_with = "fields::flag")]
    pub upload_forbidden: bool,
    /// What can be changed with [`Client::set_account`].
    #[serde(flatten)]
    pub settings: AccountSettings,
}

/// The offer that an account has paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: most of the API is refused.
    None,
    /// The offer "Premium".
    Premium,
    /// The offer "Access".
    Access,
    /// The offer "Premium GOLD".
    Gold,
    /// An offer with a number that is not known.
    Other(i64),
}

/// Settings of an account. In a request, a setting that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountSettings {
    /// Files sent by FTP are processed on demand only (1) or by themselves (0).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub ftp_mode: Option<u8>,
    /// The folder for files sent by FTP.
    #[serde(deserialize_with = "folder", skip_serializing_if = "Option::is_none")]
    pub ftp_did: Option<FolderId>,
    /// A mail for each file sent by FTP (0 or 1).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub ftp_report: Option<u8>,
    /// A mail for each remote upload (0 or 1).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub ru_report: Option<u8>,
    /// The domain of new links, 0 to 10 (docs/api-notes.md, A.7).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub default_domain: Option<u8>,
    /// Rows on a page of the web console.
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub page_limit: Option<u32>,
    /// Downloads over TLS (0) or in clear (1).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub default_port: Option<u8>,
    /// The same for new files.
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub default_port_files: Option<u8>,
    /// CDN credits are used for downloads (0 or 1).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub use_cdn: Option<u8>,
    /// The download menu is shown (0 or 1).
    #[serde(deserialize_with = "fields::optional_number", skip_serializing_if = "Option::is_none")]
    pub download_menu: Option<u8>,
}

impl Account {
    /// The days after which the service may remove a file that nobody downloads, as far as the notes
    /// tell it of the offer (docs/api-notes.md, A.4 and H.1); `None` where it keeps them, or where
    /// the offer is not known.
    pub fn expires_after_days(&self) -> Option<u32> {
        match self.offer? {
            Offer::None | Offer::Access => Some(EXPIRES_AFTER_DAYS),
            Offer::Premium | Offer::Gold | Offer::Other(_) => None,
        }
    }
}

impl Client {
    /// Reads the account: one call, or none if a process that shares the pacer's memory has read it
    /// with the same key within ten minutes.
    ///
    /// Waits for as long as the service's limit demands: with another key, or after a reply that
    /// was lost, about five minutes since the last reading; after a refused key about one. Never
    /// repeated by itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyRefused`], [`ErrorKind::Throttled`] and the general ones.
    pub async fn account(&self) -> Result<Account, Error> {
        let key = self.key_digest();
        let pacer = self.pacer();
        let reading = retry::call(false, pacer, INFO, || async {
            let turn = match pacer.account_turn(key).await? {
                TurnOr::Known(reply) => return parse(&reply),
                TurnOr::Turn(turn) => turn,
            };
            let read = self.read_account().await;
            drop(turn);
            pacer.count(INFO, read.as_ref().err());
            match &read {
                Ok((_, reply)) => pacer.remember_account(key, reply),
                Err(kind) if reached_no_user(kind) => pacer.account_unread(),
                Err(_) => {}
            }
            read.map(|(account, _)| account)
        });
        reading.await
    }

    /// Changes settings of the account; costs one call, in the lane of [`Client::account`], so
    /// that it may wait for five minutes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::KeyRefused`], [`ErrorKind::Throttled`] and the general ones.
    pub async fn set_account(&self, settings: &AccountSettings) -> Result<(), Error> {
        let set = self.call::<Done>(INFO, Lane::Account, false, settings).await;
        // The remembered description may be out of date now.
        self.pacer().forget_account();
        set.map(|_| ())
    }

    async fn read_account(&self) -> Result<(Account, String), ErrorKind> {
        let request = serde_json::json!({}).to_string().into_bytes();
        let reply = self.transport().call(INFO, request).await?;
        read(&reply)
    }
}

/// The account, and the text that is remembered of it.
pub(crate) fn read(reply: &Reply) -> Result<(Account, String), ErrorKind> {
    let value: Value = reply.decode()?;
    let text = value.to_string();
    Ok((parse(&text)?, text))
}

/// Whether the limit for the user is untouched: no user has this key, or nothing was sent.
fn reached_no_user(kind: &ErrorKind) -> bool {
    let not_sent = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    matches!(kind, ErrorKind::KeyRefused)
        || matches!(kind, ErrorKind::Unreachable(error) if not_sent(error))
}

fn parse(reply: &str) -> Result<Account, ErrorKind> {
    wire::decode(200, None, reply.as_bytes())
}

fn offer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Offer>, D::Error> {
    Ok(fields::optional_id(deserializer)?.map(|number| match number {
        0 => Offer::None,
        1 => Offer::Premium,
        2 => Offer::Access,
        3 => Offer::Gold,
        other => Offer::Other(other),
    }))
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    fields::text(deserializer).map(|text| dates::parse(&text))
}

fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FolderId>, D::Error> {
    Ok(fields::optional_id(deserializer)?.map(FolderId))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_of_strings_and_numbers_is_read() {
        // Types as recorded (docs/api-notes.md, B.18), values made up.
        let account = parse(include_str!("../../fixtures/user_info.json")).unwrap();
        assert_eq!(account.email.as_deref(), Some("someone@example.com"));
        assert_eq!(account.offer, Some(Offer::Premium));
        assert_eq!(account.subscription_end.unwrap().to_string(), "2027-01-31T22:59:59Z");
        assert_eq!(account.cold_storage_bytes, Some(1_099_511_627_776));
        assert_eq!(account.available_cold_storage_bytes, Some(-1));
        assert!(account.overquota && account.upload_forbidden);
        assert_eq!(account.settings.ftp_did, Some(FolderId(12)));
        assert_eq!(account.settings.use_cdn, Some(0));
    }

    #[test]
    fn y10_what_the_service_does_not_say_is_unknown() {
        let account = parse(r#"{"email":"a@b.c","offer":0,"subscription_end":null}"#).unwrap();
        assert_eq!((account.offer, account.subscription_end), (Some(Offer::None), None));
        assert_eq!(
            (account.expires_after_days(), account.available_storage_bytes),
            (Some(30), None)
        );
        let odd = r#"{"Status":"ok","offer":null,"cdn":"-1.5e2","hot_storage":{"a":1},
            "upload_forbidden":"yes","overquota":[],"news":{"title":"x"},"2fa":"1"}"#;
        let account = parse(odd).unwrap();
        assert_eq!((&account.email, account.offer, account.hot_storage_bytes), (&None, None, None));
        assert!(account.upload_forbidden && !account.overquota);
        assert_eq!(account.expires_after_days(), None, "what is not known is not made up");
    }

    #[test]
    fn only_what_is_to_change_is_sent() {
        let settings = AccountSettings {
            ftp_did: Some(FolderId::ROOT),
            default_domain: Some(3),
            ..AccountSettings::default()
        };
        let request = serde_json::to_value(settings).unwrap();
        assert_eq!(request, serde_json::json!({"ftp_did": 0, "default_domain": 3}));
    }
}
