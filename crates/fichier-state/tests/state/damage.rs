//! A damaged file is an error, or read as if it were whole; never a panic, never a hang.
//!
//! A flipped bit inside a name or a hash cannot be seen by anyone; it is a file that is hashed
//! or asked for again. What must not happen is that the tree itself is followed astray.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use fichier_api::FolderId;
use fichier_state::{Error, NewProblem, Result, Retired, Store};

use crate::fixture::{Fixture, file, fingerprint, path};

const IMAGES: u64 = 400;

/// Splitmix64: the same damage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((x ^ (x >> 31)) % end as u64).unwrap()
    }

    fn damage(&mut self, image: &mut Vec<u8>) {
        const PAGE: usize = 4096;
        let pages = image.len() / PAGE;
        match self.below(4) {
            0 => image.truncate(1 + self.below(image.len() - 1)),
            1 => {
                let start = self.below(pages) * PAGE;
                image[start..start + PAGE].fill(0);
            }
            2 => {
                let (from, to) = (self.below(pages) * PAGE, self.below(pages) * PAGE);
                image.copy_within(from..from + PAGE, to);
            }
            _ => {
                for _ in 0..=self.below(20) {
                    let at = self.below(image.len());
                    image[at] ^= 1 << self.below(8);
                }
            }
        }
    }
}

/// The file of a store that was not closed, with a few folders and many entries.
fn image() -> Vec<u8> {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let folders = [b"a", b"b", b"c"].map(|name| fixture.folder(root, name));
    let inner = fixture.folder(folders[0], b"inner");
    let mirror = fixture.mirror.id;
    fixture.write(|state| {
        for (number, folder) in (0..400).zip([root, folders[1], folders[2], inner].iter().cycle()) {
            state.put_entry(&file(*folder, format!("file {number}").as_bytes(), number))?;
        }
        let (path, what, hint) = (&path("a/x"), "what", "hint");
        let problem = NewProblem { path, what, hint, is_wide: false, next_try_s: 2 };
        state.put_problem(mirror, &problem, 1)?;
        state.log_removals(mirror, 5, 5)
    });
    let path = fixture.dir.path().join("state.db");
    drop(fixture.store);
    fs::read(path).unwrap()
}

/// Every look-up there is, and the largest changes.
fn use_everything(dir: &Path) -> Result<()> {
    let mut store = Store::open(dir)?;
    for mirror in store.mirrors()? {
        store.entries_below(mirror.root, |_, _| ControlFlow::Continue(()))?;
        store.count_below(mirror.root)?;
        store.totals(mirror.id)?;
        store.with_content(mirror.id, 5, &fingerprint(4), 10)?;
        store.has_size(mirror.id, &[1, 2, 3])?;
        store.intents(mirror.id)?;
        store.uploads(mirror.id)?;
        store.versions(mirror.id, None, 10)?;
        store.removals_since(mirror.id, 0)?;
        for folder in store.subfolders(mirror.root)? {
            store.path_of(folder.key)?;
            store.foreign(folder.key)?;
            store.write(|state| {
                state.set_folder_unmanaged(folder.key, true)?;
                state.retire_tree(folder.key, FolderId(9), 1, Retired::Deleted)
            })?;
        }
        store.write(|state| state.forget_remote_below(mirror.root))?;
    }
    store.problems(None)?;
    store.cycles(None, 10)?;
    store.close()
}

#[test]
fn damage_is_an_error_or_harmless() {
    let image = image();
    let mut random = Random(1);
    let (mut detected, mut harmless) = (0, 0);
    for number in 0..IMAGES {
        let mut damaged = image.clone();
        random.damage(&mut damaged);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state.db"), &damaged).unwrap();
        match use_everything(dir.path()) {
            Ok(()) => harmless += 1,
            // Refused: an index that lacks a row, met by a change, which is undone.
            Err(
                Error::Corrupt { .. }
                | Error::NotOurs { .. }
                | Error::FromTheFuture { .. }
                | Error::Refused(_),
            ) => detected += 1,
            Err(other) => panic!("image {number}: {other:?}"),
        }
    }
    assert!(detected > IMAGES / 2, "only {detected} of {IMAGES} were noticed");
    assert!(harmless > 0, "the damage is so large that nothing is tested");
}
