//! What is written is read back, and what contradicts is refused.

use std::collections::HashSet;

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::FolderFacts;
use fichier_state::{
    Content, Cycle, Entry, Error, FolderKey, ForeignFile, Metadata, Mirror, NewProblem, NewVersion,
    Origin, Problem, RelPath, RemoteCopy, RemoteSpot, Retired, VersionsFolder,
};

use crate::fixture::{
    Fixture, add_mirror, copy, entry, facts, file, fingerprint, metadata, path, remote, url,
    whirlpool,
};

fn name(text: &str) -> RemoteName {
    RemoteName::from_service(text.to_owned())
}

#[test]
fn a_mirror_keeps_what_was_stored() {
    let mut fixture = Fixture::new();
    let changed = Mirror {
        identity: Some("{\"uuid\":\"1\"}".to_owned()),
        incoming: Some(FolderId(5)),
        versions: Some(FolderId(6)),
        last_success_s: Some(7),
        held: Some("12 removals".to_owned()),
        ..fixture.mirror.clone()
    };
    fixture.write(|state| state.update_mirror(&changed));
    assert_eq!(fixture.store.mirror("photos", "/backup/photos").unwrap(), Some(changed.clone()));
    assert_eq!(fixture.store.mirror("photos", "/elsewhere").unwrap(), None);
    assert_eq!(fixture.store.mirrors().unwrap(), [changed]);
}

#[test]
fn a_second_mirror_of_that_name_and_target_is_refused() {
    let mut fixture = Fixture::new();
    let again = fixture.store.write(|state| add_mirror(state, "photos"));
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
}

#[test]
fn a_folder_keeps_what_was_stored() {
    let mut fixture = Fixture::new();
    let key = fixture.folder(fixture.mirror.root, b"caf\xE9");
    let metadata =
        Metadata { xattrs: vec![(b"user.a".into(), vec![0, 255])], ..metadata(i64::MIN) };
    let facts = FolderFacts { device: u64::MAX, inode: 1 << 63, ctime_ns: i64::MAX, metadata };
    let spot = RemoteSpot { id: FolderId(44), made_by_us: false, listed: true };
    fixture.write(|state| {
        state.set_folder_facts(key, &facts)?;
        state.set_folder_remote(key, Some(spot), Some(&name("cafe")))
    });
    let folder = fixture.store.folder(key).unwrap().unwrap();
    assert_eq!(folder.parent, Some(fixture.mirror.root));
    assert_eq!(folder.mirror, fixture.mirror.id);
    assert_eq!(folder.name, b"caf\xE9");
    let kept = FolderFacts {
        device: folder.device,
        inode: folder.inode,
        ctime_ns: folder.ctime_ns,
        metadata: folder.metadata.clone(),
    };
    assert_eq!(kept, facts);
    assert_eq!((folder.remote, folder.remote_name.clone()), (Some(spot), Some(name("cafe"))));
    let at = RelPath::parse(b"caf\xE9").unwrap();
    assert_eq!(fixture.store.folder_at(fixture.mirror.id, &at).unwrap(), Some(folder));
    assert_eq!(fixture.store.folder_at(fixture.mirror.id, &path("cafe")).unwrap(), None);
}

#[test]
fn two_folders_of_a_mirror_cannot_have_one_remote_folder() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let (a, b) = (fixture.folder(root, b"a"), fixture.folder(root, b"b"));
    fixture.write(|state| state.set_folder_remote(a, Some(remote(9)), None));
    let second = fixture.store.write(|state| state.set_folder_remote(b, Some(remote(9)), None));
    assert!(matches!(second, Err(Error::Refused(_))), "{second:?}");
}

#[test]
fn every_kind_of_entry_is_read_as_it_was_stored_and_in_the_order_of_its_bytes() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let adopted = RemoteCopy {
        remote_name: Some(name("other")),
        origin: Origin::Adopted,
        unsettled: true,
        ..copy(1)
    };
    let attributes = Metadata { xattrs: vec![(b"n".into(), b"v".into())], ..metadata(99) };
    let stored = [
        Entry { racy: true, metadata: attributes, ..file(root, b"A", 3) },
        entry(root, b"a", 10, Content::File(adopted)),
        entry(root, b"b", 4, Content::File(RemoteCopy { origin: Origin::Copied, ..copy(2) })),
        entry(root, b"empty", 0, Content::Empty),
        entry(root, b"link", 3, Content::Symlink(b"\xFF/..".into())),
        Entry { unmanaged: true, ..file(root, b"\xFE", 4) },
    ];
    fixture.write(|state| stored.iter().rev().try_for_each(|entry| state.put_entry(entry)));
    assert_eq!(fixture.store.entries(root).unwrap(), stored);
    assert_eq!(fixture.store.entry(root, b"empty").unwrap().as_ref(), Some(&stored[3]));
    assert_eq!(fixture.store.entry(root, b"Empty").unwrap(), None);
}

#[test]
fn storing_an_entry_again_replaces_every_field() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let attributes = Metadata { xattrs: vec![(b"n".into(), b"v".into())], ..metadata(99) };
    let first = Entry { racy: true, metadata: attributes, ..file(root, b"x", 1) };
    let versions = [
        first,
        entry(root, b"x", 0, Content::Empty),
        entry(root, b"x", 1, Content::Symlink(b"y".into())),
    ];
    for version in &versions {
        fixture.write(|state| state.put_entry(version));
        assert_eq!(fixture.store.entries(root).unwrap(), std::slice::from_ref(version));
    }
}

#[test]
fn a_link_has_one_entry() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    fixture.write(|state| state.put_entry(&file(root, b"a", 1)));
    let second = fixture.store.write(|state| state.put_entry(&file(root, b"b", 1)));
    assert!(matches!(second, Err(Error::Refused(_))), "{second:?}");
}

/// As relocations do it: one link has one entry, so all are removed before one is put.
#[test]
fn entries_change_places_when_they_are_removed_before_they_are_put() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let folder = fixture.folder(root, b"d");
    let (one, two) = (file(root, b"one", 1), file(folder, b"two", 2));
    let (one_after, two_after) = (file(folder, b"two", 1), file(root, b"one", 2));
    fixture.write(|state| {
        state.put_entry(&one)?;
        state.put_entry(&two)
    });
    let too_soon = fixture.store.write(|state| state.put_entry(&one_after));
    assert!(matches!(too_soon, Err(Error::Refused(_))), "{too_soon:?}");
    fixture.write(|state| {
        assert_eq!(state.remove_entry(root, b"one")?, Some(one));
        assert_eq!(state.remove_entry(folder, b"two")?, Some(two));
        state.put_entry(&one_after)?;
        state.put_entry(&two_after)
    });
    assert_eq!(fixture.store.entries(folder).unwrap(), [one_after]);
    assert_eq!(fixture.store.entries(root).unwrap(), [two_after]);
    assert_eq!(fixture.write(|state| state.remove_entry(root, b"two")), None);
}

#[test]
fn content_is_found_by_size_and_whole_fingerprint_in_its_mirror_only() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let other = fixture.write(|state| add_mirror(state, "other"));
    let mut bytes = *fingerprint(1).as_bytes();
    bytes[31] ^= 1;
    let near = fichier_api::Fingerprint::from_bytes(bytes);
    let same_start = RemoteCopy { fingerprint: near, ..copy(20) };
    let twin = RemoteCopy { fingerprint: fingerprint(1), ..copy(21) };
    let found = entry(root, b"twin", 2, Content::File(twin.clone()));
    fixture.write(|state| {
        state.put_entry(&file(root, b"one", 1))?;
        state.put_entry(&found)?;
        state.put_entry(&entry(root, b"near", 2, Content::File(same_start)))?;
        let elsewhere = RemoteCopy { url: url(30), ..twin };
        state.put_entry(&entry(other.root, b"one", 2, Content::File(elsewhere.clone())))?;
        let other_size = RemoteCopy { url: url(31), ..elsewhere };
        state.put_entry(&entry(other.root, b"five", 5, Content::File(other_size)))
    });
    let (store, mirror) = (&fixture.store, fixture.mirror.id);
    let one = file(root, b"one", 1);
    assert_eq!(store.with_content(mirror, 2, &fingerprint(1), 9).unwrap(), [one, found]);
    assert_eq!(store.with_content(mirror, 2, &fingerprint(1), 1).unwrap().len(), 1);
    assert_eq!(store.with_content(mirror, 5, &fingerprint(1), 9).unwrap(), []);
    assert_eq!(store.has_size(mirror, &[1, 2, 2, 5]).unwrap(), HashSet::from([2]));
}

#[test]
fn foreign_files_are_replaced_as_a_whole() {
    let mut fixture = Fixture::new();
    let root = fixture.mirror.root;
    let foreign = |number, text| ForeignFile {
        url: url(number),
        name: name(text),
        size_bytes: 0,
        whirlpool: (number == 1).then(|| whirlpool(1)),
    };
    fixture.write(|state| state.set_foreign(root, &[foreign(9, "old")]));
    fixture.write(|state| state.set_foreign(root, &[foreign(2, "b"), foreign(1, "b")]));
    assert_eq!(fixture.store.foreign(root).unwrap(), [foreign(1, "b"), foreign(2, "b")]);
    fixture.write(|state| state.remove_foreign(root, &url(1)));
    assert_eq!(fixture.store.foreign(root).unwrap(), [foreign(2, "b")]);
}

#[test]
fn a_problem_counts_its_tries_and_keeps_its_beginning() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    fixture.write(|state| {
        let (path, next_try_s) = (&path("a/b"), 160);
        let first =
            NewProblem { path, what: "unreadable", hint: "chmod", is_wide: false, next_try_s };
        state.put_problem(mirror, &first, 100)?;
        let grown = NewProblem { what: "too large", hint: "wait", is_wide: true, ..first };
        state.put_problem(mirror, &NewProblem { next_try_s: 320, ..grown }, 200)?;
        let other = NewProblem { path: &self::path("a-"), next_try_s: 400, ..first };
        state.put_problem(mirror, &other, 150)
    });
    let grown = Problem {
        mirror,
        path: path("a/b"),
        what: "too large".to_owned(),
        hint: "wait".to_owned(),
        is_wide: true,
        tries: 2,
        since_s: 100,
        next_try_s: 320,
    };
    let problems = fixture.store.problems(Some(mirror)).unwrap();
    assert_eq!(problems[0], grown);
    assert_eq!(problems[1].path, path("a-"));
    assert_eq!(fixture.store.problems(None).unwrap(), problems);
    assert_eq!(fixture.store.problems_due(mirror, 319).unwrap(), []);
    assert_eq!(fixture.store.problems_due(mirror, 400).unwrap(), [path("a/b"), path("a-")]);
    assert_eq!(fixture.store.next_problem_due(mirror).unwrap(), Some(320));
}

#[test]
fn clearing_a_path_leaves_its_neighbours_and_those_below_it() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let all = ["a", "a/b", "a-", "a0"].map(path);
    fixture.write(|state| {
        all.iter().try_for_each(|path| {
            let problem = NewProblem { path, what: "", hint: "", is_wide: false, next_try_s: 2 };
            state.put_problem(mirror, &problem, 1)
        })
    });
    fixture.write(|state| state.clear_problem(mirror, &path("a")));
    let left = fixture.store.problems(None).unwrap();
    let left: Vec<_> = left.iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(left, ["a/b", "a-", "a0"]);
    fixture.write(|state| all.iter().try_for_each(|path| state.clear_problem(mirror, path)));
    assert_eq!(fixture.store.problems(None).unwrap(), []);
    assert_eq!(fixture.store.next_problem_due(mirror).unwrap(), None);
}

#[test]
fn removals_are_added_up_and_forgotten_after_two_days() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let day = 24 * 3600;
    fixture.write(|state| {
        state.log_removals(mirror, 0, 1)?;
        state.log_removals(mirror, day, 20)?;
        state.log_removals(mirror, 2 * day, 300)
    });
    assert_eq!(fixture.store.removals_since(mirror, day).unwrap(), 320);
    assert_eq!(fixture.store.removals_since(mirror, 0).unwrap(), 321);
    fixture.write(|state| state.log_removals(mirror, 2 * day + 1, 0));
    assert_eq!(fixture.store.removals_since(mirror, 0).unwrap(), 320);
}

#[test]
fn an_allowance_is_spent_down_to_nothing() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    fixture.write(|state| state.set_allowance(mirror, 5));
    fixture.write(|state| state.spend_allowance(mirror, 3));
    assert_eq!(fixture.store.allowance(mirror).unwrap(), 2);
    fixture.write(|state| state.spend_allowance(mirror, u64::MAX));
    assert_eq!(fixture.store.allowance(mirror).unwrap(), 0);
}

fn version(fixture: &Fixture, at: &str, number: u64, until_s: i64) -> NewVersion {
    NewVersion {
        mirror: fixture.mirror.id,
        path: path(at),
        url: url(number),
        size_bytes: number,
        whirlpool: Some(whirlpool(number)),
        fingerprint: Some(fingerprint(number)),
        metadata: Some(Metadata { xattrs: vec![(b"n".into(), vec![])], ..metadata(5) }),
        folder: FolderId(77),
        current_from_s: 10,
        current_until_s: until_s,
        reason: Retired::Replaced,
        cipher: None,
    }
}

#[test]
fn versions_are_listed_by_path_and_newest_first() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let known = version(&fixture, "a/b", 1, 4_000_000_050);
    let foreign = NewVersion {
        whirlpool: None,
        fingerprint: None,
        metadata: None,
        reason: Retired::Foreign,
        ..version(&fixture, "a", 2, 4_000_000_060)
    };
    let other = NewVersion { reason: Retired::Orphan, ..version(&fixture, "a-", 4, 4_000_000_055) };
    let ids = fixture
        .write(|state| Ok([&known, &foreign, &other].map(|new| state.add_version(new).unwrap())));
    let listed = |at: Option<&RelPath>, limit| -> Vec<_> {
        let versions = fixture.store.versions(mirror, at, limit).unwrap();
        versions.iter().map(|version| version.id).collect()
    };
    assert_eq!(listed(None, 9), [ids[1], ids[2], ids[0]]);
    assert_eq!(listed(Some(&RelPath::root()), 2), [ids[1], ids[2]]);
    assert_eq!(listed(Some(&path("a")), 9), [ids[1], ids[0]]);
    assert_eq!(listed(Some(&path("a/b")), 9), [ids[0]]);
    assert_eq!(fixture.store.version_totals(mirror).unwrap(), (3, 7));

    let read = fixture.store.versions(mirror, None, 9).unwrap();
    assert_eq!((&read[2].metadata, &read[2].url), (&known.metadata, &known.url));
    assert_eq!(read[2].fingerprint, known.fingerprint);
    assert_eq!((&read[0].metadata, read[0].whirlpool), (&None, None));
    assert_eq!((read[0].reason, read[0].folder), (Retired::Foreign, FolderId(77)));
}

#[test]
fn versions_folders_count_what_they_hold_and_whose_names_are_taken() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    fixture.write(|state| {
        state.add_versions_folder(mirror, "2026-11-23", 1, FolderId(12))?;
        state.add_versions_folder(mirror, "2026-11-23", 0, FolderId(11))?;
        state.add_versions_folder(mirror, "2026-11-24", 0, FolderId(13))?;
        state.count_retired(FolderId(11), 3999, None)?;
        state.count_retired(FolderId(11), 1, Some("2024"))?;
        state.add_versions_folder(mirror, "2026-11-23", 0, FolderId(11))
    });
    let day = "2026-11-23".to_owned();
    assert_eq!(
        fixture.store.retired_room(mirror, &day).unwrap(),
        [
            VersionsFolder { id: FolderId(11), day: day.clone(), seq: 0, items: 4000 },
            VersionsFolder { id: FolderId(12), day: day.clone(), seq: 1, items: 0 },
        ]
    );
    assert!(fixture.store.retired_name_taken(FolderId(11), "2024").unwrap());
    assert!(!fixture.store.retired_name_taken(FolderId(12), "2024").unwrap());
    let unknown = fixture.store.write(|state| state.count_retired(FolderId(1), 1, None));
    assert!(matches!(unknown, Err(Error::Missing("versions folder"))), "{unknown:?}");
}

#[test]
fn the_last_thousand_cycles_of_a_mirror_are_kept() {
    let mut fixture = Fixture::new();
    let other = fixture.write(|state| add_mirror(state, "other")).id;
    let cycle = |mirror, number: u64| Cycle {
        mirror,
        started_s: 1,
        ended_s: 2,
        outcome: "done".to_owned(),
        looked_at: number,
        uploaded_files: 3,
        uploaded_bytes: 4,
        relocated: 5,
        copied: 6,
        retired: 7,
        problems: 8,
        calls: 9,
    };
    let mirror = fixture.mirror.id;
    fixture.write(|state| {
        state.add_cycle(&cycle(other, 0))?;
        (0..1001).try_for_each(|number| state.add_cycle(&cycle(mirror, number)))
    });
    let kept = fixture.store.cycles(Some(mirror), 5000).unwrap();
    assert_eq!((kept.len(), &kept[0], &kept[999]), (1000, &cycle(mirror, 1000), &cycle(mirror, 1)));
    assert_eq!(fixture.store.cycles(None, 5000).unwrap().len(), 1001);
    assert_eq!(fixture.store.cycles(Some(other), 1).unwrap(), [cycle(other, 0)]);
}

#[test]
fn notes_are_kept_until_they_are_taken_back() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.store.installation().unwrap(), None);
    fixture.write(|state| {
        state.set_note("installation", Some("a"))?;
        state.set_note("installation", Some("b"))?;
        state.set_note("paused", Some("by root"))
    });
    assert_eq!(fixture.store.installation().unwrap().as_deref(), Some("b"));
    assert!(fixture.store.paused().unwrap());
    fixture.write(|state| state.set_note("paused", None));
    assert!(!fixture.store.paused().unwrap());
}

#[test]
fn what_is_not_on_record_cannot_be_changed() {
    let mut fixture = Fixture::new();
    let (root, ghost) = (fixture.mirror.root, FolderKey(999));
    let mut missing = |changes: fn(&mut fichier_state::Writing<'_>, FolderKey, FolderKey) -> _| {
        let done: fichier_state::Result<()> =
            fixture.store.write(|state| changes(state, root, ghost));
        assert!(matches!(done, Err(Error::Missing(_))), "{done:?}");
    };
    missing(|state, _, ghost| state.set_folder_facts(ghost, &facts(0, 0)));
    missing(|state, _, ghost| state.set_folder_remote(ghost, None, None));
    missing(|state, root, ghost| state.move_folder(ghost, root, b"x"));
    missing(|state, _, ghost| state.remove_folder(ghost));
    missing(|state, _, ghost| state.forget_remote_below(ghost));
    missing(|state, root, _| state.set_unmanaged(root, b"x", true));
    missing(|state, root, _| state.remove_folder(root));
    missing(|state, _, ghost| state.retire_tree(ghost, FolderId(1), 1, Retired::Deleted));
    let orphan = fixture.store.write(|state| state.put_entry(&file(ghost, b"x", 1)));
    assert!(matches!(orphan, Err(Error::Refused(_))), "{orphan:?}");
}
