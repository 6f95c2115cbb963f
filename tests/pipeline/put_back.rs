//! Restores of a world: what is planned, and what came of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fichier_state::{Moment, Store};
use fichierd::restore::tree::Tree;
use fichierd::restore::{
    Options, Overwrite, Owners, Plan, Progress, Report, Restore, RestoreError, Selection,
};

use crate::world::{TARGET, World};

pub const OPTIONS: Options = Options { overwrite: Overwrite::Never, parallel: 4, use_cdn: false };

impl World {
    /// The records as they are at this moment.
    pub fn moment(&self) -> Moment {
        self.shared.state.read(|s| s.newest_moment()).unwrap()
    }

    /// Time goes by.
    pub fn later(&self, hours: u64) {
        self.shared.state.clock().advance(Duration::from_secs(hours * 3600));
    }

    /// What it takes to put a moment back.
    pub fn plan(&self, moment: Moment, patterns: &[&str]) -> Plan {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection::parse(&patterns).unwrap();
        let plan = self.shared.state.read(|store: &Store| {
            let mirror = store.mirror("photos", TARGET)?.unwrap();
            Plan::of(store, &Tree::new(store, &mirror, moment), &selection)
        });
        plan.unwrap()
    }

    /// The same for a state that may be damaged.
    pub fn try_plan(&self, moment: Moment) -> Result<Plan, fichier_state::Error> {
        let selection = Selection::parse(&[]).unwrap();
        self.shared.state.read(|store: &Store| {
            let mirror = store.mirror("photos", TARGET)?.unwrap();
            Plan::of(store, &Tree::new(store, &mirror, moment), &selection)
        })
    }

    pub async fn restore(&self, moment: Moment, dest: &Path) -> Report {
        self.try_restore(self.plan(moment, &[]), dest, OPTIONS).await.unwrap()
    }

    pub async fn try_restore(
        &self,
        plan: Plan,
        dest: &Path,
        options: Options,
    ) -> Result<Report, RestoreError> {
        let client = self.shared.client.clone();
        let progress = Arc::new(Progress::default());
        let restore = Restore::new(client, dest.to_owned(), Owners::numeric(), options, progress)?;
        restore.run(plan).await
    }
}
