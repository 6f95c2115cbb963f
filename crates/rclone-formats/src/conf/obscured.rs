//! The passwords in `rclone.conf`: hidden from a glance, and from nobody else.
//!
//! The key is in rclone's source: an obscured password is readable for everybody who has the file.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::crypt::names::Encoding;

const KEY: [u8; 32] = [
    0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c, 0x63, 0xc8, 0x86, 0xa9, 0x2b,
    0xd3, 0x90, 0x19, 0x8e, 0xb8, 0x12, 0x8a, 0xfb, 0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38,
];
const BLOCK_BYTES: usize = 16;

/// The text is no obscured password. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevealError {
    /// It has a character that no obscured password has.
    #[error("it is not an obscured password (see `rclone obscure`): it has other characters")]
    NotObscured,
    /// It is shorter than the shortest one.
    #[error("it is not an obscured password (see `rclone obscure`): it is too short")]
    TooShort,
}

/// Obscures a password as `rclone obscure` does. `iv` is 16 random bytes; it makes the outcome
/// another one each time.
///
/// ```
/// use rclone_formats::conf::{obscure, reveal};
///
/// let obscured = obscure(b"correct horse battery staple", [7; 16]);
/// assert_eq!(*reveal(&obscured)?, b"correct horse battery staple");
/// # Ok::<(), rclone_formats::conf::RevealError>(())
/// ```
pub fn obscure(password: &[u8], iv: [u8; 16]) -> String {
    let mut bytes = Zeroizing::new([&iv[..], password].concat());
    apply_key_stream(iv, &mut bytes[BLOCK_BYTES..]);
    Encoding::Base64.encode(&bytes)
}

/// Makes an obscured password readable. Nothing in it tells whether it was one: any text of the
/// right characters comes out as some bytes.
///
/// # Errors
///
/// [`RevealError`]
pub fn reveal(obscured: &str) -> Result<Zeroizing<Vec<u8>>, RevealError> {
    let decoded = Encoding::Base64.decode(obscured).map_err(|_| RevealError::NotObscured)?;
    let decoded = Zeroizing::new(decoded);
    let (iv, password) = decoded.split_first_chunk().ok_or(RevealError::TooShort)?;
    let mut password = Zeroizing::new(password.to_vec());
    apply_key_stream(*iv, &mut password);
    Ok(password)
}

/// AES in counter mode; the counter is all 16 bytes, the last one counts first.
fn apply_key_stream(iv: [u8; BLOCK_BYTES], text: &mut [u8]) {
    let aes = Aes256::new((&KEY).into());
    let mut counter = u128::from_be_bytes(iv);
    for part in text.chunks_mut(BLOCK_BYTES) {
        let mut stream = counter.to_be_bytes().into();
        aes.encrypt_block(&mut stream);
        part.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        counter = counter.wrapping_add(1);
    }
}
