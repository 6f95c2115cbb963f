//! K01 to K15: every step of every kind of change.
//!
//! An upload has nothing on disk before it has its id, so that K02 is the same moment as K01 for
//! it; a single call has its intent on disk first.

use std::collections::BTreeSet;

use fichier_testkit::{Machine, write};

use crate::PROGRAM;
use crate::case::{Came, Case, Death, at, each};
use crate::change::Change::{self, *};

/// The changes that send bytes.
const SENDING: [Change; 5] = [NewFile, Batch, Replace, ReplaceForGood, MakeFolders];

fn sent_once(case: Case, came: &Came) {
    assert_eq!(came.sent, came.size, "{case}: bytes sent");
}

#[test]
fn k01_killed_before_the_intent_the_work_is_found_by_the_next_look_and_done_once() {
    at(&["cycle:begun"], &[NewFile, RenameFolder, Delete], sent_once);
    at(&["upload:planned"], &SENDING, sent_once);
    at(&["folder:planned"], &[Batch, Move, RenameFolder, MakeFolders], sent_once);
    at(&["relocate:planned"], &[Rename, RenameOnto, Move], sent_once);
    at(&["folder-move:planned"], &[RenameFolder], sent_once);
    at(&["retire:planned"], &[Replace, RenameOnto, Delete], sent_once);
    at(&["retire-folder:planned"], &[DeleteFolder], sent_once);
}

#[test]
fn k02_killed_after_the_intent_the_call_is_made_once() {
    at(&["folder:begun"], &[Batch, Move, RenameFolder, MakeFolders], sent_once);
    at(&["relocate:begun"], &[Rename, RenameOnto, Move], sent_once);
    at(&["back:begun"], &[ComeBack], sent_once);
    at(&["folder-move:begun"], &[RenameFolder], sent_once);
    at(&["retire:begun"], &[Replace, RenameOnto, Delete], sent_once);
    at(&["retire-folder:begun"], &[DeleteFolder], sent_once);
    at(&["remove:begun"], &[ReplaceForGood, DeleteForGood], sent_once);
}

#[test]
fn k03_killed_with_an_upload_id_that_is_not_on_disk_one_id_is_unused() {
    at(&["upload:slot"], &SENDING, |case, came| {
        sent_once(case, came);
        assert_eq!(came.count("upload/get_upload_server.cgi"), 2, "{case}");
    });
}

#[test]
fn k04_killed_before_the_first_byte_the_node_is_asked_and_the_files_are_sent_once() {
    at(&["upload:begun"], &SENDING, |case, came| {
        sent_once(case, came);
        let asked = came.calls.iter().position(|call| call == "end.pl");
        let sent = came.calls.iter().position(|call| call == "upload.cgi");
        assert!(asked < sent, "{case}: {:?}", came.calls);
    });
}

#[test]
fn k05_killed_in_the_middle_of_a_body_nothing_partial_is_published() {
    let deaths = [Death::Sending(1), Death::Sending(50), Death::Sending(99)];
    let cases = deaths.into_iter().flat_map(|death| {
        SENDING.into_iter().map(move |change| Case { death, change, at_most: None })
    });
    each(cases.collect(), |case, came| {
        assert!(came.sent <= 2 * came.size, "{case}: {} bytes for {}", came.sent, came.size);
    });
}

#[test]
fn k05_killed_between_two_files_of_a_body_nothing_partial_is_published() {
    let deaths = [1, 5, 250, 499].map(|nth| Death::At("upload:opens", nth));
    let cases = deaths.map(|death| Case { death, change: Batch, at_most: None });
    each(cases.to_vec(), |case, came| {
        assert!(came.sent <= 2 * came.size, "{case}: {} bytes for {}", came.sent, came.size);
    });
}

#[test]
fn k06_killed_before_the_reply_to_a_whole_body_nothing_is_sent_again() {
    let case = |change| Case { death: Death::Unanswered, change, at_most: None };
    each(SENDING.map(case).to_vec(), sent_once);
}

#[test]
fn k07_killed_after_the_reply_nothing_is_sent_again() {
    at(&["upload:replied"], &SENDING, sent_once);
}

#[test]
fn k08_killed_after_the_result_nothing_is_sent_again() {
    at(&["upload:told"], &SENDING, sent_once);
}

#[test]
fn k09_killed_before_files_are_put_in_place_each_is_put_there_once() {
    at(&["upload:arrived"], &SENDING, |case, came| {
        sent_once(case, came);
        // One for each folder, besides those for retired files and the copy of the records.
        if matches!(case.change, NewFile | MakeFolders) {
            assert_eq!(came.count("file/mv.cgi"), 1, "{case}: {:?}", came.calls);
        }
    });
}

#[test]
fn k10_killed_when_files_have_moved_and_the_reply_is_lost_one_more_call_tells() {
    at(&["files:moved"], &[NewFile, Batch, Replace, Move, MakeFolders, Delete], |case, came| {
        sent_once(case, came);
        if matches!(case.change, NewFile | MakeFolders) {
            assert_eq!(came.count("file/mv.cgi"), 2, "{case}: {:?}", came.calls);
        }
    });
    at(&["files:renamed"], &[Rename, Move, ComeBack], sent_once);
    at(&["files:moved"], &[ComeBack], sent_once);
}

#[test]
fn k11_killed_between_new_and_old_the_old_copy_goes_after_the_restart() {
    at(&["publish:confirmed"], &[Replace, ReplaceForGood], sent_once);
    at(&["relocate:confirmed"], &[RenameOnto], sent_once);
    at(&["back:confirmed"], &[ComeBack], sent_once);
    at(&["retire:confirmed"], &[Replace, RenameOnto], sent_once);
}

#[test]
fn k12_killed_when_old_copies_are_removed_they_are_not_missed() {
    at(&["files:removed", "remove:confirmed"], &[ReplaceForGood, DeleteForGood], sent_once);
}

#[test]
fn k13_killed_when_a_folder_is_made_and_its_number_unknown_there_is_one_folder() {
    let nth = [1, 2, 3].map(|nth| Death::At("folder:made", nth));
    let cases = nth
        .into_iter()
        .flat_map(|death| [Batch, MakeFolders].map(|change| Case { death, change, at_most: None }));
    each(cases.collect(), sent_once);
    at(&["folder:made"], &[Move, RenameFolder, ComeBack], sent_once);
}

#[test]
fn k13_killed_while_the_target_is_made_each_of_its_folders_is_there_once() {
    for nth in 1..=4 {
        let mut world = Machine::of(PROGRAM);
        write(&world.source("photos").join("one"), "one");
        world.environment = vec![("FAILPOINTS", format!("target:made={}*off->return", nth - 1))];
        world.launch();
        assert_eq!(world.take_service().ended(), None, "folder {nth}");
        world.environment.clear();
        world.start();
        world.until_mirrored("photos");
        world.assert_mirrored();
        let folders = world.emulator.folders();
        let different: BTreeSet<&String> = folders.iter().collect();
        assert_eq!(different.len(), folders.len(), "a folder is there twice: {folders:#?}");
    }
}

#[test]
fn k14_killed_when_a_folder_has_moved_or_has_its_name_nothing_is_sent() {
    at(&["folder:moved"], &[RenameFolder, DeleteFolder], sent_once);
    at(&["folder:renamed"], &[RenameFolder], sent_once);
}

#[test]
fn k15_killed_with_half_of_a_batch_carried_out_the_rest_is_completed() {
    let case =
        |point, nth, change| Case { death: Death::At(point, nth), change, at_most: Some(30) };
    let cases = vec![
        case("files:moved", 1, Batch),
        case("files:moved", 6, Batch),
        case("files:moved", 1, Delete),
        case("files:moved", 2, Delete),
        case("retire:confirmed", 1, Delete),
        case("files:removed", 1, DeleteForGood),
        case("files:removed", 3, DeleteForGood),
        case("remove:confirmed", 1, DeleteForGood),
    ];
    each(cases, sent_once);
}
