//! The catalogue of habits that the service may have besides the documented ones: what it is not
//! known to do and might (docs/api-notes.md, G.1 and H.2).
//!
//! A habit is a number of this catalogue, so that a script with it stays meaningful when it is cut
//! down. It lasts for a whole scenario, or begins and ends within it. Rules of the emulator are
//! habits, and so are replies in other forms and refusals in other words (`forms`).

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use fichier_emulator::{
    Action, AtQuota, BatchExcess, DotFolders, EmptyFile, EndPage, Fault, FloodAnswer, FolderTaken,
    FullFolder, HashLag, LongName, NamesChanged, NoHash, NodeRefusal, RemoveUnknown, Rules,
    WhileProcessing,
};

mod forms;

const MINUTES: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);
const FOR_EVER: Duration = Duration::from_secs(1000 * 24 * 3600);

/// One habit.
#[derive(Debug)]
pub struct Habit {
    /// What the service does, in a few words.
    pub name: String,
    how: How,
    /// What must come of a mirror while it lasts.
    pub leads_to: LeadsTo,
}

#[derive(Debug)]
enum How {
    Rules(fn(&mut Rules)),
    Replies { on: &'static str, action: Action },
}

/// What must come of a mirror while a habit lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadsTo {
    /// Everything gets done.
    Work,
    /// Everything gets done, under names that may not be those on disk.
    OtherNames,
    /// Everything gets done, after calls that came too soon for a limit that nobody published.
    Floods,
    /// It may stop, says so, makes few calls, and goes on when the habit ends.
    MayStop,
    /// As [`LeadsTo::MayStop`], under names that may not be those on disk.
    OtherNamesOrStop,
    /// As [`LeadsTo::MayStop`]; and since the service denies what is there, old copies may stay
    /// where they were.
    MayLeave,
}

impl LeadsTo {
    /// Whether a mirror may stop.
    pub fn may_stop(self) -> bool {
        matches!(self, LeadsTo::MayStop | LeadsTo::OtherNamesOrStop | LeadsTo::MayLeave)
    }
}

/// A habit, by its number in the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which(pub usize);

static ALL: LazyLock<Vec<Habit>> = LazyLock::new(all);

impl Which {
    /// The habit of this number; numbers beyond the last begin again.
    pub fn habit(self) -> &'static Habit {
        &ALL[self.0 % ALL.len()]
    }

    /// The habit of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn named(name: &str) -> Which {
        let at = ALL.iter().position(|habit| habit.name == name);
        Which(at.unwrap_or_else(|| panic!("no habit `{name}`")))
    }
}

/// The habits under which everything gets done, each file under its own name.
pub fn working() -> Vec<Which> {
    let works = |at: &usize| ALL[*at].leads_to == LeadsTo::Work;
    (0..ALL.len()).filter(works).map(Which).collect()
}

/// The number of all habits.
pub fn count() -> usize {
    ALL.len()
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Which({}: {})", self.0, self.habit().name)
    }
}

impl Habit {
    /// Changes the rules of a service so that it has the habit.
    pub fn change(&self, rules: &mut Rules) {
        if let How::Rules(change) = &self.how {
            change(rules);
        }
    }

    /// The fault that lasts as long as the habit, if it is one of replies.
    pub fn fault(&self) -> Option<Fault> {
        match &self.how {
            How::Rules(_) => None,
            How::Replies { on, action } => Some(Fault::always(on, action.clone())),
        }
    }
}

/// The number of rules and of replies, in this order.
pub fn counts() -> (usize, usize) {
    let rules = ALL.iter().filter(|habit| matches!(habit.how, How::Rules(_))).count();
    (rules, ALL.len() - rules)
}

fn all() -> Vec<Habit> {
    let groups: [(LeadsTo, &[Case]); 8] = [
        (LeadsTo::Work, &LIMITS),
        (LeadsTo::Floods, &THRESHOLDS),
        (LeadsTo::Work, &WORKING),
        (LeadsTo::Work, &RESULTS),
        (LeadsTo::OtherNames, &NAMES),
        (LeadsTo::OtherNamesOrStop, &REFUSED_NAMES),
        (LeadsTo::MayStop, &STOPPING),
        (LeadsTo::MayLeave, &CUT_LISTINGS),
    ];
    let mut all = Vec::new();
    for (leads_to, cases) in groups {
        for (name, rules) in cases {
            all.push(Habit { name: (*name).to_owned(), how: How::Rules(*rules), leads_to });
        }
    }
    for (on, action) in forms::replies() {
        let name = format!("{on}: {action:?}");
        let leads_to = if forms::denies(&action) { LeadsTo::MayLeave } else { LeadsTo::MayStop };
        all.push(Habit { name, how: How::Replies { on, action }, leads_to });
    }
    all
}

type Case = (&'static str, fn(&mut Rules));

const LIMITS: [Case; 8] = [
    ("node requests do not count", |r| r.node_calls_count = false),
    ("30 s leave out folder/ls", |r| r.folder_ls_counts = false),
    ("listings at any rate", |r| r.listing_interval = None),
    ("locks of an hour", |r| r.lock_length = HOUR),
    ("locks that calls do not prolong", |r| r.lock_prolonged = false),
    ("locks that do not double", |r| r.lock_doubles_to = None),
    ("removing the unknown is not found", |r| r.remove_unknown = RemoveUnknown::NotFound),
    ("unknown folders list empty", |r| r.unknown_folder_lists_empty = true),
];

const THRESHOLDS: [Case; 7] = [
    ("a call in 2 s", |r| r.calls_apart = Some(Duration::from_secs(2))),
    ("a call in 2 s, 429 page", |r| {
        r.calls_apart = Some(Duration::from_secs(2));
        r.flood_answer = FloodAnswer::Page429;
    }),
    ("a call in 2 s, 200 page", |r| {
        r.calls_apart = Some(Duration::from_secs(2));
        r.flood_answer = FloodAnswer::Page200;
    }),
    ("a call in 2 s, unknown words", |r| {
        r.calls_apart = Some(Duration::from_secs(2));
        r.flood_answer = FloodAnswer::Unknown;
    }),
    ("a call in 10 s", |r| r.calls_apart = Some(Duration::from_secs(10))),
    ("a listing in 20 s", |r| r.listing_interval = Some(Duration::from_secs(20))),
    ("a new folder in 10 s", |r| r.folders_made_apart = Some(Duration::from_secs(10))),
];

const WORKING: [Case; 22] = [
    ("one link a call, the rest left out", |r| r.batch_max = Some(1)),
    ("three links a call, the rest left out", |r| r.batch_max = Some(3)),
    ("one link a call, more refused", |r| {
        r.batch_max = Some(1);
        r.batch_excess = BatchExcess::Refuse;
    }),
    ("three links a call, more refused", |r| {
        r.batch_max = Some(3);
        r.batch_excess = BatchExcess::Refuse;
    }),
    ("mv changes the link", |r| r.mv_changes_link = true),
    ("links as sent", |r| r.links_as_sent = true),
    ("upload ids for ever", |r| r.upload_id_kept = None),
    ("empty files are stored", |r| r.empty_files = EmptyFile::Store),
    ("empty files are lost unsaid", |r| r.empty_files = EmptyFile::LoseUnsaid),
    ("a node is asked for by GET", |r| r.upload_server_by_get = true),
    ("new and removed files lag", |r| r.listing_lag = MINUTES),
    ("files appear after their result", |r| r.appears_after_result = true),
    ("files appear late, after their result", |r| {
        r.listing_lag = MINUTES;
        r.appears_after_result = true;
    }),
    ("moved files lag", |r| r.move_lag = MINUTES),
    ("no sub_folders on leaves", |r| r.sub_folders_missing_on_leaf = true),
    ("numbers drift", |r| r.numbers_drift = true),
    ("no create_date", |r| r.empty_create_date = Some("photos".to_owned())),
    ("mkdir tells the existing folder", |r| r.on_folder_taken = FolderTaken::Existing),
    ("folders of one name", |r| r.on_folder_taken = FolderTaken::Duplicate),
    ("folder/mv does both", |r| r.folder_mv_does_both = true),
    ("folder/rm takes all", |r| r.rm_full_folder = FullFolder::Remove),
    ("names are not mangled", |r| r.mangle_names = false),
];

const RESULTS: [Case; 15] = [
    ("no links while processing", |r| r.processing = MINUTES),
    ("a page while processing", |r| {
        r.processing = MINUTES;
        r.while_processing = WhileProcessing::Page;
    }),
    ("no result at all", |r| r.result_kept = Duration::ZERO),
    ("new links unknown for a while", |r| r.new_link_lag = Duration::from_secs(30)),
    ("a page for ever", |r| {
        let text = "<title>File upload</title>a temporary page".to_owned();
        r.end_page = Some(EndPage { text, lasts: FOR_EVER });
    }),
    ("the scanner for ever", |r| {
        r.end_page = Some(EndPage { text: "Please wait".to_owned(), lasts: FOR_EVER });
    }),
    ("no hash in results", |r| r.hash_lag.result = FOR_EVER),
    ("no hash in results, null", |r| {
        r.hash_lag.result = FOR_EVER;
        r.no_hash = NoHash::Null;
    }),
    ("no hash for forty minutes", |r| {
        let lag = Duration::from_secs(2400);
        r.hash_lag = HashLag { result: lag, listing: lag, info: lag };
        r.no_hash = NoHash::Null;
    }),
    ("no hash at all", |r| {
        r.hash_lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
        r.no_hash = NoHash::LeftOut;
    }),
    ("a word in place of hashes", |r| {
        r.hash_lag = HashLag { result: FOR_EVER, listing: FOR_EVER, info: FOR_EVER };
        r.no_hash = NoHash::Word;
    }),
    ("removal links", |r| r.remove_told = true),
    ("two links at first", |r| {
        r.first_links = Some((2, Duration::from_secs(300)));
        r.listing_lag = MINUTES;
    }),
    ("one file of an upload is stored", |r| r.files_stored = Some(1)),
    ("nodes take one file at a time", |r| {
        let page = "<h1>413</h1>Request Entity Too Large".to_owned();
        r.node_refusal = Some(NodeRefusal { status: 413, page, above_files: 1 });
    }),
];

const NAMES: [Case; 7] = [
    ("names are composed", |r| r.compose_names = true),
    ("& is escaped", |r| r.escape_names = true),
    ("a last dot is dropped", |r| r.drop_last_dot = true),
    ("names are composed at the upload", |r| {
        r.compose_names = true;
        r.names_changed = NamesChanged::AtUpload;
    }),
    ("names are cut at 100", |r| r.name_max = 100),
    ("names are cut at 20", |r| r.name_max = 20),
    ("mkdir changes names", |r| r.mkdir_changes_names = true),
];

const REFUSED_NAMES: [Case; 2] = [
    ("names beyond 100 are refused", |r| {
        r.name_max = 100;
        r.long_names = LongName::Refuse;
    }),
    ("names beyond 20 are refused", |r| {
        r.name_max = 20;
        r.long_names = LongName::Refuse;
    }),
];

const CUT_LISTINGS: [Case; 2] =
    [("listings of 2 rows", |r| r.listing_cap = 2), ("listings of 4 rows", |r| r.listing_cap = 4)];

const STOPPING: [Case; 12] = [
    // A target that was there before and shows no folder may hide ours.
    ("a leading dot is refused", |r| r.dot_folders = DotFolders::Refused),
    ("a leading dot is hidden", |r| r.dot_folders = DotFolders::Hidden),
    ("folder names fold case", |r| r.folders_fold_case = true),
    ("no file of an upload is stored", |r| r.files_stored = Some(0)),
    ("413", |r| r.node_refusal = refusal(413)),
    ("a page of the node's own", |r| r.node_refusal = refusal(200)),
    ("403 of the node", |r| r.node_refusal = refusal(403)),
    ("503 of the node", |r| r.node_refusal = refusal(503)),
    ("a full account", |r| r.quota_bytes = 1),
    ("room is lost silently", |r| {
        r.quota_bytes = 1;
        r.at_quota = AtQuota::Lose;
    }),
    ("nearly no room", |r| r.quota_bytes = 60),
    ("nearly no room, lost silently", |r| {
        r.quota_bytes = 60;
        r.at_quota = AtQuota::Lose;
    }),
];

fn refusal(status: u16) -> Option<NodeRefusal> {
    Some(NodeRefusal { status, page: "<h1>non</h1>".to_owned(), above_files: 0 })
}
