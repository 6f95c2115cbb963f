//! What knows nothing of the service: time, and numbers that look random.
//!
//! Every folder may use it; it uses none.

pub(crate) mod dates;
pub(crate) mod numbers;
