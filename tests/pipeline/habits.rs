//! How the service behaves where its documentation is silent: the mirror is right whatever the
//! answer is, and `check --probe` finds the answer.

mod names_taken;
mod probe;
mod replies;
mod replies_lost;
mod switches;
mod trials;
