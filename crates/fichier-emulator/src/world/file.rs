//! A file of the service, and its link.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::instant;
use crate::habits::NoHash;
use crate::rules::Rules;
use crate::storage::Content;

/// A file, in the account or anonymous.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct File {
    /// 20 lower-case letters and digits; the link is `https://1fichier.com/?<id>`.
    pub(crate) id: String,
    pub(crate) folder: i64,
    pub(crate) name: String,
    pub(crate) size: u64,
    /// The hash in lower-case hex.
    pub(crate) whirlpool: String,
    /// Time of the upload in Unix seconds.
    pub(crate) date: i64,
    pub(crate) content: Content,
    pub(crate) anonymous: bool,
    /// The last part of the removal link.
    pub(crate) removal_code: String,
    pub(crate) description: String,
    pub(crate) password: String,
    pub(crate) no_ssl: bool,
    pub(crate) inline: bool,
    pub(crate) cdn: bool,
    /// Listings do not show it before this moment.
    #[serde(skip)]
    pub(crate) hidden_until: Option<Instant>,
    /// Calls do not know its link before this moment.
    #[serde(skip)]
    pub(crate) unknown_until: Option<Instant>,
    /// When it arrived in an upload; its hash is known some time after.
    #[serde(skip)]
    pub(crate) stored: Option<Instant>,
}

impl File {
    pub(crate) fn link(&self) -> String {
        format!("https://1fichier.com/?{}", self.id)
    }

    /// Writes the hash into a reply, or what stands for it until `lag` after the file arrived.
    pub(crate) fn tell_hash(
        &self,
        reply: &mut Map<String, Value>,
        field: &str,
        rules: &Rules,
        lag: Duration,
    ) {
        let is_unknown = self.stored.is_some_and(|at| instant() - at < rules.real(lag));
        let hash = match rules.no_hash {
            _ if !is_unknown => Value::from(self.whirlpool.as_str()),
            NoHash::Empty => Value::from(""),
            NoHash::Null => Value::Null,
            NoHash::Word => Value::from("pending"),
            NoHash::LeftOut => {
                reply.remove(field);
                return;
            }
        };
        reply.insert(field.to_owned(), hash);
    }
}

/// The id in a link `https://1fichier.com/?<id>`, without suffixes (docs/api-notes.md, A.7); `None`
/// if the text is no such link.
pub(crate) fn link_id(link: &str) -> Option<&str> {
    let (_, id) = link.strip_prefix("https://1fichier.com/")?.split_once('?')?;
    let id = id.split('&').next().unwrap_or_default();
    (5..=20).contains(&id.len()).then_some(id)
}
