//! Where a secret comes from, such as the password of an encrypted mirror, and how it is read.
//!
//! As with the API key, the source is remembered and not the secret: it is read each time that it is
//! needed. One line end is taken off, nothing else, since rclone takes off nothing either of what
//! is typed. The text that was read is overwritten when it is dropped; nothing here prints or logs
//! it (invariant I10).

use std::fmt;
use std::path::PathBuf;

use rclone_formats::conf::reveal;
use zeroize::Zeroizing;

use super::command::{CommandError, CommandLine};
use super::secret_file::{self, Permissions, SecretFileError};

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The password.
    Password,
    /// The salt, which rclone calls `password2`.
    Salt,
    /// The address of a receiver of alerts.
    Url,
    /// The access token of a receiver, or the secret that signs what it is told.
    Token,
}

/// Where a secret is read from, each time it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file of the administrator's, which only its owner may read.
    File(PathBuf),
    /// A credential that systemd hands over to the unit.
    Credential {
        /// Its name.
        name: String,
        /// The file that systemd made, whose permissions are not checked; `None` in a process that
        /// systemd has given no credentials.
        path: Option<PathBuf>,
        /// The file that a command typed by hand reads in its place.
        beside: PathBuf,
    },
    /// What a command prints.
    Command(CommandLine),
}

/// A secret cannot be had. Where it is a password, the program ends with exit code 78.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` cannot be used: {}", cause)]
pub struct SecretError {
    /// The key of the configuration.
    pub key: &'static str,
    /// Why.
    pub cause: SecretCause,
}

/// Why a secret cannot be had. Shows nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretCause {
    /// The file cannot be read, or others may read it as well.
    #[error(transparent)]
    File(SecretFileError),
    /// The credential is not there, and neither is a file that a command reads in its place.
    #[error(
        "systemd has given this process no credentials, and {} is not there, which a command \
         outside of the unit reads in place of the credential",
        beside.display()
    )]
    NoCredential {
        /// The name of the credential.
        name: String,
        /// The file.
        beside: PathBuf,
    },
    /// The command gave nothing.
    #[error(transparent)]
    Command(CommandError),
    /// What was found is empty.
    #[error("{place} is empty")]
    Empty {
        /// Where it was found.
        place: String,
    },
    /// The keys cannot be derived from it.
    #[error(transparent)]
    Keys(rclone_formats::crypt::KeyError),
}

impl SecretCause {
    /// What is wrong, without the remedy.
    pub fn what(&self) -> String {
        match self {
            SecretCause::File(error) => error.what(),
            SecretCause::NoCredential { .. }
            | SecretCause::Command(_)
            | SecretCause::Empty { .. }
            | SecretCause::Keys(_) => self.to_string(),
        }
    }
}

/// A text that was meant to be another one, probably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It looks like the obscured password that `rclone.conf` has in place of the password.
    Obscured,
    /// It begins or ends with a blank or a line end, or has several lines.
    Blanks,
}

impl SecretSource {
    /// Reads the secret as it is now. A command is run for it, and waited for.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; no error shows what was read.
    pub fn read(&self, which: Which) -> Result<Zeroizing<String>, SecretError> {
        let failed = |cause| SecretError { key: self.key(which), cause };
        let text = match self {
            SecretSource::File(path) => {
                secret_file::read(path, Permissions::OwnerOnly).map_err(SecretCause::File)
            }
            SecretSource::Credential { path: Some(path), .. } => {
                secret_file::read(path, Permissions::AsTheyAre).map_err(SecretCause::File)
            }
            SecretSource::Credential { path: None, beside, name } if !beside.exists() => {
                let (name, beside) = (name.clone(), beside.clone());
                Err(SecretCause::NoCredential { name, beside })
            }
            SecretSource::Credential { path: None, beside, .. } => {
                secret_file::read(beside, Permissions::OwnerOnly).map_err(SecretCause::File)
            }
            SecretSource::Command(command) => command.output().map_err(SecretCause::Command),
        };
        let text = text.map_err(failed)?;
        let line = without_line_end(&text);
        if line.is_empty() {
            return Err(failed(SecretCause::Empty { place: self.to_string() }));
        }
        Ok(Zeroizing::new(line.to_owned()))
    }

    /// The key of the configuration that names this source.
    pub fn key(&self, which: Which) -> &'static str {
        match (self, which) {
            (SecretSource::File(_), Which::Password) => "password_file",
            (SecretSource::File(_), Which::Salt) => "salt_file",
            (SecretSource::Credential { .. }, Which::Password) => "password_credential",
            (SecretSource::Credential { .. }, Which::Salt) => "salt_credential",
            (SecretSource::Command(_), Which::Password) => "password_command",
            (SecretSource::Command(_), Which::Salt) => "salt_command",
            (SecretSource::File(_), Which::Url) => "url_file",
            (SecretSource::File(_), Which::Token) => "token_file",
            (SecretSource::Credential { .. }, Which::Url) => "url_credential",
            (SecretSource::Credential { .. }, Which::Token) => "token_credential",
            (SecretSource::Command(_), Which::Url) => "url_command",
            (SecretSource::Command(_), Which::Token) => "token_command",
        }
    }
}

/// Where that is, for people.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::File(path)
            | SecretSource::Credential { path: Some(path), .. }
            | SecretSource::Credential { path: None, beside: path, .. } => path.display().fmt(f),
            SecretSource::Command(_) => f.write_str("what the command prints"),
        }
    }
}

/// What is odd about a password or a salt that could be read.
pub(super) fn doubt(text: &str) -> Option<Doubt> {
    let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    if text.starts_with(is_blank) || text.ends_with(is_blank) || text.contains('\n') {
        return Some(Doubt::Blanks);
    }
    // Any text of the right characters comes out as some bytes, and a short one as few: only what
    // somebody can have typed counts.
    let revealed = reveal(text).ok()?;
    let typed = str::from_utf8(&revealed).ok()?;
    (!typed.is_empty() && !typed.contains(char::is_control)).then_some(Doubt::Obscured)
}

fn without_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("photos.password");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn of_file(text: &[u8]) -> Result<String, String> {
        let (_dir, path) = file(text, 0o600);
        let read = SecretSource::File(path.clone()).read(Which::Password);
        let plain = |error: SecretError| error.to_string().replace(path.to_str().unwrap(), "FILE");
        read.map(|text| text.to_string()).map_err(plain)
    }

    #[test]
    fn one_line_end_is_taken_off_and_nothing_else() {
        for (text, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" two  words \n", " two  words "),
            ("secret\n\n", "secret\n"),
            ("secret\r", "secret\r"),
            ("\n\n", "\n"),
            ("\u{feff}pässword", "\u{feff}pässword"),
        ] {
            assert_eq!(of_file(text.as_bytes()).unwrap(), password, "{text:?}");
        }
    }

    #[test]
    fn an_empty_password_is_refused_wherever_it_comes_from() {
        for text in ["", "\n", "\r\n"] {
            let refused = of_file(text.as_bytes()).unwrap_err();
            assert_eq!(refused, "`password_file` cannot be used: FILE is empty", "{text:?}");
        }
        let silent = SecretSource::Command(CommandLine::of_shell("echo").unwrap());
        let refused = silent.read(Which::Salt).unwrap_err().to_string();
        assert_eq!(refused, "`salt_command` cannot be used: what the command prints is empty");
    }

    #[test]
    fn a_file_for_all_eyes_and_one_that_is_no_text_are_refused() {
        let refused = of_file(b"\xFFsecret").unwrap_err();
        let text = "`password_file` cannot be used: FILE does not hold text: it is not valid UTF-8";
        assert_eq!(refused, text);
        let (_dir, path) = file(b"secret", 0o640);
        let refused = SecretSource::File(path.clone()).read(Which::Salt).unwrap_err();
        let path = path.display();
        assert_eq!(
            refused.to_string(),
            format!(
                "`salt_file` cannot be used: {path} may be read by others (mode 0640); run: chmod \
                 600 {path}"
            )
        );
        assert!(!format!("{refused:?}").contains("secret"));
    }

    #[test]
    fn outside_of_the_unit_a_file_stands_in_for_the_credential() {
        let (_dir, granted) = file(b"of systemd", 0o440);
        let (_dir, beside) = file(b"by hand", 0o600);
        let credential = |path: Option<&PathBuf>, beside: &PathBuf| SecretSource::Credential {
            name: "photos".to_owned(),
            path: path.cloned(),
            beside: beside.clone(),
        };
        let read = |source: SecretSource| source.read(Which::Password);
        assert_eq!(*read(credential(Some(&granted), &beside)).unwrap(), "of systemd");
        assert_eq!(*read(credential(None, &beside)).unwrap(), "by hand");
        let none = read(credential(None, &"/no/photos".into())).unwrap_err().to_string();
        assert!(none.starts_with("`password_credential` cannot be used: systemd has"), "{none}");
        let gone = read(credential(Some(&"/no/photos".into()), &beside)).unwrap_err().to_string();
        assert!(gone.contains("/no/photos cannot be read: No such file"), "{gone}");
    }

    #[test]
    fn an_obscured_password_and_blanks_at_the_ends_are_doubted() {
        let obscured = rclone_formats::conf::obscure(b"correct horse", [7; 16]);
        assert_eq!(doubt(&obscured), Some(Doubt::Obscured));
        // This one reveals nothing, as any text of 22 such characters does, and the others rubbish.
        for good in ["0123456789abcdefghijkl", "correct horse battery staple", "x", "pässword"] {
            assert_eq!(doubt(good), None, "{good}");
        }
        for odd in [" secret", "secret ", "secret\n", "two\nlines", "\u{feff}secret"] {
            assert_eq!(doubt(odd), Some(Doubt::Blanks), "{odd:?}");
        }
    }
}
