//! Enciphers one name: PKCS#7 padding, and EME over AES-256.
//!
//! EME (Halevi and Rogaway, "A Parallelizable Enciphering Mode", 2003) makes one wide block of as
//! many blocks of AES as the padded name has: a change of one bit changes all of them. Nothing is
//! authenticated: what was enciphered with other keys shows by its padding, in 255 of 256 cases.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::crypt::Keys;
use crate::crypt::names::NameError;

/// Bytes of a block of AES.
pub(crate) const BLOCK_BYTES: usize = 16;
/// The most blocks that EME is defined for.
const MOST_BLOCKS: usize = 128;
/// The longest name: at least one byte of padding is added.
pub(crate) const MOST_PLAIN_BYTES: usize = MOST_BLOCKS * BLOCK_BYTES - 1;

/// The cipher of one remote's names.
#[derive(Clone)]
pub(crate) struct WideCipher {
    aes: Aes256,
    tweak: Zeroizing<u128>,
}

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

impl WideCipher {
    pub(crate) fn new(keys: &Keys) -> WideCipher {
        WideCipher {
            aes: Aes256::new(keys.name().into()),
            tweak: Zeroizing::new(u128::from_le_bytes(*keys.tweak())),
        }
    }

    /// Pads and enciphers.
    pub(crate) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, NameError> {
        if plain.len() > MOST_PLAIN_BYTES {
            return Err(NameError::TooLong { most: MOST_PLAIN_BYTES });
        }
        let mut padded = plain.to_vec();
        let padding = BLOCK_BYTES - plain.len() % BLOCK_BYTES;
        padded.resize(plain.len() + padding, padding.to_le_bytes()[0]);
        Ok(self.transform(&padded, Direction::Encrypt))
    }

    /// Deciphers and takes off the padding.
    pub(crate) fn decrypt(&self, cipher: &[u8]) -> Result<Vec<u8>, NameError> {
        let blocks = cipher.len() / BLOCK_BYTES;
        if !cipher.len().is_multiple_of(BLOCK_BYTES) || !(1..=MOST_BLOCKS).contains(&blocks) {
            return Err(NameError::NotBlocks { bytes: cipher.len() });
        }
        let mut plain = self.transform(cipher, Direction::Decrypt);
        let padding = plain.last().copied().unwrap_or_default();
        let rest = plain.len().saturating_sub(usize::from(padding));
        let is_padding = (1..=BLOCK_BYTES).contains(&usize::from(padding))
            && plain[rest..].iter().all(|byte| *byte == padding);
        if !is_padding {
            return Err(NameError::OtherKeys);
        }
        plain.truncate(rest);
        Ok(plain)
    }

    /// EME, with the names of its steps from the paper. Blocks are numbers whose lowest byte is the
    /// first one.
    fn transform(&self, text: &[u8], direction: Direction) -> Vec<u8> {
        let (blocks, _) = text.as_chunks::<BLOCK_BYTES>();
        let masks = self.masks();
        // PPP, one for each block.
        let mut wide: Vec<u128> = blocks
            .iter()
            .zip(masks.clone())
            .map(|(block, mask)| self.aes(u128::from_le_bytes(*block) ^ mask, direction))
            .collect();
        let mp = wide.iter().fold(*self.tweak, |sum, ppp| sum ^ ppp);
        let mc = self.aes(mp, direction);
        // CCC, in place; the first one is made of all others.
        let mut m = mp ^ mc;
        let mut first = mc ^ *self.tweak;
        for ppp in wide.iter_mut().skip(1) {
            m = doubled(m);
            *ppp ^= m;
            first ^= *ppp;
        }
        if let Some(ppp) = wide.first_mut() {
            *ppp = first;
        }
        let out = wide.iter().zip(masks).map(|(ccc, mask)| self.aes(*ccc, direction) ^ mask);
        out.flat_map(u128::to_le_bytes).collect()
    }

    /// L, 2L, 4L …, without the first: always enciphered, in both directions.
    fn masks(&self) -> impl Iterator<Item = u128> + Clone {
        let first = doubled(self.aes(0, Direction::Encrypt));
        std::iter::successors(Some(first), |mask| Some(doubled(*mask)))
    }

    fn aes(&self, block: u128, direction: Direction) -> u128 {
        let mut block = block.to_le_bytes().into();
        match direction {
            Direction::Encrypt => self.aes.encrypt_block(&mut block),
            Direction::Decrypt => self.aes.decrypt_block(&mut block),
        }
        u128::from_le_bytes(block.into())
    }
}

/// Twice this element of the field of 2<sup>128</sup> elements.
fn doubled(element: u128) -> u128 {
    let carry = if element >> 127 == 1 { 0x87 } else { 0 };
    (element << 1) ^ carry
}
