//! Whether a file in the destination is what belongs there: by hash, never by time.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

use super::plan::{Content, ContentId};
use crate::disk::hash::{hash_enciphered, hash_file};

/// How a place in the destination compares with the recorded content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is there.
    Absent,
    /// A file is there with the recorded content.
    Same,
    /// A file is there with other content.
    OtherFile,
    /// A link, a folder or a special file is there.
    OtherKind,
}

/// Whether the file has this content. Reads it to its end, which changes its position.
pub(crate) fn is_content(file: &File, content: &Content) -> io::Result<bool> {
    if file.metadata()?.len() != content.size_bytes {
        return Ok(false);
    }
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let reader = content.copies.first().and_then(|copy| copy.reader.as_ref());
    let hashed = match (&content.id, reader) {
        (ContentId::Known(_), _) => hash_file(file, false)?,
        (ContentId::Listed(_), None) => hash_file(file, true)?,
        // The listing told the hash of the bytes stored; these can be made as soon as the header
        // has come.
        (ContentId::Listed(_), Some(reader)) => match reader.encryptor() {
            Some(encryptor) => hash_enciphered(file, encryptor)?,
            None => return Ok(false),
        },
    };
    Ok(match &content.id {
        ContentId::Known(hash) => hashed.fingerprint.as_bytes() == hash,
        ContentId::Listed(hash) => hashed.whirlpool.is_some_and(|found| found.as_bytes() == hash),
    })
}
