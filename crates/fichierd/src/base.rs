//! The small parts that every folder uses and that know no mirror.
//!
//! Here are the handle to the state file, the facts that are kept in it, exit codes, random
//! numbers, durations and moments as people write them, and the words in which numbers, sizes and
//! errors are printed.
//!
//! May be used by everything; uses nothing of this crate.

mod exit;
mod fact;
pub mod form;
pub mod machine;
pub(crate) mod patterns;
mod random;
pub mod span;
pub mod state;
pub mod when;
pub mod words;

pub use self::exit::Exit;
pub use self::fact::{Fact, Flag};
pub use self::form::{Crypt, Form, RecordedForm};
pub use self::random::Random;
pub use self::state::{Access, State};
