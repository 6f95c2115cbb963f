//! Names of files and folders, enciphered or with a suffix.

use crate::crypt::Keys;
use crate::crypt::names::{Encoding, Length, NameError, WideCipher, stamp, standard};

/// How the names of a remote are kept: `filename_encryption` of rclone, and what belongs to it.
///
/// rclone's third way, `obfuscate`, protects nothing and is not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameScheme {
    /// Names are enciphered: `standard`.
    Standard {
        /// The text form of the ciphertext.
        encoding: Encoding,
        /// Whether those of folders are as well: `directory_name_encryption`.
        folders: bool,
    },
    /// Names stay plain, and those of files get a suffix: `off`.
    Off {
        /// Usually `.bin`; may be empty.
        suffix: String,
    },
}

impl Default for NameScheme {
    /// As rclone has it: everything is enciphered, in base32.
    fn default() -> NameScheme {
        NameScheme::Standard { encoding: Encoding::Base32, folders: true }
    }
}

/// Of what a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Of a file.
    File,
    /// Of a folder.
    Folder,
}

/// A name as it is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoredName {
    /// Ciphertext: stored as it is. A store that has replacements for some characters must not
    /// apply them: none of those that occur needs one.
    Cipher(String),
    /// A plain name in the form that it has on disk, with the suffix: the store keeps it as it
    /// would keep any other.
    Plain(Vec<u8>),
}

/// What is special about a name although it can be enciphered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caveat {
    /// A version stamp is in it at a place from which it moves: what comes back is another name,
    /// and that other name has the same ciphertext. (`-v2001-02-03-040506-123.txt` comes back as
    /// `.txt-v2001-02-03-040506-123`.) The exact name must be kept elsewhere.
    ComesBackChanged,
    /// It is nothing but a version stamp, which stays readable. With plain names and a suffix rclone
    /// takes it for no file of its own.
    OnlyAStamp,
    /// It has a `‛`, which rclone takes for a quote when it reads a disk: the name comes back
    /// exactly here, and rclone would have given it another one, or none.
    OtherNameForRclone,
}

/// Enciphers and deciphers the names of one remote.
#[derive(Clone)]
pub struct Names {
    cipher: WideCipher,
    scheme: NameScheme,
}

impl Names {
    /// The names of a remote with these keys, kept this way.
    pub fn new(keys: &Keys, scheme: NameScheme) -> Names {
        Names { cipher: WideCipher::new(keys), scheme }
    }

    /// How names are kept.
    pub fn scheme(&self) -> &NameScheme {
        &self.scheme
    }

    /// Whether names of this kind are enciphered, or stay plain.
    pub fn are_enciphered(&self, kind: Kind) -> bool {
        self.encoding(kind).is_some()
    }

    fn encoding(&self, kind: Kind) -> Option<Encoding> {
        match (&self.scheme, kind) {
            (NameScheme::Standard { encoding, folders }, Kind::Folder) => {
                folders.then_some(*encoding)
            }
            (NameScheme::Standard { encoding, .. }, Kind::File) => Some(*encoding),
            (NameScheme::Off { .. }, _) => None,
        }
    }

    /// The name under which to store what is called `name` on disk.
    ///
    /// # Errors
    ///
    /// [`NameError::NotAName`] and [`NameError::TooLong`].
    pub fn encrypt(&self, kind: Kind, name: &[u8]) -> Result<StoredName, NameError> {
        must_be_a_name(name)?;
        self.encrypt_standard(kind, &standard::from_disk(name))
    }

    /// The name on disk of what is stored under this name. Where names of this kind
    /// [are enciphered](Names::are_enciphered), `stored` is the text as it is stored; otherwise what
    /// the store says that the plain name is.
    ///
    /// What comes out can be the name of a file: it is not empty, nor `.` or `..`, and has neither
    /// a slash nor a zero byte. It need not be UTF-8.
    ///
    /// # Errors
    ///
    /// [`NameError`]: it is not a name of this remote.
    pub fn decrypt(&self, kind: Kind, stored: &[u8]) -> Result<Vec<u8>, NameError> {
        let name = standard::to_disk(&self.decrypt_standard(kind, stored)?);
        must_be_a_name(&name)?;
        Ok(name)
    }

    /// As [`encrypt`](Names::encrypt), of a name in rclone's [standard form](standard), as rclone
    /// prints it.
    ///
    /// # Errors
    ///
    /// [`NameError::NotAName`] if it is empty, and [`NameError::TooLong`].
    pub fn encrypt_standard(&self, kind: Kind, form: &[u8]) -> Result<StoredName, NameError> {
        if form.is_empty() {
            return Err(NameError::NotAName);
        }
        let Some(encoding) = self.encoding(kind) else {
            let name = standard::to_disk(form);
            return Ok(StoredName::Plain([&name, self.suffix(kind).as_bytes()].concat()));
        };
        let encipher = |form: &[u8]| Ok(encoding.encode(&self.cipher.encrypt(form)?));
        let Some(stamped) = stamp_of(kind, form) else {
            return Ok(StoredName::Cipher(encipher(form)?));
        };
        let stamp = stamped.stamp.iter().map(|byte| char::from(*byte));
        let only = stamped.name.is_empty();
        let text = if only { String::new() } else { encipher(&stamped.name)? };
        Ok(StoredName::Cipher(text.chars().chain(stamp).collect()))
    }

    /// As [`decrypt`](Names::decrypt), to a name in rclone's [standard form](standard). It may be
    /// `.` or have a slash: only rclone can tell what such a name means.
    ///
    /// # Errors
    ///
    /// [`NameError`]: it is not a name of this remote.
    pub fn decrypt_standard(&self, kind: Kind, stored: &[u8]) -> Result<Vec<u8>, NameError> {
        let Some(encoding) = self.encoding(kind) else {
            let suffix = self.suffix(kind).as_bytes();
            let name = stored.strip_suffix(suffix).ok_or(NameError::NoSuffix)?;
            return Ok(standard::from_disk(name));
        };
        let decipher = |text: &[u8]| {
            let text = str::from_utf8(text).map_err(|_| NameError::NotEncoded { encoding })?;
            self.cipher.decrypt(&encoding.decode(text)?)
        };
        match stamp_of(kind, stored) {
            Some(only) if only.name.is_empty() => Ok(only.stamp.to_vec()),
            Some(stamped) => Ok(stamp::join(&decipher(&stamped.name)?, stamped.stamp)),
            None => decipher(stored),
        }
    }

    /// The length of the name under which [`encrypt`](Names::encrypt) stores this one; the most that
    /// it can be where the [encoding](Encoding::length) says so. Nothing is enciphered for it. What
    /// a store replaces in plain names is not counted.
    pub fn stored_length(&self, kind: Kind, name: &[u8]) -> Length {
        let Some(encoding) = self.encoding(kind) else {
            let suffix = self.suffix(kind);
            let of_name = String::from_utf8_lossy(name).chars().count();
            let bytes = name.len() + suffix.len();
            return Length { chars: of_name + suffix.chars().count(), bytes };
        };
        let form = standard::from_disk(name);
        match stamp_of(kind, &form) {
            None => encoding.length(form.len()),
            Some(only) if only.name.is_empty() => Length { chars: form.len(), bytes: form.len() },
            Some(stamped) => {
                let Length { chars, bytes } = encoding.length(stamped.name.len());
                let more = stamped.stamp.len();
                Length { chars: chars + more, bytes: bytes + more }
            }
        }
    }

    /// What is special about this name, if anything is.
    pub fn caveat(&self, kind: Kind, name: &[u8]) -> Option<Caveat> {
        let stamped = if kind == Kind::File { stamp::split(name) } else { None };
        if stamped.as_ref().is_some_and(|stamped| stamped.name.is_empty()) {
            return Some(Caveat::OnlyAStamp);
        }
        if !self.are_enciphered(kind) {
            return None;
        }
        if stamped.is_some_and(|stamped| stamp::join(&stamped.name, stamped.stamp) != name) {
            return Some(Caveat::ComesBackChanged);
        }
        (!standard::is_the_same_for_rclone(name)).then_some(Caveat::OtherNameForRclone)
    }

    fn suffix(&self, kind: Kind) -> &str {
        match (&self.scheme, kind) {
            (NameScheme::Off { suffix }, Kind::File) => suffix,
            (NameScheme::Off { .. }, Kind::Folder) | (NameScheme::Standard { .. }, _) => "",
        }
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Only files have stamps that stay readable.
fn stamp_of(kind: Kind, name: &[u8]) -> Option<stamp::Stamped<'_>> {
    if kind == Kind::File { stamp::split(name) } else { None }
}

fn must_be_a_name(name: &[u8]) -> Result<(), NameError> {
    let is_special = [&b""[..], b".", b".."].contains(&name);
    let has_separator = name.iter().any(|byte| [b'/', 0].contains(byte));
    if is_special || has_separator { Err(NameError::NotAName) } else { Ok(()) }
}
