//! Contents: the same bytes as rclone wrote, and the same damage as it sees.

use proptest::prelude::*;
use rclone_formats::crypt::size::{CIPHER_BLOCK_BYTES, cipher_size, largest_plain, plain_size};
use rclone_formats::crypt::{
    Blocks, CipherRange, ContentError, Decryptor, Encryptor, KeyError, Keys, Nonce,
};
use sha2::{Digest, Sha256};

use crate::data::{PASSWORD2, SETS, hex, keys, nonce, plain, rows};

pub(crate) fn encrypt(keys: &Keys, nonce: Nonce, plain: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    let mut encryptor = Encryptor::new(keys, nonce);
    encryptor.push(plain, |cipher| stored.extend_from_slice(cipher));
    encryptor.finish(|cipher| stored.extend_from_slice(cipher));
    stored
}

/// The plain bytes that came out, and how it ended.
pub(crate) fn decrypt(keys: &Keys, stored: &[u8]) -> (Vec<u8>, Result<u64, ContentError>) {
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

/// Cuts that are all of one length; the last one may be shorter.
fn in_pieces(whole: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = whole;
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min((*length).max(1)));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

/// Sizes around each border, and some between.
fn sizes() -> impl Strategy<Value = usize> {
    const BORDERS: [usize; 12] =
        [0, 1, 15, 16, 17, 31, 32, 65_535, 65_536, 65_537, 131_072, 131_073];
    prop_oneof![prop::sample::select(&BORDERS[..]), 0_usize..200_000]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_length_give_the_same_bytes(
        size in sizes(),
        nonce: [u8; 24],
        lengths in prop::collection::vec(1_usize..100_000, 1..6),
        rooms in prop::collection::vec(1_usize..100_000, 1..6),
    ) {
        let (keys, nonce, plain) = (keys(None), Nonce::from_bytes(nonce), plain(size));
        let whole = encrypt(&keys, nonce, &plain);
        prop_assert_eq!(Some(whole.len() as u64), cipher_size(size as u64));

        let mut pushed = Vec::new();
        let mut encryptor = Encryptor::new(&keys, nonce);
        for piece in in_pieces(&plain, &lengths) {
            encryptor.push(&piece, |cipher| pushed.extend_from_slice(cipher));
        }
        encryptor.finish(|cipher| pushed.extend_from_slice(cipher));
        prop_assert!(pushed == whole);

        let mut read = Vec::new();
        let mut encryptor = Encryptor::new(&keys, nonce);
        let mut rest = &plain[..];
        for length in rooms.iter().cycle() {
            let room = encryptor.room();
            let bytes = room.len().min(*length).min(rest.len());
            room[..bytes].copy_from_slice(&rest[..bytes]);
            encryptor.filled(bytes, |cipher| read.extend_from_slice(cipher));
            rest = &rest[bytes..];
            if rest.is_empty() {
                break;
            }
        }
        encryptor.finish(|cipher| read.extend_from_slice(cipher));
        prop_assert!(read == whole);

        let mut back = Vec::new();
        let mut decryptor = Decryptor::new(&keys);
        for piece in in_pieces(&whole, &lengths) {
            decryptor.push(&piece, |plain| back.extend_from_slice(plain)).unwrap();
        }
        prop_assert_eq!(decryptor.nonce(), (!whole.is_empty()).then_some(nonce));
        prop_assert_eq!(decryptor.finish(|plain| back.extend_from_slice(plain)), Ok(size as u64));
        prop_assert!(back == plain);
    }

    #[test]
    fn each_part_can_be_read_by_itself(
        size in sizes(),
        start in 0_u64..210_000,
        length in 0_u64..150_000,
    ) {
        let (keys, nonce, plain) = (keys(None), Nonce::from_bytes([0xFF; 24]), plain(size));
        let whole = encrypt(&keys, nonce, &plain);
        let range = CipherRange::of(start..start + length, whole.len() as u64).unwrap();
        let at = |place: u64| usize::try_from(place).unwrap();
        let part = &whole[at(range.bytes.start)..at(range.bytes.end)];
        let expected = &plain[at(start).min(size)..at(start + length).min(size)];
        prop_assert_eq!(part.is_empty(), expected.is_empty());
        // No more than the blocks that are needed.
        prop_assert!(part.len() <= expected.len() + 2 * CIPHER_BLOCK_BYTES);

        let mut streamed = Vec::new();
        let mut decryptor = Decryptor::at_block(&keys, nonce, range.first_block);
        decryptor.push(part, |plain| streamed.extend_from_slice(plain)).unwrap();
        decryptor.finish(|plain| streamed.extend_from_slice(plain)).unwrap();
        let mut by_block = Vec::new();
        let blocks = Blocks::new(&keys, nonce);
        let mut part = part.to_vec();
        for (number, block) in (range.first_block..).zip(part.chunks_mut(CIPHER_BLOCK_BYTES)) {
            by_block.extend_from_slice(blocks.open(number, block).unwrap());
        }
        prop_assert!(streamed == by_block);
        let read = streamed.get(range.skip..).unwrap_or_default();
        prop_assert!(read.starts_with(expected));
    }

    /// But for two things that the format cannot show: a cut at the end of a block, and another
    /// nonce of an empty file.
    #[test]
    fn no_cut_and_no_changed_byte_gives_a_wrong_byte(
        size in sizes(),
        place in any::<prop::sample::Index>(),
        bit in 0_u32..8,
        cuts: bool,
    ) {
        let (keys, nonce, plain) = (keys(None), Nonce::from_bytes([9; 24]), plain(size));
        let whole = encrypt(&keys, nonce, &plain);
        let at = place.index(whole.len());
        let mut stored = whole;
        if cuts {
            stored.truncate(at);
        } else {
            stored[at] ^= 1 << bit;
        }
        let (read, end) = decrypt(&keys, &stored);
        prop_assert!(plain.starts_with(&read));
        let at_an_end = at >= 32 && (at - 32).is_multiple_of(CIPHER_BLOCK_BYTES);
        let is_hidden = if cuts { at_an_end } else { size == 0 && at >= 8 };
        prop_assert_eq!(end.is_ok(), is_hidden, "{:?}", end);
        if let Ok(bytes) = end {
            prop_assert!(plain_size(stored.len() as u64) == Ok(bytes));
        }
    }

    #[test]
    fn sizes_are_the_inverse_of_each_other(size in any::<u64>()) {
        match cipher_size(size) {
            Some(cipher) => {
                prop_assert_eq!(plain_size(cipher), Ok(size));
                prop_assert_eq!(largest_plain(cipher), Some(size));
                prop_assert!(largest_plain(cipher - 1).is_none_or(|smaller| smaller < size));
            }
            None => prop_assert!(size > u64::MAX / CIPHER_BLOCK_BYTES as u64 * 65_536 - 65_536),
        }
        if let Ok(plain) = plain_size(size) {
            prop_assert_eq!(cipher_size(plain), Some(size));
        }
    }
}

#[test]
fn the_number_of_a_block_is_added_to_all_bytes_of_the_nonce() {
    let keys = keys(None);
    let block = |nonce: &[u8], number| {
        let mut block = [0; 17];
        let nonce = Nonce::from_bytes(nonce.try_into().unwrap());
        Blocks::new(&keys, nonce).seal(number, &mut block);
        block
    };
    let of = |words: [u64; 3]| words.map(u64::to_le_bytes).concat();
    assert_eq!(block(&of([u64::MAX, 0, 0]), 1), block(&of([0, 1, 0]), 0));
    assert_eq!(block(&of([2, u64::MAX, 0]), u64::MAX), block(&of([1, 0, 1]), 0));
    assert_eq!(block(&[0xFF; 24], 1), block(&[0; 24], 0));
    assert_ne!(block(&[0; 24], 1), block(&[0; 24], 256));
}

#[test]
fn buffers_without_a_plain_byte_are_no_blocks() {
    let keys = keys(None);
    let blocks = Blocks::new(&keys, Nonce::from_bytes([1; 24]));
    for bytes in [0, 15, 16] {
        let mut block = vec![3; bytes];
        blocks.seal(0, &mut block);
        assert_eq!(block, vec![3; bytes]);
        let cut = ContentError::CutInTag { block: 5, bytes: bytes as u64 };
        assert_eq!(blocks.open(5, &mut block).map(|_| ()), Err(cut));
    }
}

#[test]
fn a_decryptor_that_failed_hands_on_nothing_more() {
    let keys = keys(None);
    let whole = encrypt(&keys, Nonce::from_bytes([1; 24]), &plain(200_000));
    let mut decryptor = Decryptor::new(&keys);
    let bad = Err(ContentError::BadBlock { block: 0 });
    let changed = [&whole[..40], b"x", &whole[41..65_584]].concat();
    assert_eq!(decryptor.push(&changed, |_| unreachable!()), bad);
    assert_eq!(decryptor.push(&whole[65_584..], |_| unreachable!()), bad);
    assert_eq!(decryptor.push(&[], |_| unreachable!()), bad);
    assert_eq!(decryptor.finish(|_| unreachable!()).map(|_| ()), bad);
}

#[test]
fn other_keys_or_another_nonce_open_nothing() {
    let mine = keys(None);
    let stored = encrypt(&mine, Nonce::from_bytes([1; 24]), b"content");
    let bad = Err(ContentError::BadBlock { block: 0 });
    assert_eq!(decrypt(&keys(Some(PASSWORD2)), &stored), (Vec::new(), bad));
    let mut other = stored;
    other[31] ^= 1;
    assert_eq!(decrypt(&mine, &other), (Vec::new(), bad));
}

#[test]
fn an_empty_password_is_refused_and_an_empty_salt_is_the_default_one() {
    assert_eq!(Keys::derive(b"", Some(PASSWORD2)).unwrap_err(), KeyError::EmptyPassword);
    let stored = encrypt(&keys(None), Nonce::from_bytes([1; 24]), b"content");
    assert_eq!(encrypt(&keys(Some(b"")), Nonce::from_bytes([1; 24]), b"content"), stored);
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let messages = [
        ContentError::ShortHeader { bytes: 31 },
        ContentError::BadMagic,
        ContentError::BadBlock { block: 1 },
        ContentError::CutInTag { block: 2, bytes: 10 },
    ]
    .map(|error| error.to_string());
    assert_eq!(
        messages,
        [
            "the file has 31 bytes; an encrypted file has at least 32",
            "the file is not encrypted by rclone: it does not begin with `RCLONE` and two zeros",
            "block 1 (plain bytes from 65536) cannot be deciphered: the file is damaged or cut, or \
             was encrypted with another password or salt",
            "the file is cut in block 2 (plain bytes from 131072): 10 bytes of that block are \
             there, and the shortest has 17",
        ]
    );
}

/// It is kept for years, so it never changes. The values are those of another implementation.
#[test]
fn the_check_value_is_that_of_the_first_version() {
    let default_salt = "c75b6cacc4e767a081270d7dc8007ef0113647880a6a45039cc030403e8f98f7";
    assert_eq!(keys(None).check_value()[..], hex(default_salt));
    let salted = "b184c51f066987aeaa14f40307d3c7bea45544c8559e8dcc814d96cd6ee11e62";
    assert_eq!(keys(Some(PASSWORD2)).check_value()[..], hex(salted));
}
