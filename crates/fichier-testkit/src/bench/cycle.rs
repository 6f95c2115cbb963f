//! Cycles of the mirror, and their ends: by themselves, by the death of the process, by the loss of
//! the network.

use std::time::{Duration, Instant};

use fichier_emulator::{Action, Emulator, Fault, Request};
use fichier_state::{Entry, RelPath};
use fichierd::disk::Due;
use fichierd::mirror::CycleEnd;

use super::Bench;

/// A mirror that still finds something to do after this long never settles. An upload whose
/// reply was lost is given up only after seconds, and a busy machine takes many times longer.
const SETTLES_WITHIN: Duration = Duration::from_secs(180);

impl Bench {
    /// Runs a cycle over everything.
    pub async fn cycle(&mut self) -> CycleEnd {
        self.worker.run(&self.shared, &everything()).await
    }

    /// Runs a cycle over some paths.
    pub async fn cycle_over(&mut self, paths: &[&str]) -> CycleEnd {
        let paths = paths.iter().map(|path| RelPath::parse(path.as_bytes()).unwrap()).collect();
        self.worker.run(&self.shared, &Due { everything: false, paths }).await
    }

    /// Runs cycles until one finds nothing to do, and returns how that one ended. Panics if it
    /// takes too long.
    pub async fn settle(&mut self) -> CycleEnd {
        let deadline = Instant::now() + SETTLES_WITHIN;
        loop {
            let end = self.cycle().await;
            if end.trouble.is_none()
                && !end.report.changed_something()
                && end.report.problems == 0
                && self.worker.dirty.is_empty()
                && end.report.uploads_pending == 0
                && !end.more
            {
                return end;
            }
            assert!(
                Instant::now() < deadline,
                "the mirror does not settle: {end:?} {:?}",
                self.problems()
            );
            self.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
        }
    }

    /// Runs a cycle, and kills the process at its `n`th request (from 0): when the request was
    /// sent, or when the service has carried it out but has not answered. Returns whether there
    /// were so many requests.
    pub async fn kill_at(&mut self, n: usize, carried_out: bool) -> bool {
        let mark = self.stall_at(n, carried_out);
        let due = everything();
        let reached = tokio::select! {
            _ = self.worker.run(&self.shared, &due) => false,
            () = request_is_there(&self.emulator, mark, carried_out) => true,
        };
        self.emulator.clear_faults();
        reached
    }

    /// As [`Bench::kill_at`], in the work that is done between cycles.
    pub async fn kill_chores_at(&mut self, n: usize, carried_out: bool) -> bool {
        let mark = self.stall_at(n, carried_out);
        let all = async { while self.worker.chores(&self.shared).await.next == Duration::ZERO {} };
        let reached = tokio::select! {
            () = all => false,
            () = request_is_there(&self.emulator, mark, carried_out) => true,
        };
        self.emulator.clear_faults();
        reached
    }

    /// Lets the `n`th request from now on get no answer. Returns its number among all requests.
    fn stall_at(&self, n: usize, carried_out: bool) -> usize {
        let action = if carried_out {
            Action::Delay(Duration::from_secs(600))
        } else {
            Action::StallHeaders
        };
        self.emulator.inject(Fault::once("*", action).after(n));
        all_requests(&self.emulator).len() + n
    }

    /// Runs a cycle; the `n`th request (from 0) is carried out, but neither its reply nor any
    /// request after it comes through. Returns whether there were so many requests.
    pub async fn cut_off_at(&mut self, n: usize) -> bool {
        let mark = all_requests(&self.emulator).len() + n;
        self.emulator.inject(Fault::once("*", Action::DoItThenReset).after(n));
        self.emulator.inject(Fault::always("*", Action::Reset).after(n + 1));
        self.cycle().await;
        self.emulator.clear_faults();
        all_requests(&self.emulator).len() > mark
    }

    /// The calls of one cycle, by endpoint. Panics if it ends with trouble.
    pub async fn calls_of_cycle(&mut self) -> Vec<String> {
        let before = self.emulator.calls();
        let end = self.cycle().await;
        assert!(end.trouble.is_none(), "{:?}", end.trouble);
        self.emulator.calls_since(before)
    }

    /// How many requests a first cycle with the file `name` makes before its first to `endpoint`.
    pub async fn calls_to(mut self, endpoint: &str, name: &str) -> usize {
        self.write(name, "content");
        let calls = self.calls_of_cycle().await;
        calls.iter().position(|call| call == endpoint).unwrap()
    }

    /// How often an endpoint was called so far.
    pub fn asked(&self, endpoint: &str) -> usize {
        self.emulator.calls_since(0).iter().filter(|call| *call == endpoint).count()
    }

    /// The paths that could not be mirrored, each with the reason.
    pub fn problems(&self) -> Vec<(String, String)> {
        let problems = self.shared.state.read(|s| s.problems(Some(self.worker.id))).unwrap();
        problems.into_iter().map(|problem| (problem.path.to_string(), problem.what)).collect()
    }

    /// The record of a file or link.
    pub fn record_of(&self, path: &str) -> Option<Entry> {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let record = self.shared.state.read(|s| {
            let Some(folder) = s.folder_at(self.worker.id, &path.parent().unwrap())? else {
                return Ok(None);
            };
            s.entry(folder.key, path.name())
        });
        record.unwrap()
    }
}

fn everything() -> Due {
    Due { everything: true, paths: Vec::new() }
}

/// Returns when the request of this number is on record, and carried out if that is asked for.
async fn request_is_there(emulator: &Emulator, number: usize, carried_out: bool) {
    loop {
        let all = all_requests(emulator);
        // A download changes nothing, so there is nothing to carry out.
        let is_done = |request: &Request| request.status != 0 || request.endpoint == "download";
        if all.get(number).is_some_and(|request| !carried_out || is_done(request)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The requests of every kind, in order of arrival, also those to the download servers.
fn all_requests(emulator: &Emulator) -> Vec<Request> {
    let mut all = [emulator.requests(), emulator.downloads()].concat();
    all.sort_by_key(|request| request.at_ms);
    all
}
