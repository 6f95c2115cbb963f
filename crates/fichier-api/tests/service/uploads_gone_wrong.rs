//! Uploads that fail, and the state of their files afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fichier_api::{
    Client, Error, ErrorKind, FileMark, FolderId, MAX_FILES_PER_UPLOAD, SendError, SentFile,
    Source, UploadFile, UploadResult, UploadSlot, match_uploaded,
};
use fichier_emulator::{Action, BadKeyOnNode, Rules};
use tokio::sync::oneshot;

use crate::world::{World, name, printed};

/// What a [`SendError::Service`] says.
fn service(sent: Result<fichier_api::Sent, SendError>) -> (Error, Vec<SentFile>, bool) {
    let SendError::Service { error, sent, complete } = sent.unwrap_err() else {
        panic!("a file was at fault")
    };
    (error, sent, complete)
}

async fn send_with(
    client: &Client,
    files: Vec<UploadFile>,
) -> Result<fichier_api::Sent, SendError> {
    let slot = client.open_upload().await.unwrap();
    client.send_files(&slot, FolderId::ROOT, files, Arc::new(AtomicU64::new(0))).await
}

#[tokio::test]
async fn after_a_lost_reply_the_result_tells_that_the_files_arrived() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    world.fail_once("upload.cgi", Action::DoItThenReset);
    let (slot, sent) = world.send(folder, vec![world.upload("a", b"x")]).await;
    let (error, sent, complete) = service(sent);

    assert!(error.outcome_unknown() && complete, "{error:?}");
    let stored = world.stored(&slot, None).await;
    assert!(match_uploaded(&sent, &stored).urls[0].is_some());
    assert_eq!(world.paths(), ["/backup/a"]);
    assert_eq!(world.emulator.calls(), 3);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_body_that_was_cut_is_not_complete_and_stores_nothing() {
    let world = World::start().await;
    world.fail_once("upload.cgi", Action::ResetAfter(500_000));
    // More than the buffers of both ends of a socket take.
    let large = vec![7; 32 * 1024 * 1024];
    let files = vec![world.upload("small", b"x"), world.upload("large", &large)];
    let (slot, sent) = world.send(FolderId::ROOT, files).await;
    let (error, sent, complete) = service(sent);

    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(!complete);
    assert_eq!(sent.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["small"]);
    let result = world.client.upload_result(&slot, None).await.unwrap();
    assert_eq!(result, UploadResult::Nothing);
    assert!(world.paths().is_empty());
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let world = World::start().await;
    world.fail_once("upload.cgi", Action::StallBody(100_000));
    let large = vec![7; 32 * 1024 * 1024];
    let sent = send_with(&world.impatient(), vec![world.upload("large", &large)]).await;
    let (error, _, complete) = service(sent);
    assert!(!complete);
    let ErrorKind::Unreachable(source) = &error.kind else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_node_that_never_answers_is_given_up_and_may_hold_the_files() {
    let world = World::start().await;
    world.fail_once("upload.cgi", Action::StallHeaders);
    let sent = send_with(&world.impatient(), vec![world.upload("a", b"x")]).await;
    let (error, _, complete) = service(sent);
    assert!(complete && error.outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn what_a_node_refuses_is_known_by_its_words() {
    type Expected = fn(&ErrorKind) -> bool;
    let cases: [(Action, Expected); 4] = [
        (Action::NodeStorage, |kind| matches!(kind, ErrorKind::NodeStorage)),
        (
            Action::Status(500, "oops".to_owned()),
            |kind| matches!(kind, ErrorKind::NodeRefused { status: 500, words } if words == "oops"),
        ),
        (Action::Poison("a".to_owned()), |kind| {
            matches!(kind, ErrorKind::NodeRefused { status: 500, .. })
        }),
        (Action::Quota, |kind| {
            matches!(kind, ErrorKind::NodeRefused { status: 200, words }
                if words == "Espace de stockage insuffisant")
        }),
    ];
    for (action, expected) in cases {
        let world = World::start().await;
        world.fail_once("upload.cgi", action.clone());
        let (_, sent) = world.send(FolderId::ROOT, vec![world.upload("a", b"x")]).await;
        let (error, sent, _) = service(sent);
        assert!(expected(&error.kind), "{action:?}: {error:?}");
        assert_eq!((error.attempts, sent.len()), (1, 1));
        assert!(world.paths().is_empty());
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_is_no_success_and_is_not_followed() {
    let world = World::start().await;
    world.fail_once("upload.cgi", Action::RedirectTo("http://127.0.0.1:9/end.pl?xid=a".to_owned()));
    let (_, sent) = world.send(FolderId::ROOT, vec![world.upload("a", b"x")]).await;
    let (error, _, _) = service(sent);
    assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
}

#[tokio::test]
async fn an_anonymous_upload_has_codes_to_remove_it_and_is_removed_by_nobody_else() {
    let world = World::start().await;
    let folder = world.folder("/backup");
    let (slot, files) = (world.client.open_upload().await.unwrap(), vec![world.upload("a", b"x")]);
    let wrong = world.client_with_key("wrong");
    let sent = wrong.send_files(&slot, folder, files, Arc::new(AtomicU64::new(0))).await.unwrap();

    let stored = world.stored(&slot, Some(&sent.xid)).await;
    assert_eq!(world.paths(), ["nobody:/a"]);
    let strays: Vec<_> = stored.into_iter().map(|file| (file.url, file.removal.unwrap())).collect();
    let removed = world.client.remove_strays(&strays).await.unwrap();
    assert!(removed.missing.is_empty());
    assert!(world.paths().is_empty());
    assert_eq!(world.emulator.calls_since(2), ["end.pl", "file/rm.cgi"]);
}

#[tokio::test]
async fn y43_a_removal_link_for_an_accounts_upload_removes_nothing() {
    let world = World::with(Rules { remove_told: true, ..Rules::default() }).await;
    let folder = world.folder("/backup");
    let (slot, sent) = world.send(folder, vec![world.upload("a", b"x")]).await;
    let stored = world.stored(&slot, Some(&sent.unwrap().xid)).await;
    assert!(stored[0].removal.is_some());
    assert_eq!(world.paths(), ["/backup/a"]);
}

#[tokio::test]
async fn a_key_that_a_node_refuses_is_a_refused_key() {
    let rules = Rules { bad_key_on_node: BadKeyOnNode::Refuse, ..Rules::default() };
    let world = World::with(rules).await;
    let slot = world.client.open_upload().await.unwrap();
    let wrong = world.client_with_key("wrong");
    let files = vec![world.upload("a", b"x")];
    let sent = wrong.send_files(&slot, FolderId::ROOT, files, Arc::new(AtomicU64::new(0))).await;
    let (error, _, _) = service(sent);
    assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_or_became_shorter_is_named_and_nothing_is_stored() {
    let world = World::start().await;
    let missing = UploadFile {
        name: name("b"),
        size_bytes: 5,
        open: Box::new(|| Err(io::ErrorKind::NotFound.into())),
        is_trial: false,
    };
    let path = world.local("c", b"123");
    let shorter = UploadFile::new(name("c"), 5, || File::open(path));
    for (bad, kind) in [(missing, io::ErrorKind::NotFound), (shorter, io::ErrorKind::UnexpectedEof)]
    {
        let files = vec![world.upload("a", b"x"), bad, world.upload("d", b"x")];
        let (_, sent) = world.send(FolderId::ROOT, files).await;
        let SendError::File { index, source } = sent.unwrap_err() else { panic!("not a file") };
        assert_eq!((index, source.kind()), (1, kind));
    }
    assert!(world.paths().is_empty());
}

/// A file without end, that counts what is read of it and fails at a place.
struct Endless {
    read: Arc<AtomicU64>,
    fails_at: u64,
    /// Its other end tells when the file is closed.
    _open: oneshot::Sender<()>,
}

impl Endless {
    fn new(fails_at: u64) -> (Endless, Arc<AtomicU64>, oneshot::Receiver<()>) {
        let (read, (open, closed)) = (Arc::new(AtomicU64::new(0)), oneshot::channel());
        (Endless { read: Arc::clone(&read), fails_at, _open: open }, read, closed)
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let before = self.read.load(Ordering::Relaxed);
        let left = usize::try_from(self.fails_at - before).unwrap();
        if left == 0 {
            return Err(io::Error::other("sector 7 is bad"));
        }
        let count = buffer.len().min(left);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Source for Endless {
    fn mark(&self) -> io::Result<FileMark> {
        Ok(FileMark { size_bytes: 0, mtime: (0, 0), ctime: (0, 0), inode: 0 })
    }
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_file_is_told_and_ends_the_upload() {
    let world = World::start().await;
    // In the first block, between two, and when more were read than wait anywhere.
    for fails_at in [0, 100_000, 262_144, 8_000_000] {
        let (source, read, closed) = Endless::new(fails_at);
        let bad = UploadFile::new(name("b"), 32 << 20, || Ok(source));
        let files = vec![world.upload("a", b"x"), bad, world.upload("c", b"x")];
        let (_, sent) = world.send(FolderId::ROOT, files).await;
        let SendError::File { index, source } = sent.unwrap_err() else { panic!("not a file") };
        assert_eq!((index, source.to_string().as_str()), (1, "sector 7 is bad"));
        assert_eq!(read.load(Ordering::Relaxed), fails_at);
        closed.await.unwrap_err();
    }
    assert!(world.paths().is_empty());
}

#[tokio::test]
async fn a_large_file_is_read_as_the_node_takes_it() {
    const GIB: u64 = 1 << 30;
    let world = World::start().await;
    for (action, is_cut) in
        [(Action::StallBody(100_000), false), (Action::ResetAfter(100_000), true)]
    {
        world.fail_once("upload.cgi", action);
        let (source, read, closed) = Endless::new(GIB);
        let file = UploadFile::new(name("large"), GIB, || Ok(source));
        let (error, _, complete) = service(send_with(&world.impatient(), vec![file]).await);
        assert!(matches!(error.kind, ErrorKind::Unreachable(_)) && !complete, "{error:?}");
        // A few blocks, and the buffers of both ends of a socket.
        let read = read.load(Ordering::Relaxed);
        assert!((100_000..32 << 20).contains(&read), "{read} bytes were read");
        if is_cut {
            closed.await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn what_the_service_would_not_take_is_not_sent() {
    let world = World::start().await;
    let file = |size_bytes| UploadFile {
        name: name("a"),
        size_bytes,
        open: Box::new(|| Err(io::ErrorKind::NotFound.into())),
        is_trial: false,
    };
    let slot = world.client.open_upload().await.unwrap();
    let too_many = (0..=MAX_FILES_PER_UPLOAD).map(|_| file(1)).collect();
    for (files, index) in [
        (vec![file(1), file(0)], 1),
        (vec![file(300_000_000_001)], 0),
        (vec![file(300_000_000_000), file(250_000_000_000)], 1),
        (Vec::new(), 0),
        (too_many, MAX_FILES_PER_UPLOAD),
    ] {
        let progress = Arc::new(AtomicU64::new(0));
        let sent = world.client.send_files(&slot, FolderId::ROOT, files, progress).await;
        let SendError::File { index: found, source } = sent.unwrap_err() else { panic!() };
        assert_eq!((found, source.kind()), (index, io::ErrorKind::InvalidInput));
    }
    assert_eq!(world.emulator.calls(), 1);
}

#[tokio::test]
async fn an_empty_file_that_is_a_trial_is_sent() {
    let world = World::with(Rules { trials_tolerated: true, ..Rules::default() }).await;
    let empty = UploadFile { is_trial: true, ..world.upload("empty", b"") };
    let (_, sent) = world.send(FolderId::ROOT, vec![empty]).await;
    let (error, _, complete) = service(sent);
    assert!(matches!(error.kind, ErrorKind::NoFileInUpload) && complete, "{error:?}");
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_foreign_node_and_an_odd_id_get_nothing() {
    let world = World::start().await;
    world.fail_once("upload/get_upload_server.cgi", Action::ForeignNode("evil.example".to_owned()));
    let error = world.client.open_upload().await.unwrap_err();
    assert!(printed(&error).contains("not a host of the service"), "{}", printed(&error));
    world.fail_once("upload/get_upload_server.cgi", Action::BadUploadId("../../x".to_owned()));
    let error = world.client.open_upload().await.unwrap_err();
    assert!(printed(&error).contains("letters and digits"), "{}", printed(&error));

    for (id, node) in [("AbC4567890", "evil.example"), ("../../../x", "127.0.0.1:1")] {
        let slot = UploadSlot { id: id.to_owned(), node: node.to_owned() };
        let files = vec![world.upload("a", b"x")];
        let progress = Arc::new(AtomicU64::new(0));
        let sent = world.client.send_files(&slot, FolderId::ROOT, files, progress).await;
        let (error, _, complete) = service(sent);
        assert_eq!((error.attempts, complete), (0, false));
    }
    assert_eq!(world.emulator.calls(), 2);
}
