//! What the daemon stores in `mirrors.held`: one row for each reason why a mirror waits for a
//! decision. The first two forms of the file had sentences, word for word as here; since the third
//! it is a value.

/// The name of a mirror with its source in `/srv` and its target in `/backup`, its sentence in the
/// first forms, and its value since.
pub(crate) const HELD: [(&str, &str, Option<&str>); 16] = [
    (
        "photos",
        "251 removals are held: more than 250 within 24 hours. If they are meant: fichierd \
         approve photos. If not: fichierd reject photos, and put the files back",
        Some(r#"{"removals":{"removals":251,"limit":250}}"#),
    ),
    (
        "recovered",
        "3 removals are held: more than 0 within 24 hours. If they are meant: fichierd \
         approve recovered. If not: fichierd reject recovered, and put the files back",
        Some(r#"{"removals":{"removals":3,"limit":0}}"#),
    ),
    (
        "missing",
        "the source /srv/missing does not exist; mount its disk, or correct `source` in the \
         config",
        Some(
            r#"{"source":{"kind":"source_missing","cause":"the source /srv/missing does not exist"}}"#,
        ),
    ),
    (
        "went",
        "cannot open the watched folder: No such file or directory (os error 2)",
        Some(
            r#"{"source":{"kind":"source_missing","cause":"cannot open the watched folder: No such file or directory (os error 2)"}}"#,
        ),
    ),
    (
        "not-a-folder",
        "the source /srv/not-a-folder is a symbolic link, not a folder; put the folder \
         back, or correct `source` in the config",
        Some(
            r#"{"source":{"kind":"source_changed","cause":"the source /srv/not-a-folder is a symbolic link, not a folder"}}"#,
        ),
    ),
    (
        "unreadable",
        "the source /srv/unreadable cannot be read; look at its permissions and at its \
         disk: Permission denied (os error 13)",
        Some(
            r#"{"source":{"kind":"source_unreadable","cause":"the source /srv/unreadable cannot be read: Permission denied (os error 13)"}}"#,
        ),
    ),
    (
        "failing",
        "cannot look through the watched folder: the source could not be looked at: \
         Input/output error (os error 5)",
        Some(
            r#"{"source":{"kind":"source_unreadable","cause":"cannot look through the watched folder: the source could not be looked at: Input/output error (os error 5)"}}"#,
        ),
    ),
    (
        "empty",
        "the source /srv/empty is empty, but 1200 files of it are on record; mount its \
         disk; if it was emptied on purpose, run `fichierd approve`",
        Some(
            r#"{"source":{"kind":"source_empty","cause":"the source /srv/empty is empty, but 1200 files of it are on record"}}"#,
        ),
    ),
    (
        "other-disk",
        "the source /srv/other-disk is on another file system (ext-00f1a2b3c4d5e6f7) than \
         before (btrfs-0123456789abcdef); mount the right one; if this one is meant to take \
         its place, run `fichierd approve`",
        Some(
            r#"{"source":{"kind":"source_changed","cause":"the source /srv/other-disk is on another file system (ext-00f1a2b3c4d5e6f7) than before (btrfs-0123456789abcdef)"}}"#,
        ),
    ),
    (
        "exchanged",
        "the source /srv/exchanged became another one while it was looked at, such as by a \
         mount; it is looked at again by itself",
        Some(
            r#"{"source":{"kind":"source_changed","cause":"the source /srv/exchanged became another one while it was looked at, such as by a mount"}}"#,
        ),
    ),
    (
        "replaced",
        "the source /srv/replaced is not the folder it was: of 64 names at its top, 2 are \
         left; put it back, or mount its disk; if it was changed on purpose, run `fichierd \
         approve`",
        Some(
            r#"{"source":{"kind":"source_changed","cause":"the source /srv/replaced is not the folder it was: of 64 names at its top, 2 are left"}}"#,
        ),
    ),
    (
        "taken",
        "the target belongs to another installation of fichierd (5e1c0a9b7d42); if that \
         one is gone for good, take the target over with: fichierd approve --take-over \
         taken",
        Some(r#"{"target":{"owned_by_another":{"other":"5e1c0a9b7d42"}}}"#),
    ),
    (
        "other-machine",
        "another machine works on the target, and has been further than this state: nothing \
         is sent and nothing is removed. If that machine is gone for good, or this one \
         replaces it: fichierd approve --take-over other-machine. The whole target is then \
         compared with the records before anything is removed",
        Some(r#"{"target":"other_machine"}"#),
    ),
    (
        "clone",
        "two copies of this installation work on the target, such as a machine and its \
         clone: this one sends and removes nothing. Stop one of them, and give it a target \
         of its own; to go on with this one: fichierd approve --take-over clone. The whole \
         target is then compared with the records before anything is removed",
        Some(r#"{"target":"other_copy"}"#),
    ),
    (
        "gone",
        "the target folder is no longer on 1fichier; if that was you, start it anew \
         (everything is sent again) with: fichierd approve gone",
        Some(r#"{"target":"gone"}"#),
    ),
    (
        "other-account",
        "the state file was made with another 1fichier account than the one of this API \
         key: nothing is done with it. Give the key of its account, or move the state \
         folder away to begin anew with this one",
        None,
    ),
];
