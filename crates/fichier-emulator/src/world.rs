//! All that the emulated service knows, behind one lock: the account, the ids and tokens that were
//! given out, the requests that came.
//!
//! May use `rules`, `habits`, `faults`, `storage` and `base`. Every folder from `reply` up may use
//! this; it knows neither replies nor servers.

mod account;
mod extras;
mod file;
mod passage;
mod places;
mod requests;
mod shared;
mod state;
mod tokens;
mod traffic;
mod uploads;

pub(crate) use account::{Folder, ROOT};
pub(crate) use file::{File, link_id};
pub(crate) use passage::Passage;
pub(crate) use places::{Caller, Places};
pub use requests::Request;
pub(crate) use requests::Ticket;
pub(crate) use shared::World;
pub(crate) use state::State;
pub(crate) use tokens::Token;
pub(crate) use uploads::Entry;
