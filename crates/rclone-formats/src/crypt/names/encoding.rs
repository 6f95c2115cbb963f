//! How the bytes of an enciphered name are written as text.
//!
//! All three do the same: the bits are cut into groups, most significant bit first, and each group
//! is a character. They differ in the width of a group and in what fills the last one.

use std::fmt;

use crate::crypt::names::{NameError, base32768};

/// The text form of enciphered names: `filename_encoding` of rclone.
///
/// base32 survives everything, also stores that do not tell upper from lower case. base64 is
/// shorter and needs one that does. base32768 has the fewest characters, and nearly as many bytes
/// as base32; it is for stores that count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `0`–`9`, `a`–`v`: 5 bits each. When read, upper case is as good.
    #[default]
    Base32,
    /// Letters, digits, `-` and `_`: 6 bits each.
    Base64,
    /// Characters of many scripts, most of two or three bytes: 15 bits each.
    Base32768,
}

const BASE32: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Encoding {
    /// The name that rclone has for it; of either case.
    pub fn parse(name: &str) -> Option<Encoding> {
        let all = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
        all.into_iter().find(|encoding| encoding.as_str().eq_ignore_ascii_case(name))
    }

    /// The name that rclone has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Base32 => "base32",
            Encoding::Base64 => "base64",
            Encoding::Base32768 => "base32768",
        }
    }

    /// Bits of a character.
    pub(crate) fn width(self) -> usize {
        match self {
            Encoding::Base32 => 5,
            Encoding::Base64 => 6,
            Encoding::Base32768 => 15,
        }
    }

    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len() * 2);
        let mut bits = Bits::default();
        for byte in bytes {
            bits.put(u32::from(*byte), 8);
            while let Some(group) = bits.take(self.width()) {
                text.push(self.character(group, self.width()));
            }
        }
        let (group, width) = bits.rest();
        if width > 0 {
            text.push(self.character(group, width));
        }
        text
    }

    /// The character of a group; one of fewer bits is the last.
    fn character(self, group: u32, bits: usize) -> char {
        let of = |alphabet: &[u8], width| {
            let digit = (group << (width - bits)) as usize;
            alphabet.get(digit).map_or(char::REPLACEMENT_CHARACTER, |byte| char::from(*byte))
        };
        match self {
            Encoding::Base32 => of(BASE32, 5),
            Encoding::Base64 => of(BASE64, 6),
            Encoding::Base32768 => base32768::character(group, bits),
        }
    }

    /// Bits of the last group that fill no byte are not looked at, as rclone does not.
    pub(crate) fn decode(self, text: &str) -> Result<Vec<u8>, NameError> {
        let wrong = NameError::NotEncoded { encoding: self };
        let mut bytes = Vec::with_capacity(text.len());
        let mut bits = Bits::default();
        // rclone ignores line breaks in this encoding only.
        let is_ignored = |c: &char| self == Encoding::Base32768 && ['\r', '\n'].contains(c);
        let mut characters = text.chars().filter(|c| !is_ignored(c)).peekable();
        while let Some(c) = characters.next() {
            let (group, width) = self.group(c).ok_or(wrong)?;
            let is_short = width < self.width();
            if is_short && characters.peek().is_some() {
                return Err(wrong);
            }
            bits.put(group, width);
            while let Some(byte) = bits.take(8) {
                bytes.push(byte.to_le_bytes()[0]);
            }
        }
        // A character more than the bytes need.
        if bits.rest().1 >= self.width() { Err(wrong) } else { Ok(bytes) }
    }

    fn group(self, c: char) -> Option<(u32, usize)> {
        let digit = |alphabet: &[u8], c: char| {
            let at = alphabet.iter().position(|letter| char::from(*letter) == c)?;
            Some((u32::try_from(at).ok()?, self.width()))
        };
        match self {
            Encoding::Base32 => digit(BASE32, c.to_ascii_lowercase()),
            Encoding::Base64 => digit(BASE64, c),
            Encoding::Base32768 => base32768::group(c),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bits in a row: the first to come is the first to go. At most 7 and then 15 are in it at a time.
#[derive(Default)]
struct Bits {
    bits: u32,
    count: usize,
}

impl Bits {
    fn put(&mut self, bits: u32, count: usize) {
        self.bits = (self.bits << count) | bits;
        self.count += count;
    }

    fn take(&mut self, count: usize) -> Option<u32> {
        let left = self.count.checked_sub(count)?;
        let taken = self.bits >> left;
        self.bits &= (1 << left) - 1;
        self.count = left;
        Some(taken)
    }

    fn rest(&self) -> (u32, usize) {
        (self.bits, self.count)
    }
}
