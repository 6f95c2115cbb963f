//! Faults on command: what the emulator does wrong because a test asked for it.
//!
//! A [`Fault`] waits for requests to one endpoint, lets some of them pass, and then spoils some.
//! Faults are looked at after the rules: a spoiled request has been counted and recorded like any
//! other; downloads are no calls and are only recorded. Several faults may wait for the same
//! endpoint; the first that is due is taken.
//!
//! `reply::spoil` applies an action to a reply, and each server applies those that concern its work. Every folder from `world` up may use this; it uses none.

mod action;
mod fault;
mod reshape;
mod waiting;

pub use action::Action;
pub use fault::Fault;
pub(crate) use fault::Subject;
pub use reshape::Reshape;
pub(crate) use waiting::Faults;
