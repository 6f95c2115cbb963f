//! Scenarios with lost or doubted records, and with work that was begun and not finished.

use fichier_emulator::NameTaken;

use super::{change, check, check_in, seconds};
use crate::script::{Change, Event, Place, Setting, Spoiling};

fn kill_at_request(number: u8, carried_out: bool) -> Event {
    Event::Kill(Place::Request { number, carried_out })
}

/// A mirror whose guard holds many removals.
fn guarded() -> Setting {
    Setting { guarded: true, ..Setting::usual() }
}

#[test]
fn y90_a_move_to_which_no_reply_comes_is_looked_for_before_it_is_repeated() {
    check(
        "links change, so that a repetition asks for what is gone",
        &["file/mv.cgi: DoItThenReset", "mv changes the link"],
        Vec::new(),
    );
}

#[test]
fn y91_a_folder_whose_name_the_service_composes_is_found_without_records() {
    let renamed = Change::RenameFolder { folder: 17, into: 203, name: 93 };
    check_in(
        Setting { name_taken: NameTaken::Refuse, ..guarded() },
        "its name is taken, by itself",
        &["names are composed"],
        vec![Event::ChangeDuring { change: renamed, requests: 6 }, seconds(1399), Event::LoseState],
    );
}

#[test]
fn y95_a_copy_whose_name_the_service_changes_is_made_once() {
    check(
        "no reply tells of it",
        &["file/cp.cgi: Empty", "names are cut at 100"],
        vec![seconds(7330), change(Change::CopyFile { file: 254, folder: 146, name: 167 })],
    );
}

#[test]
fn y97_a_folder_on_the_way_to_the_target_that_seems_empty_is_listed_twice() {
    check_in(
        guarded(),
        "mkdir answers with the folder that is there",
        &["mkdir tells the existing folder"],
        vec![
            kill_at_request(7, true),
            Event::LoseState,
            Event::Spoil { endpoint: 64, skip: 1, how: Spoiling::EmptyListing },
            seconds(449),
        ],
    );
}
