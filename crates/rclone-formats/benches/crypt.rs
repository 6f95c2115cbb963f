//! How fast contents are encrypted and deciphered: `cargo bench -p rclone-formats`.
//!
//! One core, 64 MiB in pieces of 256 KiB, as an upload reads them. Encrypting is to be faster than
//! 500 MiB/s: then it is never what an upload waits for.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rclone_formats::crypt::{Decryptor, Encryptor, Keys, Nonce};

const FILE_BYTES: usize = 64 * 1024 * 1024;
const PIECE_BYTES: usize = 256 * 1024;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = contents, keys
}
criterion_main!(benches);

#[expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]
fn contents(criterion: &mut Criterion) {
    let keys = Keys::derive(b"correct horse battery staple", None).unwrap();
    let nonce = Nonce::from_bytes([7; 24]);
    let plain = vec![0x5A; FILE_BYTES];
    let mut stored = Vec::new();
    let mut encryptor = Encryptor::new(&keys, nonce);
    encryptor.push(&plain, |cipher| stored.extend_from_slice(cipher));
    encryptor.finish(|cipher| stored.extend_from_slice(cipher));

    let mut group = criterion.benchmark_group("contents");
    group.throughput(Throughput::Bytes(FILE_BYTES as u64));
    group.bench_function("encrypt", |bench| {
        bench.iter(|| {
            let mut encryptor = Encryptor::new(&keys, nonce);
            for piece in plain.chunks(PIECE_BYTES) {
                encryptor.push(piece, |cipher| {
                    black_box(cipher);
                });
            }
            encryptor.finish(|cipher| {
                black_box(cipher);
            });
        });
    });
    group.bench_function("decipher", |bench| {
        bench.iter(|| {
            let mut decryptor = Decryptor::new(&keys);
            let take = |plain: &[u8]| {
                black_box(plain);
            };
            stored.chunks(PIECE_BYTES).try_for_each(|piece| decryptor.push(piece, take)).unwrap();
            decryptor.finish(take).unwrap()
        });
    });
    group.finish();
}

#[expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]
fn keys(criterion: &mut Criterion) {
    criterion.bench_function("derive the keys", |bench| {
        bench.iter(|| Keys::derive(b"correct horse battery staple", None).unwrap());
    });
}
