//! How a mirror is encrypted, in rclone's crypt format: its passwords and its names.
//!
//! Only where a password comes from is in the configuration, never the password itself; `passphrase`
//! reads it. The words for names are those of rclone, in shorter keys, and so are the defaults: a
//! section of `rclone.conf` with nothing but passwords means the same.

use std::path::{Path, PathBuf};

use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::{Encoding, NameScheme};
use toml::Spanned;
use zeroize::Zeroizing;

use super::file::EncryptFile;
use super::passphrase::{Doubt, SecretCause, SecretError, SecretSource, Which, doubt};
use super::rules::{Complaints, path};
use super::surroundings::Surroundings;
use super::values::CommandText;

/// The suffix of files whose names stay plain, where none is configured; rclone has the same.
const DEFAULT_SUFFIX: &str = ".bin";

/// How a mirror is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptConfig {
    /// Where the password is read from.
    pub password: SecretSource,
    /// Where the salt is read from, which rclone calls `password2`; `None` for the one that
    /// everybody knows.
    pub salt: Option<SecretSource>,
    /// How names are kept.
    pub scheme: NameScheme,
}

/// The password and the salt of a mirror, as they were when they were read. Overwritten when they
/// are dropped.
pub struct Secrets {
    password: (&'static str, Zeroizing<String>),
    salt: Option<(&'static str, Zeroizing<String>)>,
}

impl EncryptConfig {
    /// Reads password and salt, and derives the keys from them, which takes some 30 ms. Blocks while
    /// a command is run, up to 20 seconds for each of the two.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; no error shows what was read.
    pub fn keys(&self) -> Result<Keys, SecretError> {
        self.secrets()?.keys()
    }

    /// Reads password and salt. Blocks as [`EncryptConfig::keys`] does.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; no error shows what was read.
    pub fn secrets(&self) -> Result<Secrets, SecretError> {
        let read = |source: &SecretSource, which| Ok((source.key(which), source.read(which)?));
        Ok(Secrets {
            password: read(&self.password, Which::Password)?,
            salt: self.salt.as_ref().map(|salt| read(salt, Which::Salt)).transpose()?,
        })
    }
}

impl Secrets {
    /// Derives the keys, which takes some 30 ms.
    ///
    /// # Errors
    ///
    /// [`SecretError`] if this machine has not the memory for it.
    pub fn keys(&self) -> Result<Keys, SecretError> {
        let (key, password) = &self.password;
        let derived = Keys::derive(password.as_bytes(), self.salt().map(str::as_bytes));
        derived.map_err(|error| SecretError { key, cause: SecretCause::Keys(error) })
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password.1
    }

    /// The salt, if one is configured.
    pub fn salt(&self) -> Option<&str> {
        self.salt.as_ref().map(|(_, salt)| salt.as_str())
    }

    /// What is odd about them, each with the key of the configuration that it is about.
    pub fn doubts(&self) -> Vec<(&'static str, Doubt)> {
        let all = [Some(&self.password), self.salt.as_ref()];
        all.into_iter().flatten().filter_map(|(key, text)| Some((*key, doubt(text)?))).collect()
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Where systemd's credentials are found.
pub(super) struct Credentials<'a> {
    pub(super) around: &'a Surroundings,
    /// The configuration; files beside it stand in for the credentials.
    pub(super) config: &'a Path,
}

/// Checks the table `encrypt` of a mirror.
pub(super) fn rules(
    typed: Spanned<EncryptFile>,
    credentials: &Credentials<'_>,
    complaints: &mut Complaints,
) -> Option<EncryptConfig> {
    let span = typed.span();
    let file = typed.into_inner();
    let scheme = scheme(&file, complaints);
    let (of_password, of_salt) = (
        Typed {
            which: Which::Password,
            file: file.password_file,
            credential: file.password_credential,
            command: file.password_command,
        },
        Typed {
            which: Which::Salt,
            file: file.salt_file,
            credential: file.salt_credential,
            command: file.salt_command,
        },
    );
    let is_missing = of_password.is_empty();
    let (password, salt) =
        (of_password.source(credentials, complaints), of_salt.source(credentials, complaints));
    if is_missing {
        let help = "add `password_file`, `password_credential` or `password_command`";
        complaints.add(Some(span), "`encrypt` does not say where the password is", help);
    }
    Some(EncryptConfig { password: password?, salt, scheme })
}

/// The three keys for a secret.
pub(super) struct Typed {
    pub(super) which: Which,
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) credential: Option<Spanned<String>>,
    pub(super) command: Option<Spanned<CommandText>>,
}

impl Typed {
    pub(super) fn is_empty(&self) -> bool {
        self.file.is_none() && self.credential.is_none() && self.command.is_none()
    }

    /// The source that one of the keys names; the first if there are several, with a complaint
    /// about the others.
    pub(super) fn source(
        self,
        credentials: &Credentials<'_>,
        complaints: &mut Complaints,
    ) -> Option<SecretSource> {
        let spans = [
            self.file.as_ref().map(Spanned::span),
            self.credential.as_ref().map(Spanned::span),
            self.command.as_ref().map(Spanned::span),
        ];
        let which = self.which;
        let key = match which {
            Which::Password => "password",
            Which::Salt => "salt",
            Which::Url => "url",
            Which::Token => "token",
        };
        for span in spans.into_iter().flatten().skip(1) {
            let what = format!("the {key} is read from more than one place");
            complaints.add(Some(span), what, "keep one of the keys");
        }
        if let Some(file) = self.file {
            return Some(SecretSource::File(path(file, &format!("{key}_file"), complaints)));
        }
        if let Some(name) = self.credential {
            check_credential(&name, key, complaints);
            return Some(credentials.source(name.into_inner()));
        }
        let command = self.command?;
        let span = command.span();
        let Some(line) = command.into_inner().0 else {
            let help = "write it like [\"pass\", \"show\", \"photos\"]";
            complaints.add(Some(span), format!("`{key}_command` names no program"), help);
            return None;
        };
        Some(SecretSource::Command(line))
    }
}

impl Credentials<'_> {
    fn source(&self, name: String) -> SecretSource {
        let folder = self.around.path("CREDENTIALS_DIRECTORY");
        let path = folder.map(|folder| folder.join(&name));
        let beside = self.config.with_file_name(&name);
        SecretSource::Credential { name, path, beside }
    }
}

/// The name becomes that of a file; systemd takes no other characters either without escapes.
fn check_credential(name: &Spanned<String>, key: &str, complaints: &mut Complaints) {
    let text = name.get_ref();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.starts_with('.') || text.len() > 255 || !text.chars().all(is_plain) {
        complaints.add(
            Some(name.span()),
            format!("`{key}_credential` is not the name of a credential"),
            "use letters, digits, `.`, `_` and `-`, as in LoadCredential=NAME:FILE of the unit",
        );
    }
}

fn scheme(file: &EncryptFile, complaints: &mut Complaints) -> NameScheme {
    let names = file.names.as_ref().map_or("standard", |names| names.get_ref());
    let span = file.names.as_ref().map(Spanned::span);
    match names {
        "standard" => {
            if let Some(suffix) = &file.suffix {
                let what = "`suffix` is only for names that stay plain";
                complaints.add(Some(suffix.span()), what, "remove it, or set `names = \"off\"`");
            }
        }
        "off" => {
            if let Some(encoding) = &file.name_encoding {
                let what = "`name_encoding` is only for names that are encrypted";
                complaints.add(Some(encoding.span()), what, "remove it, or `names`");
            }
            return NameScheme::Off { suffix: suffix(file.suffix.as_ref(), complaints) };
        }
        "obfuscate" => {
            let what = "`names = \"obfuscate\"` is not supported: it does not protect the names";
            complaints.add(span, what, "write \"standard\", or \"off\" for plain names");
        }
        _ => {
            let what = "`names` is neither \"standard\" nor \"off\"";
            complaints.add(span, what, "\"standard\" encrypts the names, \"off\" keeps them plain");
        }
    }
    NameScheme::Standard {
        encoding: encoding(file.name_encoding.as_ref(), complaints),
        folders: true,
    }
}

fn encoding(typed: Option<&Spanned<String>>, complaints: &mut Complaints) -> Encoding {
    let Some(typed) = typed else { return Encoding::default() };
    let all = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
    let found = all.into_iter().find(|encoding| encoding.as_str() == typed.get_ref());
    found.unwrap_or_else(|| {
        let what = "`name_encoding` is none that there is";
        let help = "write \"base32\", \"base64\" or \"base32768\"";
        complaints.add(Some(typed.span()), what, help);
        Encoding::default()
    })
}

/// The suffix as rclone reads it: "none" is none, and a dot that is missing is added.
fn suffix(typed: Option<&Spanned<String>>, complaints: &mut Complaints) -> String {
    let Some(typed) = typed else { return DEFAULT_SUFFIX.to_owned() };
    let text = typed.get_ref();
    if text == "none" {
        return String::new();
    }
    let is_bad = |c: char| c == '/' || c.is_control();
    if text.trim_start_matches('.').is_empty() || text.contains(is_bad) {
        let help = "write it like \".bin\", or \"none\" for names without one";
        complaints.add(Some(typed.span()), "`suffix` is not the end of a name", help);
    }
    let dot = if text.starts_with('.') { "" } else { "." };
    format!("{dot}{text}")
}
