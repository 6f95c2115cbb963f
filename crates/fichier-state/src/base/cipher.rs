//! How a stored file was enciphered: all that is needed, beside the keys, to read it or to make the
//! same bytes of its contents again.

use rclone_formats::crypt::Nonce;
use rclone_formats::crypt::size::cipher_size;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};

use super::columns::BadValue;

/// The length of a nonce.
const NONCE_BYTES: usize = 24;

/// Tells keys apart without giving them away; the same for the same password and salt everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeysId(pub [u8; 8]);

/// The nonce of a stored file, and the keys that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cipher {
    nonce: [u8; NONCE_BYTES],
    keys: KeysId,
}

impl Cipher {
    /// Of a file that has this nonce in its header, enciphered with these keys.
    pub fn new(nonce: Nonce, keys: KeysId) -> Cipher {
        Cipher { nonce: *nonce.as_bytes(), keys }
    }

    /// The nonce in the header of the stored file.
    pub fn nonce(&self) -> Nonce {
        Nonce::from_bytes(self.nonce)
    }

    /// The keys that decipher it.
    pub fn keys(&self) -> KeysId {
        self.keys
    }

    /// As it is kept in a column.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (nonce, keys) = bytes.split_at_mut(NONCE_BYTES);
        nonce.copy_from_slice(&self.nonce);
        keys.copy_from_slice(&self.keys.0);
        bytes
    }

    pub(crate) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Cipher>> {
        let Some(bytes) = row.get_ref(at)?.as_blob_or_null()? else { return Ok(None) };
        let cipher = match (bytes.first_chunk(), bytes.last_chunk(), bytes.len()) {
            (Some(nonce), Some(keys), 32) => Cipher { nonce: *nonce, keys: KeysId(*keys) },
            _ => return Err(BadValue("a cipher").at(at, Type::Blob)),
        };
        Ok(Some(cipher))
    }
}

/// The length of the stored file that `plain_bytes` become: more of them where it is enciphered.
pub fn object_bytes(plain_bytes: u64, cipher: Option<&Cipher>) -> u64 {
    match cipher {
        None => plain_bytes,
        Some(_) => cipher_size(plain_bytes).unwrap_or(u64::MAX),
    }
}
