//! The rules of pace, with the time passed in.

use proptest::prelude::*;

use super::*;

const SECOND: Micros = 1_000_000;
const RULES: Rules = Rules { interval: Duration::from_secs(1), time_scale: 1 };
const FAST: Rules = Rules { interval: Duration::from_millis(333), time_scale: 1 };
const FOLDER: Lane = Lane::Listing(FolderId(7));
const HOUR: Micros = 3_600 * SECOND;
const FLOOD: Why<'_> = Why { reason: "a flood", cause: HoldOffCause::Flood };
const MOVE: Refusal<'_> = Refusal { endpoint: "file/mv.cgi", lasts: false, tolerated: 0 };

/// When each of `lanes`, asked for one after the other from `start` on, gets its turn.
fn starts(schedule: &mut Schedule, rules: &Rules, start: Micros, lanes: &[Lane]) -> Vec<f64> {
    let mut now = start;
    let mut started = Vec::new();
    for lane in lanes {
        loop {
            match schedule.claim(*lane, now, rules) {
                Ok(()) => {
                    schedule.answered(*lane, now, now, rules);
                    break;
                }
                Err(Denied::Lane { until } | Denied::Pace { until }) => {
                    assert!(until > now, "a denial must have an end ahead");
                    now = until;
                }
                Err(denied @ Denied::HeldOff { .. }) => panic!("{denied:?}"),
            }
        }
        started.push(f64::from(i32::try_from(now / 1_000).unwrap()) / 1e3);
    }
    started
}

#[test]
fn calls_are_a_second_apart_after_a_burst_of_two() {
    let mut schedule = Schedule::default();
    assert_eq!(starts(&mut schedule, &RULES, 0, &[Lane::Call; 5]), [0.0, 0.0, 1.0, 2.0, 3.0]);
    // A pause earns one call to spare and not more.
    assert_eq!(starts(&mut schedule, &RULES, 60 * SECOND, &[Lane::Call; 3]), [60.0, 60.0, 61.0]);
}

#[test]
fn small_downloads_start_half_a_second_apart_and_take_nothing_from_the_calls() {
    let mut schedule = Schedule::default();
    let small = starts(&mut schedule, &RULES, 0, &[Lane::SmallDownload; 4]);
    assert_eq!(small, [0.0, 0.5, 1.0, 1.5]);
    let calls = [Lane::Call; 3];
    assert_eq!(starts(&mut schedule, &RULES, 1_500_000, &calls), [1.5, 1.5, 2.5]);
    // Nor does the answer to one pass for that to a call that started at the same time.
    let mut schedule = Schedule::default();
    assert_eq!(schedule.claim(Lane::Call, 0, &RULES), Ok(()));
    assert_eq!(schedule.claim(Lane::SmallDownload, 0, &RULES), Ok(()));
    let before = schedule.under_way.clone();
    schedule.answered(Lane::SmallDownload, 0, 10, &RULES);
    assert_eq!(schedule.under_way, before);
}

#[test]
fn never_more_than_three_calls_start_in_a_second_however_fast_the_pace() {
    let starts = starts(&mut Schedule::default(), &FAST, 0, &[Lane::Call; 40]);
    for window in starts.windows(4) {
        assert!(window[3] - window[0] > 1.0, "{window:?}");
    }
}

#[test]
fn requests_without_an_answer_may_arrive_together_with_a_new_one() {
    let mut schedule = Schedule::default();
    for start in [0, SECOND, 2 * SECOND] {
        assert_eq!(schedule.claim(Lane::Call, start, &RULES), Ok(()));
    }
    let denied = schedule.claim(Lane::Call, 5 * SECOND, &RULES);
    assert_eq!(denied, Err(Denied::Pace { until: 6_100_000 }));
    // The answer to one shows that it has arrived, and a second later there is room.
    schedule.answered(Lane::Call, SECOND, 5 * SECOND, &RULES);
    let denied = schedule.claim(Lane::Call, 5 * SECOND, &RULES);
    assert_eq!(denied, Err(Denied::Pace { until: 6_100_000 }));
    assert_eq!(schedule.claim(Lane::Call, 6_100_000, &RULES), Ok(()));
}

#[test]
fn a_request_that_was_never_answered_is_not_waited_for_longer_than_ten_seconds() {
    let mut schedule = Schedule::default();
    for start in [0, SECOND, 2 * SECOND] {
        schedule.claim(Lane::Call, start, &RULES).unwrap();
    }
    assert_eq!(schedule.claim(Lane::Call, 10 * SECOND, &RULES), Ok(()));
}

#[test]
fn what_a_lane_demands_counts_from_the_answer() {
    let mut schedule = Schedule::default();
    schedule.claim(FOLDER, 0, &RULES).unwrap();
    schedule.answered(FOLDER, 0, 10 * SECOND, &RULES);
    assert_eq!(starts(&mut schedule, &RULES, 10 * SECOND, &[FOLDER]), [41.0]);
}

/// On a fast clock a listing may take longer to arrive than its folder may be listed again.
#[test]
fn a_folder_is_not_listed_again_while_its_listing_is_on_its_way() {
    let fast = Rules { time_scale: 1_000, ..RULES };
    let (ms, mut schedule) = (SECOND / 1_000, Schedule::default());
    schedule.claim(FOLDER, 0, &fast).unwrap();
    let denied = schedule.claim(FOLDER, 40 * ms, &fast);
    assert_eq!(denied, Err(Denied::Lane { until: 71 * ms }));
    assert_eq!(schedule.claim(Lane::Listing(FolderId(8)), 40 * ms, &fast), Ok(()));
    schedule.answered(FOLDER, 0, 50 * ms, &fast);
    assert_eq!(schedule.claim(FOLDER, 80 * ms, &fast), Err(Denied::Lane { until: 81 * ms }));
    assert_eq!(schedule.claim(FOLDER, 81 * ms, &fast), Ok(()));
    // One that gets no answer is not waited for longer than a request can be on its way.
    assert_eq!(schedule.claim(FOLDER, 81 * ms + SECOND, &fast), Ok(()));
}

#[test]
fn listings_have_a_lane_of_their_own_and_folders_another() {
    let other = Lane::Listing(FolderId(8));
    let lanes = [FOLDER, other, Lane::Call, FOLDER, other];
    assert_eq!(starts(&mut Schedule::default(), &RULES, 0, &lanes), [0.0, 3.0, 3.0, 31.0, 34.0]);
}

#[test]
fn the_whole_account_is_listed_hourly_and_counts_as_a_listing() {
    let lanes = [Lane::WholeAccount, FOLDER, Lane::WholeAccount];
    assert_eq!(starts(&mut Schedule::default(), &RULES, 0, &lanes), [0.0, 3.0, 3600.0]);
}

#[test]
fn the_account_is_read_every_five_minutes_or_a_minute_after_nobody_was_found() {
    let mut schedule = Schedule::default();
    assert_eq!(starts(&mut schedule, &RULES, 0, &[Lane::Account; 2]), [0.0, 310.0]);
    schedule.account_unread(311 * SECOND, &RULES);
    assert_eq!(starts(&mut schedule, &RULES, 311 * SECOND, &[Lane::Account]), [381.0]);
}

/// How long the hold-off at `now` lasts, in seconds; 0 for none.
fn held_s(schedule: &Schedule, now: Micros) -> Micros {
    schedule.silence(now).map_or(0, |silence| (silence.until - now) / SECOND)
}

#[test]
fn floods_in_a_row_double_the_hold_off_up_to_the_longest_lock() {
    let mut schedule = Schedule::default();
    let mut now = 0;
    let mut seen = Vec::new();
    for _ in 0..8 {
        schedule.flood(now, None, FLOOD, &RULES);
        seen.push(held_s(&schedule, now));
        now += held_s(&schedule, now) * SECOND;
    }
    assert_eq!(seen, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
}

#[test]
fn flood_answers_to_calls_already_under_way_count_once() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    schedule.flood(SECOND, None, FLOOD, &RULES);
    assert_eq!(held_s(&schedule, SECOND), 60);
    let mut once = Schedule::default();
    once.flood(0, None, FLOOD, &RULES);
    assert_eq!((schedule.floods, schedule.share), (once.floods, once.share));
}

#[test]
fn what_the_service_asks_for_is_honoured_up_to_an_hour() {
    for (asked_s, held) in [(5, 60), (300, 300), (999_999, 3600)] {
        let mut schedule = Schedule::default();
        schedule.flood(0, Some(Duration::from_secs(asked_s)), FLOOD, &RULES);
        assert_eq!(held_s(&schedule, 0), held);
    }
}

#[test]
fn nothing_is_granted_in_a_hold_off_and_its_reason_is_kept() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    for lane in [Lane::Call, FOLDER, Lane::WholeAccount, Lane::Account, Lane::SmallDownload] {
        let denied = schedule.claim(lane, 59 * SECOND, &RULES);
        let (until, reason) = (60 * SECOND, "a flood".to_owned());
        assert_eq!(denied, Err(Denied::HeldOff { until, reason, cause: HoldOffCause::Flood }));
    }
    assert_eq!(schedule.claim(Lane::Call, 60 * SECOND, &RULES), Ok(()));
}

#[test]
fn after_a_flood_calls_go_one_at_a_time_at_half_the_rate() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    let slow = starts(&mut schedule, &RULES, 100 * SECOND, &[Lane::Call; 4]);
    assert_eq!(slow, [100.0, 102.0, 104.0, 106.0]);
    // However fast the configured rate is, one that is not answered holds up the next.
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &FAST);
    schedule.claim(Lane::Call, 100 * SECOND, &FAST).unwrap();
    let denied = schedule.claim(FOLDER, 105 * SECOND, &FAST);
    assert!(matches!(denied, Err(Denied::Pace { .. })), "{denied:?}");
    schedule.answered(Lane::Call, 100 * SECOND, 105 * SECOND, &FAST);
    let until = 105 * SECOND + 666_000;
    assert_eq!(schedule.claim(FOLDER, 105 * SECOND, &FAST), Err(Denied::Pace { until }));
    assert_eq!(schedule.claim(FOLDER, until, &FAST), Ok(()));
}

/// The interval between calls at a time when none was made for long.
fn interval_s(schedule: &Schedule, now: Micros) -> f64 {
    let started = starts(&mut schedule.clone(), &RULES, now, &[Lane::Call; 3]);
    started[2] - started[1]
}

#[test]
fn each_flood_halves_the_rate_down_to_a_call_a_minute() {
    let mut schedule = Schedule::default();
    let mut slower = Vec::new();
    for flood in 0..8 {
        let now = flood * (HOUR + 60 * SECOND);
        schedule.flood(now, None, FLOOD, &RULES);
        // The hold-off is over then.
        slower.push(interval_s(&schedule, now + HOUR).round());
    }
    assert_eq!(slower, [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
}

#[test]
fn hours_without_a_flood_raise_the_rate_step_by_step_up_to_the_configured_one() {
    let mut schedule = Schedule::default();
    for flood in 0..3 {
        schedule.flood(flood * 300 * SECOND, None, FLOOD, &RULES);
    }
    let last = 600 * SECOND;
    let after = [1, 3, 5, 7, 9, 11, 13, 15].map(|h| interval_s(&schedule, last + h * HOUR));
    assert_eq!(after.map(f64::round), [8.0, 5.0, 4.0, 2.0, 2.0, 2.0, 1.0, 1.0]);
    assert!(after.windows(2).all(|pair| pair[1] <= pair[0]), "{after:?}");
    let full = starts(&mut schedule, &RULES, last + 17 * HOUR, &[Lane::Call; 3]);
    assert!(full[1] <= full[0] && full[2] - full[1] <= 1.0, "two may start at once: {full:?}");
    // A flood on the way up halves what was reached, not what was left at first.
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    schedule.flood(5 * HOUR, None, FLOOD, &RULES);
    let reached = interval_s(&schedule, 5 * HOUR + 300 * SECOND);
    assert!(reached > 2.5 && reached < 2.8, "{reached}");
}

#[test]
fn a_file_of_an_earlier_version_keeps_its_halved_rate() {
    let old = serde_json::json!({"floods": 1, "halvings": 1, "slow_since": 0});
    let schedule: Schedule = serde_json::from_value(old).unwrap();
    assert_eq!(interval_s(&schedule, HOUR), 2.0);
    let calm: Schedule = serde_json::from_value(serde_json::json!({"halvings": 0})).unwrap();
    assert_eq!(calm.share(HOUR, &RULES), FULL);
}

/// The hold-off after each of so many refusals in a row, met as soon as the last has ended.
fn refusals(schedule: &mut Schedule, it: Refusal<'_>, many: usize) -> Vec<Micros> {
    let mut now = 0;
    let mut held = Vec::new();
    for _ in 0..many {
        schedule.refused(now, it, "no", &RULES);
        held.push(held_s(schedule, now));
        now += (held_s(schedule, now) * SECOND).max(SECOND);
    }
    held
}

#[test]
fn refusals_in_unknown_words_hold_off_longer_each_time_up_to_an_hour() {
    let mut schedule = Schedule::default();
    let held = refusals(&mut schedule, MOVE, 9);
    assert_eq!(held, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
    assert_eq!(schedule.share, FULL / 16, "a flood, perhaps, and perhaps not");
    let cause = schedule.silence.as_ref().unwrap().cause;
    assert_eq!(cause, HoldOffCause::Refusals { in_a_row: 9 });
    let gone = Refusal { lasts: true, ..MOVE };
    assert_eq!(refusals(&mut Schedule::default(), gone, 2), [3_600, 3_600]);
    let token = Refusal { endpoint: "download/get_token.cgi", tolerated: 2, ..MOVE };
    assert_eq!(refusals(&mut Schedule::default(), token, 5), [0, 0, 60, 120, 240]);
}

#[test]
fn only_a_success_of_the_same_call_ends_a_row_of_its_refusals() {
    let mut schedule = Schedule::default();
    refusals(&mut schedule, MOVE, 3);
    let later = 600 * SECOND;
    assert!(!schedule.went_well("folder/ls.cgi", later, &RULES));
    schedule.refused(later, MOVE, "no", &RULES);
    assert_eq!(held_s(&schedule, later), 480);
    assert!(schedule.went_well("file/mv.cgi", 2 * later, &RULES));
    schedule.refused(2 * later, MOVE, "no", &RULES);
    assert_eq!(held_s(&schedule, 2 * later), 60);
    let days = 3 * 24 * HOUR;
    schedule.refused(days, MOVE, "no", &RULES);
    assert_eq!(held_s(&schedule, days), 60, "an old row is forgotten");
}

#[test]
fn replies_that_make_no_sense_hold_off_from_the_fifth_in_a_row_on() {
    let mut schedule = Schedule::default();
    let mut held = Vec::new();
    let mut now = 0;
    for _ in 0..11 {
        schedule.failed(now, "nonsense", &RULES);
        held.push(held_s(&schedule, now));
        now += (held_s(&schedule, now) + 1) * SECOND;
    }
    assert_eq!(held, [0, 0, 0, 0, 60, 120, 240, 480, 900, 900, 900]);
    assert!(schedule.went_well("folder/ls.cgi", now, &RULES));
    schedule.failed(now, "nonsense", &RULES);
    assert_eq!(held_s(&schedule, now), 0);
}

const LOCKED: Why<'_> = Why { reason: "locked", cause: HoldOffCause::AccountLocked };
const WHOLE_HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_lifted_hold_off_lets_one_call_through_and_its_success_ends_it() {
    let mut schedule = Schedule::default();
    schedule.hold_off(0, WHOLE_HOUR, LOCKED, &RULES);
    assert_eq!(schedule.lift(SECOND, &RULES), Lift::Lifted);
    let small = schedule.claim(Lane::SmallDownload, SECOND, &RULES);
    assert!(matches!(small, Err(Denied::HeldOff { .. })), "{small:?}");
    assert_eq!(schedule.claim(Lane::Call, SECOND, &RULES), Ok(()));
    let second = schedule.claim(Lane::Call, 2 * SECOND, &RULES);
    assert!(matches!(second, Err(Denied::HeldOff { .. })), "{second:?}");
    assert!(schedule.is_troubled() && schedule.went_well("folder/ls.cgi", 3 * SECOND, &RULES));
    assert_eq!(schedule.claim(Lane::Call, 5 * SECOND, &RULES), Ok(()));
}

#[test]
fn a_probe_that_is_refused_or_lost_leaves_the_hold_off_in_force() {
    let mut schedule = Schedule::default();
    schedule.hold_off(0, WHOLE_HOUR, LOCKED, &RULES);
    schedule.lift(SECOND, &RULES);
    schedule.claim(Lane::Call, SECOND, &RULES).unwrap();
    let lost = schedule.clone();
    assert_eq!(held_s(&lost, 2 * SECOND), 3_598);
    schedule.hold_off(2 * SECOND, WHOLE_HOUR, LOCKED, &RULES);
    assert_eq!(held_s(&schedule, 2 * SECOND), 3_600);
    schedule.went_well("folder/ls.cgi", 3 * SECOND, &RULES);
    assert_eq!(held_s(&schedule, 3 * SECOND), 3_599, "a late answer ends nothing");
    // A shorter silence than the one in force changes nothing but ends the probe too.
    let mut schedule = lost;
    schedule.refused(2 * SECOND, MOVE, "no", &RULES);
    schedule.went_well("folder/ls.cgi", 3 * SECOND, &RULES);
    assert_eq!(held_s(&schedule, 3 * SECOND), 3_597);
}

#[test]
fn a_hold_off_is_lifted_once_in_five_minutes_and_not_after_a_flood() {
    let mut schedule = Schedule::default();
    assert_eq!(schedule.lift(0, &RULES), Lift::NotNeeded);
    schedule.flood(0, None, FLOOD, &RULES);
    assert_eq!(schedule.lift(0, &RULES), Lift::NotNeeded);
    schedule.hold_off(0, WHOLE_HOUR, LOCKED, &RULES);
    let tries: Vec<Lift> =
        (0..12).map(|minute| schedule.lift(minute * 60 * SECOND, &RULES)).collect();
    assert_eq!(tries.iter().filter(|it| **it == Lift::Lifted).count(), 3);
    assert_eq!(tries[1], Lift::TooSoon { until: 300 * SECOND });
}

#[test]
fn what_the_rules_have_written_is_left_as_it_is() {
    let mut schedule = Schedule::default();
    for flood in 0..3 {
        schedule.flood(flood * 3_600 * SECOND, None, FLOOD, &RULES);
    }
    // At a learnt rate, right after a start: as far ahead as that can push the next.
    let now = 4 * 3_600 * SECOND;
    let started = starts(&mut schedule, &RULES, now, &[Lane::Call; 2]);
    let before = schedule.clone();
    schedule.clamp(now + 6 * SECOND, &RULES);
    assert!(started[1] - started[0] > 4.0, "{started:?}");
    assert_eq!(schedule, before);
}

#[test]
fn a_reading_of_the_account_is_used_for_ten_minutes() {
    let fresh =
        |after_s: Micros| Schedule::is_account_fresh(5 * SECOND, (5 + after_s) * SECOND, &RULES);
    assert_eq!([0, 599, 600].map(fresh), [true, true, false]);
}

#[test]
fn after_an_unknown_past_a_slow_pace_is_kept_from_the_first_call_on() {
    let slow = Rules { interval: Duration::from_secs(10), time_scale: 1 };
    let found = starts(&mut Schedule::cautious(0, &slow), &slow, 0, &[Lane::Call; 3]);
    assert_eq!(found, [1.1, 10.0, 20.0]);
}

#[test]
fn a_time_beyond_all_reckoning_is_long_and_can_be_added_to() {
    let long = RULES.scaled(Duration::MAX);
    assert!(long > 1_000 * 365 * 86_400 * SECOND && long.checked_mul(3).is_some(), "{long}");
}

#[test]
fn the_next_hold_off_is_short_again_only_after_a_calm_quarter_of_an_hour() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    let calm = |schedule: &mut Schedule, now| schedule.went_well("folder/ls.cgi", now, &RULES);
    assert!(!calm(&mut Schedule::default(), 61 * SECOND), "there is nothing to write down");
    assert!(!calm(&mut schedule, 61 * SECOND));
    assert!(calm(&mut schedule, 960 * SECOND));
    schedule.flood(1_000 * SECOND, None, FLOOD, &RULES);
    assert_eq!(held_s(&schedule, 1_000 * SECOND), 60);
}

#[test]
fn of_two_hold_offs_that_end_alike_the_first_is_told() {
    let mut schedule = Schedule::default();
    let minute = Duration::from_secs(60);
    for reason in ["first", "second"] {
        schedule.hold_off(0, minute, Why { reason, ..FLOOD }, &RULES);
    }
    assert_eq!(schedule.silence(0).unwrap().reason, "first");
    schedule.hold_off(SECOND, minute, Why { reason: "longer", ..FLOOD }, &RULES);
    assert_eq!(schedule.silence(SECOND).unwrap().reason, "longer");
}

#[test]
fn a_hold_off_that_was_ended_by_hand_is_over() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &RULES);
    schedule.end_hold_off();
    assert_eq!(schedule.claim(Lane::Call, 0, &RULES), Ok(()));
}

#[test]
fn an_unknown_past_is_taken_for_a_busy_one() {
    let firsts = [Lane::Call, FOLDER, Lane::Account, Lane::WholeAccount, Lane::SmallDownload]
        .map(|lane| starts(&mut Schedule::cautious(0, &RULES), &RULES, 0, &[lane])[0]);
    assert_eq!(firsts, [1.1, 31.0, 310.0, 3600.0, 0.5]);
}

#[test]
fn every_duration_is_divided_by_the_time_scale() {
    let scaled = Rules { time_scale: 100, ..RULES };
    let lanes = [FOLDER, FOLDER, Lane::Account, Lane::Account];
    let found = starts(&mut Schedule::default(), &scaled, 0, &lanes);
    assert_eq!(found, [0.0, 0.31, 0.31, 3.41]);
    let mut schedule = Schedule::default();
    schedule.flood(0, None, FLOOD, &scaled);
    assert_eq!(schedule.silence(0).unwrap().until, 600_000);
}

proptest! {
    /// Whatever numbers a file holds, no lane is blocked for longer than its rule says.
    #[test]
    fn stored_times_are_never_waited_for_longer_than_their_rule(
        stored in proptest::collection::vec(any::<i64>(), 9),
        (floods, share, failures) in (any::<u32>(), any::<u32>(), any::<u32>()),
    ) {
        let now = 1_700_000_000 * SECOND;
        let mut schedule = Schedule {
            under_way: stored[..2].to_vec(),
            recent: stored[2..5].to_vec(),
            due: stored[2],
            listing: Some(stored[3]),
            folders: BTreeMap::from([(FolderId(7), stored[4])]),
            listings_under_way: BTreeMap::from([(FolderId(7), stored[5])]),
            whole_account: Some(stored[5]),
            account: Some(stored[6]),
            small_download: Some(stored[8]),
            silence: Some(Silence {
                until: stored[7],
                reason: String::new(),
                cause: HoldOffCause::Flood,
                probe: Probe::None,
            }),
            floods,
            share,
            failures,
            refusals: BTreeMap::from([(String::new(), Refusals { in_a_row: 1, last: stored[1] })]),
            lifted: Some(stored[8]),
            slow_since: Some(stored[0]),
        };
        schedule.clamp(now, &RULES);
        prop_assert!(held_s(&schedule, now) <= 3600);
        schedule.end_hold_off();
        let free = schedule.lane_free_at(Lane::SmallDownload, now, &RULES);
        prop_assert!(free <= now + SECOND / 2, "{free}");
        for (lane, longest_s) in
            [(Lane::Call, 120), (FOLDER, 120), (Lane::Account, 310), (Lane::WholeAccount, 3600)]
        {
            let free = schedule.lane_free_at(lane, now, &RULES).max(schedule.pace_free_at(now, &RULES));
            prop_assert!(free <= now + longest_s * SECOND, "{lane:?} {free}");
        }
    }
}
