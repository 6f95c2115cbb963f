//! Tells keys apart without giving them away.

use crate::crypt::Keys;
use crate::crypt::names::WideCipher;

/// What is enciphered; never change it.
const TEXT: &[u8] = b"rclone-formats: which keys?";

impl Keys {
    /// A value that is another one for other keys, to be kept where a wrong password is to be
    /// noticed before anything is written with it.
    ///
    /// It gives away no more than an enciphered name does: passwords can be tried against it, each
    /// at the price of [`Keys::derive`].
    ///
    /// ```
    /// use rclone_formats::crypt::Keys;
    ///
    /// let keys = Keys::derive(b"correct horse battery staple", None)?;
    /// let others = Keys::derive(b"incorrect horse battery staple", None)?;
    /// assert_eq!(keys.check_value(), keys.clone().check_value());
    /// assert_ne!(keys.check_value(), others.check_value());
    /// # Ok::<(), rclone_formats::crypt::KeyError>(())
    /// ```
    pub fn check_value(&self) -> [u8; 32] {
        let enciphered = WideCipher::new(self).encrypt(TEXT).unwrap_or_default();
        enciphered.first_chunk().copied().unwrap_or_default()
    }
}
