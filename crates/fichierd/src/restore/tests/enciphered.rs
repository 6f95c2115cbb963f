//! Stored bytes become plain ones, and plain ones the beginning of the stored, in whatever pieces
//! they come.

use std::sync::LazyLock;

use fichier_state::Cipher;
use rclone_formats::crypt::{Encryptor, Keys, Nonce};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::base::form::id_of;
use crate::restore::beginning::Beginning;
use crate::restore::decipher::Damage;

const SIZES: [usize; 8] = [0, 1, 15, 16, 65_535, 65_536, 65_537, 200_000];

fn keys() -> Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::derive(b"a password", None).unwrap());
    KEYS.clone()
}

fn reader() -> Reader {
    let mut ring = Keyring::default();
    ring.add(&keys());
    let cipher = Cipher::new(Nonce::from_bytes([3; 24]), id_of(&keys()));
    ring.reader(Some(&cipher)).unwrap().unwrap()
}

fn plain(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

fn object(plain: &[u8]) -> Vec<u8> {
    let mut object = Vec::new();
    let mut encryptor = Encryptor::new(&keys(), Nonce::from_bytes([3; 24]));
    encryptor.push(plain, |bytes| object.extend_from_slice(bytes));
    encryptor.finish(|bytes| object.extend_from_slice(bytes));
    object
}

/// The plain bytes that come out, or the error; whether it has ended.
async fn deciphered(stored: &[u8], whole: usize, piece: usize) -> (io::Result<Vec<u8>>, bool) {
    let (mut out, hash) = (Vec::new(), PlainHash::default());
    let extent = (0, whole as u64);
    let mut sink = Decipher::new(&mut out, &reader(), extent, hash.clone());
    for part in stored.chunks(piece) {
        if let Err(error) = sink.write_all(part).await {
            return (Err(error), sink.has_ended());
        }
    }
    sink.flush().await.unwrap();
    let (ended, came, made) = (sink.has_ended(), sink.came(), sink.plain_bytes());
    assert_eq!((came, made), (stored.len() as u64, out.len() as u64));
    assert_eq!(hash.fingerprint().as_bytes(), blake3::hash(&out).as_bytes());
    (Ok(out), ended)
}

#[tokio::test]
async fn whole_files_come_out_whatever_the_pieces_and_a_cut_one_has_not_ended() {
    for size in SIZES {
        let (plain, object) = (plain(size), object(&plain(size)));
        for piece in [7_919, 65_552, 1 << 20] {
            let (came, has_ended) = deciphered(&object, object.len(), piece).await;
            assert!(came.unwrap() == plain && has_ended, "{size} {piece}");
        }
        for cut in [0, 1, 31, 32, 65_584, object.len() - 1] {
            if cut >= object.len() {
                continue;
            }
            let (came, has_ended) = deciphered(&object[..cut], object.len(), 10_000).await;
            assert!(came.is_ok() && !has_ended, "{size} {cut}");
        }
        let longer = [&object[..], b"x"].concat();
        let (came, _) = deciphered(&longer, object.len(), 10_000).await;
        let error = came.unwrap_err().into_inner().unwrap();
        assert!(matches!(error.downcast_ref(), Some(Damage::TooLong)), "{size}: {error}");
    }
}

#[tokio::test]
async fn an_unknown_nonce_is_learned_once_and_then_no_other_header_is_taken() {
    let (object, reader) = (object(b"text"), Reader::of_unknown(&keys()));
    let mut other = object.clone();
    other[8] ^= 1;
    assert!(reader.nonce().is_none() && reader.encryptor().is_none());
    let extent = (0, object.len() as u64);
    for (stored, is_right) in [(&object, true), (&other, false), (&object, true)] {
        let mut sink = Decipher::new(Vec::new(), &reader, extent, PlainHash::default());
        assert_eq!(sink.write_all(stored).await.is_ok(), is_right);
    }
    assert_eq!(reader.nonce(), Some(Nonce::from_bytes([3; 24])));
}

#[tokio::test]
async fn the_beginning_that_is_there_becomes_that_of_the_stored_file() {
    let (plain, object) = (plain(200_000), object(&plain(200_000)));
    for (had, begins) in [(0, 0), (65_536, 65_584), (131_072, 131_136), (200_000, object.len())] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&plain).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let hash = PlainHash::default();
        let encryptor = reader().encryptor();
        let mut beginning = Beginning::new(file, had, encryptor, hash.clone());
        let mut stored = Vec::new();
        beginning.read_to_end(&mut stored).await.unwrap();
        assert!(stored == object[..begins], "{had}");
        // What follows is the rest, and its fingerprint that of all.
        let mut out = Vec::new();
        let extent = (had, object.len() as u64);
        let mut sink = Decipher::new(&mut out, &reader(), extent, hash.clone());
        sink.write_all(&object[begins..]).await.unwrap();
        sink.flush().await.unwrap();
        assert!(sink.has_ended(), "{had}");
        assert!(out == plain[usize::try_from(had).unwrap()..], "{had}");
        assert_eq!(hash.fingerprint().as_bytes(), blake3::hash(&plain).as_bytes(), "{had}");
    }
}

#[tokio::test]
async fn a_file_that_is_shorter_than_it_was_is_no_beginning() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&plain(65_536)).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    let hash = PlainHash::default();
    let mut beginning = Beginning::new(file, 131_072, reader().encryptor(), hash);
    let error = beginning.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
