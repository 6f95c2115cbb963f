//! What was begun: uploads and intents, until they are settled.

use fichier_api::FolderId;
use fichier_api::names::RemoteName;
use fichier_state::{
    Error, FolderKey, Intent, MirrorId, Moved, NewVersion, PendingFile, RelPath, Retired,
    UploadKey, UploadSlotRow,
};

use crate::fixture::{Fixture, fingerprint, metadata, path, stamp, url, whirlpool};

fn pending(seq: u32, sent_as: &str) -> PendingFile {
    PendingFile {
        seq,
        path: path("a/b").join(sent_as.as_bytes()),
        sent_as: RemoteName::from_service(sent_as.to_owned()),
        name: RemoteName::from_service("final".to_owned()),
        stamp: stamp(10),
        metadata: metadata(3),
        size_bytes: 10,
        whirlpool: None,
        fingerprint: None,
        url: None,
        unsettled: false,
        cipher: None,
    }
}

fn slot() -> UploadSlotRow {
    UploadSlotRow { slot: "ABCDEFGHIJ".to_owned(), node: "up2.1fichier.com".to_owned() }
}

#[test]
fn an_upload_is_known_from_before_its_first_byte_until_it_is_finished() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let files = [pending(0, "x"), pending(1, "y"), pending(2, "z")];
    let key = fixture.write(|state| state.begin_upload(mirror, &slot(), &files));
    let begun = fixture.store.uploads(mirror).unwrap();
    assert_eq!(begun.len(), 1);
    assert_eq!((begun[0].key, begun[0].mirror, &begun[0].xid), (key, mirror, &None));
    assert_eq!((&begun[0].slot, &begun[0].node), (&slot().slot, &slot().node));
    assert_eq!(begun[0].files, files);
    assert!(begun[0].since_s > 1_700_000_000);

    fixture.write(|state| {
        state.record_sent(key, "xid1", &[(0, whirlpool(1), fingerprint(1))])?;
        state.record_hashes(key, &[(1, whirlpool(2), fingerprint(2))])?;
        state.record_arrived(key, &[(0, url(5))])?;
        state.put_pending(key, &PendingFile { unsettled: true, ..files[2].clone() })
    });
    let sent = fixture.store.uploads(mirror).unwrap().remove(0);
    assert_eq!(sent.xid.as_deref(), Some("xid1"));
    let arrived = PendingFile {
        whirlpool: Some(whirlpool(1)),
        fingerprint: Some(fingerprint(1)),
        url: Some(url(5)),
        ..files[0].clone()
    };
    assert_eq!(sent.files[0], arrived);
    assert_eq!((sent.files[1].whirlpool, &sent.files[1].url), (Some(whirlpool(2)), &None));
    assert!(sent.files[2].unsettled);

    fixture.write(|state| state.drop_pending(key, 1));
    assert_eq!(fixture.store.uploads(mirror).unwrap()[0].files.len(), 2);
    fixture.write(|state| state.finish_upload(key));
    assert_eq!(fixture.store.uploads(mirror).unwrap(), []);
    let next = fixture.write(|state| state.begin_upload(mirror, &slot(), &[]));
    assert_ne!(next, key, "a key that an intent may name was used again");
}

#[test]
fn the_time_of_an_upload_is_when_it_was_sent_and_not_when_that_is_said_again() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let key = fixture.write(|state| state.begin_upload(mirror, &slot(), &[pending(0, "x")]));
    let since = |fixture: &Fixture| fixture.store.uploads(mirror).unwrap()[0].since_s;
    let begun = since(&fixture);
    let hour = std::time::Duration::from_secs(3600);
    fixture.store.clock().advance(hour);
    fixture.write(|state| state.record_sent(key, "xid", &[]));
    assert_eq!(since(&fixture), begun + 3600);
    fixture.store.clock().advance(hour);
    fixture.write(|state| state.record_sent(key, "xid", &[]));
    assert_eq!(since(&fixture), begun + 3600);
}

#[test]
fn an_upload_refuses_equal_names_and_empty_files() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let empty = PendingFile { size_bytes: 0, ..pending(1, "y") };
    for second in [pending(1, "x"), empty] {
        let files = [pending(0, "x"), second];
        let begun = fixture.store.write(|state| state.begin_upload(mirror, &slot(), &files));
        assert!(matches!(begun, Err(Error::Refused(_))), "{begun:?}");
    }
    assert_eq!(fixture.store.uploads(mirror).unwrap(), [], "half an upload is on record");
}

#[test]
fn hashes_and_links_of_unknown_files_are_refused() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let key = fixture.write(|state| state.begin_upload(mirror, &slot(), &[pending(0, "x")]));
    let hashes = [(1, whirlpool(1), fingerprint(1))];
    let sent = fixture.store.write(|state| state.record_sent(key, "xid", &hashes));
    assert!(matches!(sent, Err(Error::Missing("file of an upload"))), "{sent:?}");
    let arrived = fixture.store.write(|state| state.record_arrived(key, &[(1, url(1))]));
    assert!(matches!(arrived, Err(Error::Missing("file of an upload"))), "{arrived:?}");
    let lost = fixture.store.write(|state| state.record_sent(UploadKey(99), "xid", &[]));
    assert!(matches!(lost, Err(Error::Missing("upload"))), "{lost:?}");
    assert_eq!(fixture.store.uploads(mirror).unwrap()[0].xid, None);
}

fn one_of_each() -> Vec<Intent> {
    let odd = RelPath::parse(b"a/caf\xE9").unwrap();
    let name = RemoteName::from_service("n\"\u{1F600}".to_owned());
    let (id, into) = (FolderId(3), FolderId(4));
    let moved = Moved {
        url: url(1),
        into,
        name: name.clone(),
        early_name: Some(name.clone()),
        from: path("a"),
        to: odd.clone(),
    };
    let version = NewVersion {
        mirror: MirrorId(1),
        path: odd.clone(),
        url: url(1),
        size_bytes: 9,
        whirlpool: Some(whirlpool(1)),
        fingerprint: Some(fingerprint(1)),
        metadata: Some(metadata(1)),
        folder: into,
        current_from_s: 3,
        current_until_s: 4,
        reason: Retired::Foreign,
        cipher: None,
    };
    vec![
        Intent::MakeFolder { parent: id, name: name.clone(), path: odd.clone() },
        Intent::MoveFolder {
            folder: FolderKey(1),
            id,
            from: FolderId(0),
            into,
            name_before: name.clone(),
            rename: Some(name.clone()),
            to: odd.clone(),
        },
        Intent::Rename { urls: vec![(url(1), name.clone())] },
        Intent::Move { then: vec![moved] },
        Intent::Copy { from: url(1), into, name, to: odd },
        Intent::Retire { version },
        Intent::RetireFolder { folder: FolderKey(1), id, into, until_s: 5 },
        Intent::Remove { urls: vec![], paths: vec![path("gone")] },
    ]
}

#[test]
fn every_intent_is_read_as_it_was_begun_and_in_that_order() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let begun = one_of_each();
    let ids = fixture.write(|state| {
        begun.iter().map(|intent| state.begin(mirror, intent)).collect::<Result<Vec<_>, _>>()
    });
    let open = fixture.store.intents(mirror).unwrap();
    assert_eq!(open.iter().map(|(_, intent, _)| intent.clone()).collect::<Vec<_>>(), begun);
    assert!(open.iter().all(|(_, _, since_s)| *since_s > 1_700_000_000));

    fixture.write(|state| ids[..7].iter().try_for_each(|id| state.resolve(*id)));
    let open = fixture.store.intents(mirror).unwrap();
    assert_eq!(open.iter().map(|(id, ..)| *id).collect::<Vec<_>>(), ids[7..]);
}

#[test]
fn an_intent_is_dated_by_the_clock_of_the_state() {
    let mut fixture = Fixture::new();
    let mirror = fixture.mirror.id;
    let clock = fixture.store.clock().clone();
    clock.set_ahead(365 * 24 * 3600);
    let now_s = clock.now_s();
    let intent = Intent::Remove { urls: vec![], paths: vec![] };
    fixture.write(|state| state.begin(mirror, &intent));
    let since_s = fixture.store.intents(mirror).unwrap()[0].2;
    assert!((now_s..now_s + 600).contains(&since_s), "{since_s} instead of {now_s}");
}

#[test]
fn an_intent_does_not_print_its_links() {
    for intent in one_of_each() {
        let text = format!("{intent:?}");
        assert!(!text.contains("1fichier.com"), "{text}");
    }
}
