//! How strict the emulated service is, and which of its unknown habits it shows.
//!
//! Where the documentation is silent (docs/api-notes.md, G.1) there is a switch, so that a test
//! can run under each of the possible behaviours. [`Rules::default`] is the safest assumption of
//! that list with every published limit enforced.
//!
//! All durations are the service's own; [`Rules::time_scale`] makes them shorter on the clock.

use std::time::Duration;

use crate::habits::{
    AtQuota, BadKeyOnNode, BatchExcess, DotFolders, DownloadAddress, DownloadLeads, EmptyFile,
    EndPage, FloodAnswer, FolderTaken, FullFolder, HashLag, LongName, NameTaken, NamesChanged,
    NoHash, NodeRefusal, ProxyHabit, RemoveUnknown, WhileProcessing,
};

/// The limits and habits of one emulated service. `None` switches a limit off.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Calls in any second that lasts one second (A.5); one more starts a lock.
    pub calls_per_second: Option<usize>,
    /// Least time between any two calls; a sooner one starts a lock. The real threshold is not known
    /// and may lie below the published rate (A.5).
    pub calls_apart: Option<Duration>,
    /// Least time between two `folder/mkdir` (A.5: "the real rate seems to differ per operation").
    pub folders_made_apart: Option<Duration>,
    /// How a flood is answered.
    pub flood_answer: FloodAnswer,
    /// Whether `upload.cgi` and `end.pl` use up calls (G.1 row 20).
    pub node_calls_count: bool,
    /// How long a lock lasts (A.5: from 30 s to an hour are reported).
    pub lock_length: Duration,
    /// Whether each API call that is made during a lock starts it anew (G.2).
    pub lock_prolonged: bool,
    /// The longest lock: a flood within an hour of the last lock locks for twice as long as that
    /// one, up to this. With `None`, all locks are equally long.
    pub lock_doubles_to: Option<Duration>,
    /// Least time between two listings of one folder, through any endpoint and with any date window
    /// (A.5).
    pub folder_listing_interval: Option<Duration>,
    /// Whether `folder/ls` is such a listing (G.1 row 4); `file/ls` always is.
    pub folder_ls_counts: bool,
    /// Least time between any two listings (A.5, reported in 2020 only).
    pub listing_interval: Option<Duration>,
    /// Least time between two listings of all files, folder -1 (A.5).
    pub all_files_interval: Option<Duration>,
    /// Least time between two `user/info.cgi` from one address (A.5).
    pub account_interval_per_address: Option<Duration>,
    /// Least time between two `user/info.cgi` of one user (A.5).
    pub account_interval_per_user: Option<Duration>,
    /// Least time between the starts of downloads (GETs) of files of 50 MB or less (A.5, section
    /// D).
    ///
    /// The document says that "quick succession" gets the address blocked and names no number, so
    /// 400 ms is a choice. rclone makes two calls at least 400 ms apart for each file: one file
    /// every 0.8 s is known to be tolerated, and half of that is where this begins to be strict.
    /// On a faster clock the average is held and not each interval: some may be short by up to
    /// 20 ms of real time, by which threads are late.
    pub small_download_interval: Option<Duration>,
    /// Downloads under way at one time; one more is a violation (the admin named 30, section D). It
    /// is served: the real answer is not known.
    pub max_download_connections: Option<usize>,
    /// Answers of 401, 403, 404 or 410 within ten minutes; one more locks for an hour (A.5).
    pub refusals_before_ban: Option<usize>,
    /// All the service's durations are divided by this: at 100, 300 calls a second are allowed,
    /// and 30 s are 300 ms. Dates stay real.
    pub time_scale: u32,

    /// What `file/mv`, `file/rename` and `file/cp` do about a name in use.
    pub on_name_taken: NameTaken,
    /// What `folder/mkdir` and `folder/mv` do about a name in use.
    pub on_folder_taken: FolderTaken,
    /// What happens to folders whose names begin with a dot.
    pub dot_folders: DotFolders,
    /// Folder names that differ in case only are the same name (G.1 row 24).
    pub folders_fold_case: bool,
    /// `folder/mv` with a destination and a new name does both (B.16, G.1 row 11).
    pub folder_mv_does_both: bool,
    /// What `folder/rm` does with a folder that is not empty.
    pub rm_full_folder: FullFolder,
    /// Some requests that a careful client never makes are no violations, for clients that try how
    /// the service answers them: `folder/rm` of a full folder, names that are refused or changed,
    /// an empty file, one name twice in an upload, a `did` of no folder.
    pub trials_tolerated: bool,
    /// `folder/mkdir` changes a name like that of a file, where it would otherwise refuse it (F.1).
    pub mkdir_changes_names: bool,
    /// Stores `a<b` as `a_b`, ` x` as `x`, and the like, when files are uploaded or renamed (F.1).
    pub mangle_names: bool,
    /// Stores names of files and folders in Unicode's composed form, NFC (G.1 row 24).
    pub compose_names: bool,
    /// Stores `&` in file names as `&amp;` (H.2).
    pub escape_names: bool,
    /// Drops a dot at the end of a file name (H.2).
    pub drop_last_dot: bool,
    /// Which names of files these four change.
    pub names_changed: NamesChanged,
    /// Bytes of a file name (G.1 row 23); [`Rules::long_names`] says what happens to a longer one.
    pub name_max: usize,
    /// What happens to a file name of more than [`Rules::name_max`] bytes.
    pub long_names: LongName,
    /// What happens to an empty file in an upload.
    pub empty_files: EmptyFile,
    /// How long a new file is missing in listings, and a removed one still shown (C.5, B.8).
    pub listing_lag: Duration,
    /// How long a moved file is listed where it was, and not where it is (G.1 row 16).
    pub move_lag: Duration,
    /// How long calls do not know the link of an uploaded file that `end.pl` tells (C.5).
    pub new_link_lag: Duration,
    /// New files are in listings only once `end.pl` was asked about them: moving a file to its
    /// storage begins there (C.4).
    pub appears_after_result: bool,
    /// Rows of a listing; of a longer one, any rows are left out (A.5).
    pub listing_cap: usize,
    /// A folder without sub-folders has no `sub_folders` (A.8).
    pub sub_folders_missing_on_leaf: bool,
    /// The `#n` of each message changes from one reply to the next (section E).
    pub numbers_drift: bool,
    /// The folder of this name has an empty `create_date` (B.13).
    pub empty_create_date: Option<String>,
    /// Links of a batch that are carried out (G.1 row 1); [`Rules::batch_excess`] says what happens
    /// to more.
    pub batch_max: Option<usize>,
    /// What happens to the links of a batch beyond [`Rules::batch_max`].
    pub batch_excess: BatchExcess,
    /// Links of a batch that a careful client sends; more are a violation (G.1 row 1).
    pub batch_tolerated: usize,
    /// `file/mv` gives the file a new link (B.9).
    pub mv_changes_link: bool,
    /// What `file/rm` says about a link that does not exist.
    pub remove_unknown: RemoveUnknown,
    /// Listing a folder that does not exist is an empty `OK` and not 404 (G.1 row 28).
    pub unknown_folder_lists_empty: bool,
    /// What a node does with an upload under a wrong key.
    pub bad_key_on_node: BadKeyOnNode,
    /// The address that `get_token` gives.
    pub download_address: DownloadAddress,
    /// Where a download server leads in place of sending the file.
    pub download_leads: DownloadLeads,
    /// `get_token` refuses every file with 403 and this text, number and all.
    pub download_refusal: Option<String>,
    /// Downloads are refused unless they use CDN credits, #913; not to Premium GOLD (section D).
    pub downloads_need_cdn: bool,
    /// The account's CDN credit, in GB of 10⁹ bytes (B.18). Downloads whose token had `cdn:1` use
    /// it up; with none left, such tokens are refused, #913.
    pub cdn_credit_gb: f64,
    /// Somebody outside of the test downloads elsewhere: tokens and downloads are refused, #887
    /// (section D).
    pub other_location_active: bool,
    /// How long after a token or a download other addresses are refused both, #887. The
    /// document says "some minutes" and advises to wait 5 (section D). `None`, the default, is a
    /// choice: most tests are about something else, and through the proxy all clients have one
    /// address.
    pub one_location: Option<Duration>,
    /// How long `end.pl` knows the result of an upload (C.1).
    pub result_kept: Duration,
    /// How long an upload's id may wait for its files; after that the node takes none (B.2).
    pub upload_id_kept: Option<Duration>,
    /// `get_upload_server` wants GET, and answers 405 to POST (A.3, H.2).
    pub upload_server_by_get: bool,
    /// How long the service processes files after they have arrived (C.4).
    pub processing: Duration,
    /// What `end.pl` says during [`Rules::processing`].
    pub while_processing: WhileProcessing,
    /// A page that `end.pl` shows in place of the result.
    pub end_page: Option<EndPage>,
    /// How long the hash of an uploaded file is not known.
    pub hash_lag: HashLag,
    /// What stands in place of a hash that is not known.
    pub no_hash: NoHash,
    /// `end.pl` tells a removal link for files of an account too (H.1).
    pub remove_told: bool,
    /// `end.pl` tells no more than so many files, for so long after they have arrived.
    pub first_links: Option<(usize, Duration)>,
    /// The files of an upload that a node stores; it says nothing of the others.
    pub files_stored: Option<usize>,
    /// Uploads that nodes refuse.
    pub node_refusal: Option<NodeRefusal>,
    /// What a node says when the account has no room, in its own words.
    pub quota_page: String,
    /// `end.pl` tells the files in the order in which they were sent, and not in any (G.1 row 21).
    pub links_as_sent: bool,
    /// How long a file counts as hot after its upload, and not as cold, in `user/info` (H.1: what
    /// nobody accessed for 60 days is cold). On the dates of files, which are real.
    pub hot_for: Option<Duration>,
    /// Bytes that the account may hold (B.18); [`Rules::at_quota`] says what happens to more.
    pub quota_bytes: u64,
    /// What happens to files for which [`Rules::quota_bytes`] leaves no room.
    pub at_quota: AtQuota,
    /// What the proxy does; there is one with TLS only.
    pub proxy: ProxyHabit,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            calls_per_second: Some(3),
            calls_apart: None,
            folders_made_apart: None,
            flood_answer: FloodAnswer::Ko,
            node_calls_count: true,
            lock_length: Duration::from_secs(30),
            lock_prolonged: true,
            lock_doubles_to: Some(Duration::from_secs(3600)),
            folder_listing_interval: Some(Duration::from_secs(30)),
            folder_ls_counts: true,
            listing_interval: Some(Duration::from_secs(3)),
            all_files_interval: Some(Duration::from_secs(3600)),
            account_interval_per_address: Some(Duration::from_secs(60)),
            account_interval_per_user: Some(Duration::from_secs(300)),
            small_download_interval: Some(Duration::from_millis(400)),
            max_download_connections: Some(30),
            refusals_before_ban: Some(20),
            time_scale: 1,
            on_name_taken: NameTaken::Duplicate,
            on_folder_taken: FolderTaken::Refuse,
            dot_folders: DotFolders::Plain,
            folders_fold_case: false,
            folder_mv_does_both: false,
            rm_full_folder: FullFolder::Refuse,
            trials_tolerated: false,
            mkdir_changes_names: false,
            mangle_names: true,
            compose_names: false,
            escape_names: false,
            drop_last_dot: false,
            names_changed: NamesChanged::Always,
            name_max: 250,
            long_names: LongName::Cut,
            empty_files: EmptyFile::Lose,
            listing_lag: Duration::ZERO,
            move_lag: Duration::ZERO,
            new_link_lag: Duration::ZERO,
            appears_after_result: false,
            listing_cap: 5000,
            sub_folders_missing_on_leaf: false,
            numbers_drift: false,
            empty_create_date: None,
            batch_max: None,
            batch_excess: BatchExcess::LeaveOut,
            batch_tolerated: 100,
            mv_changes_link: false,
            remove_unknown: RemoveUnknown::CountsZero,
            unknown_folder_lists_empty: false,
            bad_key_on_node: BadKeyOnNode::Anonymous,
            download_address: DownloadAddress::Usual,
            download_leads: DownloadLeads::ToTheFile,
            download_refusal: None,
            downloads_need_cdn: false,
            cdn_credit_gb: 100.0,
            other_location_active: false,
            one_location: None,
            result_kept: Duration::from_secs(2 * 3600),
            upload_id_kept: Some(Duration::from_secs(2 * 3600)),
            upload_server_by_get: false,
            processing: Duration::ZERO,
            while_processing: WhileProcessing::NoLinks,
            end_page: None,
            hash_lag: HashLag::default(),
            no_hash: NoHash::Empty,
            remove_told: false,
            first_links: None,
            files_stored: None,
            node_refusal: None,
            quota_page: "Espace de stockage insuffisant".to_owned(),
            links_as_sent: false,
            hot_for: None,
            quota_bytes: 2_000_000_000_000,
            at_quota: AtQuota::Refuse,
            proxy: ProxyHabit::Tunnel,
        }
    }
}

impl Rules {
    /// The published limits, strictly enforced: the default, by a name that says so.
    pub fn published() -> Rules {
        Rules::default()
    }

    /// No limit on the pace of calls and downloads, for clients that ignore the published ones.
    pub fn lenient() -> Rules {
        Rules {
            calls_per_second: None,
            folder_listing_interval: None,
            listing_interval: None,
            all_files_interval: None,
            account_interval_per_address: None,
            account_interval_per_user: None,
            small_download_interval: None,
            max_download_connections: None,
            refusals_before_ban: None,
            ..Rules::default()
        }
    }

    /// The published limits on a clock that runs `scale` times faster.
    pub fn scaled(scale: u32) -> Rules {
        Rules { time_scale: scale, ..Rules::default() }
    }

    /// How long `duration` of the service takes on the clock.
    pub(crate) fn real(&self, duration: Duration) -> Duration {
        duration / self.time_scale.max(1)
    }
}
