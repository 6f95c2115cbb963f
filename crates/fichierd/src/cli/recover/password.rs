//! The password of an encrypted mirror, on a machine that has nothing but the key: from a file, from
//! the configuration if there is one, or typed without an echo.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::NameScheme;
use zeroize::Zeroizing;

use crate::base::words::chain;
use crate::base::{Crypt, Exit, Form};
use crate::cli::failure::ended;
use crate::config::MirrorConfig;
use crate::config::encrypt::EncryptConfig;
use crate::config::passphrase::SecretSource;

/// The form of the mirror to recover: a plain one, if no password is given.
pub(super) fn form(
    configured: Option<&MirrorConfig>,
    password_file: Option<PathBuf>,
    salt_file: Option<PathBuf>,
) -> anyhow::Result<Form> {
    let configured = configured.and_then(|mirror| mirror.encrypt.clone());
    let scheme = configured.as_ref().map(|encrypt| encrypt.scheme.clone()).unwrap_or_default();
    let given = password_file.map(|file| EncryptConfig {
        password: SecretSource::File(file),
        salt: salt_file.map(SecretSource::File),
        scheme,
    });
    let Some(encrypt) = given.or(configured) else { return Ok(Form::Plain) };
    let keys = encrypt.keys().map_err(|error| ended(Exit::Config, chain(&error)))?;
    with(keys, encrypt.scheme)
}

/// Asks for password and salt; `None` where there is no terminal to ask on.
pub(super) fn ask(target: &str) -> anyhow::Result<Option<Form>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let password = typed(&format!("password of the files in {target}: "))?;
    let salt = typed("salt (password2 of rclone), nothing if there is none: ")?;
    let salt = (!salt.is_empty()).then_some(salt.as_bytes());
    let keys = Keys::derive(password.as_bytes(), salt);
    let keys = keys.map_err(|error| ended(Exit::Config, error.to_string()))?;
    with(keys, NameScheme::default()).map(Some)
}

fn with(keys: Keys, scheme: NameScheme) -> anyhow::Result<Form> {
    let crypt = Crypt::new(keys, scheme)?;
    Ok(Form::Crypt(Arc::new(crypt)))
}

fn typed(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}
