//! Mutations of inputs: what a fuzzer does, without its feedback; the same ones for the same seed.

/// Pieces of text that parsers often fail on.
const PIECES: [&[u8]; 30] = [
    b"",
    b"0",
    b"-1",
    b"null",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\0",
    b"\xff",
    b"\xe2\x80",
    b"../",
    b"/",
    b"..",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1e400",
    b"\\u0000",
    b"\\ud800",
    b"<html>",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"%00",
    b"**/",
    b"\x7f",
];

/// An endless sequence of mutations.
pub struct Mutations<'a> {
    inputs: &'a [Vec<u8>],
    random: u64,
}

impl<'a> Mutations<'a> {
    pub fn new(inputs: &'a [Vec<u8>], seed: u64) -> Mutations<'a> {
        Mutations { inputs, random: seed }
    }

    /// Splitmix64.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((x ^ (x >> 31)) % end.max(1) as u64).unwrap()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (one, other) = (self.below(input.len() + 1), self.below(input.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match self.below(7) {
            0 => input.truncate(from),
            1 => drop(input.drain(from..to)),
            2 if from < input.len() => input[from] ^= 1 << self.below(8),
            3 if to - from < 4_096 => {
                let copied = input[from..to].to_vec();
                let at = self.below(input.len() + 1);
                input.splice(at..at, copied);
            }
            4 => {
                let other = &self.inputs[self.below(self.inputs.len())];
                let start = self.below(other.len() + 1);
                let end = start + self.below((other.len() - start).min(64) + 1);
                input.splice(from..from, other[start..end].iter().copied());
            }
            _ => {
                let piece = PIECES[self.below(PIECES.len())];
                let end = (from + self.below(4)).min(input.len());
                input.splice(from..end, piece.iter().copied());
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut input = self.inputs[self.below(self.inputs.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        Some(input)
    }
}
