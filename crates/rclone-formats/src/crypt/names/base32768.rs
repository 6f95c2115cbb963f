//! The alphabets of base32768: letters of many scripts, 15 bits in each.
//!
//! A last group of at most 7 bits has an alphabet of its own, so that the length of the bytes can
//! be told from the text. What is left of a last group is filled with ones.

/// The characters of 15 bits in order, as ranges with both ends.
const LONG: [(u32, u32); 52] = [
    (0x04A0, 0x04BF),
    (0x0500, 0x051F),
    (0x0680, 0x06BF),
    (0x0760, 0x079F),
    (0x07C0, 0x07DF),
    (0x1000, 0x101F),
    (0x10A0, 0x10BF),
    (0x1100, 0x115F),
    (0x1180, 0x119F),
    (0x11E0, 0x123F),
    (0x1260, 0x127F),
    (0x12E0, 0x12FF),
    (0x1320, 0x133F),
    (0x13A0, 0x13DF),
    (0x1420, 0x165F),
    (0x16A0, 0x16DF),
    (0x1780, 0x179F),
    (0x1820, 0x185F),
    (0x18C0, 0x18DF),
    (0x1980, 0x199F),
    (0x19E0, 0x19FF),
    (0x1A20, 0x1A3F),
    (0x1BC0, 0x1BDF),
    (0x1C00, 0x1C1F),
    (0x1D00, 0x1D1F),
    (0x21E0, 0x21FF),
    (0x22C0, 0x22DF),
    (0x2340, 0x23DF),
    (0x2400, 0x241F),
    (0x2500, 0x275F),
    (0x2780, 0x27BF),
    (0x2800, 0x297F),
    (0x29A0, 0x29BF),
    (0x2A20, 0x2A5F),
    (0x2A80, 0x2ABF),
    (0x2AE0, 0x2B5F),
    (0x2C00, 0x2C1F),
    (0x2C80, 0x2CDF),
    (0x2D00, 0x2D1F),
    (0x2D40, 0x2D5F),
    (0x2EA0, 0x2EDF),
    (0x31C0, 0x31DF),
    (0x3400, 0x4D9F),
    (0x4DC0, 0x9FBF),
    (0xA000, 0xA47F),
    (0xA4A0, 0xA4BF),
    (0xA500, 0xA5FF),
    (0xA640, 0xA65F),
    (0xA6A0, 0xA6DF),
    (0xA700, 0xA75F),
    (0xA780, 0xA79F),
    (0xA840, 0xA85F),
];
/// The characters of 7 bits.
const SHORT: [(u32, u32); 4] =
    [(0x0180, 0x019F), (0x0240, 0x025F), (0x0260, 0x027F), (0x0280, 0x029F)];
const LONG_BITS: usize = 15;
const SHORT_BITS: usize = 7;

/// The character of a group of `bits` bits.
pub(crate) fn character(group: u32, bits: usize) -> char {
    let (alphabet, width) =
        if bits <= SHORT_BITS { (&SHORT[..], SHORT_BITS) } else { (&LONG[..], LONG_BITS) };
    let missing = width.saturating_sub(bits);
    let mut digit = (group << missing) | ((1 << missing) - 1);
    for (first, last) in alphabet {
        let size = last - first + 1;
        if digit < size {
            return char::from_u32(first + digit).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        digit -= size;
    }
    char::REPLACEMENT_CHARACTER
}

/// The group of a character, and its bits.
pub(crate) fn group(c: char) -> Option<(u32, usize)> {
    let long = digit(&LONG, c).map(|digit| (digit, LONG_BITS));
    long.or_else(|| digit(&SHORT, c).map(|digit| (digit, SHORT_BITS)))
}

fn digit(alphabet: &[(u32, u32)], c: char) -> Option<u32> {
    let code = u32::from(c);
    let mut before = 0;
    for (first, last) in alphabet {
        if (*first..=*last).contains(&code) {
            return Some(before + code - first);
        }
        before += last - first + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabets_are_those_of_the_library_that_rclone_uses() {
        let table = include_str!("../../../tests/rclone/data/base32768-alphabet.tsv");
        for (bits, digits) in [(LONG_BITS, 32_768), (SHORT_BITS, 128)] {
            let of_these = |line: &&str| line.split('\t').next() == Some(&bits.to_string());
            let ranges = table.lines().filter(of_these).map(|line| {
                let code = |column| {
                    u32::from_str_radix(line.split('\t').nth(column).unwrap(), 16).unwrap()
                };
                code(1)..=code(2)
            });
            let expected: Vec<char> = ranges.flatten().filter_map(char::from_u32).collect();
            let found: Vec<char> = (0..digits).map(|digit| character(digit, bits)).collect();
            assert_eq!(found, expected);
            for (digit, c) in (0..).zip(expected) {
                assert_eq!(group(c), Some((digit, bits)), "{c}");
            }
        }
    }
}
