//! The keys of all passwords that are at hand, to read what is stored enciphered.
//!
//! A mirror may hold files of several passwords: those sent before its password was changed, and
//! those that were copied from another mirror. So the keys of all mirrors are looked through, and a
//! record says which of them it needs. Plain files need none.
//!
//! Keys come out of the configuration in [`form_of`] alone.

use std::sync::{Arc, OnceLock};

use fichier_state::{Cipher, KeysId, Mirror};
use rclone_formats::crypt::{Decryptor, Encryptor, Keys, Nonce};

use crate::base::form::id_of;
use crate::base::words::chain;
use crate::base::{Crypt, Form, RecordedForm};
use crate::config::{Config, MirrorConfig};
use crate::mirror::{OpenError, forms};

/// Why a file is left out whose keys are not at hand.
pub const LOCKED: &str = "it is encrypted with another password than the mirrors in the \
                          configuration have; restore takes it with --password-file";

/// Keys, by what records tell of them.
#[derive(Clone, Debug, Default)]
pub struct Keyring(Vec<(KeysId, Keys)>);

/// The ring without keys, which reads plain files only.
pub(super) static NO_KEYS: Keyring = Keyring(Vec::new());

/// What makes the plain bytes of one stored file, and the same stored bytes of them again.
#[derive(Clone, Debug)]
pub struct Reader {
    keys: Keys,
    /// Set as soon as it is known: from the record, or else from the header of the stored file.
    nonce: Arc<OnceLock<Nonce>>,
}

/// The keys of a password are not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked;

impl Keyring {
    /// Adds keys, if they are not on the ring.
    pub fn add(&mut self, keys: &Keys) {
        let id = id_of(keys);
        if self.get(id).is_none() {
            self.0.push((id, keys.clone()));
        }
    }

    fn get(&self, id: KeysId) -> Option<&Keys> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, keys)| keys)
    }

    /// What reads a stored file; `None` for one that is stored plain.
    ///
    /// # Errors
    ///
    /// [`Locked`] if its keys are not on the ring.
    pub fn reader(&self, cipher: Option<&Cipher>) -> Result<Option<Reader>, Locked> {
        let Some(cipher) = cipher else { return Ok(None) };
        let keys = self.get(cipher.keys()).ok_or(Locked)?;
        Ok(Some(Reader { keys: keys.clone(), nonce: Arc::new(cipher.nonce().into()) }))
    }

    /// The form that the records of a mirror tell.
    ///
    /// # Errors
    ///
    /// [`Locked`] if its keys are not on the ring.
    pub fn recorded_form(&self, mirror: &Mirror) -> Result<Form, Locked> {
        let Some(form) = &mirror.form else { return Ok(Form::Plain) };
        let form: RecordedForm = serde_json::from_str(form).map_err(|_| Locked)?;
        let keys = self.get(form.keys).ok_or(Locked)?;
        let scheme = form.scheme().ok_or(Locked)?;
        // The form is for reading; without random numbers there is no other trouble than this one.
        let crypt = Crypt::new(keys.clone(), scheme).map_err(|_| Locked)?;
        Ok(Form::Crypt(Arc::new(crypt)))
    }
}

impl Reader {
    /// What reads a stored file of which nothing is known but its keys.
    pub fn of_unknown(keys: &Keys) -> Reader {
        Reader { keys: keys.clone(), nonce: Arc::default() }
    }

    /// The nonce, if it is known by now.
    pub(crate) fn nonce(&self) -> Option<Nonce> {
        self.nonce.get().copied()
    }

    /// Keeps the nonce of a header. False if another one is known: it is not this file's header.
    pub(crate) fn learn(&self, nonce: Nonce) -> bool {
        *self.nonce.get_or_init(|| nonce) == nonce
    }

    /// Deciphers the stored file from its first byte on.
    pub(crate) fn decryptor(&self) -> Decryptor {
        Decryptor::new(&self.keys)
    }

    /// Deciphers it from a block on; `None` if the nonce is not known yet.
    pub(crate) fn decryptor_at(&self, block: u64) -> Option<Decryptor> {
        Some(Decryptor::at_block(&self.keys, self.nonce()?, block))
    }

    /// Makes the stored bytes of the plain ones again; `None` if the nonce is not known yet.
    pub(crate) fn encryptor(&self) -> Option<Encryptor> {
        Some(Encryptor::new(&self.keys, self.nonce()?))
    }
}

/// The keys of all mirrors of a configuration. A password that cannot be read is told in the log:
/// only the files that need it are left out.
pub fn keyring_of(config: &Config) -> Keyring {
    let mut keyring = Keyring::default();
    for mirror in &config.mirrors {
        match form_of(mirror) {
            Ok(form) => form.crypt().into_iter().for_each(|crypt| keyring.add(crypt.keys())),
            Err(error) => tracing::warn!(mirror = %mirror.name, "{}", chain(&error)),
        }
    }
    keyring
}

/// The form that the configuration gives a mirror. Reads its passwords.
///
/// # Errors
///
/// A password cannot be read.
pub fn form_of(mirror: &MirrorConfig) -> Result<Form, OpenError> {
    forms::configured(mirror)
}
