//! What lies at the service enciphered, and its records: made here with `rclone-formats`, as if it had
//! been sent.

use std::fs;

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{Cipher, Content, Entry, Origin, RelPath, RemoteCopy};
use fichier_testkit::{Bench, crypt};
use fichierd::base::form::id_of;
use fichierd::restore::Keyring;
use rclone_formats::crypt::{Encryptor, Keys, Nonce};
use whirlpool::Digest as _;

pub fn keys(password: &str) -> Keys {
    Keys::derive(password.as_bytes(), None).unwrap()
}

pub fn ring(passwords: &[&str]) -> Keyring {
    let mut ring = Keyring::default();
    passwords.iter().for_each(|password| ring.add(&keys(password)));
    ring
}

/// Bytes that differ from block to block.
pub fn plain(size: usize, seed: u8) -> Vec<u8> {
    let byte = |n: usize| u8::try_from((n % 251) ^ (n / 65_536 % 4)).unwrap() ^ seed;
    (0..size).map(byte).collect()
}

pub fn sealed(plain: &[u8], keys: &Keys, nonce: u8) -> Vec<u8> {
    let mut object = Vec::new();
    let mut encryptor = Encryptor::new(keys, Nonce::from_bytes([nonce; 24]));
    encryptor.push(plain, |bytes| object.extend_from_slice(bytes));
    encryptor.finish(|bytes| object.extend_from_slice(bytes));
    object
}

pub fn hash(bytes: &[u8]) -> Whirlpool {
    Whirlpool::from_bytes(whirlpool::Whirlpool::digest(bytes).into())
}

/// Puts the file at `path` to the service once more, enciphered, and records that copy in the place
/// of the plain one. Returns its link.
pub fn seal(world: &Bench, path: &str, password: &str, nonce: u8) -> String {
    let (keys, bytes) = (keys(password), fs::read(world.path(path)).unwrap());
    let object = sealed(&bytes, &keys, nonce);
    let link = world.emulator.add_file("/sealed", &format!("{nonce} {path}"), &object);
    let copy = RemoteCopy {
        url: FileUrl::parse(&link).unwrap(),
        whirlpool: hash(&object),
        fingerprint: Fingerprint::from_bytes(*blake3::hash(&bytes).as_bytes()),
        remote_name: Some(RemoteName::from_service(format!("{nonce} {path}"))),
        confirmed_s: 1,
        origin: Origin::Sent,
        unsettled: false,
        cipher: Some(Cipher::new(Nonce::from_bytes([nonce; 24]), id_of(&keys))),
    };
    record(world, path, copy);
    link
}

pub fn record(world: &Bench, path: &str, copy: RemoteCopy) {
    let path = RelPath::parse(path.as_bytes()).unwrap();
    let parent = path.parent().unwrap();
    let written = world.shared.state.write(|w| {
        let folder = w.folder_at(world.worker.id, &parent)?.unwrap();
        let entry = w.entry(folder.key, path.name())?.unwrap();
        w.put_entry(&Entry { content: Content::File(copy), ..entry })
    });
    written.unwrap();
}

/// A mirror of one file, which is stored enciphered only. Returns its link, too.
pub async fn one(bytes: &[u8]) -> (Bench, String) {
    let mut world = Bench::new().await;
    world.write("file", bytes);
    world.settle().await;
    let plain_copies = world.emulator.files();
    let link = seal(&world, "file", "secret", 1);
    for copy in plain_copies.iter().filter(|copy| crypt::plain_file(&copy.name) == "file") {
        world.emulator.remove_file(&copy.link);
    }
    (world, link)
}
