//! The service's published limits, enforced.
//!
//! Pure: the time of each call is passed in. A refusal says which rule was broken, for the list
//! of violations; the caller turns it into the service's words.
//!
//! Unless the rules say otherwise, calls that are made during a lock prolong it (docs/api-notes.md,
//! G.2): that makes it expensive to try whether a lock has ended.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::switches::Rules;

/// How long a ban after too many refusals, or a hard lock, lasts (docs/api-notes.md, A.5).
const BAN: Duration = Duration::from_secs(3600);
/// The time in which refusals are counted; the service does not say how long it is.
const REFUSALS_SPAN: Duration = Duration::from_secs(600);

/// Why all calls are refused (docs/api-notes.md, section E).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// `Flood detected: IP Locked`.
    Flood,
    /// `IP Locked`, for an hour.
    Address,
    /// `Owner locked`: the account is banned.
    Owner,
}

/// A call that was not let through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: LockKind,
    /// The rule that was broken, for people.
    pub(crate) broken: String,
}

/// Bytes of the largest file that must not be downloaded in quick succession (docs/api-notes.md,
/// A.5).
const SMALL: u64 = 50_000_000;
/// How late a thread may be, where the service's time runs faster than that of threads.
const LATENESS: Duration = Duration::from_millis(20);

/// What the service remembers about the pace of its caller.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    calls: VecDeque<Instant>,
    /// When the last call came.
    last_call: Option<Instant>,
    /// When the last folder was made.
    folder_made: Option<Instant>,
    lock: Option<(LockKind, Instant)>,
    /// How long the last flood's lock was, on the clock, and when it ended.
    last_lock: Option<(Duration, Instant)>,
    listings: HashMap<i64, Instant>,
    /// When the next listing of any folder may be made.
    listing_due: Option<Instant>,
    account_read: Option<Instant>,
    /// When the next small file may be downloaded.
    small_download_due: Option<Instant>,
    /// Where the last token or download went.
    location: Option<(IpAddr, Instant)>,
    refusals: VecDeque<Instant>,
}

impl Limits {
    /// Lets a call of the API in, or starts or prolongs a lock.
    pub(crate) fn admit(&mut self, rules: &Rules, now: Instant) -> Result<(), Refusal> {
        if let Some((kind, until)) = self.lock {
            if now < until {
                if rules.lock_prolonged {
                    let length = match self.last_lock {
                        Some((length, _)) if kind == LockKind::Flood => length,
                        _ => rules.real(rules.lock_length),
                    };
                    self.hold(kind, length, until.max(now + length));
                }
                return Err(Refusal { kind, broken: "a call while locked".to_owned() });
            }
            self.lock = None;
        }
        self.count(rules, now)
    }

    /// Counts a request to a node. Locks are kept by the API's front end alone: a node that has
    /// begun to take an upload finishes it (docs/api-notes.md, G.1 row 20).
    pub(crate) fn admit_node(&mut self, rules: &Rules, now: Instant) -> Result<(), Refusal> {
        if rules.node_calls_count { self.count(rules, now) } else { Ok(()) }
    }

    /// Whether a lock holds, without prolonging it.
    pub(crate) fn is_locked(&self, now: Instant) -> bool {
        self.lock.is_some_and(|(_, until)| now < until)
    }

    /// Locks the caller out, as if a rule had been broken.
    pub(crate) fn lock(&mut self, kind: LockKind, rules: &Rules, now: Instant) {
        let length = match kind {
            LockKind::Flood => self.flood_length(rules, now),
            LockKind::Address | LockKind::Owner => rules.real(BAN),
        };
        self.hold(kind, length, now + length);
        self.calls.clear();
    }

    /// How long the next flood locks: longer if it comes soon after the last.
    fn flood_length(&self, rules: &Rules, now: Instant) -> Duration {
        let first = rules.real(rules.lock_length);
        match (self.last_lock, rules.lock_doubles_to) {
            (Some((length, end)), Some(most)) if now < end + rules.real(BAN) => {
                (2 * length).min(rules.real(most)).max(first)
            }
            _ => first,
        }
    }

    fn hold(&mut self, kind: LockKind, length: Duration, until: Instant) {
        self.lock = Some((kind, until));
        if kind == LockKind::Flood {
            self.last_lock = Some((length, until));
        }
    }

    /// Ends a lock before its time.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
        self.last_lock = None;
    }

    /// Forgets all calls, as if there had been none for longer than any rule reaches back. Locks
    /// stay.
    pub(crate) fn forget_calls(&mut self) {
        let Limits { lock, last_lock, location, .. } = std::mem::take(self);
        *self = Limits { lock, last_lock, location, ..Limits::default() };
    }

    /// Admits the listing of a folder; -1 is "all files".
    pub(crate) fn admit_listing(
        &mut self,
        folder: i64,
        rules: &Rules,
        now: Instant,
    ) -> Result<(), Refusal> {
        let interval =
            if folder == -1 { rules.all_files_interval } else { rules.folder_listing_interval };
        let too_soon = |last: Option<Instant>, interval: Option<Duration>| match (last, interval) {
            (Some(last), Some(interval)) => now - last < rules.real(interval),
            _ => false,
        };
        let broken = if too_soon(self.listings.get(&folder).copied(), interval) {
            Some(format!("folder {folder} was listed again too soon"))
        } else if self.is_listing_early(rules, now) {
            Some("listings follow each other too fast".to_owned())
        } else {
            None
        };
        self.listings.insert(folder, now);
        let Some(broken) = broken else { return Ok(()) };
        self.lock(LockKind::Flood, rules, now);
        Err(Refusal { kind: LockKind::Flood, broken })
    }

    /// Whether a listing comes too soon after the last one of any folder. On a faster clock the
    /// average is held, as for small downloads.
    fn is_listing_early(&mut self, rules: &Rules, now: Instant) -> bool {
        let Some(interval) = rules.listing_interval else { return false };
        let due = self.listing_due.unwrap_or(now);
        self.listing_due = Some(due.max(now) + rules.real(interval));
        now + lateness(rules) < due
    }

    /// Admits a `user/info`; refusing one locks nothing else (A.5).
    pub(crate) fn admit_account(&mut self, rules: &Rules, now: Instant) -> Result<(), Refusal> {
        let intervals = [rules.account_interval_per_address, rules.account_interval_per_user];
        let interval = intervals.into_iter().flatten().max();
        if let (Some(last), Some(interval)) = (self.account_read, interval)
            && now - last < rules.real(interval)
        {
            let broken = "user/info was asked again too soon".to_owned();
            return Err(Refusal { kind: LockKind::Flood, broken });
        }
        self.account_read = Some(now);
        Ok(())
    }

    /// Admits the start of a download of a file of this size; small ones too soon after each other
    /// start a lock.
    pub(crate) fn admit_download(
        &mut self,
        size: u64,
        rules: &Rules,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(interval) = rules.small_download_interval.filter(|_| size <= SMALL) else {
            return Ok(());
        };
        let due = self.small_download_due.unwrap_or(now);
        self.small_download_due = Some(due.max(now) + rules.real(interval));
        if now + lateness(rules) >= due {
            return Ok(());
        }
        self.lock(LockKind::Flood, rules, now);
        let broken = "small files were downloaded in quick succession".to_owned();
        Err(Refusal { kind: LockKind::Flood, broken })
    }

    /// Whether `address` may have a token or a download now: not if another one had the last
    /// (section D). Being refused does not count as having.
    pub(crate) fn admit_location(&mut self, address: IpAddr, rules: &Rules, now: Instant) -> bool {
        let taken = match (self.location, rules.one_location) {
            (Some((other, last)), Some(stays)) => {
                other != address && now - last < rules.real(stays)
            }
            _ => false,
        };
        let admitted = !taken && !rules.other_location_active;
        if admitted {
            self.location = Some((address, now));
        }
        admitted
    }

    /// Counts an answer of 401, 403, 404 or 410; too many lock the address for an hour.
    pub(crate) fn count_refusal(&mut self, rules: &Rules, now: Instant) -> Option<String> {
        let most = rules.refusals_before_ban?;
        forget_before(&mut self.refusals, now, rules.real(REFUSALS_SPAN));
        self.refusals.push_back(now);
        if self.refusals.len() <= most {
            return None;
        }
        self.refusals.clear();
        self.lock(LockKind::Address, rules, now);
        Some(format!("more than {most} answers of 401, 403, 404 or 410 in ten minutes"))
    }

    /// Admits the making of a folder.
    pub(crate) fn admit_folder(&mut self, rules: &Rules, now: Instant) -> Result<(), Refusal> {
        let last = self.folder_made.replace(now);
        self.keep_apart(last, rules.folders_made_apart, rules, now)
    }

    /// Starts a lock if the last event of its kind was too short a time ago.
    fn keep_apart(
        &mut self,
        last: Option<Instant>,
        apart: Option<Duration>,
        rules: &Rules,
        now: Instant,
    ) -> Result<(), Refusal> {
        match (last, apart) {
            (Some(last), Some(apart)) if now - last + lateness(rules) < rules.real(apart) => {
                self.lock(LockKind::Flood, rules, now);
                let broken = format!("two calls within {} s", apart.as_secs());
                Err(Refusal { kind: LockKind::Flood, broken })
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, rules: &Rules, now: Instant) -> Result<(), Refusal> {
        let last = self.last_call.replace(now);
        self.keep_apart(last, rules.calls_apart, rules, now)?;
        let Some(most) = rules.calls_per_second else { return Ok(()) };
        forget_before(&mut self.calls, now, rules.real(Duration::from_secs(1)));
        if self.calls.len() < most {
            self.calls.push_back(now);
            return Ok(());
        }
        self.lock(LockKind::Flood, rules, now);
        let broken = format!("more than {most} calls in a second");
        Err(Refusal { kind: LockKind::Flood, broken })
    }
}

fn lateness(rules: &Rules) -> Duration {
    if rules.time_scale > 1 { LATENESS } else { Duration::ZERO }
}

fn forget_before(times: &mut VecDeque<Instant>, now: Instant, span: Duration) {
    while times.front().is_some_and(|time| now - *time >= span) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> impl Fn(u64) -> Instant {
        let start = Instant::now();
        move |ms| start + Duration::from_millis(ms)
    }

    #[test]
    fn three_calls_in_any_second_are_let_through() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        let answers =
            [0, 100, 200, 1000, 1100, 1200].map(|ms| limits.admit(&rules, at(ms)).is_ok());
        assert_eq!(answers, [true; 6]);
    }

    #[test]
    fn the_fourth_call_in_a_second_starts_a_lock_of_thirty_seconds() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        for ms in [0, 1, 2] {
            assert_eq!(limits.admit(&rules, at(ms)), Ok(()));
        }
        let refusal = limits.admit(&rules, at(999)).unwrap_err();
        assert_eq!(refusal.broken, "more than 3 calls in a second");
        assert!(limits.is_locked(at(30_998)));
        assert_eq!(limits.admit(&rules, at(30_999)), Ok(()));
    }

    #[test]
    fn a_call_while_locked_prolongs_the_lock() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        limits.lock(LockKind::Flood, &rules, at(0));
        let refusal = limits.admit(&rules, at(29_000)).unwrap_err();
        assert_eq!(refusal.broken, "a call while locked");
        assert!(limits.is_locked(at(58_999)));
        assert_eq!(limits.admit(&rules, at(59_000)), Ok(()));
    }

    #[test]
    fn a_lock_may_be_left_alone_by_calls() {
        let rules = Rules { lock_prolonged: false, ..Rules::default() };
        let (mut limits, at) = (Limits::default(), clock());
        limits.lock(LockKind::Flood, &rules, at(0));
        limits.admit(&rules, at(29_000)).unwrap_err();
        assert_eq!(limits.admit(&rules, at(30_000)), Ok(()));
    }

    #[test]
    fn floods_within_an_hour_lock_for_twice_as_long_each_time() {
        let most = Some(Duration::from_secs(100));
        let rules = Rules { lock_doubles_to: most, ..Rules::default() };
        let (mut limits, at) = (Limits::default(), clock());
        let mut now = 0;
        let lengths = [0, 1_000, 1_000, 3_600_000].map(|quiet| {
            let begin = now + quiet;
            limits.lock(LockKind::Flood, &rules, at(begin));
            now = begin;
            while limits.is_locked(at(now)) {
                now += 1_000;
            }
            (now - begin) / 1_000
        });
        assert_eq!(lengths, [30, 60, 100, 30]);
    }

    #[test]
    fn a_call_within_a_doubled_lock_prolongs_it_by_as_much() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        limits.lock(LockKind::Flood, &rules, at(0));
        limits.lock(LockKind::Flood, &rules, at(40_000));
        limits.admit(&rules, at(99_000)).unwrap_err();
        assert!(limits.is_locked(at(158_999)));
        assert!(!limits.is_locked(at(159_000)));
    }

    #[test]
    fn a_scaled_clock_shortens_every_limit() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::scaled(100));
        let answers = [0, 1, 2, 10, 11].map(|ms| limits.admit(&rules, at(ms)).is_ok());
        assert_eq!(answers, [true; 5]);
        assert_eq!(limits.admit_listing(7, &rules, at(0)), Ok(()));
        assert_eq!(limits.admit_listing(7, &rules, at(300)), Ok(()));
    }

    #[test]
    fn a_folder_is_listed_once_in_thirty_seconds_and_others_meanwhile() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        assert_eq!(limits.admit_listing(7, &rules, at(0)), Ok(()));
        assert_eq!(limits.admit_listing(8, &rules, at(3_000)), Ok(()));
        let refusal = limits.admit_listing(7, &rules, at(29_999)).unwrap_err();
        assert_eq!(refusal.broken, "folder 7 was listed again too soon");
    }

    #[test]
    fn listings_of_any_folders_are_three_seconds_apart() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        assert_eq!(limits.admit_listing(7, &rules, at(0)), Ok(()));
        let refusal = limits.admit_listing(8, &rules, at(2_999)).unwrap_err();
        assert_eq!(refusal.broken, "listings follow each other too fast");
    }

    #[test]
    fn after_a_long_rest_any_call_may_come_but_for_a_lock() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        for ms in [0, 1, 2] {
            assert_eq!(limits.admit(&rules, at(ms)), Ok(()));
        }
        assert_eq!(limits.admit_listing(7, &rules, at(3)), Ok(()));
        assert_eq!(limits.admit_account(&rules, at(4)), Ok(()));
        limits.forget_calls();
        assert_eq!(limits.admit(&rules, at(5)), Ok(()));
        assert_eq!(limits.admit_listing(7, &rules, at(6)), Ok(()));
        assert_eq!(limits.admit_account(&rules, at(7)), Ok(()));
        limits.lock(LockKind::Flood, &rules, at(8));
        limits.forget_calls();
        assert!(limits.is_locked(at(9)));
    }

    #[test]
    fn all_files_are_listed_once_an_hour() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        assert_eq!(limits.admit_listing(-1, &rules, at(0)), Ok(()));
        let refusal = limits.admit_listing(-1, &rules, at(3_599_999)).unwrap_err();
        assert_eq!(refusal.broken, "folder -1 was listed again too soon");
    }

    #[test]
    fn the_account_is_read_once_in_five_minutes() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        assert_eq!(limits.admit_account(&rules, at(0)), Ok(()));
        let refusal = limits.admit_account(&rules, at(299_999)).unwrap_err();
        assert_eq!(refusal.broken, "user/info was asked again too soon");
        assert!(!limits.is_locked(at(299_999)));
        assert_eq!(limits.admit_account(&rules, at(300_000)), Ok(()));
    }

    #[test]
    fn small_files_are_downloaded_one_by_one_and_large_ones_at_any_pace() {
        let (at, rules) = (clock(), Rules::default());
        let admit = |limits: &mut Limits, size, ms| limits.admit_download(size, &rules, at(ms));
        let mut limits = Limits::default();
        assert_eq!(admit(&mut limits, SMALL, 0), Ok(()));
        assert_eq!(admit(&mut limits, SMALL + 1, 1), Ok(()));
        assert_eq!(admit(&mut limits, SMALL, 400), Ok(()));
        assert!(!limits.is_locked(at(400)));
        let refusal = admit(&mut limits, 1, 799).unwrap_err();
        assert_eq!(refusal.broken, "small files were downloaded in quick succession");
        assert!(limits.is_locked(at(799)));
    }

    #[test]
    fn a_scaled_clock_holds_the_average_pace_of_small_files() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::scaled(100));
        // Due every 4 ms; these three come late, and so together.
        for ms in [0, 16, 16, 16] {
            assert_eq!(limits.admit_download(1, &rules, at(ms)), Ok(()), "{ms}");
        }
        let burst = (0..20).map(|_| limits.admit_download(1, &rules, at(40))).find(Result::is_err);
        assert!(burst.is_some());
    }

    #[test]
    fn one_address_downloads_until_it_has_been_quiet() {
        let (mut limits, at) = (Limits::default(), clock());
        let rules = Rules { one_location: Some(Duration::from_secs(300)), ..Rules::default() };
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let mut admit = |address, s: u64| limits.admit_location(address, &rules, at(s * 1000));
        assert!(admit(here, 0));
        assert!(!admit(there, 1));
        assert!(admit(here, 200));
        assert!(!admit(there, 499));
        assert!(admit(there, 500));
        assert!(!admit(here, 501));
    }

    #[test]
    fn calls_and_new_folders_may_have_to_be_apart() {
        let apart = Some(Duration::from_secs(2));
        let rules = Rules { calls_apart: apart, folders_made_apart: apart, ..Rules::default() };
        let (mut limits, at) = (Limits::default(), clock());
        assert_eq!(limits.admit(&rules, at(0)), Ok(()));
        assert_eq!(limits.admit(&rules, at(2_000)), Ok(()));
        let refusal = limits.admit(&rules, at(3_999)).unwrap_err();
        assert_eq!(refusal.broken, "two calls within 2 s");
        assert!(limits.is_locked(at(33_998)));
        let mut limits = Limits::default();
        assert_eq!(limits.admit_folder(&rules, at(0)), Ok(()));
        assert_eq!(limits.admit_folder(&rules, at(2_000)), Ok(()));
        assert!(limits.admit_folder(&rules, at(3_999)).is_err());
    }

    #[test]
    fn knocking_on_closed_doors_ends_in_a_ban() {
        let (mut limits, at, rules) = (Limits::default(), clock(), Rules::default());
        let broken = (0..21).map(|ms| limits.count_refusal(&rules, at(ms))).collect::<Vec<_>>();
        assert!(broken[..20].iter().all(Option::is_none), "{broken:?}");
        assert!(broken[20].is_some());
        assert!(limits.is_locked(at(3_500_000)));
    }
}
