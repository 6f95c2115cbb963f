//! The interface for tests: it starts the service, watches it and changes it.
//!
//! May use every other folder; none uses this.

mod builder;
mod control;
mod damage;
mod emulator;
mod inspect;
mod meddle;
mod watch;

pub use builder::Builder;
pub use damage::Damage;
pub use emulator::Emulator;
pub use inspect::StoredFile;
