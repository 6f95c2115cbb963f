//! The configuration as its author typed it.
//!
//! Each key has one field, with the place where it stands in the text, so that a rule that is
//! broken later (`rules`) can still point at it. A key without a field is refused, so a typing
//! error never means "the default, silently".
//!
//! Only `config` sees these types: the rest of the program works with [`super::Config`].

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::MaxRemovals;
use super::metrics::MetricsFile;
use super::values::{CommandText, HumanDuration, HumanSize, KeepText};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) state_dir: Option<Spanned<PathBuf>>,
    pub(super) control_socket: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) account: AccountFile,
    #[serde(default)]
    pub(super) pace: PaceFile,
    #[serde(default)]
    pub(super) metrics: MetricsFile,
    #[serde(default)]
    pub(super) mirror: Vec<MirrorFile>,
    #[serde(default)]
    pub(super) notify: Vec<NotifyFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountFile {
    pub(super) api_key_file: Option<Spanned<PathBuf>>,
    pub(super) api_url: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) use_cdn: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaceFile {
    pub(super) calls_per_second: Option<Spanned<f64>>,
    pub(super) parallel_uploads: Option<Spanned<i64>>,
    pub(super) parallel_downloads: Option<Spanned<i64>>,
    pub(super) time_scale: Option<Spanned<i64>>,
    pub(super) file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MirrorFile {
    pub(super) name: Spanned<String>,
    pub(super) source: Spanned<PathBuf>,
    pub(super) target: Spanned<String>,
    #[serde(default)]
    pub(super) exclude: Vec<Spanned<String>>,
    pub(super) settle: Option<Spanned<HumanDuration>>,
    pub(super) settle_at_most: Option<Spanned<HumanDuration>>,
    pub(super) rescan: Option<Spanned<HumanDuration>>,
    pub(super) max_removals: Option<Spanned<MaxRemovals>>,
    pub(super) removals_floor: Option<Spanned<i64>>,
    pub(super) keep: Option<Spanned<KeepText>>,
    pub(super) keep_versions: Option<Spanned<i64>>,
    pub(super) audit: Option<Spanned<HumanDuration>>,
    pub(super) drill: Option<Spanned<HumanDuration>>,
    pub(super) drill_bytes: Option<Spanned<HumanSize>>,
    pub(super) encrypt: Option<Spanned<EncryptFile>>,
    pub(super) alarm_after: Option<Spanned<HumanDuration>>,
}

/// A `[[notify]]` block. `Debug` may show nothing of it, since its address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyFile {
    pub(super) name: Spanned<String>,
    pub(super) kind: Spanned<String>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) url_file: Option<Spanned<PathBuf>>,
    pub(super) url_credential: Option<Spanned<String>>,
    pub(super) token_file: Option<Spanned<PathBuf>>,
    pub(super) token_credential: Option<Spanned<String>>,
    pub(super) topic: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) mirrors: Vec<Spanned<String>>,
    pub(super) on: Option<Vec<Spanned<String>>>,
    pub(super) after: Option<Spanned<HumanDuration>>,
    pub(super) remind: Option<Spanned<HumanDuration>>,
    pub(super) every: Option<Spanned<HumanDuration>>,
    pub(super) paths: Option<bool>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
}

impl fmt::Debug for NotifyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotifyFile(…)")
    }
}

/// `encrypt = { … }` or `[mirror.encrypt]`. `Debug` may show nothing of it that could be a password
/// in the wrong place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EncryptFile {
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) password_credential: Option<Spanned<String>>,
    pub(super) password_command: Option<Spanned<CommandText>>,
    pub(super) salt_file: Option<Spanned<PathBuf>>,
    pub(super) salt_credential: Option<Spanned<String>>,
    pub(super) salt_command: Option<Spanned<CommandText>>,
    pub(super) names: Option<Spanned<String>>,
    pub(super) name_encoding: Option<Spanned<String>>,
    pub(super) suffix: Option<Spanned<String>>,
}

impl fmt::Debug for EncryptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptFile(…)")
    }
}
