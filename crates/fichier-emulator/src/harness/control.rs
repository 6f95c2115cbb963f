//! Changing a running service: its faults, limits, key and clock.

use super::emulator::Emulator;
use crate::base::instant;
use crate::faults::Fault;
use crate::habits::Certificate;
use crate::rules::{Offer, Rules};

impl Emulator {
    /// Makes the service do something wrong; see [`Fault`].
    pub fn inject(&self, fault: Fault) {
        self.world.lock().faults.add(fault);
    }

    /// Forgets the faults that have not struck, and those that go on. Locks stay.
    pub fn clear_faults(&self) {
        self.world.lock().faults.clear();
    }

    /// Whether callers are locked out at this moment.
    pub fn is_locked(&self) -> bool {
        self.world.lock().limits.is_locked(instant())
    }

    /// Ends a lock at once.
    pub fn unlock(&self) {
        self.world.lock().limits.unlock();
    }

    /// As if nobody had called for longer than any rule about the pace of calls reaches back.
    /// Locks stay.
    pub fn forget_calls(&self) {
        self.world.lock().limits.forget_calls();
    }

    /// Other limits and habits from now on. What was counted stays counted.
    pub fn set_rules(&self, rules: Rules) {
        self.world.lock().rules = rules;
    }

    /// Whether what a careful client never does is no violation from now on:
    /// [`Rules::trials_tolerated`].
    pub fn tolerate_trials(&self, tolerated: bool) {
        self.world.lock().rules.trials_tolerated = tolerated;
    }

    /// Whether somebody downloads elsewhere from now on: [`Rules::other_location_active`].
    pub fn set_other_location(&self, active: bool) {
        self.world.lock().rules.other_location_active = active;
    }

    /// Whether downloads need CDN credits from now on: [`Rules::downloads_need_cdn`].
    pub fn set_downloads_need_cdn(&self, needed: bool) {
        self.world.lock().rules.downloads_need_cdn = needed;
    }

    /// No key is accepted any more.
    pub fn revoke_key(&self) {
        self.world.lock().key = None;
    }

    /// Another key is the right one; [`Emulator::api_key`] stays the first.
    pub fn set_key(&self, key: &str) {
        self.world.lock().key = Some(key.to_owned());
    }

    /// How far the service's clock is ahead of this machine's from now on; negative is behind. It
    /// is told in the `Date` of every reply and in the dates of what is uploaded, copied or made.
    /// Limits and lifetimes do not change with it.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.world.lock().clock.ahead_s = seconds;
    }

    /// The address of the account's user: another account.
    pub fn set_email(&self, email: &str) {
        self.world.lock().email = email.to_owned();
    }

    /// Another subscription.
    pub fn set_offer(&self, offer: Offer) {
        self.world.lock().offer = offer;
    }

    /// Whether the account may upload; nodes refuse files if not.
    pub fn set_upload_forbidden(&self, forbidden: bool) {
        self.world.lock().upload_forbidden = forbidden;
    }

    /// The servers show this certificate to whoever connects from now on, if there is TLS.
    pub fn set_certificate(&self, certificate: Certificate) {
        if let Some(front) = &self.front {
            front.show(certificate);
        }
    }
}
