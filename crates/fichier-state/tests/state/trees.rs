//! Folders with all that is below them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use fichier_api::FolderId;
use fichier_state::{
    Content, Counts, Entry, Error, FolderKey, ForeignFile, RelPath, RemoteCopy, Retired, Totals,
};
use proptest::prelude::*;

use crate::fixture::{Fixture, copy, entry, facts, file, metadata, path, remote, url};

/// Files `a/x`, `a/b/x`, `a-/x` and `x`, an empty file and a link in `a/b`, and all folders at
/// the service.
fn tree() -> (Fixture, FolderKey, FolderKey) {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let a = fixture.folder(root, b"a");
    let b = fixture.folder(a, b"b");
    let beside = fixture.folder(root, b"a-");
    fixture.write(|state| {
        for (number, folder) in [(1, a), (2, b), (3, beside), (4, root)] {
            state.put_entry(&file(folder, b"x", number))?;
            state.set_folder_remote(folder, Some(remote(folder.0)), None)?;
        }
        state.put_entry(&entry(b, b"empty", 0, Content::Empty))?;
        state.put_entry(&entry(b, b"link", 1, Content::Symlink(b"t".into())))?;
        let foreign = ForeignFile {
            url: url(50),
            name: fichier_api::names::RemoteName::encode(b"f"),
            size_bytes: 1,
            whirlpool: None,
        };
        state.set_foreign(b, &[foreign])
    });
    (fixture, a, b)
}

#[test]
fn the_walk_shows_paths_from_the_source_in_path_order() {
    let (fixture, a, _) = tree();
    let below_a = ["a/b/empty", "a/b/link", "a/b/x", "a/x"];
    assert_eq!(fixture.walk(a), below_a);
    assert_eq!(fixture.walk(fixture.mirror.root)[..4], below_a);
    assert_eq!(fixture.walk(fixture.mirror.root)[4..], ["a-/x", "x"]);
}

#[test]
fn the_walk_ends_when_it_is_told_to() {
    let (fixture, ..) = tree();
    let mut seen = 0;
    let show = |_, _| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    fixture.store.entries_below(fixture.mirror.root, show).unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_moved_folder_takes_everything_along() {
    let (mut fixture, a, b) = tree();
    let beside = fixture.store.folder_at(fixture.mirror.id, &path("a-")).unwrap().unwrap().key;
    fixture.write(|state| state.move_folder(a, beside, b"new"));
    assert_eq!(fixture.store.path_of(b).unwrap(), path("a-/new/b"));
    assert_eq!(fixture.walk(a), ["a-/new/b/empty", "a-/new/b/link", "a-/new/b/x", "a-/new/x"]);
}

#[test]
fn a_folder_cannot_be_moved_below_itself_or_onto_another() {
    let (mut fixture, a, b) = tree();
    let root = fixture.mirror.root;
    for inside in [a, b] {
        let moved = fixture.store.write(|state| state.move_folder(a, inside, b"x"));
        assert!(matches!(moved, Err(Error::Cycle)), "{moved:?}");
    }
    let moved = fixture.store.write(|state| state.move_folder(a, root, b"a-"));
    assert!(matches!(moved, Err(Error::Refused(_))), "{moved:?}");
}

#[test]
fn a_removed_folder_leaves_no_trace_and_its_neighbours_alone() {
    let (mut fixture, a, b) = tree();
    fixture.write(|state| state.remove_folder(a));
    assert_eq!(fixture.walk(fixture.mirror.root), ["a-/x", "x"]);
    assert_eq!(fixture.store.folder(b).unwrap(), None);
    assert_eq!(fixture.store.foreign(b).unwrap(), []);
    fixture.store.check().unwrap();
}

#[test]
fn a_vanished_remote_folder_loses_its_ids_and_files_but_not_what_needs_no_copy() {
    let (mut fixture, a, b) = tree();
    fixture.write(|state| state.forget_remote_below(a));
    assert_eq!(fixture.walk(a), ["a/b/empty", "a/b/link"]);
    for folder in [a, b] {
        assert_eq!(fixture.store.folder(folder).unwrap().unwrap().remote, None);
    }
    assert_eq!(fixture.store.foreign(b).unwrap(), []);
    let beside = fixture.store.folder_at(fixture.mirror.id, &path("a-")).unwrap().unwrap();
    assert_eq!(beside.remote, Some(remote(beside.key.0)));
}

#[test]
fn a_retired_folder_becomes_versions_under_the_paths_it_had() {
    let (mut fixture, a, b) = tree();
    let odd = Entry { metadata: metadata(99), ..file(b, b"caf\xE9", 9) };
    fixture.write(|state| {
        state.put_entry(&odd)?;
        state.retire_tree(a, FolderId(500), 4_000_000_000, Retired::Deleted)
    });
    assert_eq!(fixture.store.folder(a).unwrap(), None);
    let mut versions = fixture.store.versions(fixture.mirror.id, None, 9).unwrap();
    versions.sort_by(|a, b| a.path.cmp(&b.path));
    let paths: Vec<_> = versions.iter().map(|version| version.path.to_string()).collect();
    assert_eq!(paths, ["a/b/caf\\xE9", "a/b/x", "a/x"]);
    let kept = &versions[0];
    assert_eq!(kept.metadata, Some(odd.metadata));
    assert_eq!((kept.folder, kept.reason), (FolderId(500), Retired::Deleted));
    assert_eq!((kept.current_from_s, kept.current_until_s), (copy(9).confirmed_s, 4_000_000_000));
    assert_eq!((&kept.url, kept.whirlpool), (&url(9), Some(copy(9).whirlpool)));
    assert_eq!(versions[1].metadata, Some(metadata(-1)));
}

#[test]
fn what_is_excluded_is_kept_and_not_counted() {
    let (mut fixture, a, b) = tree();
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let below_a = Counts { files: 2, bytes: 5, folders: 1, empties: 1, ..Counts::default() };
    let below_a = Counts { symlinks: 1, ..below_a };
    assert_eq!(fixture.store.count_below(a).unwrap(), below_a);
    let all = Totals { files: 4, bytes: 14, foreign: 1, ..Totals::default() };
    assert_eq!(fixture.store.totals(mirror).unwrap(), all);

    fixture.write(|state| {
        state.set_folder_unmanaged(b, true)?;
        let unsettled = RemoteCopy { unsettled: true, ..copy(4) };
        state.put_entry(&entry(root, b"x", 5, Content::File(unsettled)))
    });
    let less = Counts { files: 1, bytes: 2, ..Counts::default() };
    assert_eq!(fixture.store.count_below(a).unwrap(), less);
    let part = Totals { files: 3, bytes: 11, unmanaged_files: 1, unsettled: 1, foreign: 1 };
    assert_eq!(fixture.store.totals(mirror).unwrap(), part);
    assert!(fixture.store.folder(b).unwrap().unwrap().unmanaged);

    fixture.write(|state| {
        state.set_folder_unmanaged(b, false)?;
        state.set_unmanaged(b, b"x", true)?;
        state.set_unmanaged(b, b"x", false)
    });
    assert_eq!(fixture.store.count_below(a).unwrap(), below_a);
}

#[test]
fn folders_may_be_as_deep_as_paths_allow() {
    let mut fixture = Fixture::new();
    let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
    let top = fixture.folder(root, b"d");
    let deepest = fixture.write(|state| {
        let mut at = top;
        for _ in 1..2000 {
            at = state.add_folder(mirror, at, b"d", &facts(1, 2))?;
        }
        state.put_entry(&file(at, b"f", 1))?;
        Ok(at)
    });
    let path = fixture.store.path_of(deepest).unwrap();
    assert_eq!(path.depth(), 2000);
    assert_eq!(fixture.walk(root), [path.join(b"f").to_string()]);
    fixture.write(|state| state.retire_tree(top, FolderId(1), 1, Retired::Deleted));
    assert_eq!(fixture.store.versions(mirror, None, 2).unwrap()[0].path, path.join(b"f"));
    assert_eq!(fixture.store.count_below(root).unwrap(), Counts::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_is_walked_completely_and_in_order(
        paths in prop::collection::btree_set(
            prop::collection::vec(prop::sample::select(vec!["a", "a-", "a.", "b", "é"]), 1..5),
            0..30,
        ),
    ) {
        let mut fixture = Fixture::new();
        let (root, mirror) = (fixture.mirror.root, fixture.mirror.id);
        let mut folders = BTreeMap::from([(RelPath::root(), root)]);
        let mut expected = Vec::new();
        fixture.write(|state| {
            for (number, names) in (0..).zip(&paths) {
                let (name, above) = names.split_last().unwrap();
                let mut at = RelPath::root();
                for part in above {
                    let parent = folders[&at];
                    at = at.join(part.as_bytes());
                    if !folders.contains_key(&at) {
                        let key =
                            state.add_folder(mirror, parent, part.as_bytes(), &facts(0, 0))?;
                        folders.insert(at.clone(), key);
                    }
                }
                state.put_entry(&file(folders[&at], name.as_bytes(), number))?;
                expected.push(at.join(name.as_bytes()));
            }
            Ok(())
        });
        expected.sort();
        let mut walked = Vec::new();
        fixture.store.entries_below(root, |path, entry| {
            assert_eq!(path.name(), entry.name);
            walked.push(path);
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert_eq!(walked, expected);
    }
}
