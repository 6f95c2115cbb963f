//! How the files of a mirror are stored: as they are on disk, or enciphered in rclone's crypt format.
//!
//! A form gives each file and folder its name on the service, and each upload its nonce. It reads and
//! writes nothing.
//!
//! Invariant: no nonce is used for two uploads. Each comes from a secret that is drawn from the
//! system when the form is made, and from a count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fichier_api::names::{MAX_NAME_BYTES, RemoteName};
use fichier_state::{Cipher, KeysId, Mirror};
use rclone_formats::crypt::names::{Caveat, Encoding, Kind, NameScheme, Names, StoredName};
use rclone_formats::crypt::size::cipher_size;
use rclone_formats::crypt::{Encryptor, Keys, Nonce};
use serde::{Deserialize, Serialize};

/// How files and names are stored.
#[derive(Clone, Debug, Default)]
pub enum Form {
    /// As they are on disk, but for what the service cannot keep.
    #[default]
    Plain,
    /// Enciphered.
    Crypt(Arc<Crypt>),
}

/// The keys of a mirror, and what is made with them.
pub struct Crypt {
    keys: Keys,
    id: KeysId,
    names: Names,
    secret: [u8; 32],
    count: AtomicU64,
}

/// What a state keeps of a form: enough to notice that another one is configured, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedForm {
    /// Which keys.
    pub keys: KeysId,
    /// How names are kept, as the configuration says it: `standard` or `off`.
    pub names: String,
    /// The encoding of enciphered names, or the suffix of plain ones.
    pub detail: String,
}

impl Form {
    /// The name under which a file is stored.
    pub fn file_name(&self, local: &[u8]) -> RemoteName {
        self.name(Kind::File, local)
    }

    /// The name under which a folder is stored.
    pub fn folder_name(&self, local: &[u8]) -> RemoteName {
        self.name(Kind::Folder, local)
    }

    fn name(&self, kind: Kind, local: &[u8]) -> RemoteName {
        match self {
            Form::Plain => RemoteName::encode(local),
            Form::Crypt(crypt) => crypt.name(kind, local),
        }
    }

    /// The local name of a file that is stored under this one; `None` if it is not a name of this
    /// form, or one that was cut.
    pub fn local_file_name(&self, stored: &RemoteName) -> Option<Vec<u8>> {
        self.local_name(Kind::File, stored)
    }

    /// The same for a folder.
    pub fn local_folder_name(&self, stored: &RemoteName) -> Option<Vec<u8>> {
        self.local_name(Kind::Folder, stored)
    }

    fn local_name(&self, kind: Kind, stored: &RemoteName) -> Option<Vec<u8>> {
        match self {
            Form::Plain => Some(stored.decode()),
            Form::Crypt(crypt) => crypt.local_name(kind, stored),
        }
    }

    /// A new cipher for one upload; `None` if plain bytes are sent.
    pub fn new_cipher(&self) -> Option<Cipher> {
        match self {
            Form::Plain => None,
            Form::Crypt(crypt) => Some(crypt.cipher(crypt.new_nonce())),
        }
    }

    /// How many bytes are stored of a file of this length.
    pub fn object_bytes(&self, plain_bytes: u64) -> u64 {
        match self {
            Form::Plain => plain_bytes,
            Form::Crypt(_) => cipher_size(plain_bytes).unwrap_or(u64::MAX),
        }
    }

    /// A small content that is always the same, as it is stored: the same bytes each time, so that
    /// its hash is known. `purpose` tells such contents apart.
    pub fn seal_fixed(&self, purpose: &str, content: &[u8]) -> Vec<u8> {
        match self {
            Form::Plain => content.to_vec(),
            Form::Crypt(crypt) => crypt.seal_fixed(purpose, content),
        }
    }

    /// Whether an empty file is stored on the service, which takes no object without bytes.
    pub fn stores_empty_files(&self) -> bool {
        matches!(self, Form::Crypt(_))
    }

    /// Whether a stored file with this cipher has this form, and so can stand where a file of the
    /// mirror belongs.
    pub fn is_of(&self, cipher: Option<&Cipher>) -> bool {
        self.keys_id() == cipher.map(Cipher::keys)
    }

    /// Which keys it has.
    pub fn keys_id(&self) -> Option<KeysId> {
        self.crypt().map(|crypt| crypt.id)
    }

    /// Its keys and names, if it enciphers.
    pub fn crypt(&self) -> Option<&Crypt> {
        match self {
            Form::Plain => None,
            Form::Crypt(crypt) => Some(crypt),
        }
    }

    /// What a state keeps of it; `None` of a plain one.
    pub fn recorded(&self) -> Option<RecordedForm> {
        let crypt = self.crypt()?;
        let (names, detail) = match crypt.names.scheme() {
            NameScheme::Standard { encoding, .. } => ("standard", encoding.as_str()),
            NameScheme::Off { suffix } => ("off", suffix.as_str()),
        };
        Some(RecordedForm { keys: crypt.id, names: names.to_owned(), detail: detail.to_owned() })
    }
}

impl RecordedForm {
    /// The form on record of a mirror; `None` of a plain one. One that cannot be read is none that
    /// can be configured.
    pub fn of(row: &Mirror) -> Option<RecordedForm> {
        let text = row.form.as_deref()?;
        Some(serde_json::from_str(text).unwrap_or(RecordedForm {
            keys: KeysId([0; 8]),
            names: "a form of a later version".to_owned(),
            detail: String::new(),
        }))
    }

    /// How names are kept in it; `None` if a later version of this program wrote it.
    pub fn scheme(&self) -> Option<NameScheme> {
        match self.names.as_str() {
            "standard" => {
                let encoding = Encoding::parse(&self.detail)?;
                Some(NameScheme::Standard { encoding, folders: true })
            }
            "off" => Some(NameScheme::Off { suffix: self.detail.clone() }),
            _ => None,
        }
    }
}

impl Crypt {
    /// The form with these keys and this way of keeping names.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn new(keys: Keys, scheme: NameScheme) -> Result<Crypt, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Crypt::seeded(keys, scheme, secret))
    }

    /// The same with a secret of the caller's, so that a simulation can be replayed. A secret that
    /// was used before gives nonces that were used before.
    pub fn seeded(keys: Keys, scheme: NameScheme, secret: [u8; 32]) -> Crypt {
        let names = Names::new(&keys, scheme);
        Crypt { id: id_of(&keys), names, keys, secret, count: AtomicU64::new(0) }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// That of a stored file with this nonce.
    pub fn cipher(&self, nonce: Nonce) -> Cipher {
        Cipher::new(nonce, self.id)
    }

    /// What enciphers a file as it is read. The same contents with the same cipher give the same
    /// bytes.
    pub fn encryptor(&self, cipher: &Cipher) -> Encryptor {
        Encryptor::new(&self.keys, cipher.nonce())
    }

    /// Whether rclone cannot read this name on the service, since it had to be cut.
    pub fn cuts(&self, kind: Kind, local: &[u8]) -> bool {
        self.names.stored_length(kind, local).bytes > MAX_NAME_BYTES
    }

    fn new_nonce(&self) -> Nonce {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        nonce_of(blake3::keyed_hash(&self.secret, &number.to_le_bytes()))
    }

    /// The nonce is made of the content, so that no other content ever gets it.
    fn seal_fixed(&self, purpose: &str, content: &[u8]) -> Vec<u8> {
        let key = blake3::derive_key(purpose, &self.keys.check_value());
        let nonce = nonce_of(blake3::keyed_hash(&key, content));
        let mut sealed = Vec::new();
        let mut encryptor = Encryptor::new(&self.keys, nonce);
        encryptor.push(content, |bytes| sealed.extend_from_slice(bytes));
        encryptor.finish(|bytes| sealed.extend_from_slice(bytes));
        sealed
    }

    fn name(&self, kind: Kind, local: &[u8]) -> RemoteName {
        // rclone leaves a version stamp readable. Where the name would not come back as it is, all of
        // it is enciphered, as that of a folder: rclone reads that too.
        let moves = matches!(
            self.names.caveat(kind, local),
            Some(Caveat::ComesBackChanged | Caveat::OnlyAStamp)
        );
        let kind = if moves && self.names.are_enciphered(kind) { Kind::Folder } else { kind };
        match self.names.encrypt(kind, local) {
            Ok(StoredName::Cipher(text)) if text.len() <= MAX_NAME_BYTES => {
                RemoteName::from_service(text)
            }
            Ok(StoredName::Cipher(text)) => RemoteName::encode(text.as_bytes()),
            Ok(StoredName::Plain(name)) => RemoteName::encode(&name),
            // No file system has such a name.
            Err(_) => RemoteName::encode(blake3::hash(local).to_hex().as_bytes()),
        }
    }

    fn local_name(&self, kind: Kind, stored: &RemoteName) -> Option<Vec<u8>> {
        if self.names.are_enciphered(kind) {
            self.names.decrypt(kind, stored.as_str().as_bytes()).ok()
        } else {
            self.names.decrypt(kind, &stored.decode()).ok()
        }
    }
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypt").field("names", &self.names).finish_non_exhaustive()
    }
}

fn nonce_of(hash: blake3::Hash) -> Nonce {
    Nonce::from_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}

/// Tells keys apart, as records do.
pub fn id_of(keys: &Keys) -> KeysId {
    let value = keys.check_value();
    KeysId(value.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn form(scheme: NameScheme) -> Form {
        let keys = Keys::derive(b"a password", None).unwrap();
        Form::Crypt(Arc::new(Crypt::seeded(keys, scheme, [7; 32])))
    }

    fn standard(encoding: Encoding) -> NameScheme {
        NameScheme::Standard { encoding, folders: true }
    }

    #[test]
    fn names_come_back_in_every_form() {
        let off = NameScheme::Off { suffix: ".bin".to_owned() };
        let encodings = [Encoding::Base32, Encoding::Base64, Encoding::Base32768];
        let mut forms: Vec<Form> = encodings.map(standard).map(form).to_vec();
        forms.extend([Form::Plain, form(off)]);
        for form in forms {
            for name in [&b"a"[..], b" quoted's \xff", "grün.txt".as_bytes(), b"ends.bin", b"."] {
                if name == b"." && form.crypt().is_some() {
                    continue;
                }
                let stored = form.file_name(name);
                assert_eq!(form.local_file_name(&stored).as_deref(), Some(name), "{form:?}");
                let stored = form.folder_name(name);
                assert_eq!(form.local_folder_name(&stored).as_deref(), Some(name), "{form:?}");
            }
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_and_told_from_others() {
        let form = form(NameScheme::default());
        let crypt = form.crypt().unwrap();
        let (fits, long, other) = ([b'x'; 143], [b'x'; 144], [b'y'; 144]);
        assert!(!crypt.cuts(Kind::File, &fits) && crypt.cuts(Kind::File, &long));
        assert_eq!(form.local_file_name(&form.file_name(&fits)).as_deref(), Some(&fits[..]));
        let stored = form.file_name(&long);
        assert!(stored.as_str().len() <= MAX_NAME_BYTES);
        assert_ne!(stored, form.file_name(&other));
        assert_eq!(form.local_file_name(&stored), None);
    }

    #[test]
    fn names_whose_stamp_would_move_are_enciphered_whole() {
        let form = form(NameScheme::default());
        let stamped = |name: &[u8]| form.file_name(name).as_str().ends_with("-040506-123");
        assert!(stamped(b"foo-v2001-02-03-040506-123.txt"), "rclone leaves that readable");
        for name in [&b"-v2001-02-03-040506-123.txt"[..], b"-v2001-02-03-040506-123"] {
            assert!(!stamped(name));
            assert_eq!(form.local_file_name(&form.file_name(name)).as_deref(), Some(name));
        }
    }

    #[test]
    fn no_nonce_comes_twice_and_other_keys_are_another_form() {
        let form = form(NameScheme::default());
        let ciphers: Vec<Cipher> = (0..1000).filter_map(|_| form.new_cipher()).collect();
        let nonces: HashSet<_> = ciphers.iter().map(Cipher::nonce).collect();
        assert_eq!(nonces.len(), 1000);
        assert!(form.is_of(Some(&ciphers[0])) && !form.is_of(None));
        assert!(Form::Plain.is_of(None) && !Form::Plain.is_of(Some(&ciphers[0])));
        let keys = Keys::derive(b"another password", None).unwrap();
        let other = Form::Crypt(Arc::new(Crypt::new(keys, NameScheme::default()).unwrap()));
        assert!(!other.is_of(Some(&ciphers[0])));
    }

    #[test]
    fn what_is_recorded_tells_how_names_are_kept() {
        for scheme in [
            standard(Encoding::Base32768),
            NameScheme::Off { suffix: String::new() },
            NameScheme::Off { suffix: ".bin".to_owned() },
        ] {
            let recorded = form(scheme.clone()).recorded().unwrap();
            assert_eq!(recorded.scheme(), Some(scheme));
        }
        assert_eq!(Form::Plain.recorded(), None);
    }
}
