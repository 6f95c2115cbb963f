//! Uploads that work: streamed, hashed, matched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fichier_api::{UploadFile, UploadResult, match_uploaded};
use fichier_emulator::{Action, Fault};

use crate::world::{World, name};

#[tokio::test]
async fn a_file_arrives_with_the_hash_of_what_was_read() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    let (slot, sent) = world.send(folder, vec![world.upload("test.txt", b"Hello world\n")]).await;
    let sent = sent.unwrap();
    let stored = world.stored(&slot, Some(&sent.xid)).await;

    assert!(sent.files[0].whirlpool.to_hex().starts_with("0a894ff039da399d"));
    assert_eq!(
        sent.files[0].fingerprint.to_hex(),
        blake3::hash(b"Hello world\n").to_hex().to_string()
    );
    assert!(sent.files[0].at_end_of_file);
    assert_eq!(stored[0].whirlpool, Some(sent.files[0].whirlpool));
    assert_eq!((stored[0].size_bytes, &stored[0].name), (12, &name("test.txt")));
    assert_eq!(world.paths(), ["/backup/test.txt"]);
    assert_eq!(
        world.emulator.calls_since(0),
        ["upload/get_upload_server.cgi", "upload.cgi", "end.pl"]
    );
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn many_files_of_every_size_go_in_one_request_and_each_finds_its_link() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    // Around the size of a block, where text and content share one.
    let sizes = [1, 2, 100, 262_143, 262_144, 262_145, 700_000, 3];
    let mut contents = Vec::new();
    let mut files = Vec::new();
    for (index, size) in sizes.into_iter().enumerate() {
        let content: Vec<u8> =
            (0..size).map(|i: usize| (i * 31 + index).to_le_bytes()[0]).collect();
        files.push(world.upload(&format!("été {index}"), &content));
        contents.push(content);
    }
    let slot = world.client.open_upload().await.unwrap();
    let progress = Arc::new(AtomicU64::new(0));
    let sent = world.client.send_files(&slot, folder, files, Arc::clone(&progress)).await.unwrap();
    let stored = world.stored(&slot, Some(&sent.xid)).await;
    let matched = match_uploaded(&sent.files, &stored);

    assert!(matched.wrong.is_empty(), "{matched:?}");
    for (index, (url, content)) in matched.urls.into_iter().zip(&contents).enumerate() {
        let link = url.unwrap();
        assert!(world.emulator.content(link.as_str()).as_ref() == Some(content), "file {index}");
    }
    assert_eq!(progress.load(Ordering::Relaxed), sizes.iter().sum::<usize>() as u64);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn names_that_the_service_reserves_are_kept_by_their_encoding() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    let local = " it's $5 <\"now\">\\";
    let (slot, sent) = world.send(folder, vec![world.upload(local, b"x")]).await;
    let stored = world.stored(&slot, Some(&sent.unwrap().xid)).await;
    assert_eq!(stored[0].name.decode(), local.as_bytes());
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn the_id_of_the_result_is_taken_from_the_redirect() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    world.fail_once("upload.cgi", Action::XidDiffers);
    let (slot, sent) = world.send(folder, vec![world.upload("a", b"x")]).await;
    let sent = sent.unwrap();
    assert_ne!(sent.xid, slot.id);
    assert_eq!(world.stored(&slot, Some(&sent.xid)).await.len(), 1);
}

#[tokio::test]
async fn files_that_are_scanned_are_waited_for_and_then_there() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    world.fail_once("upload.cgi", Action::Scanning(2));
    let (slot, sent) = world.send(folder, vec![world.upload("setup.exe", b"MZ")]).await;
    let xid = sent.unwrap().xid;
    for _ in 0..2 {
        let result = world.client.upload_result(&slot, Some(&xid)).await.unwrap();
        assert_eq!(result, UploadResult::BeingScanned);
    }
    assert_eq!(world.stored(&slot, Some(&xid)).await.len(), 1);
}

#[tokio::test]
async fn no_links_is_nothing_and_not_an_error() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    world.fail_once("upload.cgi", Action::EmptyLinks(1));
    let (slot, sent) = world.send(folder, vec![world.upload("a", b"x")]).await;
    let xid = sent.unwrap().xid;
    let result = world.client.upload_result(&slot, Some(&xid)).await.unwrap();
    assert_eq!(result, UploadResult::Nothing);
    assert_eq!(world.stored(&slot, Some(&xid)).await.len(), 1);
}

#[tokio::test]
async fn a_file_that_grew_is_cut_at_its_announced_size_and_says_so() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    let path = world.local("grows", b"0123456789");
    let file = UploadFile::new(name("grows"), 4, || std::fs::File::open(path));
    let (_, sent) = world.send(folder, vec![file]).await;
    let sent = sent.unwrap();
    assert!(!sent.files[0].at_end_of_file);
    assert_eq!(sent.files[0].at_end.size_bytes, 10);
    let link = &world.emulator.files()[0].link;
    assert_eq!(world.emulator.content(link).unwrap(), b"0123");
}

#[tokio::test]
async fn wrong_and_surplus_links_are_told_apart_from_the_right_ones() {
    for (action, confirmed, wrong) in [
        (Action::WrongWhirlpool, 0, 2),
        (Action::WrongSize, 0, 2),
        (Action::ReorderedLinks, 2, 0),
        (Action::DropLink("a".to_owned()), 1, 0),
        (Action::ExtraLinks, 2, 2),
    ] {
        let world = World::start().await;
        let folder = world.folder("/backup");
        world.emulator.inject(Fault::always("end.pl", action.clone()));
        let files = vec![world.upload("a", b"22"), world.upload("b", b"333")];
        let (slot, sent) = world.send(folder, files).await;
        let sent = sent.unwrap();
        let stored = world.stored(&slot, Some(&sent.xid)).await;
        let matched = match_uploaded(&sent.files, &stored);
        let found = (matched.urls.iter().flatten().count(), matched.wrong.len());
        assert_eq!(found, (confirmed, wrong), "{action:?}");
    }
}

#[tokio::test]
async fn a_name_that_the_service_changed_confirms_nothing() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    world.fail_once("upload.cgi", Action::StoreAs("a".to_owned(), "A".to_owned()));
    let (slot, sent) = world.send(folder, vec![world.upload("a", b"1")]).await;
    let sent = sent.unwrap();
    let stored = world.stored(&slot, Some(&sent.xid)).await;
    let matched = match_uploaded(&sent.files, &stored);
    assert_eq!(matched.urls, [None]);
    assert_eq!(matched.wrong, [stored[0].url.clone()]);
}
