//! Chooses between moving a version back and sending the bytes again, by the number of calls.
//!
//! A version that has its name already costs no more than the move that publishes an uploaded file,
//! and no byte. One with another name also costs a rename, a hundred of them in one call: a small
//! file is sent instead if that is fewer calls, as beside others that are sent anyway.
//!
//! Pure, as all of `decide`.

use fichier_api::MAX_LINKS_PER_CALL;
use fichier_state::Version;

use super::contents::Sorted;
use super::copies::COPY_FROM_BYTES;
use crate::plan::steps::{Placement, Step};

/// Moves those of the versions to the uploads that cost fewer calls there.
pub(super) fn choose(sorted: &mut Sorted) {
    let (back, renamed): (Vec<_>, Vec<_>) =
        std::mem::take(&mut sorted.brought_back).into_iter().partition(is_cheap);
    sorted.brought_back = back;
    let calls_sent = if sorted.uploads.is_empty() { Step::UPLOAD_CALLS } else { 0 };
    if renamed.len().div_ceil(MAX_LINKS_PER_CALL) > calls_sent {
        sorted.uploads.extend(renamed.into_iter().map(|(place, _)| place));
    } else {
        sorted.brought_back.extend(renamed);
    }
}

fn is_cheap((place, version): &(Placement, Version)) -> bool {
    place.path.name() == version.path.name() || place.size_bytes() >= COPY_FROM_BYTES
}
