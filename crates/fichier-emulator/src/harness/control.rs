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

    /// Forgets all faults, whether they have struck or not. Locks stay.
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

    /// Forgets all calls, as if there had been none for longer than any rule about the pace of
    /// calls reaches back. Locks stay.
    pub fn forget_calls(&self) {
        self.world.lock().limits.forget_calls();
    }

    /// Sets the limits and habits from now on. Calls that were counted stay counted.
    pub fn set_rules(&self, rules: Rules) {
        self.world.lock().rules = rules;
    }

    /// Sets whether requests that a careful client never makes are no violations from now on:
    /// [`Rules::trials_tolerated`].
    pub fn tolerate_trials(&self, tolerated: bool) {
        self.world.lock().rules.trials_tolerated = tolerated;
    }

    /// Sets whether somebody downloads elsewhere from now on: [`Rules::other_location_active`].
    pub fn set_other_location(&self, active: bool) {
        self.world.lock().rules.other_location_active = active;
    }

    /// Sets whether downloads need CDN credits from now on: [`Rules::downloads_need_cdn`].
    pub fn set_downloads_need_cdn(&self, needed: bool) {
        self.world.lock().rules.downloads_need_cdn = needed;
    }

    /// Sets the words with which every download is refused from now on:
    /// [`Rules::download_refusal`].
    pub fn set_download_refusal(&self, words: Option<&str>) {
        self.world.lock().rules.download_refusal = words.map(str::to_owned);
    }

    /// Accepts no key any more.
    pub fn revoke_key(&self) {
        self.world.lock().key = None;
    }

    /// Accepts this key and no other; [`Emulator::api_key`] stays the first.
    pub fn set_key(&self, key: &str) {
        self.world.lock().key = Some(key.to_owned());
    }

    /// Sets how far the service's clock is ahead of this machine's from now on; negative is behind.
    /// The `Date` of every reply shows it, and so do the dates of files that are uploaded or copied
    /// and of folders that are made. Limits and lifetimes do not change with it.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.world.lock().clock.ahead_s = seconds;
    }

    /// Sets the e-mail address of the account's user, as if this were another account.
    pub fn set_email(&self, email: &str) {
        self.world.lock().email = email.to_owned();
    }

    /// Sets the account's subscription.
    pub fn set_offer(&self, offer: Offer) {
        self.world.lock().offer = offer;
    }

    /// Sets whether nodes refuse the account's files.
    pub fn set_upload_forbidden(&self, forbidden: bool) {
        self.world.lock().upload_forbidden = forbidden;
    }

    /// Shows this certificate to clients that connect from now on, if there is TLS.
    pub fn set_certificate(&self, certificate: Certificate) {
        if let Some(front) = &self.front {
            front.show(certificate);
        }
    }
}
