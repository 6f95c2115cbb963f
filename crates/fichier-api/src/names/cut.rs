//! Cuts a name that is too long to a stem and a hash of the whole.

use crate::names::table::QUOTE;

/// The most bytes of a name on the service; a longer name is cut. The documented limit is 250
/// characters for folders and none for files (F.1); bytes are the stricter reading (G.1 row 23).
pub const MAX_NAME_BYTES: usize = 250;
/// An extension longer than this, dot included, is not kept when a name is cut.
const MAX_EXTENSION_BYTES: usize = 17;
/// Hexadecimal digits of the hash in a cut name: 128 bits.
const HASH_DIGITS: usize = 32;
/// The most bytes by which a stem is shorter than its room: part of a character, and a quote.
const MOST_LOST_BYTES: usize = 3 + QUOTE.len_utf8();

/// Whether a name is too long, or could be what another one was cut to.
pub(crate) fn must_be_cut(encoded: &str) -> bool {
    if encoded.len() > MAX_NAME_BYTES {
        return true;
    }
    let Some(whole) = encoded.strip_suffix(extension(encoded)) else { return false };
    let Some((stem, hash)) = whole.rsplit_once('~') else { return false };
    let is_hash = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let looks_cut = hash.len() == HASH_DIGITS && hash.bytes().all(is_hash);
    looks_cut && stem.len() + MOST_LOST_BYTES >= room(encoded)
}

/// `<stem>~<hash of the whole local name><.ext>`, at most [`MAX_NAME_BYTES`] bytes.
pub(crate) fn shorten(encoded: &str, local: &[u8]) -> String {
    let hash = blake3::hash(local).to_hex();
    let extension = extension(encoded);
    let cut = (0..=room(encoded)).rev().find(|at| encoded.is_char_boundary(*at)).unwrap_or(0);
    let mut stem = &encoded[..cut];
    // Cutting behind a quote would leave one that quotes the `~`; two are one that is quoted.
    if stem.chars().rev().take_while(|c| *c == QUOTE).count() % 2 == 1 {
        stem = stem.strip_suffix(QUOTE).unwrap_or(stem);
    }
    format!("{stem}~{}{extension}", &hash[..HASH_DIGITS])
}

/// The end of a name that stays when it is cut: from its last dot, if that is not far.
fn extension(encoded: &str) -> &str {
    match encoded.rfind('.') {
        Some(dot) if encoded.len() - dot <= MAX_EXTENSION_BYTES => &encoded[dot..],
        _ => "",
    }
}

/// Bytes of the stem of a cut name.
fn room(encoded: &str) -> usize {
    MAX_NAME_BYTES - 1 - HASH_DIGITS - extension(encoded).len()
}
