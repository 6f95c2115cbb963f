//! Vouchers: subscriptions and credits to give away (docs/api-notes.md, B.21).
//!
//! **Unverified**: written from a transcription of the documentation.
//!
//! A voucher is worth money to anybody who has its code, so [`VoucherCode`] keeps out of logs.

use std::fmt;

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::pace::Lane;
use crate::wire::{Done, fields};

const LIST: &str = "vouchers/ls.cgi";
const CHECK: &str = "vouchers/check.cgi";
const USE: &str = "vouchers/use.cgi";

/// The code of a voucher.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct VoucherCode(pub String);

/// A voucher that was not used yet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Voucher {
    /// Its code, which is as good as money.
    #[serde(rename = "voucher")]
    pub code: VoucherCode,
    /// What it can be exchanged for, in the service's words.
    #[serde(default, deserialize_with = "fields::text")]
    pub service: String,
}

#[derive(Deserialize)]
struct ListReply {
    #[serde(rename = "status")]
    _status: String,
    #[serde(default, deserialize_with = "fields::list")]
    data: Vec<Voucher>,
}

#[derive(Deserialize)]
struct CheckReply {
    service: String,
}

impl fmt::Debug for VoucherCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VoucherCode(…)")
    }
}

impl Client {
    /// Lists the account's vouchers. Costs one call.
    ///
    /// # Errors
    ///
    /// Those of every call.
    pub async fn vouchers(&self) -> Result<Vec<Voucher>, Error> {
        let reply: ListReply = self.call(LIST, Lane::Call, true, &json!({})).await?;
        Ok(reply.data)
    }

    /// Tells what a voucher can be exchanged for. Costs one call.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Refused`] if it is no voucher, or was used.
    pub async fn check_voucher(&self, code: &VoucherCode) -> Result<String, Error> {
        let request = json!({"voucher": code.0});
        let reply: CheckReply = self.call(CHECK, Lane::Call, true, &request).await?;
        Ok(reply.service)
    }

    /// Uses a voucher for the account of this address. Costs one call, which is never repeated:
    /// check the voucher after a lost reply.
    ///
    /// # Errors
    ///
    /// [`crate::ErrorKind::Refused`] if it is no voucher, or was used.
    pub async fn use_voucher(&self, code: &VoucherCode, email: &str) -> Result<(), Error> {
        let request = json!({"voucher": code.0, "user_email": email});
        let _: Done = self.call(USE, Lane::Call, false, &request).await?;
        Ok(())
    }
}
