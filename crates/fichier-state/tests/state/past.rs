//! The tree of every earlier moment, and the times that moments bear.

use std::time::Duration;

use fichier_api::FolderId;
use fichier_state::{
    Content, Entry, FolderFacts, FolderKey, Holes, Metadata, Moment, PastContent, Retired,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, copy, entry, facts, file, metadata, path};

impl Fixture {
    /// Some time later.
    pub(crate) fn later(&mut self) {
        self.store.clock().advance(Duration::from_secs(60));
    }

    /// The newest moment, to look at the tree of now later.
    pub(crate) fn moment(&self) -> Moment {
        self.store.newest_moment().unwrap()
    }

    /// The tree at a moment: folders with a slash, files with what they held.
    pub(crate) fn tree_at(&self, moment: Moment) -> Vec<String> {
        let mut lines = Vec::new();
        let root = self.store.root_at(self.mirror.id, moment).unwrap();
        if let Some(root) = root {
            self.collect(root.key, "", moment, &mut lines);
        }
        lines
    }

    fn collect(&self, folder: FolderKey, below: &str, moment: Moment, lines: &mut Vec<String>) {
        for entry in self.store.entries_at(folder, moment).unwrap() {
            let name = String::from_utf8(entry.name).unwrap();
            let held = match entry.content {
                PastContent::File { fingerprint, .. } => {
                    u64::from_be_bytes(fingerprint.as_bytes()[..8].try_into().unwrap()).to_string()
                }
                PastContent::Empty => "empty".to_owned(),
                PastContent::Symlink(to) => String::from_utf8(to).unwrap(),
            };
            lines.push(format!("{below}{name} {held} {:o}", entry.metadata.mode & 0o7777));
        }
        for inside in self.store.folders_at(folder, moment).unwrap() {
            let name = String::from_utf8(inside.name).unwrap();
            lines.push(format!("{below}{name}/ {:o}", inside.metadata.mode & 0o7777));
            self.collect(inside.key, &format!("{below}{name}/"), moment, lines);
        }
    }
}

fn with_mode(entry: Entry, mode: u32) -> Entry {
    Entry { metadata: Metadata { mode, ..entry.metadata }, ..entry }
}

#[test]
fn a_file_is_found_at_each_moment_as_it_was() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let before = fixture.moment();
    fixture.later();
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let first = fixture.moment();
    fixture.later();
    fixture.write(|state| state.put_entry(&file(root, b"a", 2)));
    let second = fixture.moment();
    fixture.later();
    fixture.write(|state| state.put_entry(&with_mode(file(root, b"a", 2), 0o600)));
    let third = fixture.moment();
    fixture.later();
    fixture.write(|state| state.remove_entry(root, b"a"));
    let gone = fixture.moment();

    assert_eq!(fixture.tree_at(before), Vec::<String>::new());
    assert_eq!(fixture.tree_at(first), ["a 1 644"]);
    assert_eq!(fixture.tree_at(second), ["a 2 644"]);
    assert_eq!(fixture.tree_at(third), ["a 2 600"]);
    assert_eq!(fixture.tree_at(gone), Vec::<String>::new());
}

#[test]
fn what_a_restore_would_not_notice_makes_no_history() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let was = file(root, b"a", 1);
    fixture.write(|state| state.put_entry(&was));
    let moment = fixture.moment();
    fixture.later();
    let mut stamp = was.stamp;
    stamp.ctime_ns += 1;
    stamp.inode = 9;
    fixture.write(|state| state.put_entry(&Entry { stamp, racy: true, ..was.clone() }));
    let found = fixture.store.entries_at(root, fixture.moment()).unwrap();
    assert_eq!(found[0].since, moment);
    assert_eq!(found[0].inode, 9);
}

#[test]
fn a_renamed_folder_is_one_row_and_its_files_are_under_the_path_of_each_moment() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let folder = fixture.folder(root, b"old");
    fixture.write(|state| state.put_entry(&file(folder, b"a", 1)));
    let before = fixture.moment();
    fixture.later();
    fixture.write(|state| state.move_folder(folder, root, b"new"));
    let after = fixture.moment();
    assert_eq!(fixture.tree_at(before), ["old/ 644", "old/a 1 644"]);
    assert_eq!(fixture.tree_at(after), ["new/ 644", "new/a 1 644"]);
    let then = fixture.store.folder_then(fixture.mirror.id, &path("old"), before).unwrap();
    assert_eq!(then.unwrap().key, folder);
    let now = fixture.store.folder_then(fixture.mirror.id, &path("old"), after).unwrap();
    assert_eq!(now, None);
}

#[test]
fn a_retired_tree_stays_in_the_history_and_its_contents_can_be_found() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let folder = fixture.folder(root, b"d");
    let below = fixture.folder(folder, b"e");
    fixture.write(|state| {
        state.put_entry(&file(folder, b"a", 1))?;
        state.put_entry(&entry(below, b"link", 1, Content::Symlink(b"to".into())))?;
        state.put_entry(&entry(below, b"none", 0, Content::Empty))
    });
    let before = fixture.moment();
    fixture.later();
    fixture.write(|state| state.retire_tree(folder, FolderId(500), 0, Retired::Deleted));
    assert_eq!(fixture.tree_at(fixture.moment()), Vec::<String>::new());
    let expected = ["d/ 644", "d/a 1 644", "d/e/ 644", "d/e/link to 644", "d/e/none empty 644"];
    assert_eq!(fixture.tree_at(before), expected);
    let found = fixture.store.copies_of(2, &copy(1).fingerprint, 9).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].url, found[0].whirlpool), (&copy(1).url, copy(1).whirlpool));
}

#[test]
fn excluded_entries_belong_to_no_tree_while_they_are_excluded() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let before = fixture.moment();
    fixture.later();
    fixture.write(|state| state.set_unmanaged(root, b"a", true));
    let during = fixture.moment();
    fixture.later();
    fixture.write(|state| state.set_unmanaged(root, b"a", false));
    let after = fixture.moment();
    let trees = [before, during, after].map(|moment| fixture.tree_at(moment).len());
    assert_eq!(trees, [1, 0, 1]);
}

#[test]
fn holes_and_names_of_an_inode_are_kept_through_history() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let holes = Holes::try_from(vec![(4096, 8192)]).unwrap();
    let metadata = Metadata { links: 2, holes: holes.clone(), ..metadata(-1) };
    let sparse = Entry { metadata, ..file(root, b"a", 1) };
    fixture.write(|state| state.put_entry(&sparse));
    assert_eq!(fixture.store.entry(root, b"a").unwrap(), Some(sparse));
    let before = fixture.moment();
    fixture.later();
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let then = fixture.store.entries_at(root, before).unwrap();
    assert_eq!((then[0].metadata.links, &then[0].metadata.holes), (2, &holes));
}

#[test]
fn a_time_finds_the_moment_that_was_the_newest_then() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    fixture.later();
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let (first, at_s) = (fixture.moment(), fixture.store.clock().now_s());
    fixture.later();
    fixture.write(|state| state.put_entry(&file(root, b"b", 2)));
    assert_eq!(fixture.store.moment_at(at_s).unwrap(), Some(first));
    assert_eq!(fixture.store.moment_at(at_s + 59).unwrap(), Some(first));
    assert_eq!(fixture.store.moment_at(at_s + 60).unwrap(), Some(fixture.moment()));
    assert_eq!(fixture.store.moment_at(0).unwrap(), None);
}

#[test]
fn a_clock_that_was_ahead_leaves_the_order_and_is_mended() {
    let mut fixture = Fixture::new();
    let (root, clock) = (fixture.mirror.root, fixture.store.clock().clone());
    let year = 365 * 24 * 3600;
    clock.set_ahead(year);
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let wrong = fixture.moment();
    clock.set_ahead(60);
    fixture.write(|state| state.put_entry(&file(root, b"a", 2)));
    let right = fixture.moment();
    assert!(wrong < right, "what follows is another moment, whatever the clock says");
    assert_eq!(fixture.tree_at(wrong), ["a 1 644"]);
    assert_eq!(fixture.tree_at(right), ["a 2 644"]);
    let now_s = clock.now_s();
    assert!(fixture.store.time_of(right).unwrap().unwrap() > now_s, "times never decrease");

    assert_eq!(fixture.write(|state| state.believe_clock()), 2);
    assert_eq!(fixture.store.time_of(right).unwrap(), Some(now_s));
    assert_eq!(fixture.store.moment_at(now_s).unwrap(), Some(right));
}

#[test]
fn what_ended_before_the_retention_is_forgotten_and_nothing_else() {
    let mut fixture = Fixture::new();
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    for number in 1..4 {
        fixture.later();
        fixture.write(|state| state.put_entry(&file(root, b"a", number)));
    }
    let moments: Vec<Moment> = (0..3).map(|back| Moment(fixture.moment().0 - 2 + back)).collect();
    let second_s = fixture.store.time_of(moments[1]).unwrap().unwrap();
    fixture.write(|state| state.forget_past(mirror, second_s));
    assert_eq!(fixture.tree_at(moments[0]), Vec::<String>::new());
    assert_eq!(fixture.tree_at(moments[1]), ["a 2 644"]);
    assert_eq!(fixture.tree_at(moments[2]), ["a 3 644"]);
    assert_eq!(fixture.store.history_from(mirror).unwrap(), moments[1]);
}

#[test]
fn a_path_has_the_states_of_all_that_ever_stood_there() {
    let mut fixture = Fixture::new();
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let one = fixture.folder(root, b"d");
    fixture.write(|state| state.put_entry(&file(one, b"a", 1)));
    let began = fixture.moment();
    fixture.later();
    // The folder goes elsewhere with its file, and another one takes its name.
    fixture.write(|state| state.move_folder(one, root, b"e"));
    let moved = fixture.moment();
    fixture.later();
    let other = fixture.folder(root, b"d");
    fixture.write(|state| state.put_entry(&file(other, b"a", 2)));
    let second = fixture.moment();
    fixture.later();
    fixture.write(|state| state.put_entry(&file(other, b"a", 3)));
    let third = fixture.moment();

    let spans = |at: &str| -> Vec<(u64, Moment, Option<Moment>)> {
        let versions = fixture.store.path_versions(mirror, &path(at)).unwrap();
        let size = |content| match content {
            PastContent::File { size_bytes, .. } => size_bytes,
            PastContent::Empty | PastContent::Symlink(_) => 0,
        };
        versions.into_iter().map(|v| (size(v.entry.content), v.first, v.last)).collect()
    };
    let expected = [(4, third, None), (3, second, Some(third)), (2, began, Some(moved))];
    assert_eq!(spans("d/a"), expected);
    assert_eq!(spans("e/a"), [(2, moved, None)]);
    assert_eq!(spans("d/b"), []);
}

/// Some change of a small tree.
#[derive(Clone, Debug)]
enum Step {
    Put { folder: usize, name: u8, number: u64 },
    Remove { folder: usize, name: u8 },
    AddFolder { parent: usize },
    MoveFolder { folder: usize, into: usize },
    RemoveFolder { folder: usize },
    Touch { folder: usize, mode: u32 },
    Exclude { folder: usize, name: u8, unmanaged: bool },
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let folder = || 0..6_usize;
    let name = || b'a'..b'd';
    prop_oneof![
        4 => (folder(), name(), 0..3_u64)
            .prop_map(|(folder, name, number)| Step::Put { folder, name, number }),
        2 => (folder(), name()).prop_map(|(folder, name)| Step::Remove { folder, name }),
        2 => folder().prop_map(|parent| Step::AddFolder { parent }),
        2 => (folder(), folder()).prop_map(|(folder, into)| Step::MoveFolder { folder, into }),
        1 => folder().prop_map(|folder| Step::RemoveFolder { folder }),
        1 => (folder(), 0..0o777_u32).prop_map(|(folder, mode)| Step::Touch { folder, mode }),
        1 => (folder(), name(), any::<bool>())
            .prop_map(|(folder, name, unmanaged)| Step::Exclude { folder, name, unmanaged }),
        4 => Just(Step::Wait),
    ]
}

impl Fixture {
    fn carry_out(&mut self, step: &Step, folders: &mut Vec<FolderKey>, made: &mut u64) {
        let mirror = self.mirror.id;
        let at = |number: usize| folders[number % folders.len()];
        // A step whose subject is not there, or that the state refuses, changes nothing.
        match *step {
            Step::Wait => self.later(),
            Step::Put { folder, name, number } => {
                // Two records of one link are refused: each content has one place.
                *made += 1;
                let mut new = file(at(folder), &[name], 10 * *made);
                if let Content::File(copy) = &mut new.content {
                    copy.fingerprint = crate::fixture::fingerprint(number);
                }
                drop(self.store.write(|state| state.put_entry(&new)));
            }
            Step::Remove { folder, name } => {
                drop(self.store.write(|state| state.remove_entry(at(folder), &[name])));
            }
            Step::AddFolder { parent } => {
                *made += 1;
                let name = format!("f{made}");
                let added = self.store.write(|state| {
                    state.add_folder(mirror, at(parent), name.as_bytes(), &facts(1, *made))
                });
                folders.extend(added);
            }
            Step::MoveFolder { folder, into } => {
                *made += 1;
                let name = format!("m{made}");
                drop(
                    self.store
                        .write(|state| state.move_folder(at(folder), at(into), name.as_bytes())),
                );
            }
            Step::RemoveFolder { folder } => {
                drop(self.store.write(|state| state.remove_folder(at(folder))));
            }
            Step::Touch { folder, mode } => {
                let facts =
                    FolderFacts { metadata: Metadata { mode, ..metadata(0) }, ..facts(1, 1) };
                drop(self.store.write(|state| state.set_folder_facts(at(folder), &facts)));
            }
            Step::Exclude { folder, name, unmanaged } => {
                drop(self.store.write(|state| state.set_unmanaged(at(folder), &[name], unmanaged)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn after_any_changes_each_moment_still_has_the_tree_it_had(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut fixture = Fixture::new();
        let (mut folders, mut made) = (vec![fixture.mirror.root], 0);
        let mut seen = Vec::new();
        for step in &steps {
            if matches!(step, Step::Wait) {
                let moment = fixture.moment();
                seen.push((moment, fixture.tree_at(moment)));
            }
            fixture.carry_out(step, &mut folders, &mut made);
        }
        for (moment, tree) in seen {
            prop_assert_eq!(fixture.tree_at(moment), tree, "at {:?}", moment);
        }
        fixture.store.check().unwrap();
    }
}
