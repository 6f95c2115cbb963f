//! What a test holds in its hands: it starts the service, watches it, and meddles with it.
//!
//! May use every other folder; none uses it. What is public here is the crate's interface.

pub(crate) mod damage;
pub(crate) mod emulator;
pub(crate) mod inspect;
