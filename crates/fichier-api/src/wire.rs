//! The replies of the service: read, believed or not, and told apart from refusals.
//!
//! The service keeps few of the promises of its documentation (docs/api-notes.md, A.1, A.8). All
//! of that is dealt with here, in one direction: `reply` has the bytes, `json` finds the object or
//! the refusal in them, `refusal` knows the service's words, `fields`, `rows` and `dates` read the
//! values, `quote` shows a piece of what could not be read.
//!
//! The rule (docs/api-notes.md, H.2): what a call *needs* of its reply stands beside the reply's type;
//! everything else is optional and may be missing, null, of another type or in another case. A call
//! fails if the status says so, or if what it needs is not there, and then the error quotes the
//! reply. A reply that says OK without what is needed is never a refusal: its outcome is unknown.
//!
//! Used by everything that gets a reply: `transport` fills a [`Reply`], the calls decode it. Uses
//! the values (`types`, `names`, `link`, `hash`) and `error`; it knows neither connections nor
//! the pacer.

pub(crate) mod dates;
pub(crate) mod fields;
mod json;
mod quote;
pub(crate) mod refusal;
mod reply;
pub(crate) mod rows;

pub(crate) use json::decode;
pub(crate) use quote::quote;
pub(crate) use reply::{Done, Reply};
pub use rows::MAX_ROWS_PER_LISTING;
