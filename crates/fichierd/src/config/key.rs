//! Where the API key comes from, and how it is read without being shown.
//!
//! The key is looked for in this order: the file that the configuration names; the credential that
//! systemd hands over; the variable `FICHIER_API_KEY`; a file `api_key` beside the configuration,
//! so that a command typed by hand finds the key that the unit gets as a credential. The source is
//! remembered and not the key, so that a reload finds a key that was changed in the meantime.
//! Nothing here prints or logs the key (invariant I10).

use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};

use fichier_api::ApiKey;

use crate::config::Surroundings;
use crate::config::secret_file::{self, Permissions, SecretFileError};

pub(super) const VARIABLE: &str = "FICHIER_API_KEY";

/// Where the API key is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of the administrator's, which only its owner may read.
    File(PathBuf),
    /// A file that systemd made for this unit; its permissions are not checked.
    Credential(PathBuf),
    /// The environment variable `FICHIER_API_KEY`.
    Environment,
    /// No key was configured. A command that needs the service fails with [`KeyError::Nowhere`].
    Nowhere,
}

/// The key cannot be read. Ends the program with exit code 78.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No file, credential or variable with a key was found.
    #[error(
        "there is no API key; put it into a file that api_key_file names, or into `api_key` \
         beside the configuration, or into the variable {VARIABLE}"
    )]
    Nowhere,
    /// The file cannot be read, or others may read it as well.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The text that was found is no key. It is not shown, since it may be half of one.
    #[error("{place} does not hold an API key: {reason}")]
    Malformed {
        /// The file or the variable with the text.
        place: String,
        /// Why the text is no key.
        reason: String,
    },
}

impl KeyError {
    /// What is wrong, without the remedy.
    pub(crate) fn what(&self) -> String {
        match self {
            KeyError::File(error) => error.what(),
            KeyError::Nowhere | KeyError::Malformed { .. } => self.to_string(),
        }
    }
}

impl KeySource {
    /// The source of the key if the configuration at `config` names no file.
    pub(crate) fn default_in(around: &Surroundings, config: &Path) -> Self {
        let beside = config.with_file_name("api_key");
        match around.path("CREDENTIALS_DIRECTORY") {
            Some(folder) => KeySource::Credential(folder.join("api_key")),
            None if around.has(VARIABLE) => KeySource::Environment,
            None if beside.exists() => KeySource::File(beside),
            None => KeySource::Nowhere,
        }
    }

    /// Reads the key as it is now.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; no error shows what was read.
    pub fn read(&self) -> Result<ApiKey, KeyError> {
        let mut text = match self {
            KeySource::File(path) => secret_file::read(path, Permissions::OwnerOnly)?,
            KeySource::Credential(path) => secret_file::read(path, Permissions::AsTheyAre)?,
            KeySource::Environment => std::env::var(VARIABLE).unwrap_or_default().into(),
            KeySource::Nowhere => return Err(KeyError::Nowhere),
        };
        // `ApiKey` wipes the text that it is given.
        ApiKey::new(mem::take(&mut *text)).map_err(|error| KeyError::Malformed {
            place: self.to_string(),
            reason: error.to_string(),
        })
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::File(path) | KeySource::Credential(path) => path.display().fmt(f),
            KeySource::Environment => f.write_str(VARIABLE),
            KeySource::Nowhere => f.write_str("nowhere"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "0123456789abcdefghijABCDEFGHIJ_-";

    fn key_file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api_key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_key_file_of_the_owner_alone_is_read() {
        for mode in [0o400, 0o600] {
            let (_dir, path) = key_file(&format!("{KEY}\n"), mode);
            let key = KeySource::File(path).read().unwrap();
            assert!(!format!("{key:?}").contains(KEY));
        }
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
        for mode in [0o644, 0o640, 0o604, 0o620] {
            let (_dir, path) = key_file(KEY, mode);
            let error = KeySource::File(path.clone()).read().unwrap_err();
            let path = path.display();
            assert_eq!(
                error.to_string(),
                format!("{path} may be read by others (mode 0{mode:o}); run: chmod 600 {path}")
            );
        }
    }

    #[test]
    fn the_permissions_of_a_credential_are_left_to_systemd() {
        let (_dir, path) = key_file(KEY, 0o440);
        KeySource::Credential(path).read().unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let (_dir, path) = key_file(&format!("{KEY}\nsecond line"), 0o600);
        let error = KeySource::File(path).read().unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains(KEY));
        let (_dir, path) = key_file("", 0o600);
        let error = KeySource::File(path).read().unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error:?}");
    }

    #[test]
    fn a_missing_file_and_a_missing_setting_are_told_apart() {
        let error = KeySource::File("/no/api_key".into()).read().unwrap_err();
        let missing = "/no/api_key cannot be read: No such file or directory (os error 2)";
        assert_eq!(error.to_string(), missing);
        assert!(matches!(KeySource::Nowhere.read().unwrap_err(), KeyError::Nowhere));
    }

    #[test]
    fn the_credential_comes_first_then_the_variable_then_the_file_beside() {
        let (_dir, beside) = key_file(KEY, 0o600);
        let config = beside.with_file_name("config.toml");
        let both = [("CREDENTIALS_DIRECTORY", "/run/cred"), (VARIABLE, KEY)];
        let found = |variables: &[(&str, &str)], config: &Path| {
            KeySource::default_in(&Surroundings::made_up(false, variables), config)
        };
        let credential = KeySource::Credential("/run/cred/api_key".into());
        assert_eq!(found(&both, &config), credential);
        assert_eq!(found(&both[1..], &config), KeySource::Environment);
        assert_eq!(found(&[], &config), KeySource::File(beside));
        assert_eq!(found(&[], Path::new("/no/config.toml")), KeySource::Nowhere);
    }
}
