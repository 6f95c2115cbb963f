//! The file itself: opened, checked, written in transactions, closed.

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
