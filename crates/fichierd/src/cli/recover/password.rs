//! The password of an encrypted mirror, on a machine that has nothing but the key: from a file, from
//! the configuration if there is one, or typed without an echo.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use rclone_formats::crypt::Keys;
use zeroize::Zeroizing;

use crate::base::Exit;
use crate::base::words::chain;
use crate::cli::failure::ended;
use crate::config::MirrorConfig;
use crate::config::encrypt::EncryptConfig;
use crate::config::passphrase::SecretSource;

/// The keys of the mirror to recover, unless they have to be asked for, or it is not encrypted.
pub(super) fn keys(
    configured: Option<&MirrorConfig>,
    password_file: Option<PathBuf>,
    salt_file: Option<PathBuf>,
) -> anyhow::Result<Option<Keys>> {
    let given = password_file.map(|file| EncryptConfig {
        password: SecretSource::File(file),
        salt: salt_file.map(SecretSource::File),
        scheme: Default::default(),
    });
    let configured = || configured.and_then(|mirror| mirror.encrypt.clone());
    let Some(encrypt) = given.or_else(configured) else { return Ok(None) };
    let keys = encrypt.keys().map_err(|error| ended(Exit::Config, chain(&error)))?;
    Ok(Some(keys))
}

/// Asks for password and salt; `None` where there is no terminal to ask on.
pub(super) fn ask(target: &str) -> anyhow::Result<Option<Keys>> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let password = typed(&format!("password of the files in {target}: "))?;
    let salt = typed("salt (password2 of rclone), nothing if there is none: ")?;
    let salt = (!salt.is_empty()).then_some(salt.as_bytes());
    let keys = Keys::derive(password.as_bytes(), salt);
    Ok(Some(keys.map_err(|error| ended(Exit::Config, error.to_string()))?))
}

fn typed(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    Ok(Zeroizing::new(rpassword::prompt_password(prompt)?))
}
