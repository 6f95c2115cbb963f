//! The copies of a content at the service: those that can be read with the passwords at hand.

use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Error, Store, StoredCopy, object_bytes};

use crate::restore::keyring::{Keyring, Locked, Reader};

/// The largest number of copies of one content that are tried; if all of them fail, it is lost.
const MOST: usize = 4;

/// Copies that are looked through where some of the first ones are locked.
const MOST_LOOKED_AT: usize = 1_000;

/// A copy that can be read.
#[derive(Clone, Debug)]
pub struct KeptCopy {
    /// Its link.
    pub url: FileUrl,
    /// The hash of the bytes stored.
    pub whirlpool: Whirlpool,
    /// The number of these.
    pub stored_bytes: u64,
    /// What makes the plain bytes of them; `None` if they are the plain bytes.
    pub reader: Option<Reader>,
}

/// The copies of one content.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    /// Those that are tried, in order.
    pub(super) readable: Vec<KeptCopy>,
    /// The number of those that are left out, since their keys are not at hand.
    pub(super) locked: usize,
}

impl Copies {
    /// Those that are on record.
    pub(super) fn of(
        store: &Store,
        keyring: &Keyring,
        size_bytes: u64,
        fingerprint: &Fingerprint,
    ) -> Result<Copies, Error> {
        let first = store.copies_of(size_bytes, fingerprint, MOST)?;
        let may_be_more = first.len() == MOST;
        let mut copies = Copies::among(keyring, size_bytes, first);
        if copies.locked > 0 && may_be_more {
            let all = store.copies_of(size_bytes, fingerprint, MOST_LOOKED_AT)?;
            copies = Copies::among(keyring, size_bytes, all);
        }
        copies.readable.truncate(MOST);
        Ok(copies)
    }

    fn among(keyring: &Keyring, size_bytes: u64, stored: Vec<StoredCopy>) -> Copies {
        let mut copies = Copies::default();
        for copy in stored {
            let StoredCopy { url, whirlpool, cipher } = copy;
            let stored_bytes = object_bytes(size_bytes, cipher.as_ref());
            match keyring.reader(cipher.as_ref()) {
                Ok(reader) => {
                    copies.readable.push(KeptCopy { url, whirlpool, stored_bytes, reader });
                }
                Err(Locked) => copies.locked += 1,
            }
        }
        copies
    }
}
