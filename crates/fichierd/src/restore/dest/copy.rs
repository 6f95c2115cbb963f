//! Copies the contents of a file into an empty one, with its holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

const BLOCK_BYTES: usize = 256 * 1024;

/// Copies all of `from` into `to`, which is empty. The positions of both files do not matter and
/// are changed.
pub(super) fn contents(from: &File, to: &File) -> io::Result<()> {
    // Shares all blocks at once, where the file system can (btrfs, XFS, bcachefs).
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let size_bytes = from.metadata()?.len();
    to.set_len(size_bytes)?;
    let mut at = 0;
    while let Some((start, end)) = next_data(from, at, size_bytes)? {
        range(from, to, start, end)?;
        at = end;
    }
    Ok(())
}

/// The next range that has data on disk; everything, where the file system cannot tell.
fn next_data(from: &File, at: u64, size_bytes: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size_bytes {
        return Ok(None);
    }
    let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size_bytes))),
        start => start?,
    };
    let end = rustix::fs::seek(from, SeekFrom::Hole(start))?.min(size_bytes);
    Ok((start < end).then_some((start, end)))
}

fn range(from: &File, to: &File, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let length = usize::try_from(end - read_at).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), length)
        {
            Ok(1..) => {}
            // The kernel cannot copy, for one of many reasons; a disk that is at fault will say so
            // again.
            Ok(0) | Err(_) => return range_by_hand(from, to, read_at, end),
        }
    }
    Ok(())
}

fn range_by_hand(from: &File, to: &File, mut at: u64, end: u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(block.len());
        match from.read_at(&mut block[..wanted], at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(filled) => {
                to.write_all_at(&block[..filled], at)?;
                at += filled as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
