//! Scenarios of a mirror that keeps no versions: no copy goes while it may be the only one of what
//! is on disk (`keep = "0"`).

use fichier_emulator::NameTaken;

use super::{change, check_in, keeps_nothing, seconds};
use crate::disk::Ambush;
use crate::script::{Change, Content, Event, Place, Setting};

fn kill(number: u8, written: bool) -> Event {
    Event::Kill(Place::Transaction { number, written })
}

fn kill_at_request(number: u8) -> Event {
    Event::Kill(Place::Request { number, carried_out: false })
}

/// A mirror that is not left alone with the habits.
fn busy() -> Setting {
    Setting { left_alone: false, ..keeps_nothing() }
}

#[test]
fn y107_a_folder_stays_while_the_content_of_a_file_in_it_is_awaited_elsewhere() {
    let to_file = Change::FolderToFile { folder: 114, content: Content::Known(0) };
    check_in(
        busy(),
        "it became a file with the content of one that was in it",
        &["no hash at all"],
        vec![kill_at_request(12), change(to_file)],
    );
}

#[test]
fn y108_what_an_awaited_file_is_by_now_is_not_known() {
    let swapped = change(Change::SwapFiles { file: 44, other: 146 });
    check_in(
        Setting { guarded: true, ..keeps_nothing() },
        "it was exchanged with another file while its upload was awaited",
        &[],
        vec![Event::Ambush { reads: 5, how: Ambush::Rewrite }, kill(29, true), swapped],
    );
}

#[test]
fn y108_what_an_awaited_file_is_by_now_is_looked_at_wherever_the_cycle_looks() {
    check_in(
        Setting { name_taken: NameTaken::Rename, guarded: true, ..busy() },
        "a file that has its content is renamed",
        &["no hash at all"],
        vec![
            Event::Ambush { reads: 5, how: Ambush::Grow },
            change(Change::EditSecretly { file: 144 }),
            kill_at_request(7),
            Event::ChangeDuring {
                change: Change::RenameFile { file: 158, folder: 95, name: 68 },
                requests: 8,
            },
            kill(12, true),
            Event::Rest,
            change(Change::Edit { file: 85, content: Content::New { length: 8 } }),
            seconds(8),
            change(Change::SwapFiles { file: 77, other: 10 }),
            kill(8, false),
            change(Change::RenameFile { file: 212, folder: 255, name: 149 }),
            seconds(121),
        ],
    );
}

#[test]
fn y109_what_is_left_for_later_hides_no_other_copy_that_is_wanted() {
    check_in(
        Setting { name_taken: NameTaken::Refuse, ..busy() },
        "a replaced copy waits, and what replaced it was in a folder that is gone",
        &["no hash at all"],
        vec![
            change(Change::Write { folder: 175, name: 228, content: Content::Known(4) }),
            Event::Change {
                change: Change::RenameFolder { folder: 168, into: 59, name: 190 },
                seen: false,
            },
            kill(14, true),
            change(Change::SwapFolders { folder: 69, other: 97 }),
            change(Change::RemoveFile { file: 73 }),
            change(Change::SwapFiles { file: 45, other: 158 }),
        ],
    );
}

#[test]
fn y110_a_copy_stays_while_a_file_that_was_moved_a_moment_ago_may_be_its_own() {
    let content = Content::New { length: 6 };
    let during = |change| Event::ChangeDuring { change, requests: 2 };
    check_in(
        keeps_nothing(),
        "the folder that it was in was exchanged with another at the same time",
        &[],
        vec![
            Event::Kill(Place::Request { number: 10, carried_out: true }),
            change(Change::SwapFolders { folder: 254, other: 78 }),
            change(Change::FileToFolder { file: 175, content }),
            seconds(13),
            during(Change::SwapFolders { folder: 90, other: 233 }),
            during(Change::RenameFile { file: 9, folder: 201, name: 124 }),
        ],
    );
}
