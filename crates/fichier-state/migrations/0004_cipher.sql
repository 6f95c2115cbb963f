-- Files that are stored enciphered. `cipher` is 24 bytes, the nonce in the file's header, and 8 that
-- tell which keys it was enciphered with; NULL: the service has the plain bytes. Sizes and
-- fingerprints are those of the plain bytes in any case, `whirlpool` is that of the bytes stored.
-- An empty file has a header, so that it is stored like others.

-- JSON of the daemon: how the objects of this mirror are stored. NULL: as they are on disk.
ALTER TABLE mirrors ADD COLUMN form TEXT CHECK (form IS NULL OR json_valid(form));

ALTER TABLE versions ADD COLUMN cipher BLOB CHECK (cipher IS NULL OR length(cipher) = 32);

-- A CHECK cannot be changed, so both tables that must have room for stored empty files are made
-- anew. Their rows stay as they are, and so leave no past.
CREATE TABLE new_entries (
    folder_id      INTEGER NOT NULL REFERENCES folders,
    name           BLOB    NOT NULL CHECK (length(name) > 0),
    kind           INTEGER NOT NULL,           -- 1 file, 2 empty file, 3 symbolic link
    size_bytes     INTEGER NOT NULL CHECK (size_bytes >= 0),
    mtime_ns       INTEGER NOT NULL,           -- size to inode: the stamp, as the file was read
    ctime_ns       INTEGER NOT NULL,
    inode          INTEGER NOT NULL,
    mode           INTEGER NOT NULL,
    uid            INTEGER NOT NULL,
    gid            INTEGER NOT NULL,
    meta_mtime_ns  INTEGER,                    -- NULL: as in the stamp
    xattrs         BLOB,                       -- NULL: none
    racy           INTEGER NOT NULL CHECK (racy IN (0, 1)),  -- touched while it was read
    unmanaged      INTEGER NOT NULL CHECK (unmanaged IN (0, 1)),  -- excluded by now
    link           TEXT,                       -- what follows `https://1fichier.com/?`; a secret
    whirlpool      BLOB,                       -- of the bytes stored, as the service reported it
    fingerprint    BLOB,                       -- BLAKE3 of the plain bytes
    remote_name    TEXT,                       -- only where the name table gives another one
    confirmed_s    INTEGER,
    origin         INTEGER,                    -- 1 sent, 2 adopted, 3 copied: hash inherited so far
    unsettled      INTEGER,                    -- 1: changed while it was sent
    symlink        BLOB,                       -- where the symbolic link points
    since          INTEGER NOT NULL DEFAULT 1, -- the moment
    links          INTEGER NOT NULL DEFAULT 1, -- names of the inode on disk
    holes          BLOB,                       -- NULL: none
    cipher         BLOB,
    PRIMARY KEY (folder_id, name),
    CHECK (CASE kind
        WHEN 1 THEN (size_bytes > 0 OR cipher IS NOT NULL)
            AND link IS NOT NULL AND length(link) > 0
            AND whirlpool IS NOT NULL AND length(whirlpool) = 64
            AND fingerprint IS NOT NULL AND length(fingerprint) = 32
            AND confirmed_s IS NOT NULL AND origin IS NOT NULL AND origin IN (1, 2, 3)
            AND unsettled IS NOT NULL AND unsettled IN (0, 1) AND symlink IS NULL
            AND (cipher IS NULL OR length(cipher) = 32)
        ELSE kind IN (2, 3) AND link IS NULL AND whirlpool IS NULL AND fingerprint IS NULL
            AND remote_name IS NULL AND confirmed_s IS NULL AND origin IS NULL
            AND unsettled IS NULL AND cipher IS NULL
            AND CASE kind WHEN 2 THEN size_bytes = 0 AND symlink IS NULL
                          ELSE symlink IS NOT NULL AND length(symlink) > 0 END
        END)
) STRICT, WITHOUT ROWID;
INSERT INTO new_entries SELECT folder_id, name, kind, size_bytes, mtime_ns, ctime_ns, inode, mode,
        uid, gid, meta_mtime_ns, xattrs, racy, unmanaged, link, whirlpool, fingerprint, remote_name,
        confirmed_s, origin, unsettled, symlink, since, links, holes, NULL
    FROM entries;
DROP TABLE entries;
ALTER TABLE new_entries RENAME TO entries;

-- Indexes and triggers as before.
CREATE UNIQUE INDEX one_entry_per_link ON entries (link) WHERE link IS NOT NULL;
CREATE INDEX entries_by_content ON entries (size_bytes, substr(fingerprint, 1, 4))
    WHERE kind = 1;
CREATE INDEX unmanaged_entries ON entries (folder_id, size_bytes, kind) WHERE unmanaged = 1;
CREATE INDEX unsettled_entries ON entries (folder_id) WHERE unsettled = 1;
CREATE TRIGGER entries_changed AFTER UPDATE ON entries
WHEN OLD.folder_id IS NOT NEW.folder_id OR OLD.name IS NOT NEW.name OR OLD.kind IS NOT NEW.kind
    OR OLD.size_bytes IS NOT NEW.size_bytes OR OLD.fingerprint IS NOT NEW.fingerprint
    OR OLD.symlink IS NOT NEW.symlink OR OLD.mode IS NOT NEW.mode OR OLD.uid IS NOT NEW.uid
    OR OLD.gid IS NOT NEW.gid OR OLD.xattrs IS NOT NEW.xattrs OR OLD.holes IS NOT NEW.holes
    OR ifnull(OLD.meta_mtime_ns, OLD.mtime_ns) IS NOT ifnull(NEW.meta_mtime_ns, NEW.mtime_ns)
    OR OLD.links IS NOT NEW.links OR (OLD.links > 1 AND OLD.inode IS NOT NEW.inode)
    OR OLD.unmanaged IS NOT NEW.unmanaged
BEGIN
    INSERT INTO past_entries SELECT OLD.folder_id, OLD.name, OLD.since, now.id,
            (SELECT mirror_id FROM folders WHERE id = OLD.folder_id), OLD.kind, OLD.size_bytes,
            OLD.fingerprint, OLD.symlink, OLD.inode, OLD.links, OLD.mode, OLD.uid, OLD.gid,
            ifnull(OLD.meta_mtime_ns, OLD.mtime_ns), OLD.xattrs, OLD.holes
        FROM (SELECT max(id) AS id FROM moments) AS now
        WHERE OLD.unmanaged = 0 AND OLD.since < now.id;
    UPDATE entries SET since = (SELECT max(id) FROM moments)
        WHERE folder_id = NEW.folder_id AND name = NEW.name;
END;
CREATE TRIGGER entries_removed AFTER DELETE ON entries WHEN OLD.unmanaged = 0
BEGIN
    INSERT INTO past_entries SELECT OLD.folder_id, OLD.name, OLD.since, now.id,
            (SELECT mirror_id FROM folders WHERE id = OLD.folder_id), OLD.kind, OLD.size_bytes,
            OLD.fingerprint, OLD.symlink, OLD.inode, OLD.links, OLD.mode, OLD.uid, OLD.gid,
            ifnull(OLD.meta_mtime_ns, OLD.mtime_ns), OLD.xattrs, OLD.holes
        FROM (SELECT max(id) AS id FROM moments) AS now WHERE OLD.since < now.id;
END;

CREATE TABLE new_pending_files (
    upload_id      INTEGER NOT NULL REFERENCES pending_uploads,
    seq            INTEGER NOT NULL CHECK (seq >= 0),  -- place in the POST
    path           BLOB    NOT NULL CHECK (length(path) > 0),
    sent_as        TEXT    NOT NULL,           -- the name in the POST
    name           TEXT    NOT NULL,           -- the name that it gets before it is published
    size_bytes     INTEGER NOT NULL CHECK (size_bytes >= 0), -- plain bytes
    stamp_size     INTEGER NOT NULL CHECK (stamp_size >= 0),
    mtime_ns       INTEGER NOT NULL,
    ctime_ns       INTEGER NOT NULL,
    inode          INTEGER NOT NULL,
    mode           INTEGER NOT NULL,
    uid            INTEGER NOT NULL,
    gid            INTEGER NOT NULL,
    meta_mtime_ns  INTEGER NOT NULL,
    xattrs         BLOB,
    whirlpool      BLOB CHECK (whirlpool IS NULL OR length(whirlpool) = 64),
    fingerprint    BLOB CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    link           TEXT,
    unsettled      INTEGER NOT NULL CHECK (unsettled IN (0, 1)),
    links          INTEGER NOT NULL DEFAULT 1,
    cipher         BLOB CHECK (cipher IS NULL OR length(cipher) = 32),
    PRIMARY KEY (upload_id, seq),
    UNIQUE (upload_id, sent_as),               -- the service's answer is matched by name
    CHECK ((whirlpool IS NULL) = (fingerprint IS NULL)),
    CHECK (size_bytes > 0 OR cipher IS NOT NULL) -- the service takes no object without bytes
) STRICT, WITHOUT ROWID;
INSERT INTO new_pending_files SELECT upload_id, seq, path, sent_as, name, size_bytes, stamp_size,
        mtime_ns, ctime_ns, inode, mode, uid, gid, meta_mtime_ns, xattrs, whirlpool, fingerprint,
        link, unsettled, links, NULL
    FROM pending_files;
DROP TABLE pending_files;
ALTER TABLE new_pending_files RENAME TO pending_files;
