//! The password of an encrypted mirror, where the configuration does not have it: on a machine that
//! has nothing but the key, or for files of a former password. It comes from a file, or is typed
//! without an echo.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fichier_state::Mirror;
use rclone_formats::crypt::Keys;
use rclone_formats::crypt::names::NameScheme;
use zeroize::Zeroizing;

use crate::base::words::chain;
use crate::base::{Crypt, Exit, Form};
use crate::cli::failure::ended;
use crate::config::encrypt::EncryptConfig;
use crate::config::passphrase::SecretSource;
use crate::config::{Config, MirrorConfig};
use crate::restore::{Keyring, Locked, keyring_of};

/// The keys for the way back of a mirror: those of the configuration, and those of the password in
/// this file. If the mirror has other keys still, its password is asked for.
pub(super) fn keyring(
    config: &Config,
    mirror: &Mirror,
    password_file: Option<&Path>,
    salt_file: Option<&Path>,
) -> anyhow::Result<Keyring> {
    let mut keyring = keyring_of(config);
    let given = form(None, password_file.map(Path::to_owned), salt_file.map(Path::to_owned))?;
    let given = match keyring.recorded_form(mirror) {
        Err(Locked) if given.crypt().is_none() => ask(&mirror.target)?.unwrap_or(given),
        Ok(_) | Err(Locked) => given,
    };
    given.crypt().into_iter().for_each(|crypt| keyring.add(crypt.keys()));
    Ok(keyring)
}

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
