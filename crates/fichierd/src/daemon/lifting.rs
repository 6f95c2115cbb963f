//! A long hold-off and its early end: one call is let through at the start of the service and when a
//! person asks for it, and the mirrors that wait go on when it has succeeded.
//!
//! The pacer sees to it that this happens once in some minutes at most, however often a service
//! starts; a hold-off after a flood is short and stays.

use fichier_api::{Client, Lifted, Pacer};
use tokio::time::Instant;

use super::{Daemon, Seat};
use crate::base::when;
use crate::daemon::control::Reply;
use crate::daemon::health::timestamp;
use crate::daemon::schedule::Wake;
use crate::mirror::Trouble;

impl Daemon {
    /// Ends a pause, and lets one call through a long hold-off.
    pub(super) fn resume(&mut self) -> Reply {
        let lifted = lift(&self.shared.client);
        if lifted.is_some() {
            for seat in self.seats.values_mut() {
                seat.schedule.look_now(Instant::now(), Wake::Person);
            }
        }
        match (self.pause(false), lifted) {
            (Reply::Done { message }, Some(lifted)) => {
                Reply::Done { message: format!("{message}; {lifted}") }
            }
            (reply, _) => reply,
        }
    }

    /// Lets the mirrors go on that wait for a hold-off which has ended early: a call of another
    /// mirror, or of another process, has succeeded since.
    pub(super) fn end_waits(&mut self) {
        let is_held_off = |seat: &&mut Seat| matches!(seat.trouble, Some(Trouble::HeldOff(..)));
        let mut waiting = self.seats.values_mut().filter(is_held_off).peekable();
        if waiting.peek().is_none() || self.shared.client.pacer().hold_off().is_some() {
            return;
        }
        for seat in waiting {
            seat.schedule.end_wait(Instant::now());
        }
    }
}

/// Lets one call through a long hold-off, because the service has just started.
pub(super) fn at_start(pacer: &Pacer) {
    if let Lifted::ForOneCall(hold_off) = pacer.lift_hold_off() {
        let reason = hold_off.reason;
        tracing::info!("one call is made in spite of a hold-off, to see if it has ended: {reason}");
    }
}

/// Lets one call through a long hold-off, because a person asks for it; a refused key is shown to
/// the service again as well. Returns what to say about it.
fn lift(client: &Client) -> Option<String> {
    client.try_key_again();
    lifted(client.pacer())
}

/// Lets one call through a long hold-off, because a person asks for it. Returns what to say about
/// it; `None` if there is no such hold-off.
pub fn lifted(pacer: &Pacer) -> Option<String> {
    match pacer.lift_hold_off() {
        Lifted::NotNeeded => None,
        Lifted::ForOneCall(hold_off) => {
            Some(format!("one call is made in spite of the hold-off ({})", hold_off.reason))
        }
        Lifted::TooSoon(until) => Some(format!(
            "the last call in spite of the hold-off was minutes ago; the next is possible at {}",
            when::clock(timestamp(until))
        )),
    }
}
