//! The formats that [rclone](https://rclone.org) keeps files in, read and written without rclone.
//!
//! With this crate a program can encrypt files so that an unmodified rclone lists and reads them
//! with its `crypt` backend, and read what rclone has encrypted. It turns bytes into bytes and names
//! into names: it opens no file and no connection, starts no thread, and takes no random bytes by
//! itself. So it fits under any store and any runtime.
//!
//! # Contents
//!
//! * [Keys](#keys): from a password and a salt, or from `rclone.conf`.
//! * [Contents of files](#contents-of-files): whole, in parts, and their sizes beforehand.
//! * [Names](#names): of files and folders, in rclone's three encodings.
//! * [What the format does not give](#what-the-format-does-not-give): read this before relying on
//!   it.
//! * [Secrets](#secrets): what is overwritten, and what is never shown.
//!
//! # Keys
//!
//! [`crypt::Keys`] are derived with scrypt: 16 MiB and some 30 ms, once for each remote. The salt is
//! what rclone calls `password2`.
//!
//! ```
//! use rclone_formats::crypt::Keys;
//!
//! let keys = Keys::derive(b"correct horse battery staple", Some(b"salt and pepper"))?;
//! # Ok::<(), rclone_formats::crypt::KeyError>(())
//! ```
//!
//! A section of `rclone.conf` has both, obscured; [`conf::CryptSection`] reads them with all other
//! options, and refuses those that it cannot do.
//!
//! ```
//! use rclone_formats::conf::{Conf, CryptSection};
//!
//! let text = "
//! [photos]
//! type = crypt
//! remote = box:backup/photos
//! password = gDmXC_QAY-pHQ6jIomQM_KqAlgFAl_DMnYTFltPnYQRiDU7kJCimDrz2kdQ
//! ";
//! let conf = Conf::parse(text)?;
//! let section = conf.section("photos").ok_or("no such section")?;
//! let section = CryptSection::read(section)?;
//! assert_eq!(section.remote, "box:backup/photos");
//! let keys = section.keys()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contents of files
//!
//! A file begins with a header that holds a [`crypt::Nonce`], 24 random bytes; then come blocks of
//! 64 KiB, each with a tag of its own. [`crypt::Encryptor`] takes plain bytes in pieces of any length
//! and hands on the encrypted ones, [`crypt::Decryptor`] does the reverse. Both hold one block and
//! never wait, so that they fit between a reading thread and a socket as well as into an
//! asynchronous body.
//!
//! ```
//! use rclone_formats::crypt::size::cipher_size;
//! use rclone_formats::crypt::{Decryptor, Encryptor, Keys, Nonce};
//!
//! # let keys = Keys::derive(b"correct horse battery staple", None)?;
//! # let nonce_from_the_system = [7; 24];
//! let nonce = Nonce::from_bytes(nonce_from_the_system);
//! let mut stored = Vec::new();
//! let mut encryptor = Encryptor::new(&keys, nonce);
//! for piece in ["some bytes, ", "some more, ", "and the last"] {
//!     encryptor.push(piece.as_bytes(), |cipher| stored.extend_from_slice(cipher));
//! }
//! encryptor.finish(|cipher| stored.extend_from_slice(cipher));
//! assert_eq!(cipher_size(35), Some(stored.len() as u64));
//!
//! let mut plain = Vec::new();
//! let mut decryptor = Decryptor::new(&keys);
//! for piece in stored.chunks(10) {
//!     decryptor.push(piece, |bytes| plain.extend_from_slice(bytes))?;
//! }
//! let size = decryptor.finish(|bytes| plain.extend_from_slice(bytes))?;
//! assert_eq!(size, 35);
//! assert_eq!(plain, b"some bytes, some more, and the last");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A file that lies on a store already can be compared with a local one without a download of its
//! content: take the nonce out of its header ([`crypt::Nonce::from_header`], 32 bytes), encrypt the
//! local file with it, and compare the hash of the outcome with the one that the store tells.
//!
//! For a part of a file [`crypt::CipherRange`] says which bytes to fetch, and [`crypt::Blocks`] or
//! [`crypt::Decryptor::at_block`] deciphers them. [`crypt::size`] has the sizes.
//!
//! # Names
//!
//! [`crypt::names::Names`] enciphers the name of one file or folder at a time. Names are those on
//! disk: any bytes. What comes out is a [`crypt::names::StoredName`]: ciphertext that is stored as
//! it is, or, where names stay plain, a name that the store keeps as any other.
//!
//! ```
//! use rclone_formats::crypt::Keys;
//! use rclone_formats::crypt::names::{Encoding, Kind, NameScheme, Names, StoredName};
//!
//! # let keys = Keys::derive(b"correct horse battery staple", None)?;
//! let names = Names::new(&keys, NameScheme::default());
//! let stored = names.encrypt(Kind::File, b"hello.txt")?;
//! let text = "2hg60qedesor3egoruk7j32r54";
//! assert_eq!(stored, StoredName::Cipher(text.to_owned()));
//! assert_eq!(names.decrypt(Kind::File, text.as_bytes())?, b"hello.txt");
//!
//! // Too long for a store that takes 250 bytes?
//! assert_eq!(names.stored_length(Kind::File, &[b'x'; 144]).bytes, 256);
//! assert_eq!(Encoding::Base64.length(144).bytes, 214);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Few names are special, and [`crypt::names::Names::caveat`] tells them: those with a version stamp
//! in an odd place, which come back as another name, and those with a character that rclone itself
//! cannot copy.
//!
//! # What the format does not give
//!
//! * **No end mark.** A file that was cut at the end of a block reads as a shorter one. Keep the
//!   size, or the hash of the encrypted file, and compare it.
//! * **No bond between name and content.** A file that was put under the name of another is not
//!   noticed. Keep the hash.
//! * **No hiding of sizes, times and structure.** The size of a file follows from that of its
//!   ciphertext, equal names have equal ciphertexts, and a version stamp stays readable.
//! * **No proof in a name.** Names have no tag: of 256 texts of the right form one deciphers to
//!   something, whatever the keys are.
//! * **Nothing about an empty file.** It is a header alone, and any nonce will do.
//!
//! # Secrets
//!
//! Keys and passwords are overwritten when they are dropped, and no error and no `Debug` output
//! shows one, or a name. Memory that scrypt worked in is freed as it is, and so are names and
//! contents.
//!
//! # How it is known to be right
//!
//! Everything that is in `tests/rclone/data` was made by the real rclone and comes out the same,
//! byte for byte; its damaged files are refused where rclone refuses them. A second implementation
//! and rclone itself read what this one writes, and the other way round. The ciphers are those of
//! RustCrypto; EME, which makes one wide block of several of AES, and the encodings are of this
//! crate.

#![forbid(unsafe_code)]

pub mod conf;
pub mod crypt;
