//! The files of the snapshots in `<state_dir>/snapshots/`; all of them are made anew when missing.
//!
//! | file | |
//! |---|---|
//! | `<mirror>.base.db` | the last whole copy that is at the service, which later ones are compared with |
//! | `<mirror>.whole.db`, `<mirror>.part.db` | on their way to be packed |
//! | `<mirror>.zst` | packed: being sent, or written at a stop |
//!
//! A packed file gets its name when it is whole, and never before.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use fichier_api::Whirlpool;
use whirlpool::Digest as _;

use super::sealed::{Opening, Sealing};
use crate::base::Form;

/// The compression level, which is zstd's default: a higher one saves little, since half of a row
/// is hashes.
const LEVEL: i32 = 3;

/// The base-2 logarithm of the compressor's window: 512 KiB, which it holds in memory. Four times
/// as much, the default of its level, makes a snapshot one per cent smaller.
const WINDOW_LOG: u32 = 19;

const BLOCK_BYTES: usize = 256 * 1024;

/// The files of one mirror.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    folder: PathBuf,
    mirror: String,
}

impl Files {
    pub(crate) fn new(state_dir: &Path, mirror: &str) -> Files {
        Files { folder: state_dir.join("snapshots"), mirror: mirror.to_owned() }
    }

    /// Makes the folder.
    pub(super) fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn base(&self) -> PathBuf {
        self.at("base.db")
    }

    pub(super) fn whole(&self) -> PathBuf {
        self.at("whole.db")
    }

    pub(super) fn part(&self) -> PathBuf {
        self.at("part.db")
    }

    pub(super) fn packed(&self) -> PathBuf {
        self.at("zst")
    }

    fn at(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", self.mirror))
    }

    /// Keeps the copy that was just sent as the one to compare with from now on.
    pub(super) fn keep_as_base(&self) -> io::Result<()> {
        rename(&self.whole(), &self.base())
    }

    /// Removes the unpacked files, and the packed one if `with_packed`.
    pub(super) fn clear(&self, with_packed: bool) {
        let packed = with_packed.then(|| self.packed());
        for path in [self.whole(), self.part()].into_iter().chain(packed) {
            remove(&path);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "in the state folder only")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file, if it is there. One that cannot be removed does no harm, and is overwritten the
/// next time.
#[expect(clippy::disallowed_methods, reason = "in the state folder only")]
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), "cannot be removed: {error}");
    }
}

/// Packs `from` into `to`, with a checksum in the file, as the form stores it; returns the length and
/// hash of the result.
pub(super) fn pack(
    from: &Path,
    to: &Path,
    form: &Form,
    deadline: Option<Instant>,
) -> io::Result<(u64, Whirlpool)> {
    let unfinished = to.with_extension("zst.new");
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let file = Hashing::new(BufWriter::new(options.open(&unfinished)?));
    let mut packer = zstd::Encoder::new(Sealing::new(file, form), LEVEL)?;
    packer.include_checksum(true)?;
    packer.window_log(WINDOW_LOG)?;
    copy(&mut BufReader::new(File::open(from)?), &mut packer, deadline)?;
    let Hashing { inner, size_bytes, whirlpool } = packer.finish()?.finish()?;
    inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    rename(&unfinished, to)?;
    Ok((size_bytes, Whirlpool::from_bytes(whirlpool.finalize().into())))
}

/// Length and hash of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<(u64, Whirlpool)> {
    let mut hashing = Hashing::new(io::sink());
    copy(&mut File::open(path)?, &mut hashing, None)?;
    Ok((hashing.size_bytes, Whirlpool::from_bytes(hashing.whirlpool.finalize().into())))
}

/// The most bytes that come out of a snapshot for each byte in it: rows that are all alike pack to a
/// fortieth, and rows of files, which hold hashes, to a third.
const MOST_UNPACKED: u64 = 200;

/// Bytes that may come out of any snapshot, however small.
const UNPACKED_ANYWAY: u64 = 16 * 1024 * 1024;

/// Unpacks `from` into `to`; an error if its checksum is not that of what comes out, or if more comes
/// out than the rows of a snapshot can be.
pub(crate) fn unpack(from: &Path, to: &Path, form: &Form) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = BufWriter::new(options.open(to)?);
    let packed = File::open(from)?;
    let most = packed.metadata()?.len().saturating_mul(MOST_UNPACKED).max(UNPACKED_ANYWAY);
    let mut unpacker = zstd::Decoder::new(Opening::new(packed, form))?.take(most + 1);
    copy(&mut unpacker, &mut file, None)?;
    if unpacker.limit() == 0 {
        return Err(io::Error::other("it holds more than the records of a mirror can be"));
    }
    file.flush()
}

fn copy(from: &mut impl Read, to: &mut impl Write, deadline: Option<Instant>) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match from.read(&mut block)? {
            0 => return Ok(()),
            count => to.write_all(&block[..count])?,
        }
    }
}

/// A writer that hashes the bytes written through it.
struct Hashing<W> {
    inner: W,
    size_bytes: u64,
    whirlpool: whirlpool::Whirlpool,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Hashing { inner, size_bytes: 0, whirlpool: whirlpool::Whirlpool::new() }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.whirlpool.update(&bytes[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use rclone_formats::crypt::names::NameScheme;

    use super::*;
    use crate::base::Crypt;

    fn encrypted(password: &[u8]) -> Form {
        let keys = rclone_formats::crypt::Keys::derive(password, None).unwrap();
        Form::Crypt(Crypt::new(keys, NameScheme::default()).unwrap().into())
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was_and_damage_is_found() {
        let form = encrypted(b"a password");
        let no_pack = "Unknown frame descriptor";
        comes_out(&Form::Plain, ["doesn't match checksum", "incomplete frame", no_pack]);
        let undeciphered = "it cannot be deciphered with this password";
        comes_out(&form, [undeciphered; 3]);
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a"), "known text".repeat(1000)).unwrap();
        pack(&at("a"), &at("a.zst"), &form, None).unwrap();
        let packed = fs::read(at("a.zst")).unwrap();
        assert!(packed.starts_with(b"RCLONE\0\0"));
        assert!(!packed.windows(10).any(|bytes| bytes == b"known text"));
        for (other, said) in [(Form::Plain, no_pack), (encrypted(b"another"), undeciphered)] {
            let error = unpack(&at("a.zst"), &at("b"), &other).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    /// `said` of damage at the end, of half the bytes, and of something else.
    fn comes_out(form: &Form, said: [&str; 3]) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let content: Vec<u8> = (0..1_000_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        fs::write(at("a"), &content).unwrap();
        let (size_bytes, hash) = pack(&at("a"), &at("a.zst"), form, None).unwrap();
        let packed = fs::read(at("a.zst")).unwrap();
        assert_eq!(size_bytes, packed.len() as u64);
        let expected = Whirlpool::from_bytes(whirlpool::Whirlpool::digest(&packed).into());
        assert_eq!(hash, expected);
        unpack(&at("a.zst"), &at("b"), form).unwrap();
        assert!(fs::read(at("b")).unwrap() == content);

        let mut damaged = packed.clone();
        let end = damaged.len() - 1;
        damaged[end] ^= 1;
        let bad = [&damaged[..], &packed[..packed.len() / 2], b"no such thing"];
        for (bytes, said) in bad.into_iter().zip(said) {
            fs::write(at("c"), bytes).unwrap();
            let error = unpack(&at("c"), &at("d"), form).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn time_that_is_up_leaves_no_packed_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "content").unwrap();
        let packed = dir.path().join("a.zst");
        pack(&dir.path().join("a"), &packed, &Form::Plain, Some(Instant::now())).unwrap_err();
        assert!(!packed.exists());
    }
}
