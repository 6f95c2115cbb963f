//! The form of the file, and how an older one becomes the newest.

mod migrate;

pub(crate) use migrate::{MIGRATIONS, form, keep_copy, mark, migrate, newest, version};
