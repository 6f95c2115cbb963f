//! How fast the state is with a million files: `cargo bench -p fichier-state`.
//!
//! One store is filled once: 10,000 folders of 100 files, hashes and links spread as real ones
//! are. Says how many bytes a file takes. Everything runs on it, on the disk that holds `$TMPDIR`,
//! with `synchronous = FULL`: a batch waits for that disk once.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use fichier_state::{
    Content, Entry, FolderFacts, FolderKey, Metadata, Mirror, Origin, RemoteCopy, Result, Stamp,
    Store,
};

const FOLDERS: u64 = 10_000;
const FILES_EACH: u64 = 100;
const FILES: u64 = FOLDERS * FILES_EACH;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = million_files
}
criterion_main!(benches);

#[expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]
fn million_files(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Some(Store::open(dir.path()).unwrap());
    let (mirror, folders) = fill(store.as_mut().unwrap()).unwrap();
    store.take().unwrap().close().unwrap();
    say_size(dir.path());

    let mut group = criterion.benchmark_group("a million files");
    group.sampling_mode(SamplingMode::Flat);
    let reopen = || Store::open(dir.path()).unwrap();
    group.bench_function("open after a clean end", |bench| {
        bench.iter_batched(|| reopen().close().unwrap(), |()| reopen(), BatchSize::PerIteration);
    });
    group.bench_function("open after a crash", |bench| {
        bench.iter_batched(|| drop(reopen()), |()| reopen(), BatchSize::PerIteration);
    });

    let mut store = reopen();
    let mut number = 0;
    let mut random = || {
        number += 1;
        spread(number) % FILES
    };
    group.throughput(Throughput::Elements(1));
    group.bench_function("look up by place", |bench| {
        bench.iter_batched(
            &mut random,
            |file| store.entry(folder_of(&folders, file), &name(file)).unwrap().unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("look up by content", |bench| {
        bench.iter_batched(
            &mut random,
            |file| store.with_content(mirror.id, size(file), &fingerprint(file), 1).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(FILES));
    group.bench_function("walk", |bench| {
        bench.iter(|| {
            let mut files = 0;
            let count = |_, _| {
                files += 1;
                ControlFlow::Continue(())
            };
            store.entries_below(mirror.root, count).unwrap();
            assert!(files >= FILES);
        });
    });
    group.bench_function("totals", |bench| bench.iter(|| store.totals(mirror.id).unwrap()));
    group.throughput(Throughput::Elements(500));
    group.bench_function("store 500 again, spread", |bench| {
        bench.iter_batched(
            || (0..500).map(|_| random()).map(|file| entry(&folders, file)).collect::<Vec<_>>(),
            |entries| store.write(|state| entries.iter().try_for_each(|e| state.put_entry(e))),
            BatchSize::PerIteration,
        );
    });
    let mut next = FILES;
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("add 10,000", |bench| {
        bench.iter_batched(
            || {
                next += 10_000;
                (next - 10_000..next).map(|file| entry(&folders, file)).collect::<Vec<_>>()
            },
            |entries| store.write(|state| entries.iter().try_for_each(|e| state.put_entry(e))),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn fill(store: &mut Store) -> Result<(Mirror, Vec<FolderKey>)> {
    let mirror =
        store.write(|state| state.add_mirror("photos", Path::new("/srv/photos"), "/photos"))?;
    let metadata = Metadata::default();
    let none = FolderFacts { device: 1, inode: 1, ctime_ns: 1, metadata };
    let folders = store.write(|state| {
        (0..FOLDERS)
            .map(|n| state.add_folder(mirror.id, mirror.root, format!("{n:05}").as_bytes(), &none))
            .collect::<Result<Vec<_>>>()
    })?;
    for start in (0..FILES).step_by(10_000) {
        store.write(|state| {
            (start..start + 10_000).try_for_each(|file| state.put_entry(&entry(&folders, file)))
        })?;
    }
    Ok((mirror, folders))
}

#[expect(clippy::print_stderr, clippy::unwrap_used, reason = "the figure is wanted")]
fn say_size(dir: &Path) {
    let bytes = fs::metadata(dir.join("state.db")).unwrap().len();
    eprintln!("{} bytes a file", bytes / FILES);
}

fn entry(folders: &[FolderKey], file: u64) -> Entry {
    let mtime_ns = 1_700_000_000_000_000_000 + (file % 1_000_000_007).cast_signed();
    Entry {
        folder: folder_of(folders, file),
        name: name(file),
        stamp: Stamp { size_bytes: size(file), mtime_ns, ctime_ns: mtime_ns + 5, inode: file },
        metadata: Metadata {
            mode: 0o100_644,
            uid: 1000,
            gid: 1000,
            mtime_ns,
            ..Metadata::default()
        },
        content: Content::File(RemoteCopy {
            url: url(file),
            whirlpool: Whirlpool::from_bytes(bytes(file)),
            fingerprint: fingerprint(file),
            remote_name: None,
            confirmed_s: 1_763_900_000,
            origin: Origin::Sent,
            unsettled: false,
            cipher: None,
        }),
        racy: false,
        unmanaged: false,
    }
}

fn folder_of(folders: &[FolderKey], file: u64) -> FolderKey {
    folders[usize::try_from(file / FILES_EACH % FOLDERS).unwrap_or_default()]
}

fn name(file: u64) -> Vec<u8> {
    format!("IMG_{file:08}.jpg").into_bytes()
}

fn size(file: u64) -> u64 {
    1 + spread(file) % 8_000_000
}

#[expect(clippy::unwrap_used, reason = "a benchmark that fails is to stop")]
fn url(file: u64) -> FileUrl {
    FileUrl::parse(&format!("https://1fichier.com/?{:020}", spread(file))).unwrap()
}

fn fingerprint(file: u64) -> Fingerprint {
    Fingerprint::from_bytes(bytes(file))
}

/// Splitmix64's last step: neighbours end far apart, and no two alike.
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn bytes<const N: usize>(file: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..8].copy_from_slice(&spread(file).to_be_bytes());
    bytes
}
