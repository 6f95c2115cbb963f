//! Restores of the mirror: their plans and their reports.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use fichier_state::{Moment, Store};
use fichierd::restore::{
    Keyring, Options, Overwrite, Owners, Plan, Progress, Report, Restore, RestoreError, Selection,
    Tree,
};

use super::Bench;
use crate::crypt;

/// Nothing is overwritten; four files at a time; the destination was made for the restore.
pub const OPTIONS: Options = Options {
    overwrite: Overwrite::Never,
    parallel: 4,
    use_cdn: false,
    made_top: true,
    in_place: false,
};

impl Bench {
    /// The newest moment of the records.
    pub fn moment(&self) -> Moment {
        self.shared.state.read(|s| s.newest_moment()).unwrap()
    }

    /// Plans the restore of the paths that match, as they were at this moment.
    pub fn plan(&self, moment: Moment, patterns: &[&str]) -> Plan {
        self.try_plan(moment, patterns).unwrap()
    }

    /// As [`Bench::plan`], for a state that may be damaged.
    ///
    /// # Errors
    ///
    /// That of the state.
    pub fn try_plan(
        &self,
        moment: Moment,
        patterns: &[&str],
    ) -> Result<Plan, fichier_state::Error> {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection::parse(&patterns, BTreeSet::new()).unwrap();
        self.plan_of(moment, &selection, &crypt::keyring())
    }

    /// Plans the restore of everything with these keys.
    pub fn plan_with(&self, moment: Moment, keyring: &Keyring) -> Plan {
        let everything = Selection::parse(&[], BTreeSet::new()).unwrap();
        self.plan_of(moment, &everything, keyring).unwrap()
    }

    fn plan_of(
        &self,
        moment: Moment,
        selection: &Selection,
        keyring: &Keyring,
    ) -> Result<Plan, fichier_state::Error> {
        self.shared.state.read(|store: &Store| {
            let mirror = store.mirror(&self.config.name, &self.config.target)?.unwrap();
            let tree = Tree::new(store, &mirror, moment).with_keys(keyring);
            Plan::of(store, &tree, selection)
        })
    }

    /// Restores everything as it was at this moment.
    pub async fn restore(&self, moment: Moment, dest: &Path) -> Report {
        self.try_restore(self.plan(moment, &[]), dest, OPTIONS).await.unwrap()
    }

    /// Carries out a plan.
    ///
    /// # Errors
    ///
    /// That of the restore.
    pub async fn try_restore(
        &self,
        plan: Plan,
        dest: &Path,
        options: Options,
    ) -> Result<Report, RestoreError> {
        let client = self.shared.client.clone();
        let progress = Arc::new(Progress::default());
        let restore = Restore::new(client, dest.to_owned(), Owners::numeric(), options, progress)?;
        let outcome = restore.run(plan).await;
        outcome.stopped.map_or(Ok(outcome.report), Err)
    }
}
