//! Contents: the same bytes as rclone wrote, and the same damage as it sees.

use rclone_formats::crypt::size::{cipher_size, plain_size};
use rclone_formats::crypt::{ContentError, Decryptor, Encryptor, Keys, Nonce};
use sha2::{Digest, Sha256};

use crate::data::{PASSWORD2, SETS, hex, keys, nonce, plain, rows};

fn encrypt(keys: &Keys, nonce: Nonce, plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    let mut encryptor = Encryptor::new(keys, nonce);
    encryptor.push(plain, |cipher| stored.extend_from_slice(cipher));
    encryptor.finish(|cipher| stored.extend_from_slice(cipher));
    stored
}

/// The plain bytes that came out, and how it ended.
fn decrypt(keys: &Keys, stored: &[u8]) -> (Vec<u8>, Result<u64, ContentError>) {
    let mut read = Vec::new();
    let mut decryptor = Decryptor::new(keys);
    let pushed = decryptor.push(stored, |plain| read.extend_from_slice(plain));
    let end = pushed.and_then(|()| decryptor.finish(|plain| read.extend_from_slice(plain)));
    (read, end)
}

#[test]
fn files_come_out_as_rclone_wrote_them() {
    for (set, salt) in SETS {
        let keys = keys(salt);
        for row in rows(&format!("{set}/files.tsv")) {
            let (name, size): (_, usize) = (&row[0], row[1].parse().unwrap());
            let plain = plain(size);
            assert_eq!(Sha256::digest(&plain)[..], hex(&row[3]), "{set}/{name}, the plain file");
            let stored = encrypt(&keys, nonce(&row[5]), &plain);
            assert_eq!(stored.len().to_string(), row[2], "{set}/{name}");
            assert_eq!(Sha256::digest(&stored)[..], hex(&row[4]), "{set}/{name}");
            assert_eq!(cipher_size(size as u64), Some(stored.len() as u64));
            assert_eq!(plain_size(stored.len() as u64), Ok(size as u64));
            assert_eq!(Nonce::from_header(&stored), Ok(nonce(&row[5])));
            assert!(decrypt(&keys, &stored) == (plain, Ok(size as u64)), "{set}/{name}");
        }
    }
}

#[test]
fn damage_is_found_where_rclone_finds_it() {
    let keys = keys(Some(PASSWORD2));
    let of_200000 = nonce("0c1e21e8bad0867feedbab1ccc5a6af45b8fefe86c35930d");
    let plain = plain(200_000);
    let whole = encrypt(&keys, of_200000, &plain);
    let changed = |at: usize| {
        let mut stored = whole.clone();
        stored[at] ^= 1;
        stored
    };
    let bad = |block| Err(ContentError::BadBlock { block });
    let cases = [
        ("nothing", whole.clone(), Ok(200_000)),
        ("cut to 65584 (end of block 1)", whole[..65_584].to_vec(), Ok(65_536)),
        (
            "cut to 65594 (10 bytes into block 2)",
            whole[..65_594].to_vec(),
            Err(ContentError::CutInTag { block: 1, bytes: 10 }),
        ),
        ("cut to 32", whole[..32].to_vec(), Ok(0)),
        ("cut to 31", whole[..31].to_vec(), Err(ContentError::ShortHeader { bytes: 31 })),
        ("byte 0 changed", changed(0), Err(ContentError::BadMagic)),
        ("byte 70000 changed", changed(70_000), bad(1)),
        (
            "block 1 taken out, block 2 alone kept",
            [&whole[..32], &whole[65_584..131_136]].concat(),
            bad(0),
        ),
        ("16 zero bytes added at the end", [&whole[..], &[0; 16]].concat(), bad(3)),
    ];
    let table = rows("damaged.tsv");
    assert_eq!(table.len(), cases.len() + 1, "one row is about an option of rclone");
    for ((what, stored, expected), row) in cases.into_iter().zip(table) {
        assert_eq!(what, row[0]);
        let (read, end) = decrypt(&keys, &stored);
        assert_eq!(end, expected, "{what}");
        assert_eq!(read.len().to_string(), row[2], "{what}: the bytes that come out");
        assert!(plain.starts_with(&read), "{what}");
        assert_eq!(end.is_ok(), row[3] == "0", "{what}");
        // rclone lists a size that no file has as 0.
        let listed = plain_size(stored.len() as u64).unwrap_or_default();
        assert_eq!(listed.to_string(), row[1], "{what}: the size in a listing");
    }
}
