//! Tells a story to a mirror, and checks its end.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use fichier_emulator::{
    Action, BatchExcess, Emulator, Fault, FolderTaken, NameTaken, RemoveUnknown,
};
use fichier_state::{Moment, RelPath};
use fichier_testkit::endpoints::ENDPOINTS;
use fichier_testkit::exact::describe;
use fichier_testkit::{Bench, TARGET, crypt};
use fichierd::config::Keep;
use fichierd::disk::Due;
use fichierd::mirror::Trouble;
use fichierd::remote::probe::probe;

use crate::disk::Disk;
use crate::operations::{Habit, Operation, Spoiling, Story};

/// The largest number of cycles until a mirror must have settled; one that needs more never will.
const MAX_CYCLES: usize = 25;

/// The longest that a lock of the service may keep a mirror waiting, on the clock; a longer one
/// fails the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// The delay, in the service's time, after which it shows or knows things late.
const LATE: Duration = Duration::from_secs(90);

/// The delay of a call that is never answered.
const FOREVER: Duration = Duration::from_secs(600);

/// An error tells which expectation failed.
type Outcome<T = ()> = Result<T, String>;

pub async fn tell(story: &Story) -> Outcome {
    let world = Bench::with(
        |rules| {
            rules.on_name_taken = story.name_taken;
            match story.habit {
                Habit::None => {}
                Habit::MoveChangesLink => rules.mv_changes_link = true,
                Habit::BatchOfThree => rules.batch_max = Some(3),
                Habit::AppearsAfterResult => rules.appears_after_result = true,
                Habit::RemoveUnknownNotFound => rules.remove_unknown = RemoveUnknown::NotFound,
                Habit::BatchOfThreeOrNone => {
                    rules.batch_max = Some(3);
                    rules.batch_excess = BatchExcess::Refuse;
                }
                Habit::FolderTakenExisting => rules.on_folder_taken = FolderTaken::Existing,
                Habit::FolderTakenTwins => rules.on_folder_taken = FolderTaken::Duplicate,
                Habit::MovesShowLate => rules.move_lag = LATE,
                Habit::LinksWorkLate => rules.new_link_lag = LATE,
            }
        },
        |config| {
            if !story.keep_versions {
                config.keep = Keep::None;
            }
        },
    )
    .await;
    if story.is_probed {
        learn_traits(&world).await?;
    }
    let disk = Disk::new(world.source());
    let mut teller = Teller { disk, world, shown: BTreeSet::new(), settled: Vec::new() };
    for operation in &story.operations {
        teller = teller.next(operation).await?;
    }
    teller.world.emulator.clear_faults();
    teller.come_to_rest().await?;
    teller.look(story)?;
    let calls = teller.world.calls_of_cycle().await;
    check(calls.is_empty(), || format!("an idle cycle makes calls: {calls:?}"))?;
    teller.look_back(story).await
}

/// Finds out how the service behaves, as `check --probe` does.
async fn learn_traits(world: &Bench) -> Outcome {
    let dir = tempfile::TempDir::new().unwrap();
    world.emulator.tolerate_trials(true);
    let found = probe(&world.shared.client, dir.path(), 0, &|_| {}).await;
    world.emulator.tolerate_trials(false);
    let found = found.map_err(|error| format!("the probe failed: {error}"))?;
    check(found.stopped.is_none() && found.left.is_none(), || format!("the probe: {found:?}"))?;
    world.shared.state.write(|w| found.habits.keep(w)).map_err(|error| error.to_string())
}

struct Teller {
    world: Bench,
    disk: Disk,
    /// Every content that was ever visible in the target.
    shown: BTreeSet<Vec<u8>>,
    /// The moments at which the mirror had settled, and the tree as it was then.
    settled: Vec<(Moment, Vec<String>)>,
}

impl Teller {
    async fn next(mut self, operation: &Operation) -> Outcome<Teller> {
        match operation {
            Operation::Cycle => {
                self.world.cycle().await;
            }
            Operation::CycleOver { files } => {
                let due = self.due(files);
                self.world.worker.run(&self.world.shared, &due).await;
            }
            Operation::Settle => {
                self.world.emulator.clear_faults();
                self.come_to_rest().await?;
                self.remember_tree();
            }
            Operation::Restart => self.world = self.world.restart(),
            Operation::Kill { after, carried_out } => {
                self.die_at(usize::from(*after), *carried_out).await;
                self.world = self.world.restart();
            }
            Operation::Spoil { endpoint, skip, how } => self.spoil(*endpoint, *skip, *how),
            change => self.disk.apply(change),
        }
        self.remember_shown();
        Ok(self)
    }

    /// Remembers the tree as it is, and lets an hour go by.
    fn remember_tree(&mut self) {
        let tree = describe(self.world.source());
        self.settled.push((self.world.moment(), tree));
        self.world.later(1);
    }

    /// Some files that exist, and the folder of each that does not.
    fn due(&self, numbers: &[u8]) -> Due {
        let files = self.disk.files();
        let path = |number: &u8| {
            let file = files.get(usize::from(*number) % (files.len() + 1))?;
            let below = file.strip_prefix(self.world.source()).unwrap();
            Some(RelPath::parse(below.as_os_str().as_bytes()).unwrap())
        };
        let gone = || RelPath::parse(b"a").unwrap();
        let paths = numbers.iter().map(|number| path(number).unwrap_or_else(gone)).collect();
        Due { everything: false, paths }
    }

    /// Begins a cycle, and drops it in its `after`th request from now on.
    async fn die_at(&mut self, after: usize, carried_out: bool) {
        let action = if carried_out { Action::Delay(FOREVER) } else { Action::StallHeaders };
        let (worker, shared) = (&mut self.world.worker, &self.world.shared);
        let emulator = &self.world.emulator;
        emulator.inject(Fault::once("*", action).after(after));
        let last = emulator.calls() + after;
        let everything = Due { everything: true, paths: Vec::new() };
        tokio::select! {
            _end = worker.run(shared, &everything) => {}
            () = is_there(emulator, last, carried_out) => {}
        }
        emulator.clear_faults();
    }

    fn spoil(&self, endpoint: u8, skip: u8, how: Spoiling) {
        let action = match how {
            Spoiling::LoseReply => Action::DoItThenReset,
            Spoiling::ResetBefore => Action::Reset,
            Spoiling::ServerError => Action::Status(503, "busy".to_owned()),
            Spoiling::Partial(links) => Action::Partial(usize::from(links)),
            Spoiling::Truncated => Action::Truncated,
            Spoiling::Empty => Action::Empty,
            Spoiling::Scanning(often) => Action::Scanning(usize::from(often)),
            Spoiling::NoLinks(often) => Action::EmptyLinks(usize::from(often)),
            Spoiling::ReorderedLinks => Action::ReorderedLinks,
            Spoiling::NoFolderId => Action::NoFolderId,
        };
        let endpoint = match how {
            Spoiling::Scanning(_) | Spoiling::NoLinks(_) | Spoiling::ReorderedLinks => "end.pl",
            Spoiling::NoFolderId => "folder/mkdir.cgi",
            _ => ENDPOINTS[usize::from(endpoint) % ENDPOINTS.len()],
        };
        self.world.emulator.inject(Fault::once(endpoint, action).after(usize::from(skip)));
    }

    fn remember_shown(&mut self) {
        let own = format!("{TARGET}/.fichierd");
        for file in self.world.emulator.files() {
            if file.path.starts_with(TARGET) && !file.path.starts_with(&own) {
                self.shown.extend(self.world.emulator.content(&file.link));
            }
        }
    }

    async fn come_to_rest(&mut self) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let mut cycles = 0;
        loop {
            let end = self.world.cycle().await;
            self.remember_shown();
            let is_dirty = !self.world.worker.dirty.is_empty();
            let waits =
                end.report.uploads_pending > 0 || matches!(end.trouble, Some(Trouble::HeldOff(..)));
            let at_rest = end.trouble.is_none()
                && !end.report.changed_something()
                && end.report.problems == 0
                && !waits
                && !is_dirty;
            if at_rest {
                return Ok(());
            }
            self.world.worker.dirty.take_settled(Duration::ZERO, Duration::ZERO);
            if waits {
                // A second has to pass, not a number of cycles.
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else {
                cycles += 1;
            }
            check(cycles < MAX_CYCLES && Instant::now() < deadline, || {
                let (report, trouble) = (&end.report, &end.trouble);
                format!("the mirror does not settle: {report:?} {trouble:?} {is_dirty}")
            })?;
        }
    }

    /// A restore of any settled moment equals the tree of that moment.
    async fn look_back(&mut self, story: &Story) -> Outcome {
        self.remember_tree();
        // Contents that are not kept, or that the service overwrote, cannot come back.
        let kept = story.keep_versions && story.name_taken != NameTaken::Overwrite;
        let from = if kept { 0 } else { self.settled.len() - 1 };
        for (moment, original) in &self.settled[from..] {
            let dest = tempfile::TempDir::new().unwrap();
            let report = self.world.restore(*moment, dest.path()).await;
            check(report.problems.is_empty(), || format!("{moment:?}: {:#?}", report.problems))?;
            let found = describe(dest.path());
            let only = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|line| !b.contains(line)).cloned().collect()
            };
            check(found == *original, || {
                let (lost, new) = (only(original, &found), only(&found, original));
                format!("{moment:?} was {lost:#?}\nand came back as {new:#?}")
            })?;
        }
        Ok(())
    }

    /// Checks everything that must hold of a settled mirror.
    fn look(&self, story: &Story) -> Outcome {
        let violations = self.world.emulator.violations();
        check(violations.is_empty(), || format!("rules were broken: {violations:#?}"))?;
        let mut live = Vec::new();
        let mut kept = BTreeSet::new();
        for file in self.world.emulator.files() {
            let content = self.world.emulator.content(&file.link).unwrap();
            let Some(folder) = file.path.strip_prefix(TARGET) else {
                return Err(format!("`{}` lies in {}", file.name, file.path));
            };
            kept.insert(content.clone());
            if folder.starts_with("/.fichierd/versions") {
                continue;
            }
            check(!folder.starts_with("/.fichierd"), || format!("left in staging: {file:?}"))?;
            let folder = crypt::plain_folder(folder);
            let path = format!("{folder}/{}", crypt::plain_file(&file.name));
            live.push((path.trim_start_matches('/').to_owned(), crypt::plain_content(content)));
        }
        live.sort();
        let disk: Vec<(String, Vec<u8>)> = self.world.local().into_iter().collect();
        let (there, here) = (shorten(&live), shorten(&disk));
        check(live == disk, || format!("on 1fichier {there:#?}\nhere {here:#?}"))?;
        if story.keep_versions && story.name_taken != NameTaken::Overwrite {
            let lost: Vec<_> = self.shown.difference(&kept).map(|bytes| glimpse(bytes)).collect();
            check(lost.is_empty(), || format!("lost contents: {lost:#?}"))?;
        }
        Ok(())
    }
}

/// Returns when a request is on record, and carried out if that is asked for.
async fn is_there(emulator: &Emulator, number: usize, carried_out: bool) {
    let is_there = || {
        let requests = emulator.requests();
        requests.get(number).is_some_and(|request| !carried_out || request.status != 0)
    };
    while !is_there() {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn shorten(files: &[(String, Vec<u8>)]) -> Vec<String> {
    files.iter().map(|(path, bytes)| format!("{path}: {}", glimpse(bytes))).collect()
}

fn glimpse(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(20)];
    format!("{} bytes, {}", bytes.len(), String::from_utf8_lossy(start))
}
