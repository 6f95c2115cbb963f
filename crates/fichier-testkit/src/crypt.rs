//! One switch by which whole suites run with an encrypted mirror: `FICHIERD_TEST_ENCRYPT=1`.
//!
//! What the service has is deciphered with `rclone-formats` alone, without the program, and then looks
//! as the tests expect it of a plain mirror. Without the switch each function here gives back what it
//! was given.

use std::sync::{Arc, OnceLock};

use fichier_api::names::RemoteName;
use fichier_emulator::StoredFile;
use fichierd::base::{Crypt, Form};
use fichierd::restore::Keyring;
use rclone_formats::crypt::names::{Kind, NameScheme, Names};
use rclone_formats::crypt::{ContentError, Decryptor, Encryptor, Keys};

/// The password of the mirrors of tests.
pub const PASSWORD: &[u8] = b"the password of the tests";

/// The variable of the switch.
const SWITCH: &str = "FICHIERD_TEST_ENCRYPT";

/// How a file begins that is enciphered.
const MAGIC: &[u8] = b"RCLONE\0\0";

/// The fewest bytes of a name that was cut.
const LEAST_CUT: usize = 200;

/// Whether mirrors are encrypted in this run.
pub fn is_on() -> bool {
    std::env::var_os(SWITCH).is_some_and(|value| value != "0")
}

/// What encrypted mirrors lack that some tests are about.
#[derive(Clone, Copy, Debug)]
pub enum Lack {
    /// A file that is on no record is known again by its nonce, which costs a call: where many small
    /// ones are, they are sent instead.
    RecognitionForFree,
    /// An empty file is one without an object on the service. Enciphered, it has 32 bytes there.
    FilesWithoutObject,
}

/// Whether what follows in a test is left out in this run, since encrypted mirrors lack this.
pub fn skips(lack: Lack) -> bool {
    if is_on() {
        eprintln!("the rest is left out: {lack:?}");
    }
    is_on()
}

/// The keys of [`PASSWORD`].
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::derive(PASSWORD, None).unwrap())
}

/// The keys that a restore of this run has.
pub fn keyring() -> Keyring {
    let mut keyring = Keyring::default();
    if is_on() {
        keyring.add(keys());
    }
    keyring
}

/// The form that mirrors of this run have.
pub fn form() -> Form {
    if !is_on() {
        return Form::Plain;
    }
    let crypt = Crypt::new(keys().clone(), NameScheme::default()).unwrap();
    Form::Crypt(Arc::new(crypt))
}

/// [`form`] with nonces that follow from these numbers, so that a simulation can be replayed. Numbers
/// that were used before give nonces that were used before.
pub fn seeded_form(mut number: impl FnMut() -> u64) -> Form {
    if !is_on() {
        return Form::Plain;
    }
    let mut secret = [0; 32];
    secret.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&number().to_le_bytes()));
    Form::Crypt(Arc::new(Crypt::seeded(keys().clone(), NameScheme::default(), secret)))
}

/// [`form`] for names, which no random numbers are in.
fn names() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(form)
}

/// The name that a file of a mirror has on the service in this run.
pub fn stored_file(local: &str) -> String {
    names().file_name(local.as_bytes()).as_str().to_owned()
}

/// The path below a target that a folder of a mirror has on the service in this run.
pub fn stored_folder(local: &str) -> String {
    let local = local.split('/').filter(|name| !name.is_empty());
    let stored: Vec<String> =
        local.map(|name| names().folder_name(name.as_bytes()).as_str().to_owned()).collect();
    stored.join("/")
}

/// The contents of a file as another program with the same password would store them.
pub fn stored_content(plain: &[u8]) -> Vec<u8> {
    let Some(cipher) = form().new_cipher() else { return plain.to_owned() };
    let mut stored = Vec::new();
    let mut encryptor = Encryptor::new(keys(), cipher.nonce());
    encryptor.push(plain, |bytes| stored.extend_from_slice(bytes));
    encryptor.finish(|bytes| stored.extend_from_slice(bytes));
    stored
}

/// The name of a file in an account as a plain mirror has it; one that cannot be deciphered stays.
pub fn plain_file(stored: &str) -> String {
    plain(Kind::File, stored)
}

/// The path of a folder below a target as a plain mirror has it.
pub fn plain_folder(stored: &str) -> String {
    let names: Vec<String> = stored.split('/').map(|name| plain(Kind::Folder, name)).collect();
    names.join("/")
}

fn plain(kind: Kind, stored: &str) -> String {
    static NAMES: OnceLock<Names> = OnceLock::new();
    if !is_on() {
        return stored.to_owned();
    }
    let names = NAMES.get_or_init(|| Names::new(keys(), NameScheme::default()));
    match names.decrypt(kind, stored.as_bytes()) {
        Ok(local) => RemoteName::encode(&local).as_str().to_owned(),
        Err(_) => stored.to_owned(),
    }
}

/// Panics if a stored file has contents that can be read without the password, or if one in its place
/// has such a name. A name that was cut is no ciphertext, and is a long one.
pub fn assert_unreadable(file: &StoredFile, content: Option<Vec<u8>>) {
    let is_enciphered = content.is_none_or(|content| content.starts_with(MAGIC));
    assert!(is_enciphered, "`{}` in {} has plain contents", file.name, file.path);
    let is_in_place = !file.path.contains("/.fichierd");
    let is_plain = file.name.len() < LEAST_CUT && plain_file(&file.name) == file.name;
    assert!(!(is_in_place && is_plain), "`{}` in {} has a plain name", file.name, file.path);
}

/// The contents of a stored file, deciphered; those that are not enciphered stay. Panics if an
/// enciphered file is damaged.
pub fn plain_content(stored: Vec<u8>) -> Vec<u8> {
    if !is_on() || !stored.starts_with(MAGIC) {
        return stored;
    }
    deciphered(&stored).unwrap()
}

/// As [`plain_content`]; a damaged file stays, too.
pub fn plain_content_if_whole(stored: Vec<u8>) -> Vec<u8> {
    if !is_on() { stored } else { deciphered(&stored).unwrap_or(stored) }
}

fn deciphered(stored: &[u8]) -> Result<Vec<u8>, ContentError> {
    let mut plain = Vec::new();
    let mut decryptor = Decryptor::new(keys());
    decryptor.push(stored, |bytes| plain.extend_from_slice(bytes))?;
    decryptor.finish(|bytes| plain.extend_from_slice(bytes))?;
    Ok(plain)
}

/// The name under which a file on disk is to be seen in an account, by [`plain_file`]. A name that is
/// too long for its encoding is cut on the service, and cannot be deciphered.
pub fn shown_file(local: &[u8]) -> String {
    plain_file(names().file_name(local).as_str())
}

/// The same for a folder.
pub fn shown_folder(local: &[u8]) -> String {
    plain(Kind::Folder, names().folder_name(local).as_str())
}

/// How many bytes are stored of a file of this length.
pub fn stored_bytes(plain: u64) -> u64 {
    names().object_bytes(plain)
}

/// How many bytes are stored of files with these contents.
pub fn bytes_of<T: AsRef<[u8]>>(contents: &[T]) -> u64 {
    contents.iter().map(|content| stored_bytes(content.as_ref().len() as u64)).sum()
}
