//! Scenarios with lost or doubted records, and with work that was begun and not finished.

use fichier_emulator::NameTaken;
use fichier_testkit::habits::Which;

use super::{change, check, check_in, keeps_nothing, seconds};
use crate::script::{Change, Content, Event, Place, Setting, Spoiling};

fn kill(number: u8, written: bool) -> Event {
    Event::Kill(Place::Transaction { number, written })
}

fn kill_at_request(number: u8, carried_out: bool) -> Event {
    Event::Kill(Place::Request { number, carried_out })
}

/// A mirror whose guard holds many removals.
fn guarded() -> Setting {
    Setting { guarded: true, ..Setting::usual() }
}

/// A mirror that is not left alone with the habits.
fn busy() -> Setting {
    Setting { left_alone: false, ..Setting::usual() }
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
fn y92_a_file_that_waits_for_its_name_is_not_sent_again_after_a_doubt() {
    check_in(
        Setting { name_taken: NameTaken::Overwrite, ..guarded() },
        "no file is renamed",
        &[r#"file/rename.cgi: Json(200, "{\"status\":\"KO\",\"message\":\"Erreur\"}")"#],
        vec![kill(24, false), kill_at_request(2, true)],
    );
}

#[test]
fn y93_a_file_that_was_moved_a_minute_ago_and_is_not_listed_yet_is_not_sent_again_after_a_doubt() {
    let folder = Change::FolderToFile { folder: 137, content: Content::New { length: 7 } };
    check_in(
        busy(),
        "a listing shows it later",
        &["moved files lag"],
        vec![
            kill(26, true),
            change(folder),
            kill_at_request(12, true),
            Event::Spoil { endpoint: 224, skip: 1, how: Spoiling::NoFolderId },
            change(Change::EditSecretly { file: 197 }),
            Event::OneShots { runs: 1, dies: None },
            seconds(2),
        ],
    );
}

#[test]
fn y94_an_old_copy_that_got_another_name_and_was_not_moved_gets_its_own_again() {
    let written = Change::Write { folder: 5, name: 86, content: Content::New { length: 8 } };
    check_in(
        Setting { name_taken: NameTaken::Refuse, ..busy() },
        "its content is wanted again",
        &[],
        vec![
            Event::OneShots { runs: 2, dies: None },
            change(written),
            change(Change::MakeFolder { folder: 89, name: 22 }),
            Event::Begin(Which::named(
                r#"file/mv.cgi: Json(200, "{\"status\":\"KO\",\"message\":\"Erreur\"}")"#,
            )),
            change(Change::CopyFile { file: 234, folder: 166, name: 24 }),
            kill(3, false),
        ],
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
fn y96_a_file_that_the_service_does_not_copy_and_lists_is_not_sent_again() {
    check_in(
        Setting { left_alone: false, ..keeps_nothing() },
        "it says once that there is no such file",
        &[],
        vec![
            seconds(243),
            Event::Spoil { endpoint: 32, skip: 0, how: Spoiling::Partial(0) },
            change(Change::CopyFile { file: 130, folder: 7, name: 27 }),
            kill(19, false),
        ],
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

#[test]
fn y98_what_was_in_a_folder_that_turns_out_to_be_there_makes_room_for_what_is_sent() {
    check_in(
        guarded(),
        "a folder of former records is known only when its name is taken",
        &[],
        vec![
            Event::OneShots {
                runs: 2,
                dies: Some(Place::Request { number: 19, carried_out: false }),
            },
            Event::ChangeDuring { change: Change::Leave { path: 72, folder: true }, requests: 5 },
            Event::LoseState,
            Event::Rest,
            change(Change::ComeBack { which: 61 }),
        ],
    );
}

#[test]
fn y99_a_swap_whose_first_step_is_refused_is_not_tried_again_at_once() {
    let written = Change::Write { folder: 184, name: 6, content: Content::New { length: 5 } };
    let swapped = Change::SwapFiles { file: 75, other: 206 };
    check(
        "another file of the two waits for its upload",
        &["names beyond 20 are refused"],
        vec![change(written), Event::Rest, Event::ChangeDuring { change: swapped, requests: 1 }],
    );
}

#[test]
fn y99_files_that_wait_for_their_names_do_not_put_each_other_off() {
    check_in(
        Setting { name_taken: NameTaken::Overwrite, ..busy() },
        "the folder of one of them is renamed",
        &[r#"file/rename.cgi: Json(200, "{\"status\":\"KO\",\"message\":\"Erreur\"}")"#],
        vec![
            seconds(215),
            kill(6, false),
            change(Change::RenameFolder { folder: 81, into: 231, name: 25 }),
        ],
    );
}

#[test]
fn y100_a_version_that_came_back_before_the_process_died_stays() {
    check_in(
        guarded(),
        "its record is not written yet",
        &[],
        vec![
            change(Change::FolderToFile { folder: 33, content: Content::Known(2) }),
            kill_at_request(18, false),
            change(Change::Leave { path: 72, folder: false }),
            kill_at_request(4, false),
            change(Change::ComeBack { which: 91 }),
            kill(7, false),
        ],
    );
}
