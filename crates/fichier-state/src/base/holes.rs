//! Where a sparse file has no bytes on disk, so that a restore need not fill the disk with zeros.
//!
//! Holes save room and say nothing about the contents, which read as zeros there. Code that makes
//! them again must check that the bytes are zeros: a list from a damaged file must not cost data.
//!
//! Invariant: holes are in ascending order, none is empty, none touches the next, none reaches
//! beyond the largest file that Linux knows, and there are at most [`Holes::MOST`].

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

/// The length of the longest file that Linux knows, in bytes: offsets are signed.
const LARGEST_FILE: u64 = i64::MAX.cast_unsigned();

/// The holes of one file, as offset and length in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Holes(Vec<(u64, u64)>);

/// A list that breaks the rules of [`Holes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of holes")]
pub struct BadHoles;

impl Holes {
    /// Holes that are kept of one file. Of more, the largest are kept; a restore fills the others
    /// with zeros, which costs disk space and nothing else.
    pub const MOST: usize = 4_096;

    /// The largest of the holes that a file has, given in ascending order; those that break the
    /// rules are left out. Memory is bounded however many there are.
    pub fn largest(found: impl IntoIterator<Item = (u64, u64)>) -> Holes {
        let mut kept = BinaryHeap::new();
        let mut end = None;
        for (offset, length) in found {
            if let Some(next) = end_after(end, offset, length) {
                end = Some(next);
                kept.push(Reverse((length, offset)));
            }
            if kept.len() > Holes::MOST {
                kept.pop();
            }
        }
        let mut holes: Vec<_> =
            kept.into_iter().map(|Reverse((length, offset))| (offset, length)).collect();
        holes.sort_unstable();
        Holes(holes)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Offset and length of each, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// A few bytes a hole: the bytes between it and the one before, and its length, each as a
    /// number of 7 bits a byte (LEB128). Empty for no holes.
    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        let mut end = 0;
        for (offset, length) in self.iter() {
            push_number(&mut blob, offset - end);
            push_number(&mut blob, length);
            end = offset + length;
        }
        blob
    }

    /// Reads what [`Holes::encode`] wrote.
    ///
    /// # Errors
    ///
    /// [`BadHoles`] for anything else, also for another spelling of the same holes.
    pub fn decode(mut blob: &[u8]) -> Result<Holes, BadHoles> {
        let mut holes = Vec::new();
        let mut end = 0_u64;
        while !blob.is_empty() {
            let gap = take_number(&mut blob).ok_or(BadHoles)?;
            let length = take_number(&mut blob).ok_or(BadHoles)?;
            let offset = end.checked_add(gap).ok_or(BadHoles)?;
            end = offset.checked_add(length).ok_or(BadHoles)?;
            holes.push((offset, length));
            if holes.len() > Holes::MOST {
                return Err(BadHoles);
            }
        }
        Holes::try_from(holes)
    }
}

impl TryFrom<Vec<(u64, u64)>> for Holes {
    type Error = BadHoles;

    fn try_from(holes: Vec<(u64, u64)>) -> Result<Holes, BadHoles> {
        let mut end = None;
        for &(offset, length) in &holes {
            end = Some(end_after(end, offset, length).ok_or(BadHoles)?);
        }
        if holes.len() > Holes::MOST { Err(BadHoles) } else { Ok(Holes(holes)) }
    }
}

impl From<Holes> for Vec<(u64, u64)> {
    fn from(holes: Holes) -> Vec<(u64, u64)> {
        holes.0
    }
}

/// Where a hole ends; `None` if it may not come after one that ends at `end`.
fn end_after(end: Option<u64>, offset: u64, length: u64) -> Option<u64> {
    let is_apart = end.is_none_or(|end| end < offset);
    let next = offset.checked_add(length).filter(|next| *next <= LARGEST_FILE)?;
    (is_apart && length > 0).then_some(next)
}

/// The lower 7 bits first; the top bit of a byte says that more follow.
fn push_number(blob: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            blob.push(low & 0x7F);
            return;
        }
        blob.push(low | 0x80);
    }
}

fn take_number(blob: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = blob.split_first()?;
        *blob = rest;
        let bits = u64::from(byte & 0x7F);
        // Bits that would be shifted out, or a zero that makes the number longer only.
        if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gaps and lengths of all magnitudes, as they follow each other in a file.
    fn holes() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let number = (0..55_u32, any::<u64>()).prop_map(|(bits, n)| 1 + (n & ((1 << bits) - 1)));
        prop::collection::vec((number.clone(), number), 0..40).prop_map(|pairs| {
            let mut end = 0;
            let place = |(gap, length): (u64, u64)| {
                let offset = end + gap - u64::from(end == 0);
                end = offset + length;
                (offset, length)
            };
            pairs.into_iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn holes_survive_their_blob_and_json(given in holes()) {
            let holes = Holes::try_from(given.clone()).unwrap();
            prop_assert_eq!(Holes::decode(&holes.encode()), Ok(holes.clone()));
            let text = serde_json::to_string(&holes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Holes>(&text).unwrap(), holes.clone());
            prop_assert_eq!(Holes::largest(given.clone()), holes.clone());
            prop_assert_eq!(Vec::from(holes), given);
        }

        #[test]
        fn a_blob_of_anything_is_read_or_refused(blob in any::<Vec<u8>>()) {
            if let Ok(read) = Holes::decode(&blob) {
                prop_assert_eq!(read.encode(), blob);
            }
        }

        #[test]
        fn a_list_of_anything_is_in_order_or_refused(list in any::<Vec<(u8, u8)>>()) {
            let wide = |&(offset, length): &(u8, u8)| (u64::from(offset), u64::from(length));
            let list: Vec<_> = list.iter().map(wide).collect();
            let largest = Holes::largest(list.clone());
            let kept: Vec<_> = largest.iter().collect();
            prop_assert!(kept.is_sorted_by(|one, other| one.0 + one.1 < other.0));
            prop_assert_eq!(Holes::try_from(list.clone()).is_ok(), kept == list);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = |holes: &[(u64, u64)]| Holes::try_from(holes.to_vec()) == Err(BadHoles);
        assert!(refused(&[(5, 0)]), "an empty one");
        assert!(refused(&[(5, 5), (10, 1)]), "two that are one");
        assert!(refused(&[(5, 5), (9, 3)]), "two that overlap");
        assert!(refused(&[(5, 5), (1, 1)]), "out of order");
        assert!(refused(&[(LARGEST_FILE, 1)]), "beyond every file");
        assert!(refused(&[(u64::MAX, 2)]), "beyond every number");
        assert!(!refused(&[(LARGEST_FILE - 1, 1)]));
        let blobs: [&[u8]; 6] = [
            &[0],          // half a hole
            &[0x80],       // half a number
            &[0x80, 0, 1], // zero in two bytes
            &[0xFF; 20],   // a number without end
            &[0, 1, 0, 1], // touching
            &[0, 0],       // empty
        ];
        for blob in blobs {
            assert_eq!(Holes::decode(blob), Err(BadHoles), "{blob:?}");
        }
        let beyond_64_bits = [&[0xFF; 9][..], &[2, 1]].concat();
        assert_eq!(Holes::decode(&beyond_64_bits), Err(BadHoles));
    }

    #[test]
    fn of_too_many_the_largest_are_kept() {
        let length = |number: u64| if number == 7 { 1 } else { 2 + number % 3 };
        let found = (0..Holes::MOST as u64 + 1).map(|number| (number * 10, length(number)));
        let kept = Holes::largest(found.clone());
        let expected: Vec<_> = found.clone().filter(|hole| hole.1 > 1).collect();
        assert_eq!(Vec::from(kept.clone()), expected);
        assert_eq!(Holes::decode(&kept.encode()), Ok(kept));
        assert_eq!(Holes::try_from(found.collect::<Vec<_>>()), Err(BadHoles));
    }

    #[test]
    fn a_hole_takes_a_few_bytes() {
        let blob = Holes::try_from(vec![(0, 4096), (1 << 30, 1 << 20)]).unwrap().encode();
        assert_eq!(blob, [0, 0x80, 0x20, 0x80, 0xE0, 0xFF, 0xFF, 0x03, 0x80, 0x80, 0x40]);
    }
}
