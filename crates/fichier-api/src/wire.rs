//! The replies of the service: read, believed or not, and told apart from refusals.
//!
//! The service keeps few of the promises of its documentation (docs/api-notes.md, A.1, A.8). All
//! of that is dealt with here, in one direction: `reply` has the bytes, `json` finds the object or
//! the refusal in them, `refusal` knows the service's words, `fields`, `rows` and `dates` read the
//! values.
//!
//! Used by everything that gets a reply: `transport` fills a [`Reply`], the calls decode it. Uses
//! the values (`types`, `names`, `link`, `hash`) and `error`; it knows neither connections nor
//! the pacer.

pub(crate) mod dates;
pub(crate) mod fields;
mod json;
pub(crate) mod refusal;
mod reply;
pub(crate) mod rows;

pub(crate) use json::decode;
pub(crate) use reply::{Done, Reply};
pub use rows::MAX_ROWS_PER_LISTING;
