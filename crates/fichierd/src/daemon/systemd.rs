//! Messages to systemd: the status of the service, and that its loop is alive.
//!
//! Nothing is sent if `$NOTIFY_SOCKET` is not set. A message that cannot be sent stops nothing; it
//! is logged at debug level.
//!
//! The watchdog is fed only while the main loop turns: a loop that hangs stops the messages, and
//! systemd restarts the service. The watchdog does *not* depend on the network: an upload of four
//! hours and a hold-off of an hour are no hang, and the loop turns during both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// The longest time that the loop waits for an event; then it looks whether a degraded state has
/// ended. A watchdog makes it shorter.
const LONGEST_TURN: Duration = Duration::from_secs(30);

/// Counts the turns of the main loop. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Counts one turn of the loop.
    pub fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn turns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells that configuration, key and state are good and that the service has begun to work.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(one_line(status))]);
}

/// Tells what the service is doing, for `systemctl status`. Only the first line is sent.
pub fn status(text: &str) {
    send(&[NotifyState::Status(one_line(text))]);
}

/// Tells that the configuration is being read again; [`ready`] tells the end of that.
///
/// Both facts go in one datagram, as `Type=notify-reload` demands.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "the monotonic clock cannot be read: {error}"),
    }
}

/// Feeds the watchdog before work that holds the loop up, for less than half of a minute.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// Tells that the service is about to end.
pub fn stopping(status: &str) {
    send(&[NotifyState::Stopping, NotifyState::Status(one_line(status))]);
}

/// Feeds the watchdog as often as the unit asks for, while `progress` advances; never returns.
///
/// Without `WatchdogSec=` in the unit it only waits. The loop must turn more than once in every
/// [`watchdog_interval`] / 2, even if there is nothing to do: [`longest_turn`].
pub async fn feed_watchdog(progress: Progress) {
    let Some(interval) = watchdog_interval() else { return std::future::pending().await };
    let mut feeder = Feeder::default();
    let mut clock = tokio::time::interval(interval / 2);
    loop {
        clock.tick().await;
        if feeder.is_alive(progress.turns()) {
            send(&[NotifyState::Watchdog]);
        }
    }
}

/// How long the service may be silent by its unit; `None` without a watchdog for this process.
fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// How long the main loop may wait for the next event.
///
/// The feeder looks at fixed intervals whether the loop has turned. If a turn took as long as such
/// an interval, one of its looks would find no turn, perhaps after days, and systemd would kill an
/// idle service (O03).
pub fn longest_turn() -> Duration {
    longest_turn_of(watchdog_interval())
}

fn longest_turn_of(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(LONGEST_TURN, |interval| (interval / 6).min(LONGEST_TURN))
}

/// Tells a loop that turns from one that hangs.
#[derive(Default)]
struct Feeder {
    last: Option<u64>,
}

impl Feeder {
    fn is_alive(&mut self, turns: u64) -> bool {
        self.last.replace(turns) != Some(turns)
    }
}

/// A datagram is a list of lines: a status with a line break would be read as another fact.
fn one_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    use super::*;

    /// This runs in a process of its own, since the environment names the service manager and a
    /// test must not change its own environment.
    #[test]
    #[ignore = "run by the_service_manager_is_told_in_whole_datagrams"]
    fn speak() {
        ready("idle");
        reloading();
        stopping("ended\nREADY=1");
    }

    #[test]
    fn the_service_manager_is_told_in_whole_datagrams() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let spoken = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "daemon::systemd::tests::speak", "--ignored"])
            .env("NOTIFY_SOCKET", &path)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(spoken.success());
        let heard = || {
            let mut buffer = [0; 1024];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(heard(), "READY=1\nSTATUS=idle\n");
        let reloading = heard();
        let clock = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(clock.trim_end().parse::<u64>().unwrap() > 0, "{reloading}");
        assert_eq!(heard(), "STOPPING=1\nSTATUS=ended\n");
    }

    #[test]
    fn the_watchdog_is_fed_only_while_the_loop_turns() {
        let progress = Progress::default();
        let mut feeder = Feeder::default();
        assert!(feeder.is_alive(progress.turns()), "before the first turn");
        assert!(!feeder.is_alive(progress.turns()), "no turn since");
        progress.clone().tick();
        assert!(feeder.is_alive(progress.turns()), "one turn since");
        assert!(!feeder.is_alive(progress.turns()), "no turn since");
    }

    #[test]
    fn o03_an_idle_loop_turns_in_each_look_of_the_watchdog_however_late_it_is() {
        for seconds in [1, 5, 60, 600] {
            let interval = Duration::from_secs(seconds);
            let turn = longest_turn_of(Some(interval));
            // The feeder looks every half of the interval; a turn may take twice its time.
            assert!(turn * 2 < interval / 2, "{interval:?}: {turn:?}");
        }
        assert_eq!(longest_turn_of(None), LONGEST_TURN);
    }

    #[test]
    fn a_status_cannot_smuggle_in_another_fact() {
        assert_eq!(one_line("idle\nMAINPID=1"), "idle");
        assert_eq!(one_line(""), "");
    }
}
