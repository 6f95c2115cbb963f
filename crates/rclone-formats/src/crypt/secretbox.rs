//! NaCl's `secretbox`, in place: XSalsa20 and Poly1305, the tag before the ciphertext.
//!
//! The first 32 bytes of the key stream are the key of the tag; the message is enciphered with
//! those after them. The two primitives are RustCrypto's. Its crate that joins them,
//! `crypto_secretbox`, would bring an older generation of both; this is all that it does.

use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use zeroize::Zeroizing;

use crate::crypt::nonce::Nonce;
use crate::crypt::size::TAG_BYTES;

/// Enciphers `message`, and tells its tag.
pub(crate) fn seal(key: &[u8; 32], nonce: &Nonce, message: &mut [u8]) -> [u8; TAG_BYTES] {
    let (mut stream, mac) = begin(key, nonce);
    stream.apply_keystream(message);
    tag_of(mac, message)
}

/// Deciphers `message`, if `tag` is that of it. Otherwise it is left alone, and the answer is false.
#[must_use]
pub(crate) fn open(key: &[u8; 32], nonce: &Nonce, tag: &[u8; 16], message: &mut [u8]) -> bool {
    let (mut stream, mac) = begin(key, nonce);
    // Each byte is looked at, so that the time tells nothing about the place of a difference.
    let differences = tag_of(mac, message).iter().zip(tag).fold(0, |all, (a, b)| all | (a ^ b));
    if differences == 0 {
        stream.apply_keystream(message);
    }
    differences == 0
}

fn begin(key: &[u8; 32], nonce: &Nonce) -> (XSalsa20, Poly1305) {
    let mut stream = XSalsa20::new(key.into(), nonce.as_bytes().into());
    let mut mac_key = Zeroizing::new([0; 32]);
    stream.apply_keystream(&mut mac_key[..]);
    let mac = Poly1305::new((&*mac_key).into());
    (stream, mac)
}

/// The tag of the ciphertext.
fn tag_of(mut mac: Poly1305, message: &[u8]) -> [u8; TAG_BYTES] {
    let (blocks, rest) = poly1305::Block::slice_as_chunks(message);
    mac.update(blocks);
    mac.compute_unpadded(rest).into()
}
