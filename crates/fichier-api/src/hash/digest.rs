//! The two hashes of a file's content.
//!
//! [`Whirlpool`] is the service's: it reports one for each file, of exactly the bytes it holds
//! (docs/api-notes.md, B.5), so it is the end-to-end check of each transfer. [`Fingerprint`]
//! (BLAKE3) is ours: many times faster, never sent, for comparisons on this side.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The text is not the hash it should be: wrong length, or not hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct InvalidDigest {
    /// How many digits that kind of hash has.
    pub expected: usize,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $size]);

        impl $name {
            /// Takes a finished hash.
            pub const fn from_bytes(bytes: [u8; $size]) -> $name {
                $name(bytes)
            }

            /// The raw hash.
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }

            /// Lower-case hexadecimal, as the service writes hashes.
            pub fn to_hex(&self) -> String {
                to_hex(&self.0)
            }

            /// Reads hexadecimal digits of either case.
            ///
            /// # Errors
            ///
            /// [`InvalidDigest`] if the length or a digit is wrong.
            pub fn parse_hex(text: &str) -> Result<$name, InvalidDigest> {
                parse_hex(text).map($name).ok_or(InvalidDigest { expected: 2 * $size })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidDigest;

            fn try_from(text: String) -> Result<$name, InvalidDigest> {
                $name::parse_hex(&text)
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> String {
                digest.to_hex()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), to_hex(&self.0[..4]))
            }
        }
    };
}

digest! {
    /// The Whirlpool hash (ISO/IEC 10118-3, final version) of a file's content.
    Whirlpool, 64
}

digest! {
    /// The BLAKE3 hash of a file's content, for local comparison.
    Fingerprint, 32
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .collect()
}

fn parse_hex<const SIZE: usize>(text: &str) -> Option<[u8; SIZE]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * SIZE {
        return None;
    }
    let mut bytes = [0; SIZE];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use whirlpool::Digest;

    use super::*;

    // Recorded from the service (docs/api-notes.md, B.5).
    const HELLO: &str = "0a894ff039da399d5a72116b3665cd952abc8a9ffe37bfae4eae4d5381c5102b\
                         237c27e88b03f71c516e08ffa1cc9de9eac55d7d3abd38ea56220018f006a2c5";

    #[test]
    fn the_hash_the_service_reported_is_plain_whirlpool() {
        let computed = whirlpool::Whirlpool::digest(b"Hello world\n");
        assert_eq!(Whirlpool::from_bytes(computed.into()).to_hex(), HELLO);
    }

    #[test]
    fn hexadecimal_text_is_read_in_either_case_and_written_in_lower_case() {
        let hash = Whirlpool::parse_hex(&HELLO.to_uppercase()).unwrap();
        assert_eq!(hash.to_string(), HELLO);
        assert_eq!(format!("{hash:?}"), "Whirlpool(0a894ff0…)");
    }

    #[test]
    fn text_of_another_length_or_alphabet_is_refused() {
        let spaced = format!(" {}", &HELLO[1..]);
        for text in ["", &HELLO[1..], &spaced] {
            assert_eq!(Whirlpool::parse_hex(text), Err(InvalidDigest { expected: 128 }));
        }
        assert_eq!(Fingerprint::parse_hex(HELLO), Err(InvalidDigest { expected: 64 }));
    }
}
