//! Scenarios with odd habits of the service: answers that never come, results and hashes that are
//! never told, nodes that take little.

use fichier_emulator::NameTaken;

use super::{change, check, check_in, seconds};
use crate::disk::Ambush;
use crate::script::{Change, Content, Event, Setting, Spoiling};

#[test]
fn y101_a_question_about_a_file_is_not_repeated_when_no_reply_comes() {
    check(
        "the file is gone, so that each lost reply counts towards a ban",
        &["file/info.cgi: DoItThenReset"],
        vec![
            Event::Spoil { endpoint: 20, skip: 0, how: Spoiling::LoseReply },
            Event::Ambush { reads: 0, how: Ambush::Grow },
            seconds(14),
        ],
    );
}

#[test]
fn y102_leftovers_whose_names_are_taken_among_the_versions_go_there_all_the_same() {
    let renamed = Change::RenameFile { file: 174, folder: 71, name: 105 };
    let during = Event::ChangeDuring { change: renamed, requests: 9 };
    for events in [vec![during, seconds(4)], vec![Event::Rest]] {
        check_in(
            Setting {
                name_taken: NameTaken::Refuse,
                guarded: true,
                left_alone: false,
                ..Setting::usual()
            },
            "files are sent several times, since neither results nor listings can be read",
            &[
                r#"folder/ls.cgi: Reshape(LeftOut("items.size"))"#,
                r#"end.pl: Reshape(OtherType("links.filename"))"#,
            ],
            events,
        );
    }
}

#[test]
fn y103_files_of_one_name_and_size_are_told_apart_when_links_change_and_no_hash_is_told() {
    let copied = Change::CopyFile { file: 165, folder: 49, name: 49 };
    check_in(
        Setting { left_alone: false, ..Setting::usual() },
        "they are retired together after the records were lost",
        &["mv changes the link", "no hash at all"],
        vec![Event::Change { change: copied, seen: false }, Event::Rest, Event::LoseState],
    );
}

#[test]
fn y104_a_version_that_does_not_get_its_name_back_is_not_moved_to_and_fro_while_uploads_rest() {
    let renamed = Change::RenameFolder { folder: 189, into: 11, name: 10 };
    let content = Content::New { length: 5 };
    let swapped = Change::SwapFiles { file: 75, other: 206 };
    check(
        "the name is too long for the service",
        &["names beyond 20 are refused"],
        vec![
            change(renamed),
            change(Change::Write { folder: 184, name: 6, content }),
            Event::Rest,
            Event::ChangeDuring { change: swapped, requests: 1 },
        ],
    );
}

#[test]
fn y105_while_a_node_rests_another_one_is_asked_for_a_few_times_in_an_hour() {
    let content = Content::New { length: 5 };
    check_in(
        Setting { name_taken: NameTaken::Rename, ..Setting::usual() },
        "the node tells other hashes, and one file is never stored",
        &["end.pl: WrongWhirlpool", "names beyond 20 are refused"],
        vec![change(Change::Write { folder: 21, name: 250, content })],
    );
}
