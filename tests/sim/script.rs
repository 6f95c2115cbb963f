//! The script of a scenario: a list of events, drawn from a seed.
//!
//! Events name their subjects by number, modulo the count of subjects at that time, so that a
//! script stays meaningful when it is cut down to the part that fails.

use std::time::Duration;

use fichier_emulator::NameTaken;
use fichier_testkit::habits::{self, Which};
use fichierd::base::Random;

use crate::disk::Ambush;

/// One scenario.
#[derive(Clone, Debug)]
pub struct Script {
    pub seed: u64,
    pub setting: Setting,
    pub events: Vec<Event>,
}

/// The conditions that hold from beginning to end.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name_taken: NameTaken,
    /// Undocumented habits that the service has from beginning to end.
    pub habits: Vec<Which>,
    /// Whether the mirror is left alone with the habits for hours in the end.
    pub left_alone: bool,
    pub keep_versions: bool,
    /// Whether the guard holds removals beyond the floor; if not, all are allowed.
    pub guarded: bool,
}

impl Setting {
    /// A service as it is documented, and a mirror that keeps everything.
    pub fn usual() -> Setting {
        Setting {
            name_taken: NameTaken::Duplicate,
            habits: Vec::new(),
            left_alone: true,
            keep_versions: true,
            guarded: false,
        }
    }
}

/// One event.
#[derive(Clone, Debug)]
pub enum Event {
    /// The user changes something, and the watcher sees it, or does not.
    Change {
        change: Change,
        seen: bool,
    },
    /// A change once the service has had so many more requests.
    ChangeDuring {
        change: Change,
        requests: u8,
    },
    /// A file changes while it is read.
    Ambush {
        reads: u8,
        how: Ambush,
    },
    /// Time passes, and the program does the work that is due.
    Wait(Duration),
    /// The watcher's queue overflowed: everything is looked at.
    Overflow,
    /// The process dies at a place, and is started again.
    Kill(Place),
    /// The process is stopped between cycles, and started again.
    Restart,
    /// The service misbehaves.
    Spoil {
        endpoint: u8,
        skip: u8,
        how: Spoiling,
    },
    /// No request gets through for a while.
    Offline(Duration),
    /// The disk of the state is full for a while.
    StateFull(Duration),
    /// The disk of the source is not mounted for a while; the mount is noticed.
    Unmounted(Duration),
    LockOut {
        folder: u8,
    },
    BreakFile {
        file: u8,
    },
    /// The faults of the disk end: everything can be seen and read again.
    EndFaults,
    /// Another user puts a file into the target.
    AddedThere {
        name: u8,
    },
    /// The service begins to have a habit.
    Begin(Which),
    /// The first or last of the habits that began within the scenario ends.
    End {
        first: bool,
    },
    /// The service is stopped, so many runs of `sync` follow, and the service is started again. The
    /// first one dies at a place, if one is given.
    OneShots {
        runs: u8,
        dies: Option<Place>,
    },
    /// The mirror gets another target, and the service is started again.
    Retarget {
        to: u8,
    },
    /// The mirror gets another name, and the service is started again.
    Rename {
        to: u8,
    },
    /// The records are lost, and the service is started again.
    LoseState,
    /// A person approves what is held.
    Approve,
    /// The faults end, the mirror settles, and the invariants are checked.
    Rest,
}

impl Event {
    /// Whether it cuts work short or makes it be done again, which may cost calls and bytes.
    pub fn disturbs(&self) -> bool {
        !matches!(
            self,
            Event::Change { .. } | Event::ChangeDuring { .. } | Event::Wait(_) | Event::Overflow
        )
    }
}

/// The place where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At its n-th request from now, before or after the service has carried it out.
    Request { number: u8, carried_out: bool },
    /// At its n-th transaction, before or after it is on disk.
    Transaction { number: u8, written: bool },
}

/// A change by the user.
#[derive(Clone, Debug)]
pub enum Change {
    Write { folder: u8, name: u8, content: Content },
    Edit { file: u8, content: Content },
    EditSecretly { file: u8 },
    Empty { file: u8 },
    RenameFile { file: u8, folder: u8, name: u8 },
    SwapFiles { file: u8, other: u8 },
    CopyFile { file: u8, folder: u8, name: u8 },
    RemoveFile { file: u8 },
    Link { folder: u8, name: u8 },
    FileToFolder { file: u8, content: Content },
    MakeFolder { folder: u8, name: u8 },
    RenameFolder { folder: u8, into: u8, name: u8 },
    SwapFolders { folder: u8, other: u8 },
    RemoveFolder { folder: u8 },
    Leave { path: u8, folder: bool },
    ComeBack { which: u8 },
    FolderToFile { folder: u8, content: Content },
}

/// The content of a file.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// One of a few contents that come up again and again, and share sizes.
    Known(u8),
    /// A content that was never seen before.
    New { length: u8 },
}

/// The way in which a request fails.
#[derive(Clone, Copy, Debug)]
pub enum Spoiling {
    LoseReply,
    ResetBefore,
    Status(u16),
    Page,
    Partial(u8),
    Truncated,
    Empty,
    Slow(Duration),
    Scanning(u8),
    NoLinks(u8),
    ReorderedLinks,
    ExtraLinks,
    WrongWhirlpool,
    WrongSize,
    NoFolderId,
    NodeStorage,
    Flood,
    RetryAfter(u16),
    EmptyListing,
}

/// Draws scripts.
pub struct Dice(Random);

impl Script {
    pub fn of_seed(seed: u64) -> Script {
        let mut dice = Dice(Random::seeded(seed));
        let setting = dice.setting();
        let length = 3 + dice.below(22);
        let events = (0..length).map(|_| dice.event()).collect();
        Script { seed, setting, events }
    }
}

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.number() % bound
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn small(&mut self, bound: u64) -> u8 {
        u8::try_from(self.below(bound)).unwrap()
    }

    /// Picks one of these numbers, by their weights.
    fn pick(&mut self, weights: &[u64]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn setting(&mut self) -> Setting {
        let name_taken = match self.pick(&[3, 1, 1, 1]) {
            0 => NameTaken::Duplicate,
            1 => NameTaken::Refuse,
            2 => NameTaken::Rename,
            _ => NameTaken::Overwrite,
        };
        let many = self.pick(&[4, 9, 3, 1]);
        let habits = (0..many).map(|_| self.habit()).collect();
        let left_alone = self.one_in(4);
        let (keep_versions, guarded) = (!self.one_in(6), self.one_in(4));
        Setting { name_taken, habits, left_alone, keep_versions, guarded }
    }

    fn event(&mut self) -> Event {
        match self.pick(&[40, 10, 4, 14, 2, 14, 2, 12, 2, 3, 2, 1, 1, 2, 1, 5, 4, 3, 3, 1, 1, 1, 2])
        {
            0 => Event::Change { change: self.change(), seen: !self.one_in(8) },
            1 => Event::ChangeDuring { change: self.change(), requests: self.small(12) },
            2 => {
                let how = [Ambush::Grow, Ambush::Shrink, Ambush::Rewrite][self.pick(&[1, 1, 1])];
                Event::Ambush { reads: self.small(6), how }
            }
            3 => Event::Wait(self.wait()),
            4 => Event::Overflow,
            5 => Event::Kill(self.place()),
            6 => Event::Restart,
            7 => {
                let (endpoint, skip) = (self.byte(), self.small(3));
                Event::Spoil { endpoint, skip, how: self.spoiling() }
            }
            8 => Event::Offline(self.wait()),
            9 => Event::StateFull(Duration::from_secs(1 + self.below(120))),
            10 => Event::Unmounted(self.wait()),
            11 => Event::LockOut { folder: self.byte() },
            12 => Event::BreakFile { file: self.byte() },
            13 => Event::EndFaults,
            14 => Event::AddedThere { name: self.byte() },
            15 => Event::Rest,
            16 => Event::Begin(self.habit()),
            17 => Event::End { first: self.one_in(2) },
            18 => {
                let dies = self.one_in(3).then(|| self.place());
                Event::OneShots { runs: 1 + self.small(2), dies }
            }
            19 => Event::Retarget { to: self.byte() },
            20 => Event::Rename { to: self.byte() },
            21 => Event::LoseState,
            _ => Event::Approve,
        }
    }

    /// A habit: rules of the emulator as often as other replies, although these are far more.
    fn habit(&mut self) -> Which {
        let (rules, replies) = habits::counts();
        let count = |of: usize| u64::try_from(of).unwrap();
        let at = match self.pick(&[1, 1]) {
            0 => self.below(count(rules)),
            _ => count(rules) + self.below(count(replies)),
        };
        Which(usize::try_from(at).unwrap())
    }

    fn wait(&mut self) -> Duration {
        Duration::from_secs(match self.pick(&[6, 3, 1]) {
            0 => 1 + self.below(20),
            1 => self.below(600),
            _ => self.below(3 * 3600),
        })
    }

    fn place(&mut self) -> Place {
        if self.one_in(2) {
            Place::Request { number: self.small(20), carried_out: self.one_in(2) }
        } else {
            Place::Transaction { number: self.small(40), written: self.one_in(2) }
        }
    }

    fn change(&mut self) -> Change {
        let (file, other, folder, into, name) =
            (self.byte(), self.byte(), self.byte(), self.byte(), self.byte());
        let content = self.content();
        match self.pick(&[9, 4, 2, 1, 4, 2, 3, 3, 1, 1, 1, 4, 2, 1, 2, 4, 1]) {
            0 => Change::Write { folder, name, content },
            1 => Change::Edit { file, content },
            2 => Change::EditSecretly { file },
            3 => Change::Empty { file },
            4 => Change::RenameFile { file, folder, name },
            5 => Change::SwapFiles { file, other },
            6 => Change::CopyFile { file, folder, name },
            7 => Change::RemoveFile { file },
            8 => Change::Link { folder, name },
            9 => Change::FileToFolder { file, content },
            10 => Change::MakeFolder { folder, name },
            11 => Change::RenameFolder { folder, into, name },
            12 => Change::SwapFolders { folder, other },
            13 => Change::RemoveFolder { folder },
            14 => Change::Leave { path: file, folder: self.one_in(2) },
            15 => Change::ComeBack { which: file },
            _ => Change::FolderToFile { folder, content },
        }
    }

    fn content(&mut self) -> Content {
        if self.one_in(2) {
            Content::Known(self.small(6))
        } else {
            Content::New { length: 1 + self.small(8) }
        }
    }

    fn spoiling(&mut self) -> Spoiling {
        match self.pick(&[5, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]) {
            0 => Spoiling::LoseReply,
            1 => Spoiling::ResetBefore,
            2 => Spoiling::Status([500, 502, 503, 504, 509][self.pick(&[1; 5])]),
            3 => Spoiling::Page,
            4 => Spoiling::Partial(self.small(3)),
            5 => Spoiling::Truncated,
            6 => Spoiling::Empty,
            7 => Spoiling::Slow(Duration::from_secs(self.below(50))),
            8 => Spoiling::Scanning(1 + self.small(9)),
            9 => Spoiling::NoLinks(1 + self.small(9)),
            10 => Spoiling::ReorderedLinks,
            11 => Spoiling::ExtraLinks,
            12 => Spoiling::WrongWhirlpool,
            13 => Spoiling::WrongSize,
            14 => Spoiling::NoFolderId,
            15 => Spoiling::NodeStorage,
            16 => Spoiling::Flood,
            17 => Spoiling::RetryAfter(u16::try_from(self.below(300)).unwrap()),
            _ => Spoiling::EmptyListing,
        }
    }
}
