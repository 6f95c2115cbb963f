//! Uploads that were begun and are not all published yet (I3, I12).
//!
//! A row is written before the first byte is sent, and removed once every file of the upload is
//! published or given up. Its fields say how far it got: with an `xid`, the service had all of it;
//! with hashes, a file was sent whole; with a link, the file is in staging and was verified.

use fichier_api::names::RemoteName;
use fichier_api::{FileUrl, Fingerprint, Whirlpool};
use rusqlite::{Row, params};

use crate::base::{
    Cipher, Metadata, MirrorId, RelPath, Result, Stamp, UploadKey, columns, found, object_bytes,
};
use crate::store::{Records, Writing};

/// The two values by which the service can be asked about an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSlotRow {
    /// The upload's id.
    pub slot: String,
    /// The host that takes it, and that alone knows the result.
    pub node: String,
}

/// An upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpload {
    /// Its key.
    pub key: UploadKey,
    /// The mirror that its files belong to.
    pub mirror: MirrorId,
    /// The upload's id at the service.
    pub slot: String,
    /// The host that took it.
    pub node: String,
    /// From the reply; `None` if none came, and the service may still have it all.
    pub xid: Option<String>,
    /// When it was begun, or, once it was sent, when that was; Unix seconds. Its files show up
    /// some time after.
    pub since_s: i64,
    /// Its files that are not settled, by `seq`.
    pub files: Vec<PendingFile>,
}

/// One file of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFile {
    /// Its place in the POST.
    pub seq: u32,
    /// Where it is in the source.
    pub path: RelPath,
    /// Its name in the POST, unlike every other one there.
    pub sent_as: RemoteName,
    /// The name that it gets before it is published.
    pub name: RemoteName,
    /// The file as it was read.
    pub stamp: Stamp,
    /// For a restore.
    pub metadata: Metadata,
    /// Its length in bytes, before it is enciphered; 0 only where it is.
    pub size_bytes: u64,
    /// Whirlpool of the bytes sent; set once it was sent whole, with the fingerprint.
    pub whirlpool: Option<Whirlpool>,
    /// BLAKE3 of its bytes, before they are enciphered.
    pub fingerprint: Option<Fingerprint>,
    /// Its link; set once it is in staging with the name, size and hash that were sent.
    pub url: Option<FileUrl>,
    /// It changed while it was read, and is published as it was read.
    pub unsettled: bool,
    /// How it is enciphered; `None` if its plain bytes are sent.
    pub cipher: Option<Cipher>,
}

impl PendingFile {
    /// How many bytes are sent.
    pub fn object_bytes(&self) -> u64 {
        object_bytes(self.size_bytes, self.cipher.as_ref())
    }
}

const FILES: &str = "SELECT seq, path, sent_as, name, stamp_size, mtime_ns, ctime_ns, inode, mode,
        uid, gid, meta_mtime_ns, xattrs, size_bytes, whirlpool, fingerprint, link, unsettled, links,
        cipher
    FROM pending_files WHERE upload_id = ?1 ORDER BY seq";

const UPSERT: &str = "INSERT INTO pending_files (upload_id, seq, path, sent_as, name, stamp_size,
        mtime_ns, ctime_ns, inode, mode, uid, gid, meta_mtime_ns, xattrs, size_bytes, whirlpool,
        fingerprint, link, unsettled, links, cipher)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        ?20, ?21)
    ON CONFLICT (upload_id, seq) DO UPDATE SET path = ?3, sent_as = ?4, name = ?5,
        stamp_size = ?6, mtime_ns = ?7, ctime_ns = ?8, inode = ?9, mode = ?10, uid = ?11,
        gid = ?12, meta_mtime_ns = ?13, xattrs = ?14, size_bytes = ?15, whirlpool = ?16,
        fingerprint = ?17, link = ?18, unsettled = ?19, links = ?20, cipher = ?21";

impl Records {
    /// The uploads of a mirror that were begun, oldest first, with their files.
    pub fn uploads(&self, mirror: MirrorId) -> Result<Vec<PendingUpload>> {
        let mut select = self.db.prepare_cached(
            "SELECT id, mirror_id, slot, node, xid, started_s FROM pending_uploads
            WHERE mirror_id = ?1 ORDER BY id",
        )?;
        let mut files = self.db.prepare_cached(FILES)?;
        let uploads = select.query_map([mirror], |row| {
            let key = row.get(0)?;
            Ok(PendingUpload {
                key,
                mirror: row.get(1)?,
                slot: row.get(2)?,
                node: row.get(3)?,
                xid: row.get(4)?,
                since_s: row.get(5)?,
                files: files.query_map([key], read_file)?.collect::<rusqlite::Result<_>>()?,
            })
        })?;
        Ok(uploads.collect::<rusqlite::Result<_>>()?)
    }
}

impl Writing<'_> {
    /// Puts an upload on record. To be on disk before its first byte is sent (I3).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if two files have the same `seq` or `sent_as`,
    /// or one is empty.
    pub fn begin_upload(
        &mut self,
        mirror: MirrorId,
        slot: &UploadSlotRow,
        files: &[PendingFile],
    ) -> Result<UploadKey> {
        self.db
            .prepare_cached(
                "INSERT INTO pending_uploads (mirror_id, slot, node, started_s)
                VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![mirror, slot.slot, slot.node, self.now_s()])?;
        let key = UploadKey(self.db.last_insert_rowid());
        for file in files {
            self.put_pending(key, file)?;
        }
        Ok(key)
    }

    /// Stores one file of an upload again, with a stamp that was taken later, or as unsettled.
    pub fn put_pending(&mut self, upload: UploadKey, file: &PendingFile) -> Result<()> {
        let PendingFile { stamp, metadata, .. } = file;
        self.db.prepare_cached(UPSERT)?.execute(params![
            upload,
            file.seq,
            file.path.as_bytes(),
            file.sent_as.as_str(),
            file.name.as_str(),
            columns::size(stamp.size_bytes),
            stamp.mtime_ns,
            stamp.ctime_ns,
            stamp.inode.cast_signed(),
            metadata.mode,
            metadata.uid,
            metadata.gid,
            metadata.mtime_ns,
            columns::xattrs(&metadata.xattrs),
            columns::size(file.size_bytes),
            file.whirlpool.as_ref().map(Whirlpool::as_bytes),
            file.fingerprint.as_ref().map(Fingerprint::as_bytes),
            file.url.as_ref().map(columns::link),
            file.unsettled,
            metadata.links,
            file.cipher.map(Cipher::to_bytes),
        ])?;
        Ok(())
    }

    /// Stores that the POST was answered with `xid`, and that these files were read to their end.
    /// The first such answer sets [`PendingUpload::since_s`]: its files may show up from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if the upload or a file is not on record.
    pub fn record_sent(
        &mut self,
        upload: UploadKey,
        xid: &str,
        hashes: &[(u32, Whirlpool, Fingerprint)],
    ) -> Result<()> {
        let rows = self
            .db
            .prepare_cached(
                "UPDATE pending_uploads
                SET started_s = CASE WHEN xid IS NULL THEN ?3 ELSE started_s END, xid = ?2
                WHERE id = ?1",
            )?
            .execute(params![upload, xid, self.now_s()])?;
        found(rows, "upload")?;
        self.record_hashes(upload, hashes)
    }

    /// Stores that these files were read to their end, whether or not a reply came.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if a file is not on record.
    pub fn record_hashes(
        &mut self,
        upload: UploadKey,
        hashes: &[(u32, Whirlpool, Fingerprint)],
    ) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE pending_files SET whirlpool = ?3, fingerprint = ?4
            WHERE upload_id = ?1 AND seq = ?2",
        )?;
        for (seq, whirlpool, fingerprint) in hashes {
            let hashes = params![upload, seq, whirlpool.as_bytes(), fingerprint.as_bytes()];
            found(update.execute(hashes)?, "file of an upload")?;
        }
        Ok(())
    }

    /// Stores that these files are in staging, with the name, size and hash that were sent.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`](crate::Error::Missing) if a file is not on record.
    pub fn record_arrived(&mut self, upload: UploadKey, urls: &[(u32, FileUrl)]) -> Result<()> {
        let mut update = self.db.prepare_cached(
            "UPDATE pending_files SET link = ?3 WHERE upload_id = ?1 AND seq = ?2",
        )?;
        for (seq, url) in urls {
            let rows = update.execute(params![upload, seq, columns::link(url)])?;
            found(rows, "file of an upload")?;
        }
        Ok(())
    }

    /// Removes one file of an upload: it is published, or given up.
    pub fn drop_pending(&mut self, upload: UploadKey, seq: u32) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM pending_files WHERE upload_id = ?1 AND seq = ?2")?
            .execute(params![upload, seq])?;
        Ok(())
    }

    /// Removes an upload, with the files that it still has.
    pub fn finish_upload(&mut self, upload: UploadKey) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM pending_files WHERE upload_id = ?1")?
            .execute([upload])?;
        self.db.prepare_cached("DELETE FROM pending_uploads WHERE id = ?1")?.execute([upload])?;
        Ok(())
    }
}

fn read_file(row: &Row<'_>) -> rusqlite::Result<PendingFile> {
    let stamp = Stamp::read(row, 4)?;
    Ok(PendingFile {
        seq: row.get(0)?,
        path: columns::read_path(row, 1)?,
        sent_as: columns::read_name(row, 2)?,
        name: columns::read_name(row, 3)?,
        stamp,
        metadata: Metadata { links: row.get(18)?, ..Metadata::read(row, 8, stamp.mtime_ns)? },
        size_bytes: columns::read_size(row, 13)?,
        whirlpool: columns::read_whirlpool(row, 14)?,
        fingerprint: columns::read_fingerprint(row, 15)?,
        url: columns::read_optional_link(row, 16)?,
        unsettled: row.get(17)?,
        cipher: Cipher::read(row, 19)?,
    })
}
