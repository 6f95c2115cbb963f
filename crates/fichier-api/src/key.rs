//! The API key: kept out of every log, error and `Debug` output, and wiped when dropped.
//!
//! It authenticates everything an account can do (docs/api-notes.md, A.2), so there is no
//! `Display` and no public way to read it back: only the transport sees the text, and sends it
//! to the service's own hosts alone.

use std::fmt;

use zeroize::Zeroizing;

use crate::hash::Fingerprint;

/// The most characters of a key; a longer text is refused. Keys seen so far have 32 characters
/// (docs/api-notes.md, A.2).
const MAX_LENGTH: usize = 128;

/// The key of an account, made on the service's parameters page.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

/// The text cannot be an API key: it is empty, too long, or has characters that no key has.
///
/// Says nothing about the text itself, which may be a real key with a typing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key has 1 to 128 visible ASCII characters and no spaces")]
pub struct InvalidKey;

impl ApiKey {
    /// Takes a key as found in a file or typed in; white space around it is dropped.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] unless 1 to 128 visible ASCII characters remain.
    pub fn new(text: impl Into<String>) -> Result<ApiKey, InvalidKey> {
        let text = Zeroizing::new(text.into());
        let key = text.trim();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > MAX_LENGTH || !visible {
            return Err(InvalidKey);
        }
        Ok(ApiKey(Zeroizing::new(key.to_owned())))
    }

    /// The value of the `Authorization` header.
    pub(crate) fn bearer(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", *self.0))
    }

    /// Tells keys apart without giving them away, so that a memory of one is not used for another.
    pub(crate) fn digest(&self) -> String {
        let hash = blake3::derive_key("fichier-api, which key this is, v1", self.0.as_bytes());
        Fingerprint::from_bytes(hash).to_hex()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_key_is_dropped() {
        let key = ApiKey::new("  AbC-_=9\r\n").unwrap();
        assert_eq!(key.bearer().as_str(), "Bearer AbC-_=9");
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        for text in ["", " \n", "two words", "clé", "a\u{7f}b", &"k".repeat(129)] {
            assert_eq!(ApiKey::new(text), Err(InvalidKey), "{text:?}");
        }
        assert!(ApiKey::new("k".repeat(128)).is_ok());
    }

    #[test]
    fn debug_output_does_not_show_the_key() {
        let key = ApiKey::new("secret").unwrap();
        assert_eq!(format!("{:?}", Some(key)), "Some(ApiKey(…))");
    }
}
