//! Recovery: a state file from nothing but the key and the name of a target folder.
//!
//! The newest sound snapshot in `.fichierd/state` is laid into the state; without one, the remote
//! folders are walked, one call for each. Either way nothing is removed or sent because of the
//! records that are found: they are not believed about the disk (the next cycle compares by
//! content), and removals are held until a cycle has found disk and records the same, or a person
//! has said so ([`crate::remote::trust`]).
//!
//! Invariants: a damaged state file is moved aside and never deleted; a sound one that knows the
//! mirror is left alone. Killed at any point, recovery goes on, or begins anew, and ends the same.

mod check;
mod fetch;
mod files;
mod find;
mod form;
mod lay;
mod walk;

use std::path::{Path, PathBuf};

use fichier_api::Client;
use fichier_state::{Mirror, Store};
use serde::{Deserialize, Serialize};

pub use self::check::Sample;
use self::find::FoundTarget;
pub use self::walk::Walked;
use crate::base::{Fact, Form, RecordedForm};

/// An order to recover one mirror, and the state that it goes to.
#[derive(Clone, Debug)]
pub struct Order {
    /// The remote folder.
    pub target: String,
    /// The folder of the state.
    pub state_dir: PathBuf,
    /// Move a sound state aside that knows the mirror already.
    pub replace: bool,
    /// List the remote folders even if there are snapshots.
    pub walk: bool,
    /// The name of the mirror, where a configuration, or the user, gives one.
    pub name: Option<String>,
    /// The source of the mirror; see `name`.
    pub source: Option<PathBuf>,
    /// How its files are stored, to read its names and its snapshots.
    pub form: Form,
    /// Whether only the keys in `form` are known: the names of the snapshots tell how names are
    /// kept.
    pub finds_scheme: bool,
}

impl Order {
    /// Whether a mirror is on record with this form, as far as that is known.
    fn has_form_of(&self, mirror: &Mirror) -> bool {
        let recorded = mirror.form.as_deref();
        let recorded = recorded.and_then(|text| serde_json::from_str::<RecordedForm>(text).ok());
        if self.finds_scheme {
            return recorded.map(|form| form.keys) == self.form.keys_id();
        }
        recorded == self.form.recorded()
    }
}

/// The result of a recovery.
#[derive(Debug)]
pub struct Recovered {
    /// The mirror, as it is on record now.
    pub mirror: Mirror,
    /// The origin of the records.
    pub from: Source,
    /// Snapshots that could not be used, and why.
    pub unusable: Vec<(String, String)>,
    /// Where the state file that was there before is now.
    pub aside: Option<PathBuf>,
    /// Where the configuration was written.
    pub config: Option<PathBuf>,
    /// How the records compare with a look at the service.
    pub sample: Option<Sample>,
}

/// The origin of records.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Source {
    /// A snapshot.
    Snapshot {
        /// The name of the snapshot.
        name: String,
        /// The time at which it was made; Unix seconds.
        made_s: i64,
        /// The version of the program that made it.
        program: String,
    },
    /// The remote folders themselves.
    Walk(Walked),
}

/// The progress of a recovery, for the person who waits.
#[derive(Clone, Debug)]
pub enum Step {
    /// A snapshot is being read: its name and size.
    Reading(String, u64),
    /// A snapshot cannot be used: its name, and why.
    Unusable(String, String),
    /// Remote folders are being listed.
    Walking {
        /// Folders that are listed.
        listed: u64,
        /// Folders that are known and not listed yet.
        left: u64,
        /// Files found so far.
        files: u64,
    },
}

/// Why a recovery failed.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The state knows the mirror already.
    #[error(
        "the mirror `{mirror}` to {target} is on record in {} already; start the service, or \
         restore from it. To recover anew from 1fichier, and move this state aside: --replace",
        state_dir.display()
    )]
    Known {
        /// The name of the mirror.
        mirror: String,
        /// Its target.
        target: String,
        /// The folder of the state that knows it.
        state_dir: PathBuf,
    },
    /// There is no such folder.
    #[error("there is no folder {0} in this account; look with: fichierd remote ls /")]
    NoTarget(String),
    /// The service does not tell whether there is such a folder.
    #[error("{0} was not found, but the service did not list everything; try again later")]
    Unclear(String),
    /// The recovery that is to go on has begun with another password.
    #[error(
        "the recovery of {0} has begun with another password, or without one; give that one, or \
         begin anew with: --replace"
    )]
    OtherForm(String),
    /// The snapshot was made by a newer program.
    #[error(
        "the snapshot {name} was made by a newer fichierd; install that version, or a later one, \
         and recover with it"
    )]
    Newer {
        /// The name of the snapshot.
        name: String,
    },
    /// The mirror is encrypted, and no password was given.
    #[error(
        "the files in {0} are encrypted: give the password with --password-file FILE (and the \
         salt, if there is one, with --salt-file FILE), or configure the mirror with `encrypt`"
    )]
    Encrypted(String),
    /// Another password than that of the mirror was given.
    #[error("the password, or the salt, is not the one with which the files in {0} are encrypted")]
    OtherPassword(String),
    /// The system gives no random numbers, which encryption needs.
    #[error("the system gives no random numbers: {0}")]
    NoRandom(getrandom::Error),
    /// A call to the service failed.
    #[error(transparent)]
    Api(#[from] fichier_api::Error),
    /// The state file failed.
    #[error(transparent)]
    State(#[from] fichier_state::Error),
    /// A file in the state folder could not be written.
    #[error("cannot write to {}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Recovers one mirror. With a snapshot it costs a listing for each folder of the path and two
/// more, one call for each part of the snapshot, and one listing to compare with.
///
/// # Errors
///
/// [`RecoverError`]. Everything that was there before is still there.
pub async fn recover(
    client: &Client,
    order: &Order,
    say: &mut (dyn FnMut(Step) + Send),
) -> Result<Recovered, RecoverError> {
    let (store, aside) = files::open_state(order)?;
    let place = find::walk_down(client, order).await?;
    let order = &form::told(order, &place)?;
    let mut recovering = Recovering { client, order, store, place };
    let done = recovering.run(say).await;
    let Recovering { store, .. } = recovering;
    store.close()?;
    Ok(Recovered { aside, ..done? })
}

struct Recovering<'a> {
    client: &'a Client,
    order: &'a Order,
    store: Store,
    place: FoundTarget,
}

impl Recovering<'_> {
    async fn run(&mut self, say: &mut (dyn FnMut(Step) + Send)) -> Result<Recovered, RecoverError> {
        let target = &self.order.target;
        let (mut unusable, mut from) = (Vec::new(), begun(target).read(&self.store)?);
        if from.is_none() && !self.order.walk {
            from = self.lay_newest(&mut unusable, say).await?;
        }
        let from = match from {
            Some(from @ Source::Snapshot { .. }) => from,
            Some(Source::Walk(_)) | None => Source::Walk(self.walk(say).await?),
        };
        let mirror = files::known(&self.store, &self.order.target)?;
        let mirror = mirror.ok_or(fichier_state::Error::Missing("mirror"))?;
        let sample = match &from {
            Source::Snapshot { .. } => self.check_sample(&mirror).await?,
            Source::Walk(_) => None,
        };
        self.store.write(|w| begun(&mirror.target).forget(w))?;
        files::clear_work(&self.order.state_dir);
        let config = files::config_path(&self.order.state_dir);
        let config = config.exists().then_some(config);
        Ok(Recovered { mirror, from, unusable, aside: None, config, sample })
    }
}

/// The note of the origin of a recovery that has begun and not ended.
fn begun(target: &str) -> Fact<Source> {
    Fact::about(format!("recovery of {target}"))
}

/// The path of a target as the configuration would have it: no empty names, no `/` at the end.
#[must_use]
pub fn plain_target(typed: &str) -> Option<String> {
    let names: Vec<&str> = typed.split('/').filter(|name| !name.is_empty()).collect();
    let is_plain = typed.starts_with('/') && !names.iter().any(|name| matches!(*name, "." | ".."));
    (is_plain && !names.is_empty()).then(|| format!("/{}", names.join("/")))
}

/// A name for a mirror that is known only by its target.
fn name_for(target: &str) -> String {
    let last = target.rsplit('/').next().unwrap_or_default().to_lowercase();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let name: String = last.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    if name.is_empty() { "recovered".to_owned() } else { name }
}

fn work_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("recover")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_in_a_configuration() {
        assert_eq!(plain_target("//a//b/").as_deref(), Some("/a/b"));
        for wrong in ["/", "", "a/b", "/a/../b"] {
            assert_eq!(plain_target(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mirror_without_a_name_gets_one_that_a_configuration_takes() {
        assert_eq!(name_for("/backup/Photos 2026"), "photos-2026");
        assert_eq!(name_for("/été"), "-t-");
    }
}
