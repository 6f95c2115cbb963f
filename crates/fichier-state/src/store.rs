//! The state file: locked, opened, checked, written in transactions, closed.
//!
//! | file | what it holds |
//! |---|---|
//! | `connection` | a connection to SQLite and its settings |
//! | `lock` | one process at a time |
//! | `place` | whether the file is still where it was |
//! | `transaction` | [`Records`] and [`Writing`]: what each table adds its methods to |
//! | `moments` | the second that the changes of a transaction belong to |
//! | `file` | [`Store`]: all of these together |
//!
//! `records`, `past` and `snapshots` use this. It uses `base` and `schema`, and knows of the tables
//! only `ends`, `moments` and the ends of versions, which follow the clock.

mod connection;
mod file;
mod lock;
mod moments;
mod place;
mod transaction;

pub(crate) use connection::{attach, connect, empty_file, keep_few_pages};
pub use file::Store;
pub use moments::Moment;
pub use place::Place;
pub use transaction::{Records, Writing};
