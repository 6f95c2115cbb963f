//! Keys of rows, one type for each table, so that none is mistaken for another.
//!
//! A key is never used again, not even after its row is gone: an intent that names it means
//! that row or none.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.0.into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<$name> {
                value.as_i64().map($name)
            }
        }
    )*};
}

ids! {
    /// Key of a mirror.
    MirrorId
    /// Key of a local folder; not the id that the service gave its copy.
    FolderKey
    /// Key of a change at the service that was begun.
    IntentId
    /// Key of an upload that was begun.
    UploadKey
    /// Key of a file that left its mirror and is kept.
    VersionId
    /// Key of a copy of a mirror's records.
    SnapshotId
}
