//! Chooses between a copy on the service and sending the bytes again, by the number of calls.
//!
//! A copy is one call. An upload is three, and one for each folder that its files go to, however
//! many they are: the first small copy of a file is copied, and a folder of them is sent. Files that
//! go beside others that are sent anyway cost nothing more.
//!
//! Pure, as all of `decide`.

use std::collections::BTreeMap;

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::{Entry, RelPath};

use super::contents::Sorted;
use crate::plan::steps::{Placement, Step};

/// The size from which a copy is always cheaper, since sending the bytes takes longer than a call.
pub(super) const COPY_FROM_BYTES: u64 = 4 << 20;

type Copies = Vec<(Placement, Entry)>;

/// Moves those of the copies to the uploads that cost fewer calls there.
pub(super) fn choose(sorted: &mut Sorted) {
    let (large, small): (Copies, Copies) = std::mem::take(&mut sorted.copies)
        .into_iter()
        .partition(|(place, _)| place.size_bytes() >= COPY_FROM_BYTES);
    sorted.copies = large;
    let mut sent = BTreeMap::<RelPath, usize>::new();
    for place in &sorted.uploads {
        *sent.entry(place.folder()).or_default() += 1;
    }
    let mut folders = BTreeMap::<RelPath, Copies>::new();
    for (place, source) in small {
        folders.entry(place.folder()).or_default().push((place, source));
    }
    // Where a copy is no dearer than the move that publishes the uploaded file, it is a copy.
    let (mut calls_copied, mut calls_sent) = (0, 0);
    let mut open = Copies::new();
    for (folder, files) in folders {
        let beside = sent.get(&folder).copied().unwrap_or(0);
        let (copied, published) = (calls_to_copy(&files), calls_to_publish(beside, &files));
        if copied <= published {
            sorted.copies.extend(files);
        } else {
            calls_copied += copied;
            calls_sent += published;
            open.extend(files);
        }
    }
    let is_upload_at_hand = !sorted.uploads.is_empty();
    if is_upload_at_hand || calls_copied > Step::UPLOAD_CALLS + calls_sent {
        sorted.uploads.extend(open.into_iter().map(|(place, _)| place));
    } else {
        sorted.copies.extend(open);
    }
    sorted.copies.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
}

/// A call for each, and another for each file that is replaced.
fn calls_to_copy(files: &Copies) -> usize {
    files.len() + replaced(files)
}

/// The moves out of the staging folder that come on top of those for the files that are sent to
/// the same folder anyway, and the retirement of the files that are replaced.
fn calls_to_publish(beside: usize, files: &Copies) -> usize {
    let moves = |files: usize| files.div_ceil(MAX_LINKS_PER_CALL);
    moves(beside + files.len()) - moves(beside) + moves(replaced(files))
}

fn replaced(files: &Copies) -> usize {
    files.iter().filter(|(place, _)| place.replaces.is_some()).count()
}
