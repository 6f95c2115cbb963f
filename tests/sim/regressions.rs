//! Scenarios that have failed once, cut down to the events that they need.

use std::time::Duration;

use fichier_testkit::habits::Which;

use crate::script::{Change, Event, Script, Setting, Spoiling};
use crate::tell;

fn check(name: &str, habits: &[&str], events: Vec<Event>) {
    let habits = habits.iter().map(|habit| Which::named(habit)).collect();
    let setting = Setting { habits, ..Setting::usual() };
    let told = tell(&Script { seed: 1, setting, events });
    assert_eq!(told.wrong, None, "{name}:\n{}", told.trace.join("\n"));
}

#[test]
fn y60_connections_that_break_before_a_reply_are_made_few_times_in_an_hour() {
    for habit in ["end.pl: Reset", "folder/mkdir.cgi: Reset", "folder/mkdir.cgi: DoItThenReset"] {
        check(habit, &[habit], Vec::new());
    }
}

#[test]
fn y61_a_target_of_lost_records_is_looked_at_few_times_in_an_hour() {
    check("lost records", &["numbers drift"], vec![Event::Rest, Event::LoseState]);
}

#[test]
fn y63_a_copy_whose_reply_is_lost_is_looked_for_a_few_minutes_and_then_made_again() {
    let copied = Change::CopyFile { file: 0, folder: 26, name: 117 };
    check(
        "a copy that was never made",
        &[],
        vec![
            Event::Rest,
            Event::Change { change: copied, seen: true },
            Event::Spoil { endpoint: 6, skip: 0, how: Spoiling::ResetBefore },
            Event::Wait(Duration::from_secs(600)),
        ],
    );
}
