//! The end of a scenario: what must hold while the habits of the service last, and once they have
//! ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fichier_state::{RelPath, Store};
use fichier_testkit::crypt;
use fichierd::daemon::{How, approve};
use fichierd::mirror::{CycleEnd, Held, Trouble};
use fichierd::remote::unconfirmed::unconfirmed;
use fichierd::restore::{Plan, Selection, Tree};
use tokio::time::Instant;

use crate::look::Outcome;
use crate::world::{World, ended};

/// The largest number of cycles until a mirror must have settled; one that needs more never will.
const MAX_CYCLES: usize = 60;
/// The largest number of cycles of a mirror that may stop.
const CYCLES_BEFORE_STOP: usize = 14;
/// The longest time until a mirror must have settled.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);
/// How long a mirror is left alone with a habit.
const LEFT_ALONE: Duration = Duration::from_secs(3 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// The most calls of an hour in which nobody changes anything, from the second one on.
const MOST_CALLS: usize = 42;
/// Bytes that may be sent for each ten that were written.
const SENT_FOR_TEN: u64 = 13;
/// The words about a file that is not sent again.
const GIVEN_UP: &str = "it was removed on 1fichier";
/// Bytes of a few tiny files, of which a part may be sent twice.
const SLACK_BYTES: u64 = 120;

impl World {
    /// The script is over: the invariants hold while the lasting habits go on, and once they have
    /// ended everything is there, once.
    pub async fn finish(&mut self) -> Outcome {
        self.end_passing();
        self.road.end_faults();
        self.end_faults();
        if self.has_habits() {
            if self.is_to_be_left_alone() {
                self.is_left_alone().await?;
            }
            self.rest_with_habits().await?;
            self.end_habits();
        }
        self.rest().await?;
        if self.outside().look.has_staged() {
            // What the service did not know when it was to be removed goes after the next start.
            self.restart();
            self.rest().await?;
            if self.outside().look.has_staged() {
                return Err("something lies in staging after a restart".to_owned());
            }
        }
        self.sent_little()?;
        self.would_come_back()
    }

    /// A pause in a script.
    pub(crate) async fn pause(&mut self) -> Outcome {
        self.end_passing();
        self.rest_with_habits().await
    }

    /// Nobody does anything for hours: few calls are made.
    async fn is_left_alone(&mut self) -> Outcome {
        self.change_what_waits();
        let began = Instant::now();
        self.run(began + LEFT_ALONE).await?;
        if let Some(problem) = self.outside().problem.take() {
            return Err(problem);
        }
        let calls = self.road.most_in_an_hour(began + HOUR);
        // A copy whose outcome is never told is made again every few minutes.
        let copies = self.habits().iter().any(|w| w.habit().name.starts_with("file/cp.cgi"));
        if calls > MOST_CALLS && !copies {
            return Err(format!("{calls} calls in an hour in which nothing was changed"));
        }
        Ok(())
    }

    /// Whatever the service is like, the mirror settles or says that it does not.
    async fn rest_with_habits(&mut self) -> Outcome {
        // Without versions a file whose hash is never told waits for ever.
        let may_stop = !self.keeps_versions()
            || self.outside().look.never_appear()
            || self.habits().iter().any(|which| which.habit().leads_to.may_stop());
        let cycles = if may_stop { CYCLES_BEFORE_STOP } else { MAX_CYCLES };
        match self.settle(cycles).await? {
            None => {
                crate::stats::note(self.habits(), true);
                if may_stop && !self.says_that_it_is_complete() {
                    return Ok(());
                }
                self.is_at_rest().await
            }
            Some(why) if may_stop => {
                // A person has asked for so many cycles, and each may have sent everything.
                self.tries_again += u64::try_from(CYCLES_BEFORE_STOP).unwrap();
                crate::stats::note(self.habits(), false);
                self.road.note(&format!("it stops: {why}"));
                Ok(())
            }
            Some(why) => Err(why),
        }
    }

    /// Ends the faults and runs cycles until there is nothing left to do; then every invariant must
    /// hold.
    pub async fn rest(&mut self) -> Outcome {
        self.emulator.clear_faults();
        let mut left = self.settle(MAX_CYCLES).await?;
        if left.is_some() && self.touch_given_up() {
            left = self.settle(MAX_CYCLES).await?;
        }
        match left {
            None => self.is_at_rest().await,
            // What the service denied is in the way, and the problem says so.
            Some(_) if self.outside().look.may_leave() && !self.problems().is_empty() => Ok(()),
            Some(why) => Err(why),
        }
    }

    /// Touches the files that are not sent again before they change, as the program advises.
    fn touch_given_up(&mut self) -> bool {
        let problems = self.problems();
        let given_up = problems.iter().filter(|(_, what)| what.starts_with(GIVEN_UP));
        let paths: Vec<&RelPath> = given_up.map(|(path, _)| path).collect();
        let outside = self.outside();
        for path in &paths {
            outside.disk.touch(path);
            outside.dirty.mark((*path).clone());
        }
        !paths.is_empty()
    }

    /// Runs cycles until there is nothing left to do. Returns what is left, if that takes too long.
    async fn settle(&mut self, most: usize) -> Result<Option<String>, String> {
        self.road.end_faults();
        self.end_faults();
        let (mut cycles, deadline) = (0, Instant::now() + PATIENCE);
        loop {
            self.change_what_waits();
            let outside = std::sync::Arc::clone(&self.outside);
            let Some(process) = &mut self.process else { return Err("no process".to_owned()) };
            process.schedule.rescan_now(Instant::now());
            let end = process.cycle(&outside).await;
            if let Some(problem) = self.outside().problem.take() {
                return Err(problem);
            }
            ended(&outside, &end)?;
            self.is_complete = end.trouble.is_none() && end.completeness.is_complete();
            self.open = end.completeness.open().unwrap_or_default();
            let is_dirty = !self.outside().dirty.is_empty();
            let at_rest = end.trouble.is_none()
                && end.outcome.held.is_none()
                && !end.report.changed_something()
                && end.report.problems == 0
                && end.report.uploads_pending == 0
                && !end.more
                && !is_dirty
                && self.problems().is_empty();
            if at_rest {
                return Ok(None);
            }
            cycles += 1;
            if cycles > most || Instant::now() > deadline {
                let (problems, begun) = (self.problems(), self.begun());
                return Ok(Some(format!(
                    "the mirror does not settle: {:?} {:?} dirty: {is_dirty} {problems:?} {begun}",
                    end.report, end.trouble
                )));
            }
            if is_held(&end) {
                self.approve();
                continue;
            }
            // Time for files to settle, for listings to show them, and for a lock to end.
            tokio::time::sleep(Duration::from_secs(20 * u64::try_from(cycles).unwrap())).await;
        }
    }

    fn change_what_waits(&mut self) {
        let waiting = std::mem::take(&mut self.outside().waiting);
        for (_, change) in waiting {
            self.outside().change(&change, true);
        }
    }

    /// A mirror that has settled makes no calls, says that it is complete, and is as the disk.
    async fn is_at_rest(&mut self) -> Outcome {
        if !self.says_that_it_is_complete() && !self.waits_for_a_download() {
            return Err(format!(
                "it has settled and does not say that it is complete: {}",
                self.open
            ));
        }
        let calls = self.road.answered();
        let outside = std::sync::Arc::clone(&self.outside);
        if let Some(process) = &mut self.process {
            process.schedule.rescan_now(Instant::now());
            process.cycle(&outside).await;
        }
        if self.road.answered() != calls {
            return Err("an idle cycle makes calls".to_owned());
        }
        let outside = &mut *self.outside();
        outside.look.at_rest(&outside.disk)
    }

    fn says_that_it_is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether files wait for the last proof, a download: none succeeds here.
    fn waits_for_a_download(&self) -> bool {
        let Some(process) = &self.process else { return false };
        let of_mirror = process.shared.state.read(|s| unconfirmed(s, process.worker.id));
        of_mirror.is_ok_and(|files| !files.is_none())
    }

    /// Approves what is held, as a person would.
    pub(crate) fn approve(&mut self) {
        let Some(process) = &self.process else { return };
        let state = &process.shared.state;
        let row = state.read(|s| s.mirrors()).unwrap_or_default();
        let row = row.into_iter().find(|row| row.id == process.worker.id);
        let takes_over = row.and_then(|row| Held::of(&row)).is_some_and(|held| held.is_taken());
        if let Err(error) =
            approve(state, &self.config, How { take_over: takes_over, ..How::default() })
        {
            self.road.note(&format!("not approved: {error}"));
        }
    }

    /// What was begun and is not finished, and when.
    fn begun(&self) -> String {
        let Some(process) = &self.process else { return String::new() };
        let state = &process.shared.state;
        let begun = state.read(|s| s.intents(process.worker.id));
        format!("begun until {}: {begun:?}", state.now_s())
    }

    fn problems(&self) -> BTreeMap<RelPath, String> {
        let Some(process) = &self.process else { return BTreeMap::new() };
        let found = process.shared.state.read(|s| s.problems(None)).unwrap_or_default();
        found.into_iter().map(|problem| (problem.path, problem.what)).collect()
    }

    /// Little is sent twice: a third of it at most, for each event that cuts the work short.
    fn sent_little(&self) -> Outcome {
        let sent = self.emulator.bytes_received();
        let written = self.outside().disk.written();
        let refused = u64::from(self.outside().look.refuses_batches());
        let most = (written * SENT_FOR_TEN / 10 + SLACK_BYTES)
            * (1 + self.disturbances + self.tries_again + refused);
        if sent > most {
            let times = self.disturbances;
            return Err(format!("{sent} bytes were sent for {written}, with {times} disturbances"));
        }
        Ok(())
    }

    /// A restore would bring back exactly what is on disk: the plan of one names a copy of each
    /// content, and the service has it.
    fn would_come_back(&self) -> Outcome {
        let Some(process) = &self.process else { return Ok(()) };
        let plan = process.shared.state.read(|store: &Store| {
            let rows = store.mirrors()?;
            let row = rows.into_iter().find(|row| row.id == process.worker.id);
            let row = row.ok_or(fichier_state::Error::Missing("mirror"))?;
            let selection = Selection::parse(&[], BTreeSet::new()).unwrap_or_default();
            let keyring = crypt::keyring();
            let tree = Tree::new(store, &row, store.newest_moment()?).with_keys(&keyring);
            Plan::of(store, &tree, &selection)
        });
        let plan = plan.map_err(|error| format!("no plan of a restore: {error}"))?;
        if !plan.refused.is_empty() {
            return Err(format!("a restore would lack {:?}", plan.refused));
        }
        let mut found = BTreeMap::new();
        for content in &plan.contents {
            let copies = content.copies.iter();
            let stored = copies.filter_map(|copy| self.emulator.content(copy.url.as_str())).next();
            let bytes = stored.map(crypt::plain_content_if_whole);
            for place in &content.places {
                found.insert(place.path.clone(), bytes.clone().unwrap_or_default());
            }
        }
        let disk = self.outside().disk.files();
        // A file without bytes is made, whatever the service has.
        let mut expected: BTreeMap<_, _> =
            disk.into_iter().map(|(path, file)| (path, file.bytes)).collect();
        found.retain(|_, bytes| !bytes.is_empty());
        expected.retain(|_, bytes| !bytes.is_empty());
        if found != expected {
            return Err(format!("a restore would bring back {found:?}, and there is {expected:?}"));
        }
        Ok(())
    }
}

fn is_held(end: &CycleEnd) -> bool {
    end.outcome.held.is_some() || matches!(end.trouble, Some(Trouble::Held(_)))
}
