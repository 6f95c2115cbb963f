-- Times are Unix seconds (`_s`) or nanoseconds (`_ns`). Names and paths are the bytes that
-- the file system gave. Inodes and devices are unsigned and kept by their bits. Ids are
-- never used again (AUTOINCREMENT): an intent may name a row that is gone.

-- One row per local folder that is, or was, mirrored to one remote folder.
CREATE TABLE mirrors (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT    NOT NULL,
    source         BLOB    NOT NULL,
    target         TEXT    NOT NULL,
    identity       TEXT,                       -- JSON; what proves that the source is mounted (I6)
    incoming       INTEGER,                    -- remote id of our staging folder
    versions       INTEGER,                    -- remote id of `.fichierd/versions`
    created_s      INTEGER NOT NULL DEFAULT (unixepoch()),
    last_success_s INTEGER,                    -- end of the last cycle that left nothing undone
    held           TEXT,                       -- why removals wait for a decision, for people
    allowance      INTEGER NOT NULL DEFAULT 0 CHECK (allowance >= 0), -- approved removals left
    UNIQUE (name, target)
) STRICT;

-- One row per local folder on record; `remote_id` says whether the service has it. The root
-- of a mirror is the row without a parent, and the only one without a name.
CREATE TABLE folders (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    parent_id      INTEGER REFERENCES folders,
    name           BLOB    NOT NULL,
    remote_id      INTEGER,
    made_by_us     INTEGER CHECK (made_by_us IN (0, 1)),
    listed         INTEGER CHECK (listed IN (0, 1)), -- contents known: made by us, or listed once
    remote_name    TEXT,                       -- only where the name table gives another one
    device         INTEGER NOT NULL,
    inode          INTEGER NOT NULL,           -- how a renamed folder is recognised
    mode           INTEGER NOT NULL,
    uid            INTEGER NOT NULL,
    gid            INTEGER NOT NULL,
    meta_mtime_ns  INTEGER NOT NULL,
    xattrs         BLOB,                       -- NULL: none
    unmanaged      INTEGER NOT NULL DEFAULT 0 CHECK (unmanaged IN (0, 1)), -- excluded by now
    UNIQUE (parent_id, name),
    CHECK ((parent_id IS NULL) = (length(name) = 0)),
    CHECK ((remote_id IS NULL) = (made_by_us IS NULL) AND (remote_id IS NULL) = (listed IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_root_per_mirror ON folders (mirror_id) WHERE parent_id IS NULL;
CREATE UNIQUE INDEX one_folder_per_remote_id ON folders (mirror_id, remote_id)
    WHERE remote_id IS NOT NULL;

-- One row per local name that is safe: a file that the service has confirmed (I1), or what
-- the service cannot hold and only this row keeps, an empty file or a symbolic link.
-- Absent row: not uploaded, or no longer known. The CHECK is what makes I1 hold by form.
CREATE TABLE entries (
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
    whirlpool      BLOB,                       -- as the service reported it
    fingerprint    BLOB,                       -- BLAKE3 of the bytes sent
    remote_name    TEXT,                       -- only where the name table gives another one
    confirmed_s    INTEGER,
    origin         INTEGER,                    -- 1 sent, 2 adopted, 3 copied: hash inherited so far
    unsettled      INTEGER,                    -- 1: changed while it was sent
    symlink        BLOB,                       -- where the symbolic link points
    PRIMARY KEY (folder_id, name),
    CHECK (CASE kind
        WHEN 1 THEN size_bytes > 0 AND link IS NOT NULL AND length(link) > 0
            AND whirlpool IS NOT NULL AND length(whirlpool) = 64
            AND fingerprint IS NOT NULL AND length(fingerprint) = 32
            AND confirmed_s IS NOT NULL AND origin IS NOT NULL AND origin IN (1, 2, 3)
            AND unsettled IS NOT NULL AND unsettled IN (0, 1) AND symlink IS NULL
        ELSE kind IN (2, 3) AND link IS NULL AND whirlpool IS NULL AND fingerprint IS NULL
            AND remote_name IS NULL AND confirmed_s IS NULL AND origin IS NULL
            AND unsettled IS NULL
            AND CASE kind WHEN 2 THEN size_bytes = 0 AND symlink IS NULL
                          ELSE symlink IS NOT NULL AND length(symlink) > 0 END
        END)
) STRICT, WITHOUT ROWID;
-- One link is one file: two records of it would retire each other's copy.
CREATE UNIQUE INDEX one_entry_per_link ON entries (link) WHERE link IS NOT NULL;
-- Content that is known already. Four bytes tell files of one size apart well enough; the
-- whole fingerprint is compared in the row.
CREATE INDEX entries_by_content ON entries (size_bytes, substr(fingerprint, 1, 4))
    WHERE kind = 1;
-- So that totals need not read every row; both are rare.
CREATE INDEX unmanaged_entries ON entries (folder_id, size_bytes, kind) WHERE unmanaged = 1;
CREATE INDEX unsettled_entries ON entries (folder_id) WHERE unsettled = 1;

-- One row per remote file that a listing showed in a folder of ours and that is not ours:
-- never touched, but its name is in use (I2).
CREATE TABLE foreign_files (
    folder_id      INTEGER NOT NULL REFERENCES folders,
    link           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    size_bytes     INTEGER NOT NULL CHECK (size_bytes >= 0),
    whirlpool      BLOB CHECK (whirlpool IS NULL OR length(whirlpool) = 64),
    PRIMARY KEY (folder_id, link)
) STRICT, WITHOUT ROWID;

-- One row per change at the service that was begun and is not known to be done (I3).
-- Written before the call; after a crash each is looked into.
CREATE TABLE intents (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    body           TEXT    NOT NULL CHECK (json_valid(body)),
    kind           TEXT    NOT NULL GENERATED ALWAYS AS (body ->> '$.kind') STORED,
    since_s        INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- One row per upload whose files are not all published yet (I3, I12). Written before the
-- first byte is sent: slot and node are all that the service can be asked about.
CREATE TABLE pending_uploads (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    slot           TEXT    NOT NULL,           -- the id that get_upload_server.cgi gave
    node           TEXT    NOT NULL,           -- the host that took the upload; only it knows
    xid            TEXT,                       -- from the redirect; NULL: no reply came
    started_s      INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- One row per file of such an upload. With hashes: all of it was read and sent. With a
-- link: the service has it in staging, and said the same size, name and hash.
CREATE TABLE pending_files (
    upload_id      INTEGER NOT NULL REFERENCES pending_uploads,
    seq            INTEGER NOT NULL CHECK (seq >= 0),  -- place in the POST
    path           BLOB    NOT NULL CHECK (length(path) > 0),
    sent_as        TEXT    NOT NULL,           -- the name in the POST
    name           TEXT    NOT NULL,           -- the name that it gets before it is published
    size_bytes     INTEGER NOT NULL CHECK (size_bytes > 0), -- bytes sent
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
    PRIMARY KEY (upload_id, seq),
    UNIQUE (upload_id, sent_as),               -- the service's answer is matched by name
    CHECK ((whirlpool IS NULL) = (fingerprint IS NULL))
) STRICT, WITHOUT ROWID;

-- One row per path that could not be mirrored, until it can.
CREATE TABLE problems (
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    path           BLOB    NOT NULL,
    what           TEXT    NOT NULL,
    hint           TEXT    NOT NULL,
    tries          INTEGER NOT NULL CHECK (tries > 0),
    since_s        INTEGER NOT NULL,
    next_try_s     INTEGER NOT NULL,
    PRIMARY KEY (mirror_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX problems_by_next_try ON problems (mirror_id, next_try_s);

-- One row per remote file that left the mirror and is kept: replaced, deleted, or in the way.
CREATE TABLE versions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id       INTEGER NOT NULL REFERENCES mirrors,
    path            BLOB    NOT NULL,
    link            TEXT    NOT NULL,
    size_bytes      INTEGER NOT NULL CHECK (size_bytes >= 0),
    whirlpool       BLOB CHECK (whirlpool IS NULL OR length(whirlpool) = 64),
    fingerprint     BLOB CHECK (fingerprint IS NULL OR length(fingerprint) = 32),
    mode            INTEGER,                   -- mode to xattrs: NULL for files that are not ours
    uid             INTEGER,
    gid             INTEGER,
    meta_mtime_ns   INTEGER,
    xattrs          BLOB,
    folder          INTEGER NOT NULL,          -- remote id of the folder that it was moved to
    current_from_s  INTEGER NOT NULL,
    current_until_s INTEGER NOT NULL,
    reason          INTEGER NOT NULL CHECK (reason IN (1, 2, 3, 4)), -- replaced, deleted, foreign, orphan
    CHECK ((mode IS NULL) = (uid IS NULL) AND (mode IS NULL) = (gid IS NULL)
           AND (mode IS NULL) = (meta_mtime_ns IS NULL))
) STRICT;
CREATE INDEX versions_by_path ON versions (mirror_id, path);
CREATE INDEX versions_by_link ON versions (link);
CREATE INDEX versions_by_end ON versions (mirror_id, current_until_s);

-- One row per remote folder that takes versions: a day has as many as it needs, because the
-- service shows at most 5,000 rows of a folder.
CREATE TABLE versions_folders (
    remote_id      INTEGER PRIMARY KEY,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    day            TEXT    NOT NULL,           -- UTC, `2026-11-23`
    seq            INTEGER NOT NULL CHECK (seq >= 0),
    items          INTEGER NOT NULL DEFAULT 0 CHECK (items >= 0),
    UNIQUE (mirror_id, day, seq)
) STRICT;

-- One row per name that a folder moved there whole has in use; files may share theirs.
CREATE TABLE retired_names (
    remote_id      INTEGER NOT NULL REFERENCES versions_folders,
    name           TEXT    NOT NULL,
    PRIMARY KEY (remote_id, name)
) STRICT, WITHOUT ROWID;

-- One row per batch of removals; the guard adds up the last 24 hours (I6). Kept for 48.
CREATE TABLE removals (
    id             INTEGER PRIMARY KEY,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    at_s           INTEGER NOT NULL,
    count          INTEGER NOT NULL CHECK (count >= 0)
) STRICT;
CREATE INDEX removals_by_time ON removals (mirror_id, at_s);

-- One row per cycle that ended, the last 1,000 of each mirror.
CREATE TABLE cycles (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    mirror_id      INTEGER NOT NULL REFERENCES mirrors,
    started_s      INTEGER NOT NULL,
    ended_s        INTEGER NOT NULL,
    outcome        TEXT    NOT NULL,
    looked_at      INTEGER NOT NULL,
    uploaded_files INTEGER NOT NULL,
    uploaded_bytes INTEGER NOT NULL,
    relocated      INTEGER NOT NULL,
    copied         INTEGER NOT NULL,
    retired        INTEGER NOT NULL,
    problems       INTEGER NOT NULL,
    calls          INTEGER NOT NULL
) STRICT;
CREATE INDEX cycles_by_mirror ON cycles (mirror_id, id);

-- One row per small fact about the whole installation: its id, the account, a pause.
CREATE TABLE notes (
    key            TEXT    NOT NULL PRIMARY KEY,
    value          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- The one row says whether the last user of this file closed it.
CREATE TABLE ends (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    clean          INTEGER NOT NULL CHECK (clean IN (0, 1))
) STRICT;
INSERT INTO ends (id, clean) VALUES (1, 0);
