//! The configuration read again while the service runs.
//!
//! A mirror whose part has changed gives up its seat, once its cycle has ended, and gets another
//! one. A mirror that was renamed waits for the seat of its former name, since both work on the same
//! records.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Daemon, DaemonError, Seat, systemd};
use crate::base::words::chain;
use crate::config::connect::connect;
use crate::config::{Config, MirrorConfig};
use crate::daemon::schedule::Wake;
use crate::mirror::forms;

impl Daemon {
    /// Reads the configuration again and goes over to it. A bad one is refused, and the old one
    /// stays.
    pub(super) fn reload(&mut self) {
        systemd::reloading();
        let taken = match Config::load(Some(&self.config.path)) {
            Ok(config) => match self.config.needs_restart(&config) {
                Some(why) => Err(why),
                None => self
                    .check_passwords(&config)
                    .and_then(|()| self.take_up(config).map_err(|error| chain(&error))),
            },
            Err(error) => Err(error.to_string()),
        };
        if taken.is_ok() {
            tracing::info!("configuration reloaded");
        }
        let refused = taken.err().map(|why| format!("reload refused: {why}"));
        if let (Some(_), Some(why)) = (&self.refused_reload, &refused) {
            // The first refusal is logged as the beginning of a degraded state; a further one here.
            tracing::error!("{why}");
        }
        self.refused_reload = refused;
        self.said.clear();
        systemd::ready("");
    }

    /// Reads the passwords of encrypted mirrors again. A mirror goes on with the keys that its files
    /// have, so a changed password is refused here and not used.
    fn check_passwords(&self, config: &Config) -> Result<(), String> {
        for mirror in config.mirrors.iter().filter(|mirror| mirror.encrypt.is_some()) {
            // A command may be run for it.
            systemd::alive();
            let form = forms::configured(mirror).map_err(|error| chain(&error))?;
            let seat = self.seats.get(&mirror.name);
            let before = seat.and_then(|seat| seat.form.keys_id());
            if before.is_some() && before != form.keys_id() {
                return Err(format!(
                    "`{name}` has another password, or salt, than its files: put the former one \
                     back; if it was changed on purpose: systemctl restart fichierd, then: \
                     fichierd approve --encrypt-again {name}",
                    name = mirror.name
                ));
            }
        }
        Ok(())
    }

    fn take_up(&mut self, config: Config) -> Result<(), DaemonError> {
        // The key is read again in any case, since it may have been replaced (C02).
        let (client, _) = connect(&config)?;
        self.shared.client = client.counting_on(&self.shared.client);
        if config.pace.parallel_uploads != self.shared.parallel_uploads {
            self.shared.parallel_uploads = config.pace.parallel_uploads;
            self.shared.slots = Arc::new(Semaphore::new(config.pace.parallel_uploads));
        }
        let names: Vec<String> = self.seats.keys().cloned().collect();
        for name in names {
            let same = config
                .mirrors
                .iter()
                .any(|mirror| self.seats.get(&name).is_some_and(|seat| seat.config == *mirror));
            if !same {
                self.remove_seat(&name);
            }
        }
        for mirror in &config.mirrors {
            if self.has_room_for(mirror) {
                systemd::alive();
                self.add_mirror(mirror.clone())?;
            }
        }
        for seat in self.seats.values_mut() {
            seat.schedule.look_now(Instant::now(), Wake::Person);
        }
        self.config = config;
        self.alerts.take_up(&self.shared.state, &self.config);
        self.tell_metrics();
        Ok(())
    }

    /// Removes a mirror that is no longer configured; its files on 1fichier stay (C05).
    fn remove_seat(&mut self, name: &str) {
        let Some(seat) = self.seats.get_mut(name) else { return };
        if let Some(forwarder) = seat.forwarder.take() {
            forwarder.abort();
        }
        seat.watch = None;
        if seat.is_working() {
            // A cycle with the old configuration is under way; the seat is removed at its end.
            seat.leaving = true;
        } else {
            self.seats.remove(name);
        }
    }

    /// Whether a configured mirror has no seat, and no other one that still works on its records:
    /// a mirror that was renamed goes on with those of its former name.
    fn has_room_for(&self, mirror: &MirrorConfig) -> bool {
        let works_on_it = |seat: &Seat| seat.leaving && seat.config.target == mirror.target;
        !self.seats.contains_key(&mirror.name) && !self.seats.values().any(works_on_it)
    }

    /// Adds the mirrors whose configuration changed during a cycle that has ended now.
    pub(super) fn add_changed(&mut self) {
        let waiting: Vec<MirrorConfig> = self.config.mirrors.clone();
        for config in waiting {
            if !self.has_room_for(&config) {
                continue;
            }
            let name = config.name.clone();
            let Err(error) = self.add_mirror(config) else { continue };
            tracing::error!(
                mirror = %name,
                "`{name}` cannot be mirrored with its new configuration: {}; correct it, then: \
                 systemctl reload fichierd",
                chain(&error)
            );
        }
    }
}
