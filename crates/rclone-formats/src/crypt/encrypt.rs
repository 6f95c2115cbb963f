//! Encrypts a file as it is read, piece by piece.
//!
//! A state machine over one buffer of one block: it does no input or output, never waits and
//! allocates nothing after its beginning. So it fits between a reading thread and a socket as well
//! as into an asynchronous body.

use crate::crypt::size::{CIPHER_BLOCK_BYTES, TAG_BYTES};
use crate::crypt::{Blocks, Keys, Nonce};

/// Makes the encrypted file of the plain bytes that it is given.
///
/// There are two ways to give them: [`push`](Encryptor::push) takes them from anywhere;
/// [`room`](Encryptor::room) and [`filled`](Encryptor::filled) let a reader put them where they are
/// needed, which saves a copy. Both may be mixed. The encrypted bytes go to a function of the
/// caller, in order and in pieces of at most 65,552 bytes.
///
/// ```
/// use rclone_formats::crypt::{Encryptor, Keys, Nonce};
///
/// let keys = Keys::derive(b"correct horse battery staple", None)?;
/// let nonce = Nonce::from_bytes([7; 24]);   // random in earnest
///
/// let mut stored = Vec::new();
/// let mut encryptor = Encryptor::new(&keys, nonce);
/// encryptor.push(b"some bytes, ", |cipher| stored.extend_from_slice(cipher));
/// encryptor.push(b"and more", |cipher| stored.extend_from_slice(cipher));
/// encryptor.finish(|cipher| stored.extend_from_slice(cipher));
///
/// assert_eq!(stored.len(), 32 + 16 + 20);
/// # Ok::<(), rclone_formats::crypt::KeyError>(())
/// ```
#[derive(Debug)]
pub struct Encryptor {
    blocks: Blocks,
    buffer: Buffer,
    /// The number of the block in the buffer.
    number: u64,
    header_is_out: bool,
}

impl Encryptor {
    /// Begins a file. The nonce is random and new, or that of the file that is to come out again.
    pub fn new(keys: &Keys, nonce: Nonce) -> Encryptor {
        let blocks = Blocks::new(keys, nonce);
        Encryptor { blocks, buffer: Buffer::new(), number: 0, header_is_out: false }
    }

    /// Takes the next plain bytes, and hands on what is ready.
    pub fn push(&mut self, mut plain: &[u8], mut ready: impl FnMut(&[u8])) {
        while !plain.is_empty() {
            let room = self.room();
            let (taken, rest) = plain.split_at(room.len().min(plain.len()));
            room[..taken.len()].copy_from_slice(taken);
            self.filled(taken.len(), &mut ready);
            plain = rest;
        }
    }

    /// The place for the next plain bytes: at least one, at most 65,536. They count only after
    /// [`filled`](Encryptor::filled).
    pub fn room(&mut self) -> &mut [u8] {
        self.buffer.room()
    }

    /// Takes the first `bytes` of the [`room`](Encryptor::room), or all of it if there are fewer,
    /// and hands on what is ready.
    pub fn filled(&mut self, bytes: usize, mut ready: impl FnMut(&[u8])) {
        self.put_header(&mut ready);
        self.buffer.add(bytes);
        if self.buffer.is_full() {
            self.put_block(&mut ready);
        }
    }

    /// Ends the file, and hands on the rest of it.
    pub fn finish(mut self, mut ready: impl FnMut(&[u8])) {
        self.put_header(&mut ready);
        if !self.buffer.is_empty() {
            self.put_block(&mut ready);
        }
    }

    fn put_header(&mut self, ready: &mut impl FnMut(&[u8])) {
        if !self.header_is_out {
            ready(&self.blocks.nonce().to_header());
            self.header_is_out = true;
        }
    }

    fn put_block(&mut self, ready: &mut impl FnMut(&[u8])) {
        let block = self.buffer.block();
        self.blocks.seal(self.number, block);
        ready(block);
        self.buffer.clear();
        self.number = self.number.wrapping_add(1);
    }
}

/// One block: room for its tag, and the plain bytes so far.
struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: vec![0; CIPHER_BLOCK_BYTES].into_boxed_slice(), filled: TAG_BYTES }
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    fn add(&mut self, bytes: usize) {
        self.filled = self.filled.saturating_add(bytes).min(CIPHER_BLOCK_BYTES);
    }

    fn is_full(&self) -> bool {
        self.filled == CIPHER_BLOCK_BYTES
    }

    fn is_empty(&self) -> bool {
        self.filled == TAG_BYTES
    }

    fn block(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }

    fn clear(&mut self) {
        self.filled = TAG_BYTES;
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.filled)
    }
}
