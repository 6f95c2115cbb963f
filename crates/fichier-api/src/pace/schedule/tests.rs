//! The rules of pace, with the time passed in.

use proptest::prelude::*;

use super::*;

const SECOND: Micros = 1_000_000;
const RULES: Rules = Rules { interval: Duration::from_secs(1), time_scale: 1 };
const FAST: Rules = Rules { interval: Duration::from_millis(333), time_scale: 1 };
const FOLDER: Lane = Lane::Listing(FolderId(7));

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
fn floods_in_a_row_double_the_hold_off_up_to_fifteen_minutes() {
    let mut schedule = Schedule::default();
    let mut now = 0;
    let mut seen = Vec::new();
    for _ in 0..6 {
        schedule.flood(now, None, "a flood", &RULES);
        seen.push(held_s(&schedule, now));
        now += held_s(&schedule, now) * SECOND;
    }
    assert_eq!(seen, [60, 120, 240, 480, 900, 900]);
}

#[test]
fn flood_answers_to_calls_already_under_way_count_once() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, "a flood", &RULES);
    schedule.flood(SECOND, None, "a flood", &RULES);
    assert_eq!(held_s(&schedule, SECOND), 60);
    let mut once = Schedule::default();
    once.flood(0, None, "a flood", &RULES);
    assert_eq!((schedule.floods, schedule.halvings), (once.floods, once.halvings));
}

#[test]
fn what_the_service_asks_for_is_honoured_up_to_an_hour() {
    for (asked_s, held) in [(5, 60), (300, 300), (999_999, 3600)] {
        let mut schedule = Schedule::default();
        schedule.flood(0, Some(Duration::from_secs(asked_s)), "a flood", &RULES);
        assert_eq!(held_s(&schedule, 0), held);
    }
}

#[test]
fn nothing_is_granted_in_a_hold_off_and_its_reason_is_kept() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, "a flood", &RULES);
    for lane in [Lane::Call, FOLDER, Lane::WholeAccount, Lane::Account, Lane::SmallDownload] {
        let denied = schedule.claim(lane, 59 * SECOND, &RULES);
        let (until, reason) = (60 * SECOND, "a flood".to_owned());
        assert_eq!(denied, Err(Denied::HeldOff { until, reason }));
    }
    assert_eq!(schedule.claim(Lane::Call, 60 * SECOND, &RULES), Ok(()));
}

#[test]
fn a_flood_halves_the_rate_for_a_day() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, "a flood", &RULES);
    let slow = starts(&mut schedule, &RULES, 100 * SECOND, &[Lane::Call; 4]);
    assert_eq!(slow, [100.0, 100.0, 102.0, 104.0]);
    let day = 24 * 60 * 60 * SECOND;
    schedule.claim(Lane::Call, day, &RULES).unwrap();
    schedule.claim(Lane::Call, day, &RULES).unwrap();
    let until = day + SECOND;
    assert_eq!(schedule.claim(Lane::Call, day, &RULES), Err(Denied::Pace { until }));
}

/// The interval between calls at a time when none was made for long.
fn interval_s(schedule: &Schedule, now: Micros) -> f64 {
    let started = starts(&mut schedule.clone(), &RULES, now, &[Lane::Call; 3]);
    started[2] - started[1]
}

#[test]
fn each_flood_within_a_day_of_the_last_halves_the_rate_again_three_times_at_most() {
    let (hour, day) = (3_600 * SECOND, 86_400 * SECOND);
    let mut schedule = Schedule::default();
    let mut slower = Vec::new();
    for flood in 0..5 {
        let now = flood * hour;
        schedule.flood(now, None, "a flood", &RULES);
        slower.push(interval_s(&schedule, now + hour / 2));
    }
    assert_eq!(slower, [2.0, 4.0, 8.0, 8.0, 8.0]);
    let last = 4 * hour;
    assert_eq!(interval_s(&schedule, last + day - 60 * SECOND), 8.0);
    // A day later it is as if there had been none.
    assert_eq!(interval_s(&schedule, last + day), 1.0);
    schedule.flood(last + day, None, "a flood", &RULES);
    assert_eq!(interval_s(&schedule, last + day + hour), 2.0);
}

#[test]
fn what_the_rules_have_written_is_left_as_it_is() {
    let mut schedule = Schedule::default();
    for flood in 0..3 {
        schedule.flood(flood * 3_600 * SECOND, None, "a flood", &RULES);
    }
    // At the slowest, with the one to spare used: as far ahead as a start can push the next.
    let now = 4 * 3_600 * SECOND;
    starts(&mut schedule, &RULES, now, &[Lane::Call; 2]);
    let before = schedule.clone();
    schedule.clamp(now, &RULES);
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
    schedule.flood(0, None, "a flood", &RULES);
    assert!(!Schedule::default().calm(61 * SECOND, &RULES), "there is nothing to write down");
    assert!(!schedule.calm(61 * SECOND, &RULES));
    assert!(schedule.calm(960 * SECOND, &RULES));
    schedule.flood(1_000 * SECOND, None, "a flood", &RULES);
    assert_eq!(held_s(&schedule, 1_000 * SECOND), 60);
}

#[test]
fn of_two_hold_offs_that_end_alike_the_first_is_told() {
    let mut schedule = Schedule::default();
    let minute = Duration::from_secs(60);
    for reason in ["first", "second"] {
        schedule.hold_off(0, minute, reason, &RULES);
    }
    assert_eq!(schedule.silence(0).unwrap().reason, "first");
    schedule.hold_off(SECOND, minute, "longer", &RULES);
    assert_eq!(schedule.silence(SECOND).unwrap().reason, "longer");
}

#[test]
fn a_hold_off_that_was_ended_by_hand_is_over() {
    let mut schedule = Schedule::default();
    schedule.flood(0, None, "a flood", &RULES);
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
    schedule.flood(0, None, "a flood", &scaled);
    assert_eq!(schedule.silence(0).unwrap().until, 600_000);
}

proptest! {
    /// Whatever numbers a file holds, no lane is blocked for longer than its rule says.
    #[test]
    fn stored_times_are_never_waited_for_longer_than_their_rule(
        stored in proptest::collection::vec(any::<i64>(), 9),
        (floods, halvings) in (any::<u32>(), any::<u32>()),
    ) {
        let now = 1_700_000_000 * SECOND;
        let mut schedule = Schedule {
            under_way: stored[..2].to_vec(),
            recent: stored[2..5].to_vec(),
            due: stored[2],
            listing: Some(stored[3]),
            folders: BTreeMap::from([(FolderId(7), stored[4])]),
            whole_account: Some(stored[5]),
            account: Some(stored[6]),
            small_download: Some(stored[8]),
            silence: Some(Silence { until: stored[7], reason: String::new() }),
            floods,
            halvings,
            slow_since: Some(stored[0]),
        };
        schedule.clamp(now, &RULES);
        prop_assert!(held_s(&schedule, now) <= 3600);
        schedule.end_hold_off();
        let free = schedule.lane_free_at(Lane::SmallDownload, &RULES);
        prop_assert!(free <= now + SECOND / 2, "{free}");
        for (lane, longest_s) in
            [(Lane::Call, 16), (FOLDER, 34), (Lane::Account, 310), (Lane::WholeAccount, 3600)]
        {
            let free = schedule.lane_free_at(lane, &RULES).max(schedule.pace_free_at(now, &RULES));
            prop_assert!(free <= now + longest_s * SECOND, "{lane:?} {free}");
        }
    }
}
