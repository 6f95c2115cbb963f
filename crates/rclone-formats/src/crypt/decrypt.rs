//! Deciphers a file as it arrives, piece by piece.
//!
//! The counterpart of `encrypt`: a state machine over one buffer of one block. No plain byte is
//! handed on before the block that it is in was found to be whole.

use crate::crypt::size::{CIPHER_BLOCK_BYTES, HEADER_BYTES};
use crate::crypt::{Blocks, ContentError, Keys, Nonce};

/// Makes the plain file of the encrypted bytes that it is given.
///
/// The format has no end mark: a file that was cut at the end of a block reads as a shorter one.
/// Compare the size that [`finish`](Decryptor::finish) tells with the one on record.
#[derive(Debug)]
pub struct Decryptor {
    keys: Keys,
    state: State,
    /// The bytes of the header or block so far.
    buffer: Vec<u8>,
    plain_bytes: u64,
}

#[derive(Debug)]
enum State {
    Header,
    Block { blocks: Blocks, number: u64 },
    Failed(ContentError),
}

impl Decryptor {
    /// Begins at the beginning of a file, with its header.
    pub fn new(keys: &Keys) -> Decryptor {
        Decryptor::with(keys, State::Header)
    }

    /// Begins in the midst of a file with this nonce, at the first byte of block `number`, as a
    /// [`CipherRange`](crate::crypt::CipherRange) tells it.
    pub fn at_block(keys: &Keys, nonce: Nonce, number: u64) -> Decryptor {
        Decryptor::with(keys, State::Block { blocks: Blocks::new(keys, nonce), number })
    }

    fn with(keys: &Keys, state: State) -> Decryptor {
        let buffer = Vec::with_capacity(CIPHER_BLOCK_BYTES);
        Decryptor { keys: keys.clone(), state, buffer, plain_bytes: 0 }
    }

    /// Takes the next encrypted bytes, and hands on the plain bytes that are ready, in order and a
    /// block at a time.
    ///
    /// # Errors
    ///
    /// [`ContentError::BadMagic`] and [`ContentError::BadBlock`]. What was handed on before is
    /// right; nothing more comes, and each later call has the same error.
    pub fn push(
        &mut self,
        mut cipher: &[u8],
        mut ready: impl FnMut(&[u8]),
    ) -> Result<(), ContentError> {
        while !cipher.is_empty() {
            let room = self.unit()? - self.buffer.len();
            let (taken, rest) = cipher.split_at(room.min(cipher.len()));
            self.buffer.extend_from_slice(taken);
            if taken.len() == room {
                self.take_unit(&mut ready)?;
            }
            cipher = rest;
        }
        self.unit().map(|_| ())
    }

    /// Ends the file, hands on the plain bytes of a shorter last block, and tells the number of all
    /// plain bytes that were handed on.
    ///
    /// # Errors
    ///
    /// [`ContentError`]
    pub fn finish(mut self, mut ready: impl FnMut(&[u8])) -> Result<u64, ContentError> {
        self.unit()?;
        if matches!(self.state, State::Header) {
            return Err(ContentError::ShortHeader { bytes: self.buffer.len() as u64 });
        }
        if !self.buffer.is_empty() {
            self.take_unit(&mut ready)?;
        }
        Ok(self.plain_bytes)
    }

    /// The nonce of the file, as soon as the header was read.
    pub fn nonce(&self) -> Option<Nonce> {
        match &self.state {
            State::Block { blocks, .. } => Some(blocks.nonce()),
            State::Header | State::Failed(_) => None,
        }
    }

    /// The bytes that are needed before anything can be done with them.
    fn unit(&self) -> Result<usize, ContentError> {
        match self.state {
            State::Header => Ok(HEADER_BYTES),
            State::Block { .. } => Ok(CIPHER_BLOCK_BYTES),
            State::Failed(error) => Err(error),
        }
    }

    fn take_unit(&mut self, ready: &mut impl FnMut(&[u8])) -> Result<(), ContentError> {
        let taken = self.open_unit(ready);
        if let Err(error) = taken {
            self.state = State::Failed(error);
        }
        self.buffer.clear();
        taken
    }

    fn open_unit(&mut self, ready: &mut impl FnMut(&[u8])) -> Result<(), ContentError> {
        match &mut self.state {
            State::Header => {
                let nonce = Nonce::from_header(&self.buffer)?;
                self.state = State::Block { blocks: Blocks::new(&self.keys, nonce), number: 0 };
            }
            State::Block { blocks, number } => {
                let plain = blocks.open(*number, &mut self.buffer)?;
                *number = number.wrapping_add(1);
                self.plain_bytes += plain.len() as u64;
                ready(plain);
            }
            State::Failed(error) => return Err(*error),
        }
        Ok(())
    }
}
