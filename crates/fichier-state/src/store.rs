//! The file itself: opened, checked, written in transactions, closed.

mod file;
mod lock;
mod moments;
mod place;

pub use file::{Records, Store, Writing};
pub(crate) use file::{attach, connect, empty_file, failed, found, keep_few_pages};
pub use moments::Moment;
pub use place::Place;
