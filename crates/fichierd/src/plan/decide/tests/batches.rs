//! How work is divided into calls, and the costs that plans state.

use super::*;
use crate::plan::steps::Step;

/// The numbers of files of the uploads, for files of the given sizes.
fn uploads(limits: BatchLimits, on_disk: &str) -> Vec<usize> {
    let (changes, known) = world("", on_disk);
    let made = plan(changes, known, &Policy { limits, ..policy() });
    let files = made.steps.iter().filter_map(|step| match step {
        Step::Upload(files) => Some(files.len()),
        Step::Note(_)
        | Step::MakeFolder(_)
        | Step::Adopt(..)
        | Step::Relocate(_)
        | Step::BringBack(_)
        | Step::Copy(..)
        | Step::Recognise(..)
        | Step::Retire(_)
        | Step::RetireFolder(..)
        | Step::RemoveFolder(..) => None,
    });
    files.collect()
}

#[track_caller]
fn costs(recorded: &str, on_disk: &str, calls: u64) {
    let (changes, known) = world(recorded, on_disk);
    let made = plan(changes, known, &policy());
    assert_eq!(made.cost().calls, calls, "\n{made}");
}

#[test]
fn an_upload_is_full_at_its_number_of_files() {
    let disk: String = (0..7).map(|n| format!("f{n} x{}\n", n + 10)).collect();
    let limits = BatchLimits { files: 3, bytes: 1 << 20 };
    assert_eq!(uploads(limits, disk.trim_end()), [3, 3, 1]);
}

#[test]
fn an_upload_is_full_at_its_bytes_and_takes_what_it_can_of_a_large_folder() {
    let limits = BatchLimits { files: 10, bytes: 100 };
    assert_eq!(uploads(limits, "a/1 x20\nb/1 y60\nb/2 z61"), [2, 1]);
    assert_eq!(uploads(limits, "a/1 x20\nb/1 y80"), [2]);
    assert_eq!(uploads(limits, "a/1 x20\nb/1 y81"), [1, 1]);
    // A file that is larger than an upload goes alone.
    assert_eq!(uploads(limits, "a/1 x20\nb/1 y900\nc/1 z20"), [1, 1, 1]);
}

#[test]
fn a_folder_that_fits_is_not_torn_apart() {
    let limits = BatchLimits { files: 3, bytes: 100 };
    assert_eq!(uploads(limits, "a/1 x20\na/2 x21\nb/1 y22\nb/2 y23"), [2, 2]);
}

#[test]
fn a_rename_and_a_move_cost_a_call_each() {
    costs("a a5", "b a5", 1);
    costs("d/\nd/a a5\ne/", "d/\ne/\ne/a a5", 1);
    costs("d/\nd/a a5\ne/", "d/\ne/\ne/b a5", 2);
    // All renames are one call; moves are one for each folder.
    costs("a a5\nb b6\nc/\nd/", "c/\nc/a a5\nd/\nd/b b6", 2);
    costs("a a5\nb b6\nc/\nd/", "c/\nc/x a5\nd/\nd/y b6", 3);
}

#[test]
fn a_swap_over_two_folders_costs_a_rename_and_two_moves_with_their_renames() {
    costs("p/\np/a a5\nq/\nq/b b5", "p/\np/a b5\nq/\nq/b a5", 1 + 2 + 2);
}

#[test]
fn files_of_one_folder_are_published_in_one_call_and_replaced_ones_retired_in_one() {
    // Node, files, result, move.
    costs("", "x a5\ny b6", 3 + 1);
    costs("x a5\ny b6", "x c7\ny d8", 3 + 1 + 1);
}

#[test]
fn retirements_go_by_the_hundred() {
    let recorded: String = (0..101).map(|n| format!("f{n:03} x{}\n", n + 10)).collect();
    costs(recorded.trim_end(), "", 2);
}
