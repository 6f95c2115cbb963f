//! The keys that are made of a password and a salt.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// The salt where none is given. It is in rclone's source, so it hides nothing.
const DEFAULT_SALT: [u8; 16] = [
    0xA8, 0x0D, 0xF4, 0x3A, 0x8F, 0xBD, 0x03, 0x08, 0xA7, 0xCA, 0xB8, 0x3E, 0x58, 0x1F, 0x86, 0xB1,
];
/// The work of scrypt: N is 2 to this power, 16 MiB of memory.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 1;
/// Bytes of the key of contents, of the key of names, and of the tweak of names.
const KEY_BYTES: usize = 32 + 32 + 16;

/// The keys of one `crypt` remote.
///
/// Clones share the same memory, which is overwritten when the last of them is dropped. (The
/// working memory of scrypt, from which neither password nor keys can be read back directly, is
/// freed as it is.) `Debug` shows nothing.
#[derive(Clone)]
pub struct Keys(Arc<Zeroizing<[u8; KEY_BYTES]>>);

/// The keys could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// An empty password protects nothing; rclone refuses it as well.
    #[error("the password is empty")]
    EmptyPassword,
    /// scrypt cannot work on this machine.
    #[error("this machine cannot hold the 16 MiB that deriving a key needs")]
    NoMemory,
}

impl Keys {
    /// Derives the keys; this takes some 30 ms and 16 MiB.
    ///
    /// `salt` is what rclone calls `password2`; without one, or with an empty one, a salt that
    /// everybody knows is used. Both are taken as they are, without any normalisation: they are the
    /// bytes of what was typed when rclone asked, not the obscured values of `rclone.conf`.
    ///
    /// # Errors
    ///
    /// [`KeyError`]
    pub fn derive(password: &[u8], salt: Option<&[u8]>) -> Result<Keys, KeyError> {
        if password.is_empty() {
            return Err(KeyError::EmptyPassword);
        }
        let salt = salt.filter(|salt| !salt.is_empty()).unwrap_or(&DEFAULT_SALT);
        let cost = scrypt::Params::new(LOG_N, R, P).map_err(|_| KeyError::NoMemory)?;
        let mut keys = Arc::new(Zeroizing::new([0; KEY_BYTES]));
        let bytes = Arc::get_mut(&mut keys).ok_or(KeyError::NoMemory)?;
        scrypt::scrypt(password, salt, &cost, &mut bytes[..]).map_err(|_| KeyError::NoMemory)?;
        Ok(Keys(keys))
    }

    /// The key of contents.
    pub(crate) fn data(&self) -> &[u8; 32] {
        self.part::<0, 32>()
    }

    /// The key of names.
    pub(crate) fn name(&self) -> &[u8; 32] {
        self.part::<32, 32>()
    }

    /// What makes the key of names a cipher of its own.
    pub(crate) fn tweak(&self) -> &[u8; 16] {
        self.part::<64, 16>()
    }

    fn part<const FROM: usize, const BYTES: usize>(&self) -> &[u8; BYTES] {
        const { assert!(FROM + BYTES <= KEY_BYTES) };
        self.0[FROM..].first_chunk().unwrap_or(&[0; BYTES])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_another_implementation() {
        let tables = [
            include_str!("../../tests/rclone/data/password/keys.tsv"),
            include_str!("../../tests/rclone/data/password2/keys.tsv"),
        ];
        for table in tables {
            let cell = |name: &str| {
                let row = table.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                row.trim_start_matches('\t').as_bytes()
            };
            let keys = Keys::derive(cell("password\t"), Some(cell("password2\t"))).unwrap();
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let found: [String; 3] = [hex(keys.data()), hex(keys.name()), hex(keys.tweak())];
            let expected = ["data key", "name key", "name tweak"].map(cell);
            assert_eq!(found.map(String::into_bytes), expected);
        }
    }

    #[test]
    fn debug_output_does_not_show_the_keys() {
        let keys = Keys::derive(b"x", None).unwrap();
        assert_eq!(format!("{:?}", Some(keys)), "Some(Keys(…))");
    }
}
