//! Chooses between recognising an enciphered file that is on the service and sending it again.
//!
//! To recognise one costs a call, for the nonce in its header, and the local file is read and
//! enciphered with that; it is certain only then that both are the same. To send one costs its bytes,
//! and a share of the calls of its upload. Both are compared as time: a call takes about a second, and
//! the bytes of one upload about a minute ([`BatchLimits`]).
//!
//! Pure, as all of `decide`.

use fichier_state::ForeignFile;

use super::batch::BatchLimits;
use super::contents::Sorted;
use crate::plan::steps::{Placement, Step};

/// How long a call takes, with its place in the pace.
const CALL_S: u64 = 1;
/// How long the bytes of one upload take ([`BatchLimits::bytes`]).
const UPLOAD_S: u64 = 60;

type Alike = Vec<(Placement, ForeignFile)>;

/// Moves those of the files that may be recognised to the uploads that cost less there.
pub(super) fn choose(sorted: &mut Sorted, limits: &BatchLimits) {
    let (large, small): (Alike, Alike) = std::mem::take(&mut sorted.alike)
        .into_iter()
        .partition(|(place, _)| sending_s(place.size_bytes(), limits) >= CALL_S);
    sorted.alike = large;
    let recognised_s = small.len() as u64 * CALL_S;
    let bytes = small.iter().map(|(place, _)| place.size_bytes()).sum();
    let places = small.iter().map(|(place, _)| place.clone()).collect();
    let calls: u64 = limits.cut(places).into_iter().map(|batch| Step::Upload(batch).calls()).sum();
    if recognised_s <= calls * CALL_S + sending_s(bytes, limits) {
        sorted.alike.extend(small);
        sorted.alike.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    } else {
        sorted.uploads.extend(small.into_iter().map(|(place, _)| place));
    }
}

/// How long so many bytes take.
fn sending_s(bytes: u64, limits: &BatchLimits) -> u64 {
    bytes.saturating_mul(UPLOAD_S) / limits.bytes.max(1)
}
