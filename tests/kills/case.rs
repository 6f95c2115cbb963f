//! One death: a world is prepared, changed, killed, started again, and compared.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use fichier_emulator::{Action, Fault};
use fichier_testkit::{Machine, crypt, target, tree, until, write};

use crate::PROGRAM;
use crate::change::Change;

/// The number of worlds at one time; other cases wait.
const AT_ONCE: usize = 6;

/// The moment at which the process dies.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// It reaches this point for the n-th time, counted from 1.
    At(&'static str, usize),
    /// The node has read this percentage of all bytes to be sent, and reads no more.
    Sending(u64),
    /// The node has stored the files, and does not answer.
    Unanswered,
}

/// A death in a change.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub death: Death,
    pub change: Change,
    /// Batches of calls are carried out in part, this many links at a time.
    pub at_most: Option<usize>,
}

/// The result of a case.
pub struct Came {
    /// The calls to the service from the change on.
    pub calls: Vec<String>,
    /// Bytes of files sent since.
    pub sent: u64,
    /// Bytes of files that the change made necessary to send.
    pub size: u64,
}

impl Came {
    pub fn count(&self, endpoint: &str) -> usize {
        self.calls.iter().filter(|call| *call == endpoint).count()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {:?}", self.death, self.change)
    }
}

/// Runs one death at each of `points` in each of `changes`, and lets `check` look at the results.
pub fn at(points: &[&'static str], changes: &[Change], check: impl Fn(Case, &Came) + Sync) {
    let all = points.iter().flat_map(|point| {
        changes.iter().map(|change| Case {
            death: Death::At(point, 1),
            change: *change,
            at_most: None,
        })
    });
    each(all.collect(), check);
}

/// Runs many deaths, some of them side by side.
pub fn each(cases: Vec<Case>, check: impl Fn(Case, &Came) + Sync) {
    static FREE: Mutex<usize> = Mutex::new(AT_ONCE);
    static FREED: Condvar = Condvar::new();
    /// The turn of a case, given back also by one that fails.
    struct Place;
    impl Drop for Place {
        fn drop(&mut self) {
            *FREE.lock().unwrap() += 1;
            FREED.notify_one();
        }
    }
    std::thread::scope(|scope| {
        for case in cases {
            let check = &check;
            let named = std::thread::Builder::new().name(case.to_string());
            named
                .spawn_scoped(scope, move || {
                    let mut free = FREED.wait_while(FREE.lock().unwrap(), |n| *n == 0).unwrap();
                    *free -= 1;
                    drop(free);
                    let _place = Place;
                    check(case, &case.live());
                })
                .unwrap();
        }
    });
}

impl Case {
    fn live(self) -> Came {
        let mut world = self.prepared();
        let before = tree::in_account(&world.emulator, &target("photos"));
        let mark = world.emulator.calls();
        let sent_before = world.emulator.bytes_received();
        let size = self.change.make(&world);
        self.die(&mut world, size);
        self.assert_nothing_is_lost(&world, &before);

        world.environment.clear();
        world.emulator.clear_faults();
        world.start();
        world.until_mirrored("photos");
        // A replaced copy is removed after the new one is there: the cycle has to end.
        world.run(&["sync"]).expect(0);
        let mirror = world.mirror("photos");
        assert_eq!(mirror["problem_count"], 0, "{mirror}");
        world.assert_mirrored();
        self.assert_nothing_is_lost(&world, &before);
        let folders = world.emulator.folders();
        let different: BTreeSet<&String> = folders.iter().collect();
        assert_eq!(different.len(), folders.len(), "a folder is there twice: {folders:#?}");
        let local = tree::on_disk(&world.source("photos"));
        let shown = tree::folders_in_account(&world.emulator, &target("photos"));
        let needed = tree::folders_of(&local);
        assert!(needed.is_subset(&shown), "{needed:?} are not all in {shown:?}");

        // The copy of the records is from before, and another is due in a day.
        let sent = world.emulator.bytes_received() - sent_before;
        Came { calls: world.emulator.calls_since(mark), sent, size }
    }

    fn prepared(self) -> Machine {
        let mut world = Machine::of(PROGRAM);
        world.add_mirror("photos", self.change.settings());
        // The first edit shows what the service does with a name that is taken.
        write(&world.source("photos").join("bystander"), "is touched once");
        world.run(&["sync"]).expect(0);
        write(&world.source("photos").join("bystander"), "was touched once");
        self.change.before(&world);
        world.run(&["sync"]).expect(0);
        if self.change.meanwhile(&world) {
            world.run(&["sync"]).expect(0);
        }
        assert_eq!(world.differences("photos"), Vec::<String>::new(), "before the change");
        if let Some(links) = self.at_most {
            for endpoint in ["file/mv.cgi", "file/rm.cgi"] {
                world.emulator.inject(Fault::always(endpoint, Action::Partial(links)));
            }
        }
        world
    }

    /// Starts the service and waits for its death.
    fn die(self, world: &mut Machine, size: u64) {
        match self.death {
            Death::At(point, nth) => {
                let points = format!("{point}={}*off->return", nth - 1);
                let points = if nth == 1 { format!("{point}=return") } else { points };
                world.environment = vec![("FAILPOINTS", points)];
                world.launch();
                let code = world.take_service().ended();
                assert_eq!(code, None, "{self}: the process ended by itself");
            }
            Death::Sending(percent) => {
                let bytes = size * percent / 100;
                let stall = Action::StallBody(usize::try_from(bytes).unwrap());
                world.emulator.inject(Fault::once("upload.cgi", stall));
                let before = world.emulator.bytes_received();
                world.launch();
                until("the node has read its part", || {
                    let calls = world.emulator.requests();
                    let body = calls.iter().rfind(|call| call.endpoint == "upload.cgi")?.bytes;
                    // The form has at most this many bytes besides the files.
                    let form = body.saturating_sub(size);
                    let read = world.emulator.bytes_received() - before;
                    (body >= size && read >= bytes.saturating_sub(form)).then_some(())
                });
                world.take_service().kill();
            }
            Death::Unanswered => {
                let held_back = Action::Delay(Duration::from_secs(600));
                world.emulator.inject(Fault::once("upload.cgi", held_back));
                world.launch();
                until("the node has stored the files", || {
                    (!tree::staged(&world.emulator).is_empty()).then_some(())
                });
                world.take_service().kill();
            }
        }
    }

    /// A path that stays has content at every moment (T4), its own or, while names are exchanged,
    /// under another name; and every earlier content is kept (T3).
    fn assert_nothing_is_lost(self, world: &Machine, before: &tree::Tree) {
        world.emulator.assert_no_violations();
        let local = tree::on_disk(&world.source("photos"));
        let files = world.emulator.files();
        let contents = files.iter().filter_map(|file| world.emulator.content(&file.link));
        let contents: BTreeSet<Vec<u8>> = contents.map(crypt::plain_content).collect();
        let now = tree::in_account(&world.emulator, &target("photos"));
        for (path, content) in before {
            let stays = local.contains_key(path);
            let is_there = now.contains_key(path);
            let is_renamed = now.values().any(|other| other == content);
            assert!(!stays || is_there || is_renamed, "{self}: `{path}` is without content");
            let is_kept = contents.contains(content);
            assert!(is_kept || !self.change.keeps(), "{self}: the content of `{path}` is lost");
        }
    }
}
