//! A small reply that becomes a large one: JSON as gzip, nearly all of it spaces.

use std::io::Write;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Bytes that one repeated piece unpacks to.
const PIECE: usize = 1 << 20;
/// A gzip header: the magic, deflate, no flags, no time, no system (RFC 1952).
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Gzip that unpacks to a JSON object of at least `length` bytes, for about a thousandth of them.
pub(crate) fn of(length: u64) -> Bytes {
    let spaces = vec![b' '; PIECE];
    let piece = flushed(&spaces);
    let pieces = length.div_ceil(PIECE as u64);
    let mut bomb = HEAD.to_vec();
    let mut crc = Crc::new();
    let mut of_piece = Crc::new();
    of_piece.update(&spaces);
    bomb.extend(flushed(b"{"));
    crc.update(b"{");
    for _ in 0..pieces {
        bomb.extend_from_slice(&piece);
        crc.combine(&of_piece);
    }
    bomb.extend(last(b"}"));
    crc.update(b"}");
    bomb.extend(crc.sum().to_le_bytes());
    bomb.extend(crc.amount().to_le_bytes());
    bomb.into()
}

/// Bytes deflated on their own and flushed to a byte border, so that another piece may follow.
fn flushed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    written(encoder.write_all(bytes));
    written(encoder.flush());
    encoder.get_ref().clone()
}

fn last(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    written(encoder.write_all(bytes));
    encoder.finish().unwrap_or_default()
}

/// Asserts that a write into memory succeeded, as it always does.
fn written(done: std::io::Result<()>) {
    debug_assert!(done.is_ok(), "{done:?}");
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn it_is_small_and_unpacks_to_json_of_the_length_asked_for() {
        let bomb = of(20_000_000);
        assert!(bomb.len() < 40_000, "{}", bomb.len());
        let mut text = String::new();
        GzDecoder::new(&bomb[..]).read_to_string(&mut text).unwrap();
        assert!(text.len() >= 20_000_000, "{}", text.len());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!({})
        );
    }
}
