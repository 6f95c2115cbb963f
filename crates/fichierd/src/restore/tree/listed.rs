//! A file that is known only from a listing, read with the form of its mirror: its name, its plain
//! size, and what deciphers it.

use fichier_state::{ForeignFile, Mirror};
use rclone_formats::crypt::size::plain_size;

use crate::base::Form;
use crate::restore::keyring::{Keyring, Locked, Reader};

/// A remote file that is known only from a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What the listing told.
    pub file: ForeignFile,
    /// The size of the plain file; the listed one if that is all that is known.
    pub size_bytes: u64,
    /// What makes the plain bytes; `None` if they are stored plain, or cannot be read.
    pub reader: Option<Reader>,
    /// Its mirror is encrypted, and its password is not at hand: it is named as it is stored.
    pub is_locked: bool,
    /// Its name cannot be read: it is named as it is stored.
    pub has_stored_name: bool,
}

/// The form in which the files of a mirror are read.
pub(super) struct NamedBy(Result<Form, Locked>);

impl NamedBy {
    pub(super) fn of(keyring: &Keyring, mirror: &Mirror) -> NamedBy {
        NamedBy(keyring.recorded_form(mirror))
    }

    /// The name and the file that a row of a listing is about.
    pub(super) fn look(&self, file: ForeignFile) -> (Vec<u8>, Listed) {
        let local = self.0.as_ref().ok().and_then(|form| form.local_file_name(&file.name));
        let crypt = self.0.as_ref().ok().and_then(Form::crypt);
        // A size that no encrypted file has is that of something else, which no password reads.
        let plain = crypt.and_then(|_| plain_size(file.size_bytes).ok());
        let listed = Listed {
            size_bytes: plain.unwrap_or(file.size_bytes),
            reader: crypt.map(|crypt| Reader::of_unknown(crypt.keys())),
            is_locked: self.0.is_err(),
            has_stored_name: local.is_none(),
            file,
        };
        let name = local.unwrap_or_else(|| listed.file.name.decode());
        (name, listed)
    }
}
