-- What was: the tree of a mirror at any moment, kept by triggers, so that no change of a record
-- can forget it. A row of `entries` or `folders` says since when it is as it is; before it
-- changes, or goes, what it said is copied to `past_entries` or `past_folders`.
--
-- A past row is good from its first moment on, and no more at its last one. The bytes of a past
-- file are not named by link, which may change, but by content: whoever restores looks for size
-- and fingerprint among the current files and the versions.

-- One row per second in which something changed. Rows name moments by number, so that their
-- order is true even where the clock was not. `at_s` never decreases; `clock_s` is what the
-- clock said (they differ after it was set back).
CREATE TABLE moments (
    id             INTEGER PRIMARY KEY,
    at_s           INTEGER NOT NULL,
    clock_s        INTEGER NOT NULL
) STRICT;
CREATE INDEX moments_by_time ON moments (at_s);
INSERT INTO moments (id, at_s, clock_s) VALUES (1, unixepoch(), unixepoch());

ALTER TABLE entries ADD COLUMN since INTEGER NOT NULL DEFAULT 1;  -- the moment
ALTER TABLE entries ADD COLUMN links INTEGER NOT NULL DEFAULT 1;  -- names of the inode on disk
ALTER TABLE entries ADD COLUMN holes BLOB;                        -- NULL: none
ALTER TABLE pending_files ADD COLUMN links INTEGER NOT NULL DEFAULT 1;

ALTER TABLE folders ADD COLUMN since INTEGER NOT NULL DEFAULT 1;
-- When the inode changed: extended attributes are read again then.
ALTER TABLE folders ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0;
-- When a listing was last compared with the records; NULL: never.
ALTER TABLE folders ADD COLUMN audited_s INTEGER;

-- The first moment whose tree is still known whole: what ended before it may be forgotten.
ALTER TABLE mirrors ADD COLUMN history_from INTEGER NOT NULL DEFAULT 1;

CREATE TABLE past_entries (
    folder_id      INTEGER NOT NULL,           -- of `folders`, or of `past_folders`
    name           BLOB    NOT NULL,
    first          INTEGER NOT NULL,           -- moments
    last           INTEGER NOT NULL,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    kind           INTEGER NOT NULL,
    size_bytes     INTEGER NOT NULL,
    fingerprint    BLOB,
    symlink        BLOB,
    inode          INTEGER NOT NULL,
    links          INTEGER NOT NULL,
    mode           INTEGER NOT NULL,
    uid            INTEGER NOT NULL,
    gid            INTEGER NOT NULL,
    mtime_ns       INTEGER NOT NULL,
    xattrs         BLOB,
    holes          BLOB,
    PRIMARY KEY (folder_id, name, last),
    CHECK (first < last)
) STRICT, WITHOUT ROWID;
CREATE INDEX past_entries_by_last ON past_entries (mirror_id, last);

CREATE TABLE past_folders (
    id             INTEGER NOT NULL,           -- as it was, and may still be, in `folders`
    first          INTEGER NOT NULL,
    last           INTEGER NOT NULL,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    parent_id      INTEGER,
    name           BLOB    NOT NULL,
    device         INTEGER NOT NULL,
    mode           INTEGER NOT NULL,
    uid            INTEGER NOT NULL,
    gid            INTEGER NOT NULL,
    mtime_ns       INTEGER NOT NULL,
    xattrs         BLOB,
    PRIMARY KEY (id, last),
    CHECK (first < last)
) STRICT, WITHOUT ROWID;
CREATE INDEX past_folders_by_parent ON past_folders (parent_id, name);
CREATE INDEX past_folders_by_last ON past_folders (mirror_id, last);

-- What a restore would not notice (a stamp, a link, a remote name) is no change here. The inode
-- counts only where it tells which names belong together.
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
CREATE TRIGGER folders_changed AFTER UPDATE ON folders
WHEN OLD.parent_id IS NOT NEW.parent_id OR OLD.name IS NOT NEW.name OR OLD.mode IS NOT NEW.mode
    OR OLD.uid IS NOT NEW.uid OR OLD.gid IS NOT NEW.gid OR OLD.xattrs IS NOT NEW.xattrs
    OR OLD.meta_mtime_ns IS NOT NEW.meta_mtime_ns OR OLD.unmanaged IS NOT NEW.unmanaged
BEGIN
    INSERT INTO past_folders SELECT OLD.id, OLD.since, now.id, OLD.mirror_id, OLD.parent_id,
            OLD.name, OLD.device, OLD.mode, OLD.uid, OLD.gid, OLD.meta_mtime_ns, OLD.xattrs
        FROM (SELECT max(id) AS id FROM moments) AS now
        WHERE OLD.unmanaged = 0 AND OLD.since < now.id;
    UPDATE folders SET since = (SELECT max(id) FROM moments) WHERE id = NEW.id;
END;
CREATE TRIGGER folders_removed AFTER DELETE ON folders WHEN OLD.unmanaged = 0
BEGIN
    INSERT INTO past_folders SELECT OLD.id, OLD.since, now.id, OLD.mirror_id, OLD.parent_id,
            OLD.name, OLD.device, OLD.mode, OLD.uid, OLD.gid, OLD.meta_mtime_ns, OLD.xattrs
        FROM (SELECT max(id) AS id FROM moments) AS now WHERE OLD.since < now.id;
END;

-- A past file is found by its content.
CREATE INDEX versions_by_content ON versions (size_bytes, substr(fingerprint, 1, 4))
    WHERE fingerprint IS NOT NULL;

-- Names of the owners on this machine, so that another machine can find its own numbers.
CREATE TABLE owners (
    is_group       INTEGER NOT NULL CHECK (is_group IN (0, 1)),
    id             INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    PRIMARY KEY (is_group, id)
) STRICT, WITHOUT ROWID;

-- One row per copy of a mirror's records that was sent to `.fichierd/state`, or is about to be.
CREATE TABLE snapshots (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    base_id        INTEGER REFERENCES snapshots, -- the whole one that it is to be laid over
    name           TEXT    NOT NULL,           -- its remote name
    made_s         INTEGER NOT NULL,
    moment         INTEGER NOT NULL,           -- the newest one in it
    size_bytes     INTEGER NOT NULL CHECK (size_bytes > 0),
    whirlpool      BLOB    NOT NULL CHECK (length(whirlpool) = 64),
    link           TEXT                        -- NULL: not known to be at the service
) STRICT;
CREATE INDEX snapshots_by_mirror ON snapshots (mirror_id, id);

-- How often the service was asked to prove what it has, and with what result: the last good and
-- the last bad one of each kind.
CREATE TABLE proofs (
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    kind           TEXT    NOT NULL,           -- audit, verify, drill, canary
    good           INTEGER NOT NULL CHECK (good IN (0, 1)),
    at_s           INTEGER NOT NULL,
    files          INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    detail         TEXT    NOT NULL,           -- for people
    PRIMARY KEY (mirror_id, kind, good)
) STRICT, WITHOUT ROWID;

-- One row per file of ours that one listing did not show; a second one, later, decides (I11).
CREATE TABLE missed (
    folder_id      INTEGER NOT NULL REFERENCES folders ON DELETE CASCADE,
    name           BLOB    NOT NULL,
    at_s           INTEGER NOT NULL,
    PRIMARY KEY (folder_id, name)
) STRICT, WITHOUT ROWID;

-- One row per path whose remote file somebody removed: it is sent again, unless that has happened
-- too often, and then only once it has changed here.
CREATE TABLE lost_files (
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    path           BLOB    NOT NULL CHECK (length(path) > 0),
    size_bytes     INTEGER NOT NULL,           -- of the local file then
    mtime_ns       INTEGER NOT NULL,
    times          INTEGER NOT NULL CHECK (times > 0),
    last_s         INTEGER NOT NULL,
    PRIMARY KEY (mirror_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX lost_files_by_times ON lost_files (mirror_id, times);
