//! Files: info, move, rename, copy, remove, attributes, listings.

use std::time::Duration;

use fichier_api::{
    Attributes, ErrorKind, FileUrl, FolderId, MAX_LINKS_PER_CALL, SentBetween, Whirlpool,
};
use fichier_emulator::{Action, RemoveUnknown, Rules};

use crate::world::{World, name, scripted};

fn unknown() -> FileUrl {
    FileUrl::parse("https://1fichier.com/?aaaaaaaaaaaaaaaaaaaa").unwrap()
}

#[tokio::test]
async fn a_file_is_described_with_the_folder_it_is_in() {
    let world = World::start().await;
    let folder = world.folder("/photos");
    let url = world.file("/photos", "a.txt", b"Hello world\n");
    let info = world.client.file_info(&url).await.unwrap();
    assert_eq!((&info.url, &info.name, info.size_bytes), (&url, &name("a.txt"), Some(12)));
    assert_eq!(info.folder, Some(folder));
    let expected = Whirlpool::parse_hex(&world.emulator.files()[0].whirlpool).unwrap();
    assert_eq!(info.whirlpool, Some(expected));
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_found_and_not_asked_for_again() {
    let world = World::start().await;
    let error = world.client.file_info(&unknown()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound), "{error:?}");
    assert_eq!((error.attempts, world.emulator.calls()), (1, 1));
}

#[tokio::test]
async fn files_move_in_one_call_and_keep_their_links() {
    let world = World::start().await;
    let into = world.folder("/new");
    let urls = [world.file("/", "a", b"1"), world.file("/", "b", b"2")];
    let outcome = world.client.move_files(&urls, into).await.unwrap();
    assert_eq!(outcome.done, urls);
    assert!(outcome.missing.is_empty() && outcome.new_urls.is_empty());
    assert_eq!(world.paths(), ["/new/a", "/new/b"]);
    assert_eq!(world.emulator.calls_since(0), ["file/mv.cgi"]);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn what_a_batch_left_out_is_missing() {
    let world = World::start().await;
    let into = world.folder("/new");
    let urls = [world.file("/", "a", b"1"), world.file("/", "b", b"2")];
    world.fail_once("file/mv.cgi", Action::Partial(1));
    let outcome = world.client.move_files(&urls, into).await.unwrap();
    assert_eq!((outcome.done.len(), outcome.missing.len()), (1, 1));
    assert_eq!(world.paths(), ["/b", "/new/a"]);
    assert_eq!(outcome.missing, [urls[1].clone()]);
}

#[tokio::test]
async fn a_link_that_changed_with_a_move_is_told() {
    let world = World::with(Rules { mv_changes_link: true, ..Rules::default() }).await;
    let into = world.folder("/new");
    let url = world.file("/", "a", b"1");
    let outcome = world.client.move_files(std::slice::from_ref(&url), into).await.unwrap();
    assert_eq!(outcome.done, std::slice::from_ref(&url));
    assert_eq!(outcome.new_urls[&url].as_str(), world.emulator.files()[0].link);
}

#[tokio::test]
async fn a_file_moves_under_a_new_name_only_if_the_service_confirms_the_name() {
    let world = World::start().await;
    let into = world.folder("/new");
    let url = world.file("/", "a", b"1");
    let outcome = world.client.move_and_rename_file(&url, into, &name("b")).await.unwrap();
    assert_eq!(outcome.done, [url]);
    assert_eq!(world.paths(), ["/new/b"]);
}

#[tokio::test]
async fn files_are_renamed_in_one_call_and_again_without_harm() {
    let world = World::start().await;
    let renames =
        [(world.file("/", "a", b"1"), name("x")), (world.file("/", "b", b"2"), name("y"))];
    for _ in 0..2 {
        let outcome = world.client.rename_files(&renames).await.unwrap();
        assert_eq!(outcome.done, renames.clone().map(|(url, _)| url));
        assert!(outcome.missing.is_empty());
    }
    assert_eq!(world.paths(), ["/x", "/y"]);
    assert_eq!(world.emulator.calls(), 2);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_name_that_the_service_changed_is_missing() {
    use fichier_api::names::RemoteName;
    let world = World::start().await;
    let url = world.file("/", "a", b"1");
    let reserved = RemoteName::from_service("a<b".to_owned());
    let outcome = world.client.rename_files(&[(url.clone(), reserved)]).await.unwrap();
    assert_eq!(outcome.missing, [url]);
    assert!(outcome.done.is_empty());
}

#[tokio::test]
async fn a_rename_whose_reply_is_lost_is_repeated_and_done() {
    let world = World::start().await;
    let url = world.file("/", "a", b"1");
    world.fail_once("file/rename.cgi", Action::DoItThenReset);
    let outcome = world.client.rename_files(&[(url.clone(), name("b"))]).await.unwrap();
    assert_eq!(outcome.done, [url]);
    assert_eq!(world.emulator.calls(), 2);
}

#[tokio::test]
async fn a_copy_is_a_new_file_and_tells_which_it_is_of() {
    let world = World::start().await;
    let into = world.folder("/copies");
    let url = world.file("/", "a", b"1");
    let copies =
        world.client.copy_files(std::slice::from_ref(&url), into, Some(&name("b"))).await.unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!(copies[0].from, url);
    assert_ne!(copies[0].to, url);
    assert_eq!(world.paths(), ["/a", "/copies/b"]);
}

#[tokio::test]
async fn a_copy_whose_reply_is_lost_is_not_made_twice() {
    let world = World::start().await;
    let into = world.folder("/copies");
    let url = world.file("/", "a", b"1");
    world.fail_once("file/cp.cgi", Action::DoItThenReset);
    let error = world.client.copy_files(&[url], into, None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(error.outcome_unknown());
    assert_eq!(world.paths(), ["/a", "/copies/a"]);
}

#[tokio::test]
async fn removed_files_are_gone_and_unknown_ones_do_not_count_as_done() {
    let world = World::start().await;
    let urls = [world.file("/", "a", b"1"), unknown()];
    let outcome = world.client.remove_files(&urls).await.unwrap();
    assert_eq!((outcome.done, outcome.missing), (vec![urls[0].clone()], vec![unknown()]));
    assert!(world.paths().is_empty());
}

#[tokio::test]
async fn removing_a_single_file_that_is_gone_is_done() {
    let rules = Rules { remove_unknown: RemoveUnknown::NotFound, ..Rules::default() };
    let world = World::with(rules).await;
    let outcome = world.client.remove_files(&[unknown()]).await.unwrap();
    assert_eq!(outcome.done, [unknown()]);
    let two = [unknown(), FileUrl::parse("https://1fichier.com/?bbbbbbbbbb").unwrap()];
    assert_eq!(world.client.remove_files(&two).await.unwrap().missing, two);
}

#[tokio::test]
async fn nothing_costs_nothing_and_too_much_is_not_sent() {
    let world = World::start().await;
    assert!(world.client.remove_files(&[]).await.unwrap().done.is_empty());
    let many = vec![unknown(); MAX_LINKS_PER_CALL + 1];
    let error = world.client.move_files(&many, FolderId::ROOT).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::InvalidRequest { .. }), "{error:?}");
    assert_eq!(world.emulator.calls(), 0);
}

#[tokio::test]
async fn attributes_change_what_the_service_says_of_a_file() {
    let world = World::start().await;
    let url = world.file("/", "a", b"1");
    let change = Attributes {
        description: Some("holidays".to_owned()),
        password: Some("secret".to_owned()),
        ..Attributes::default()
    };
    let outcome =
        world.client.change_attributes(std::slice::from_ref(&url), &change).await.unwrap();
    assert_eq!(outcome.done, std::slice::from_ref(&url));
    let info = world.client.file_info(&url).await.unwrap();
    assert_eq!(info.description, "holidays");
    assert!(info.has_password);
}

#[tokio::test]
async fn a_window_of_dates_shows_only_the_files_within() {
    let world = World::start().await;
    let old = world.file("/", "old", b"1");
    let new = world.file("/", "new", b"2");
    world.emulator.set_date(old.as_str(), "2021-06-22 14:57:25");
    let noon = "2021-06-22T13:00:00Z".parse().unwrap();
    let since = SentBetween { after: Some(noon), before: None };
    let until = SentBetween { after: None, before: Some(noon) };

    let listing = world.client.list_files(FolderId::ROOT, since).await.unwrap();
    assert_eq!(listing.files.iter().map(|file| &file.url).collect::<Vec<_>>(), [&new]);
    let listing = world.client.list_account(until).await.unwrap();
    assert_eq!(listing.files.iter().map(|file| &file.url).collect::<Vec<_>>(), [&old]);
    assert!(listing.complete);
    assert_eq!(listing.files[0].sent_at.unwrap().to_string(), "2021-06-22T12:57:25Z");
}

#[tokio::test]
async fn a_listing_that_counts_more_than_it_shows_is_not_complete() {
    const CUT: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
                       {\"status\":\"OK\",\"count\":2,\"items\":[]}";
    let (client, _) = scripted(&[CUT]).await;
    let listing = client.list_files(FolderId::ROOT, SentBetween::default()).await.unwrap();
    assert!(!listing.complete);
}

#[tokio::test]
async fn the_whole_account_is_listed_once_an_hour() {
    let world = World::start().await;
    world.client.list_account(SentBetween::default()).await.unwrap();
    let again = world.client.list_account(SentBetween::default());
    // An hour is 36 s here.
    let waited = tokio::time::timeout(Duration::from_millis(200), again).await;
    assert!(waited.is_err(), "the second listing did not wait");
    assert_eq!(world.emulator.calls(), 1);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_scan_of_a_clean_file_says_when() {
    let world = World::start().await;
    let url = world.file("/", "a", b"1");
    assert!(world.client.scan_file(&url).await.unwrap().is_some());
}
