//! Files that are stored enciphered: what is kept of them, and what the tables refuse.

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::{
    Cipher, Content, Entry, Error, KeysId, Mirror, NewVersion, PendingFile, RemoteCopy, Retired,
    Store, UploadSlotRow, object_bytes,
};
use rclone_formats::crypt::Nonce;

use crate::fixture::{
    Fixture, copy, entry, fingerprint, metadata, path, remote, stamp, url, whirlpool,
};
use crate::snapshot_files::snapshot;

fn cipher(number: u64) -> Cipher {
    let nonce = Nonce::from_bytes([u8::try_from(number).unwrap(); 24]);
    Cipher::new(nonce, KeysId([0xC5; 8]))
}

fn enciphered(number: u64) -> Content {
    Content::File(RemoteCopy { cipher: Some(cipher(number)), ..copy(number) })
}

fn pending(size_bytes: u64, cipher: Option<Cipher>) -> PendingFile {
    let name = RemoteName::from_service("0dsj33".to_owned());
    PendingFile {
        seq: 0,
        path: path("a"),
        sent_as: name.clone(),
        name,
        stamp: stamp(size_bytes),
        metadata: metadata(3),
        size_bytes,
        whirlpool: None,
        fingerprint: None,
        url: None,
        unsettled: false,
        cipher,
    }
}

fn version(mirror: &Mirror, number: u64) -> NewVersion {
    NewVersion {
        mirror: mirror.id,
        path: path("then"),
        url: url(number),
        size_bytes: 3,
        whirlpool: Some(whirlpool(number)),
        fingerprint: Some(fingerprint(number)),
        metadata: None,
        folder: FolderId(41),
        current_from_s: 1,
        current_until_s: 2,
        reason: Retired::Deleted,
        cipher: Some(cipher(number)),
    }
}

#[test]
fn the_cipher_of_a_file_comes_back_from_every_table() {
    let mut fixture = Fixture::new();
    let (mirror, root) = (fixture.mirror.clone(), fixture.mirror.root);
    let now = entry(root, b"now", 7, enciphered(1));
    let sent = pending(7, Some(cipher(3)));
    let slot = UploadSlotRow { slot: "ABCDEFGHIJ".to_owned(), node: "n".to_owned() };
    fixture.write(|state| {
        state.put_entry(&now)?;
        state.add_version(&version(&mirror, 2))?;
        state.begin_upload(mirror.id, &slot, std::slice::from_ref(&sent))
    });
    let store = &fixture.store;
    assert_eq!(store.entries(root).unwrap(), [now]);
    assert_eq!(store.versions(mirror.id, None, 9).unwrap()[0].cipher, Some(cipher(2)));
    assert_eq!(store.uploads(mirror.id).unwrap()[0].files, [sent]);
    let copies = |number| store.copies_of(7, &fingerprint(number), 9).unwrap();
    assert_eq!(copies(1)[0].cipher, Some(cipher(1)));
    assert_eq!(store.copies_of(3, &fingerprint(2), 9).unwrap()[0].cipher, Some(cipher(2)));
}

#[test]
fn the_files_of_a_folder_that_is_retired_whole_keep_their_ciphers() {
    let mut fixture = Fixture::new();
    let (mirror, root) = (fixture.mirror.id, fixture.mirror.root);
    let folder = fixture.folder(root, b"gone");
    fixture.write(|state| {
        state.set_folder_remote(folder, Some(remote(31)), None)?;
        state.put_entry(&entry(folder, b"file", 7, enciphered(1)))?;
        state.retire_tree(folder, FolderId(41), 9, Retired::Deleted)
    });
    let version = fixture.store.versions(mirror, None, 9).unwrap().remove(0);
    assert_eq!((version.cipher, version.object_bytes()), (Some(cipher(1)), 55));
}

#[test]
fn an_empty_file_is_stored_only_if_it_is_enciphered() {
    let mut fixture = Fixture::new();
    let (mirror, root) = (fixture.mirror.id, fixture.mirror.root);
    let stored = entry(root, b"stored", 0, enciphered(1));
    fixture.write(|state| state.put_entry(&stored));
    assert_eq!(stored.object_bytes(), 32);
    let plain = Entry { name: b"plain".to_vec(), ..entry(root, b"", 0, Content::File(copy(2))) };
    let refused = fixture.store.write(|state| state.put_entry(&plain)).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused:?}");
    let slot = UploadSlotRow { slot: "ABCDEFGHIJ".to_owned(), node: "n".to_owned() };
    let refused =
        fixture.store.write(|state| state.begin_upload(mirror, &slot, &[pending(0, None)]));
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let sent = pending(0, Some(cipher(1)));
    fixture.write(|state| state.begin_upload(mirror, &slot, &[sent]));
}

#[test]
fn a_stored_file_is_as_long_as_rclone_makes_it() {
    let enciphered = cipher(1);
    for (plain, stored) in [(0, 32), (1, 49), (65_536, 65_584), (65_537, 65_601)] {
        assert_eq!(object_bytes(plain, Some(&enciphered)), stored);
        assert_eq!(object_bytes(plain, None), plain);
    }
}

#[test]
fn a_copy_of_the_records_has_the_ciphers_and_the_form() {
    let mut fixture = Fixture::new();
    let now = entry(fixture.mirror.root, b"now", 0, enciphered(1));
    let form = r#"{"names":"base32"}"#.to_owned();
    let mirror = Mirror { form: Some(form.clone()), ..fixture.mirror.clone() };
    fixture.write(|state| {
        state.put_entry(&now)?;
        state.update_mirror(&mirror)
    });
    let out = fixture.dir.path().join("copy.db");
    let facts = snapshot("whole", &mirror);
    fichier_state::extract(fixture.dir.path(), mirror.id, &facts, &out, None).unwrap();
    let there = tempfile::tempdir().unwrap();
    let mut other = Store::open(there.path()).unwrap();
    let taken = other.import(&out, |_, row| Ok(row.clone())).unwrap();
    assert_eq!(taken.form, Some(form));
    assert_eq!(other.entries(taken.root).unwrap()[0].content, now.content);
}
