//! Scenarios that have failed once, cut down to the events that they need.

use std::time::Duration;

use fichier_emulator::NameTaken;
use fichier_testkit::habits::Which;

use crate::disk::Ambush;
use crate::script::{Change, Content, Event, Place, Script, Setting, Spoiling};
use crate::tell;

mod begun;
mod odd;
mod unkept;

/// A mirror without versions.
fn keeps_nothing() -> Setting {
    Setting { keep_versions: false, ..Setting::usual() }
}

fn check(name: &str, habits: &[&str], events: Vec<Event>) {
    check_in(Setting::usual(), name, habits, events);
}

fn check_in(setting: Setting, name: &str, habits: &[&str], events: Vec<Event>) {
    let habits = habits.iter().map(|habit| Which::named(habit)).collect();
    let setting = Setting { habits, ..setting };
    let told = tell(&Script { seed: 1, setting, events });
    assert_eq!(told.wrong, None, "{name}:\n{}", told.trace.join("\n"));
}

fn seconds(seconds: u64) -> Event {
    Event::Wait(Duration::from_secs(seconds))
}

fn change(change: Change) -> Event {
    Event::Change { change, seen: true }
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
            change(copied),
            Event::Spoil { endpoint: 6, skip: 0, how: Spoiling::ResetBefore },
            seconds(600),
        ],
    );
}

#[test]
fn y70_where_no_hash_is_told_a_file_that_changed_while_it_was_sent_is_not_taken_for_the_next() {
    check(
        "the one that was sent first has the same name and size",
        &["a word in place of hashes"],
        vec![Event::Ambush { reads: 1, how: Ambush::Rewrite }, seconds(335)],
    );
}

#[test]
fn y71_files_that_a_move_gives_new_links_are_ours_though_no_hash_is_told_of_them() {
    for hashes in ["no hash for forty minutes", "a word in place of hashes", "no hash at all"] {
        for setting in [Setting::usual(), keeps_nothing()] {
            check_in(setting, hashes, &[hashes, "mv changes the link"], Vec::new());
        }
    }
    // The same files of an earlier installation stand in the way, and their hashes are told by now.
    let written = Change::Write { folder: 31, name: 81, content: Content::Known(0) };
    check_in(
        keeps_nothing(),
        "they are mistaken for files that were there before",
        &["no hash for forty minutes", "mv changes the link"],
        vec![change(written), Event::Rest, Event::LoseState],
    );
}

#[test]
fn y72_a_temporary_name_is_never_taken_for_the_one_that_the_service_gives_a_file() {
    let renamed = Change::RenameFile { file: 158, folder: 0, name: 220 };
    check(
        "no file is ever renamed, and nothing says so",
        &[r#"file/rename.cgi: Html(200, "<html><title>Accueil</title></html>")"#],
        vec![seconds(360), change(renamed)],
    );
}

#[test]
fn y73_a_temporary_name_that_the_service_cuts_is_known_again_under_a_new_link() {
    let written = Change::Write { folder: 193, name: 77, content: Content::Known(3) };
    check_in(
        keeps_nothing(),
        "two files of one name",
        &["names are cut at 20", "mv changes the link"],
        vec![change(written)],
    );
}

#[test]
fn y74_a_file_that_was_sent_while_it_changed_is_read_until_it_rests() {
    check_in(
        Setting { name_taken: NameTaken::Rename, ..Setting::usual() },
        "it rests when the process starts again",
        &[],
        vec![
            seconds(11),
            change(Change::RemoveFolder { folder: 140 }),
            Event::Ambush { reads: 0, how: Ambush::Rewrite },
            change(Change::RenameFile { file: 3, folder: 242, name: 156 }),
            Event::StateFull(Duration::from_secs(63)),
            Event::Ambush { reads: 3, how: Ambush::Rewrite },
            Event::Ambush { reads: 4, how: Ambush::Grow },
            Event::Kill(Place::Transaction { number: 10, written: true }),
        ],
    );
}

#[test]
fn y75_files_that_the_service_lists_and_denies_are_not_sent_again_nor_asked_for_often() {
    let folder = Change::FileToFolder { file: 119, content: Content::New { length: 4 } };
    let written = Change::Write { folder: 17, name: 247, content: Content::Known(0) };
    let habits = ["file/mv.cgi: Partial(0)"];
    let events = vec![change(folder), change(written)];
    check_in(
        Setting { left_alone: false, ..Setting::usual() },
        "moves are denied",
        &habits,
        events,
    );
}

#[test]
fn y76_a_removal_of_which_the_service_does_the_first_link_only_is_done_for_the_others_too() {
    let renamed = Change::RenameFile { file: 244, folder: 52, name: 46 };
    let folder = Change::FolderToFile { folder: 201, content: Content::Known(5) };
    check_in(
        Setting { name_taken: NameTaken::Overwrite, ..keeps_nothing() },
        "the reply to the removal is lost",
        &["one link a call, the rest left out"],
        vec![
            seconds(18),
            change(renamed),
            Event::Spoil { endpoint: 111, skip: 0, how: Spoiling::LoseReply },
            Event::ChangeDuring { change: folder, requests: 7 },
            Event::Kill(Place::Request { number: 1, carried_out: true }),
        ],
    );
}

#[test]
fn y77_a_lock_of_an_hour_that_each_call_prolongs_is_waited_for() {
    check("a folder in 10 s", &["a new folder in 10 s", "locks of an hour"], Vec::new());
    check("floods for hours", &["*: Flood"], vec![seconds(4585)]);
}

#[test]
fn y78_where_nothing_is_kept_no_copy_goes_while_its_content_is_unread_or_awaited_elsewhere() {
    let swapped = change(Change::SwapFiles { file: 142, other: 104 });
    let ambush = |reads, how| Event::Ambush { reads, how };
    check_in(
        Setting { name_taken: NameTaken::Refuse, ..keeps_nothing() },
        "one of two files that were swapped changes while it is read",
        &[],
        vec![seconds(13), ambush(2, Ambush::Rewrite), swapped, seconds(547)],
    );
    check_in(
        Setting { name_taken: NameTaken::Rename, guarded: true, ..keeps_nothing() },
        "a file of two folders that were swapped changes while it is read",
        &[],
        vec![
            seconds(18),
            ambush(1, Ambush::Grow),
            Event::Kill(Place::Request { number: 18, carried_out: true }),
            change(Change::SwapFolders { folder: 101, other: 237 }),
            Event::Kill(Place::Transaction { number: 5, written: false }),
        ],
    );
    let renamed = Change::RenameFile { file: 205, folder: 254, name: 175 };
    check_in(
        Setting { name_taken: NameTaken::Refuse, left_alone: false, ..keeps_nothing() },
        "a file gets another name while its upload is awaited",
        &["a page while processing"],
        vec![seconds(3), change(renamed)],
    );
}

#[test]
fn y79_a_file_that_has_its_new_name_and_is_not_moved_is_recorded_so() {
    let edit = |file, content| Change::Edit { file, content };
    let during = edit(31, Content::Known(1));
    check_in(
        Setting { guarded: true, left_alone: false, ..Setting::usual() },
        "moves are denied for a while",
        &[],
        vec![
            Event::Kill(Place::Request { number: 13, carried_out: false }),
            Event::Change { change: edit(117, Content::New { length: 1 }), seen: false },
            Event::ChangeDuring { change: during, requests: 11 },
            change(Change::SwapFiles { file: 222, other: 239 }),
            Event::Begin(Which::named("file/mv.cgi: Denied")),
            Event::OneShots { runs: 2, dies: None },
        ],
    );
}

#[test]
fn y82_an_old_copy_that_is_gone_is_not_asked_for_again_and_again() {
    check_in(
        Setting {
            name_taken: NameTaken::Overwrite,
            guarded: true,
            left_alone: false,
            ..Setting::usual()
        },
        "a move has replaced it, and no reply to a move makes sense",
        &["file/mv.cgi: DoItThenStatus(502)"],
        vec![
            seconds(9),
            Event::Ambush { reads: 2, how: Ambush::Rewrite },
            change(Change::SwapFolders { folder: 105, other: 242 }),
            seconds(10),
        ],
    );
}

#[test]
fn y83_a_swap_whose_first_step_is_refused_for_good_is_tried_less_and_less_often() {
    check_in(
        Setting { name_taken: NameTaken::Overwrite, ..Setting::usual() },
        "no file is renamed",
        &["file/rename.cgi: Denied"],
        vec![
            Event::Unmounted(Duration::from_secs(5)),
            seconds(4806),
            change(Change::Edit { file: 15, content: Content::New { length: 5 } }),
            change(Change::SwapFiles { file: 43, other: 146 }),
        ],
    );
}

#[test]
fn y84_a_name_that_a_file_got_because_its_own_was_taken_is_not_kept() {
    let edit = Change::Edit { file: 93, content: Content::Known(5) };
    check_in(
        Setting { name_taken: NameTaken::Rename, ..Setting::usual() },
        "the old copy is not moved away at first",
        &[],
        vec![
            seconds(74),
            Event::Kill(Place::Request { number: 9, carried_out: false }),
            Event::Spoil { endpoint: 78, skip: 1, how: Spoiling::Partial(0) },
            Event::ChangeDuring { change: edit, requests: 1 },
            seconds(155),
        ],
    );
}

#[test]
fn y85_a_file_that_does_not_get_its_new_name_is_not_moved_onto_another() {
    let renamed = Change::RenameFile { file: 238, folder: 98, name: 162 };
    check_in(
        Setting { name_taken: NameTaken::Overwrite, ..Setting::usual() },
        "the new name is too long for the service",
        &["names beyond 20 are refused"],
        vec![Event::Rest, Event::ChangeDuring { change: renamed, requests: 4 }],
    );
}

#[test]
fn y87_a_file_that_was_moved_beside_its_old_copy_gets_its_name_at_a_later_look() {
    check_in(
        Setting { name_taken: NameTaken::Rename, left_alone: false, ..Setting::usual() },
        "the service tells nothing of single files for hours",
        &["file/info.cgi: Denied"],
        vec![
            seconds(508),
            change(Change::Edit { file: 218, content: Content::New { length: 7 } }),
            seconds(9106),
            change(Change::Edit { file: 64, content: Content::Known(2) }),
        ],
    );
}

#[test]
fn y88_a_file_whose_name_the_service_changes_and_whose_hash_it_does_not_tell_is_sent_once() {
    let written = Change::Write { folder: 203, name: 6, content: Content::New { length: 8 } };
    let habits = ["& is escaped", "a word in place of hashes"];
    let setting = Setting { left_alone: false, ..Setting::usual() };
    check_in(setting, "its size is known", &habits, vec![change(written)]);
}

#[test]
fn y89_a_file_that_moves_under_a_temporary_name_is_not_complete_before_it_has_its_own() {
    check_in(
        Setting { name_taken: NameTaken::Rename, left_alone: false, ..Setting::usual() },
        "no file is renamed for a while",
        &["file/rename.cgi: Denied"],
        vec![
            Event::Kill(Place::Request { number: 19, carried_out: true }),
            change(Change::SwapFolders { folder: 69, other: 29 }),
        ],
    );
}
