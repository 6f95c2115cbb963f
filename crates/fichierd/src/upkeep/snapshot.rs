//! Snapshots: copies of a mirror's records, kept at the service beside the files that they
//! describe.
//!
//! The service holds bytes; names, times, modes, owners, links and empty files are in the records
//! alone. So a copy of them goes to `<target>/.fichierd/state/`, packed, whenever the records have
//! changed, as often as that costs little ([`due`]). `docs/decisions/0006-snapshots.md` gives the
//! reasons for this form.
//!
//! A snapshot takes the way of every file: its row is on disk before its first byte is sent (I3),
//! it is sent to the staging folder, compared with what was sent, and only then moved to its place.
//! After a lost reply the node is asked, then the staging folder is listed, and only then another
//! snapshot is made, under another name (I12).
//!
//! Invariant: no snapshot holds the API key, and a snapshot at the service is removed only if it is
//! in our own records (I2).

mod at_stop;
mod due;
mod files;
mod health;
mod keep;
mod make;
mod owners;
mod place;
mod sealed;
mod send;

use std::time::Duration;

use fichier_api::{Client, FileUrl, Whirlpool};
use fichier_state::{
    Counts, Mirror, MirrorId, Moment, Records, SnapshotFacts, SnapshotId, Writing,
};

pub use self::at_stop::{sent_by_cycle, write_at_stop};
use self::due::{AT_MOST_EVERY_S, Need, due_in_s};
use self::files::Files;
pub(crate) use self::files::{hash_file, unpack};
pub use self::health::{Health, health};
use self::make::{MakeError, MakeOutcome, Order};
pub(crate) use self::send::CanaryFile;
use crate::base::words::chain;
use crate::base::{Form, State};
use crate::config::without_addresses;
use crate::remote::{Ledger, Made, Remote, RemoteError};
use crate::upkeep::{Ahead, Situation};

/// The contents of the canary, the tiny file that is downloaded once a week.
pub const CANARY_TEXT: &[u8] = b"fichierd fetches this file now and then: can we still download?\n";

/// The note that says where the configuration file is.
const CONFIG_NOTE: &str = "configuration file";

/// Records a snapshot that was found at the service and read: it is ours, and may be removed when
/// it is no longer needed.
pub(crate) fn adopt(
    w: &mut Writing<'_>,
    mirror: MirrorId,
    found: &FoundSnapshot,
    base: Option<SnapshotId>,
) -> Result<SnapshotId, fichier_state::Error> {
    let known = w.snapshots(mirror)?.into_iter().find(|row| row.name == found.name);
    let id = match known {
        Some(row) => row.id,
        None => {
            let moment = w.newest_moment()?;
            let (name, made_s) = (&found.name, found.made_s);
            w.add_snapshot(mirror, base, name, made_s, moment, found.size_bytes, &found.whirlpool)?
        }
    };
    w.confirm_snapshot(id, &found.url)?;
    Ok(id)
}

/// A snapshot as the service has it.
#[derive(Clone, Debug)]
pub(crate) struct FoundSnapshot {
    pub(crate) name: String,
    pub(crate) made_s: i64,
    pub(crate) url: FileUrl,
    pub(crate) size_bytes: u64,
    pub(crate) whirlpool: Whirlpool,
}

/// Remembers which configuration file goes into the snapshots.
///
/// # Errors
///
/// The state file's.
pub fn remember_config(w: &mut Writing<'_>, path: &std::path::Path) -> fichier_state::Result<()> {
    w.set_note(CONFIG_NOTE, path.to_str())
}

/// How long until a snapshot is due.
pub(crate) fn due_in(at: Situation<'_>) -> Result<Option<Duration>, RemoteError> {
    let need = at.state.read(|s| {
        // The next one may be a day away, so the first one waits until there is something on
        // record.
        let is_first = s.newest_snapshot(at.mirror.id)?.is_none();
        if is_first && s.count_below(at.mirror.root)? == Counts::default() {
            return Ok(None);
        }
        need(s, at.mirror.id, s.clock().now_s()).map(Some)
    })?;
    let Some(need) = need else { return Ok(None) };
    Ok(due_in_s(&need).map(|s| Duration::from_secs(u64::try_from(s).unwrap_or(0))))
}

/// The calls for a snapshot after a cycle that does what lies ahead; none if none is due then.
pub(crate) fn calls_expected(at: Situation<'_>, ahead: Ahead) -> Result<u64, RemoteError> {
    let (mut need, ledger, is_empty) = at.state.read(|s| {
        let is_empty = s.count_below(at.mirror.root)? == Counts::default();
        let need = need(s, at.mirror.id, s.clock().now_s())?;
        Ok((need, Ledger::read(s, at.mirror.id)?, is_empty))
    })?;
    if need.last_s.is_none() && is_empty && !ahead.changes {
        return Ok(0);
    }
    need.has_changed |= ahead.changes;
    need.is_written &= !ahead.changes;
    need.sent_bytes = need.sent_bytes.saturating_add(ahead.sent_bytes);
    if due_in_s(&need).is_none_or(|seconds| seconds > 0) {
        return Ok(0);
    }
    // The folder of the snapshots, the first time; then node, file, result and move.
    Ok(4 + u64::from(ledger.state_folder.is_none()))
}

fn need(records: &Records, mirror: MirrorId, now_s: i64) -> Result<Need, fichier_state::Error> {
    let ledger = Ledger::read(records, mirror)?;
    let last = records.newest_snapshot(mirror)?;
    let newest = records.newest_moment()?;
    // A moment is a second, and a snapshot made within it may not know all of it.
    let newest_s = records.time_of(newest)?.unwrap_or_default();
    let tells_all = |(moment, at_s): (Moment, i64)| moment >= newest && at_s > newest_s;
    let has_changed = last.as_ref().is_none_or(|last| {
        !tells_all((last.moment, last.made_s)) && !ledger.looked_at.is_some_and(tells_all)
    });
    // A snapshot that is laid over a whole one is at most a quarter of it.
    let expected_bytes = match &last {
        Some(last) if last.base.is_none() => last.size_bytes / 4,
        _ => ledger.last_bytes,
    };
    Ok(Need {
        now_s,
        last_s: last.map(|last| last.made_s),
        has_changed,
        is_under_way: ledger.under_way.is_some(),
        is_written: ledger.written.is_some_and(|made| tells_all((made.moment, made.made_s))),
        not_before_s: ledger.not_before_s,
        sent_bytes: ledger.sent_bytes,
        spent_bytes: ledger.spent_bytes,
        expected_bytes,
    })
}

impl Remote {
    /// Finishes the snapshot that is under way, or makes and sends one; then removes those that are
    /// no longer needed. Costs five calls, and one more now and then.
    pub(crate) async fn snapshot(&self, at: Situation<'_>) -> Result<(), RemoteError> {
        let ledger = self.state.read(|s| Ledger::read(s, self.mirror))?;
        if ledger.under_way.is_some() {
            self.finish_snapshot().await?;
        } else if let Some(made) = self.made_snapshot(at, ledger).await? {
            let folder = self.state_folder().await?;
            self.send_snapshot(made, folder).await?;
        }
        self.remove_snapshots(at).await
    }

    /// The snapshot that was written at the last stop, if nothing has changed since, or a new one;
    /// `None` if there is nothing new, or it could not be made.
    async fn made_snapshot(
        &self,
        at: Situation<'_>,
        ledger: Ledger,
    ) -> Result<Option<Made>, RemoteError> {
        let files = self.snapshot_files(at.mirror)?;
        if let Some(made) = ledger.written {
            let now_s = self.state.now_s();
            let is_all = self.state.read(|s| need(s, self.mirror, now_s))?.is_written;
            let length = std::fs::metadata(files.packed()).map_or(0, |found| found.len());
            let has_base = match made.base {
                Some(base) => {
                    self.state.read(|s| s.snapshots(self.mirror))?.iter().any(|row| row.id == base)
                }
                None => true,
            };
            let has_form = made.stored_name() == self.form.file_name(made.name.as_bytes());
            if is_all && length == made.size_bytes && has_base && has_form {
                return Ok(Some(made));
            }
        }
        let config = config_text(&self.state, &self.client)?;
        let order = order(&self.state, at.mirror, &self.form, config)?;
        let made_s = order.facts.made_s;
        let state = self.state.clone();
        let made = tokio::task::spawn_blocking(move || {
            owners::refresh(&state, order.mirror)?;
            order.carry_out()
        });
        match made.await {
            Ok(Ok(MakeOutcome::Made(made))) => Ok(Some(made)),
            Ok(Ok(MakeOutcome::NothingNew(moment))) => {
                self.state.write(|w| {
                    Ledger::change(w, self.mirror, |ledger| {
                        ledger.looked_at = Some((moment, made_s));
                    })
                })?;
                self.try_snapshot_later(AT_MOST_EVERY_S)?;
                Ok(None)
            }
            Ok(Err(MakeError::State(error))) => Err(error.into()),
            Ok(Err(error @ MakeError::Io { .. })) => {
                tracing::warn!(mirror = %at.mirror.name, "{}", chain(&error));
                self.try_snapshot_later(AT_MOST_EVERY_S)?;
                Ok(None)
            }
            Err(crashed) => std::panic::resume_unwind(crashed.into_panic()),
        }
    }

    fn snapshot_files(&self, mirror: &Mirror) -> Result<Files, RemoteError> {
        Ok(Files::new(&self.state.read(|s| Ok(s.dir()))?, &mirror.name))
    }

    /// Sets the time before which no snapshot is tried.
    fn try_snapshot_later(&self, wait_s: i64) -> Result<(), RemoteError> {
        Ok(self.state.write(|w| {
            let at_s = w.now_s() + wait_s.max(1);
            Ledger::change(w, self.mirror, |ledger| ledger.not_before_s = Some(at_s))
        })?)
    }
}

/// The order for a snapshot of a mirror's records as they are now.
fn order(
    state: &State,
    mirror: &Mirror,
    form: &Form,
    config: Option<String>,
) -> Result<Order, fichier_state::Error> {
    state.read(|s| {
        let ledger = Ledger::read(s, mirror.id)?;
        let rows = s.snapshots(mirror.id)?;
        let last_digest = rows.iter().any(|row| row.url.is_some()).then_some(ledger.last_digest);
        Ok(Order {
            files: Files::new(&s.dir(), &mirror.name),
            form: form.clone(),
            state_dir: s.dir(),
            mirror: mirror.id,
            id: s.next_snapshot()?,
            facts: SnapshotFacts {
                name: String::new(),
                base: None,
                mirror: mirror.name.clone(),
                source: mirror.source.clone(),
                target: mirror.target.clone(),
                installation: None,
                made_s: s.clock().now_s(),
                moment: Moment(0),
                config,
                program: env!("CARGO_PKG_VERSION").to_owned(),
            },
            rows,
            last_digest: last_digest.flatten(),
            deadline: None,
        })
    })
}

/// The text of the configuration file, with stars in place of the addresses of receivers of alerts,
/// and of the key, in case somebody has left it there.
fn config_text(state: &State, client: &Client) -> Result<Option<String>, fichier_state::Error> {
    let Some(path) = state.read(|s| s.note(CONFIG_NOTE))? else { return Ok(None) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            tracing::debug!("the configuration is not in the snapshot: {path}: {error}");
            return Ok(None);
        }
    };
    Ok(Some(without_key(&without_addresses(&text), |word| client.is_key(word))))
}

fn without_key(text: &str, is_key: impl Fn(&str) -> bool) -> String {
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | ':' | '#');
    let masked = text.split_inclusive(ends_word).map(|piece| {
        let word = piece.trim_end_matches(ends_word);
        if is_key(word) { piece.replace(word, "***") } else { piece.to_owned() }
    });
    masked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_configuration_stays_at_home() {
        let text = "# api_key=SECRET\nname = \"SECRET\" # 'SECRET',SECRET\nsource = \"/a/b\"\n";
        let masked = without_key(text, |word| word == "SECRET");
        assert_eq!(masked, "# api_key=***\nname = \"***\" # '***',***\nsource = \"/a/b\"\n");
    }

    #[test]
    fn the_tiny_file_is_one() {
        assert_eq!(CANARY_TEXT.len(), 64);
    }
}
