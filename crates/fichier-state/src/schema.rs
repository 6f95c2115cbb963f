//! The form of the file: the migrations, and which of them have run.
//!
//! A migration is one SQL file in `migrations/` and is never edited once released.
//! `tests/databases/` keeps one file of every released version, and a test opens each of them.
//!
//! `store` uses this to open the state, `snapshots` to read a copy. It uses `base`; it knows
//! connections and no [`Store`](crate::Store).

mod migrate;

pub(crate) use migrate::{MIGRATIONS, form, keep_copy, mark, migrate, newest, version};
