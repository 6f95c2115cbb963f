//! A snapshot as the form of its mirror stores it: enciphered behind the packer, deciphered before
//! the unpacker.

use std::io::{self, Read, Write};

use rclone_formats::crypt::{Decryptor, Encryptor};

use crate::base::Form;

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 64 * 1024;

/// A writer that enciphers what is written through it, if its form does.
pub(super) struct Sealing<W> {
    inner: W,
    encryptor: Option<Encryptor>,
}

impl<W: Write> Sealing<W> {
    /// A new object, with a nonce of its own.
    pub(super) fn new(inner: W, form: &Form) -> Sealing<W> {
        let cipher = form.new_cipher();
        let encryptor = form.crypt().zip(cipher).map(|(crypt, cipher)| crypt.encryptor(&cipher));
        Sealing { inner, encryptor }
    }

    /// Writes the rest of the object.
    pub(super) fn finish(self) -> io::Result<W> {
        let Sealing { mut inner, encryptor } = self;
        let mut written = Ok(());
        if let Some(encryptor) = encryptor {
            encryptor.finish(|bytes| write_next(&mut inner, bytes, &mut written));
        }
        written.map(|()| inner)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Sealing { inner, encryptor } = self;
        let Some(encryptor) = encryptor else { return inner.write(bytes) };
        let mut written = Ok(());
        encryptor.push(bytes, |sealed| write_next(inner, sealed, &mut written));
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_next(inner: &mut impl Write, bytes: &[u8], written: &mut io::Result<()>) {
    if written.is_ok() {
        *written = inner.write_all(bytes);
    }
}

/// A reader that deciphers what is read through it, if its form does.
pub(super) struct Opening<R> {
    inner: R,
    /// `None` where the bytes are plain, and at the end of the object.
    decryptor: Option<Decryptor>,
    is_plain: bool,
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Opening<R> {
    pub(super) fn new(inner: R, form: &Form) -> Opening<R> {
        let decryptor = form.crypt().map(|crypt| Decryptor::new(crypt.keys()));
        let is_plain = decryptor.is_none();
        Opening { inner, decryptor, is_plain, ready: Vec::new(), taken: 0 }
    }

    /// Deciphers the next bytes, until some are ready or the object ends.
    fn open_more(&mut self) -> io::Result<()> {
        let Opening { inner, decryptor, ready, taken, .. } = self;
        ready.clear();
        *taken = 0;
        let mut sealed = vec![0; BLOCK_BYTES];
        while ready.is_empty() {
            let Some(mut open) = decryptor.take() else { return Ok(()) };
            let count = inner.read(&mut sealed)?;
            if count == 0 {
                open.finish(|bytes| ready.extend_from_slice(bytes)).map_err(damaged)?;
                return Ok(());
            }
            open.push(&sealed[..count], |bytes| ready.extend_from_slice(bytes)).map_err(damaged)?;
            *decryptor = Some(open);
        }
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_plain {
            return self.inner.read(buffer);
        }
        if self.taken == self.ready.len() {
            self.open_more()?;
        }
        let ready = &self.ready[self.taken..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.taken += count;
        Ok(count)
    }
}

fn damaged(error: rclone_formats::crypt::ContentError) -> io::Error {
    io::Error::other(format!("it cannot be deciphered with this password: {error}"))
}
