//! Finds the holes of sparse files, and makes them again.
//!
//! A hole is made only where the bytes are all zero, whatever a record says: it saves room and
//! never costs data. A file system without holes is not an error.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use fichier_state::Holes;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

const BLOCK_BYTES: usize = 64 * 1024;

/// The unit of `st_blocks`, on every file system.
const STAT_BLOCK_BYTES: u64 = 512;

/// Whether a file with so many `st_blocks` may have holes. Also true for compressed files, and
/// for small ones that live in their inode: they turn out to have none.
pub fn is_sparse(blocks: u64, size_bytes: u64) -> bool {
    blocks.saturating_mul(STAT_BLOCK_BYTES) < size_bytes
}

/// The holes of a file: the largest, if there are more than [`Holes::MOST`], and none where the
/// file system does not tell. Costs two system calls for each hole, and changes the file's
/// position.
///
/// # Errors
///
/// Those of `lseek`.
pub fn holes_of(file: &File) -> io::Result<Holes> {
    let size_bytes = file.metadata()?.len();
    let mut at = 0;
    let mut error = None;
    let found = std::iter::from_fn(|| match next_hole(file, at, size_bytes) {
        Ok(Some((offset, length))) => {
            at = offset + length;
            Some((offset, length))
        }
        Ok(None) => None,
        Err(failed) => {
            error = Some(failed);
            None
        }
    });
    let holes = Holes::largest(found);
    error.map_or(Ok(holes), Err)
}

/// Makes those of the `holes` that are all zeros, in a file that is open for reading and
/// writing and completely written. Changes its mtime, not its size or contents.
///
/// # Errors
///
/// Those of `read` and `fallocate`; none where the file system has no holes.
pub fn punch_holes(file: &File, holes: &Holes) -> io::Result<()> {
    let size_bytes = file.metadata()?.len();
    let mut block = vec![0; if holes.is_empty() { 0 } else { BLOCK_BYTES }];
    for (offset, length) in holes.iter() {
        let end = (offset + length).min(size_bytes);
        if offset >= end || !is_zero(file, offset, end, &mut block)? {
            continue;
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(file, flags, offset, end - offset) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            done => done?,
        }
    }
    Ok(())
}

fn next_hole(file: &File, at: u64, size_bytes: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size_bytes {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Hole(at)) {
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
        start => start?,
    };
    // Every file ends in a hole of no length.
    if start >= size_bytes {
        return Ok(None);
    }
    let end = match rustix::fs::seek(file, SeekFrom::Data(start)) {
        Err(Errno::NXIO) => size_bytes,
        end => end?.min(size_bytes),
    };
    Ok((start < end).then_some((start, end - start)))
}

fn is_zero(file: &File, mut at: u64, end: u64, block: &mut [u8]) -> io::Result<bool> {
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(block.len());
        match file.read_at(&mut block[..wanted], at) {
            Ok(0) => return Ok(false),
            Ok(filled) if block[..filled].iter().all(|byte| *byte == 0) => at += filled as u64,
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
