//! Downloads: checked, and resumed where they broke.

use fichier_api::{DownloadOptions, ErrorKind, FileUrl, Whirlpool};
use fichier_emulator::{Action, Fault, Rules};

use crate::world::{World, printed, scripted};

fn expected(world: &World) -> Option<(u64, Whirlpool)> {
    let file = &world.emulator.files()[0];
    Some((file.size, Whirlpool::parse_hex(&file.whirlpool).unwrap()))
}

fn large() -> Vec<u8> {
    (0..2_000_000_u32).map(|i| (i % 251) as u8).collect()
}

#[tokio::test]
async fn a_download_is_the_content_and_costs_one_call() {
    let world = World::start().await;
    let content = large();
    let url = world.file("/", "a", &content);
    let mut sink = Vec::new();
    let downloaded = world.client.download(&url, expected(&world), &mut sink).await.unwrap();
    assert!(sink == content);
    assert_eq!(Some((downloaded.size_bytes, downloaded.whirlpool)), expected(&world));
    assert_eq!(world.emulator.calls_since(0), ["download/get_token.cgi"]);
    assert_eq!(world.emulator.downloads().len(), 1);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn without_expectations_a_download_tells_size_and_hash() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let downloaded = world.client.download(&url, None, &mut Vec::new()).await.unwrap();
    assert_eq!(Some((downloaded.size_bytes, downloaded.whirlpool)), expected(&world));
}

#[tokio::test]
async fn changed_content_is_corrupt() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let before = expected(&world);
    for other in [b"Hello World\n".as_slice(), b"Hello world".as_slice(), b"Hello world\n\n"] {
        world.emulator.replace_content(url.as_str(), other);
        let error = world.client.download(&url, before, &mut Vec::new()).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Corrupt { .. }), "{error:?}");
        assert_eq!(error.attempts, 1);
    }
}

#[tokio::test]
async fn a_beginning_that_is_there_is_not_downloaded_again() {
    let world = World::start().await;
    let content = large();
    let url = world.file("/", "a", &content);
    let (had, missing) = content.split_at(1_500_000);
    let mut sink = Vec::new();
    let downloaded =
        world.client.resume_download(&url, expected(&world), &mut &*had, &mut sink).await.unwrap();
    assert!(sink == missing);
    assert_eq!(downloaded.size_bytes, 2_000_000);
    assert_eq!(world.emulator.downloads()[0].status, 206);
}

#[tokio::test]
async fn a_beginning_that_is_everything_costs_nothing() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let mut had = b"Hello world\n".as_slice();
    let mut sink = Vec::new();
    world.client.resume_download(&url, expected(&world), &mut had, &mut sink).await.unwrap();
    assert!(sink.is_empty());
    assert_eq!(world.emulator.calls(), 0);
}

#[tokio::test]
async fn a_wrong_beginning_is_found_out_at_the_end() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let mut had = b"HELLO".as_slice();
    let mut sink = Vec::new();
    let resumed = world.client.resume_download(&url, expected(&world), &mut had, &mut sink);
    let error = resumed.await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_broken_start_is_tried_again_with_a_new_address() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    world.fail_once("download", Action::Reset);
    world.fail_once("download", Action::Html(200, "<html>Lien invalide</html>".to_owned()));
    let mut sink = Vec::new();
    world.client.download(&url, expected(&world), &mut sink).await.unwrap();
    assert_eq!(sink, b"Hello world\n");
    assert_eq!(world.emulator.calls(), 3);
}

#[tokio::test]
async fn a_page_is_never_taken_for_the_file_and_tries_end() {
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let page = Action::Html(200, "<html>not a file</html>".to_owned());
    world.emulator.inject(Fault::always("download", page));
    let mut sink = Vec::new();
    let error = world.client.download(&url, expected(&world), &mut sink).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
    assert_eq!((error.attempts, world.emulator.downloads().len()), (2, 2));
    assert!(sink.is_empty());
}

#[tokio::test]
async fn refusals_of_an_address_are_told_apart_and_returned_at_once() {
    let cdn = World::with(Rules { downloads_need_cdn: true, ..Rules::default() }).await;
    let url = cdn.file("/", "a", b"x");
    let error = cdn.client.download(&url, None, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::AddressRefused), "{error:?}");
    assert_eq!(cdn.emulator.calls(), 1);

    let other = World::with(Rules { other_location_active: true, ..Rules::default() }).await;
    let url = other.file("/", "a", b"x");
    let error = other.client.download(&url, None, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::OneLocation), "{error:?}");
    assert_eq!(other.emulator.calls(), 1);

    let gone = FileUrl::parse("https://1fichier.com/?aaaaaaaaaaaaaaaaaaaa").unwrap();
    let error = cdn.client.download(&gone, None, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound), "{error:?}");
    assert!(!printed(&error).contains("aaaaa"), "{}", printed(&error));
}

#[tokio::test]
async fn the_options_of_a_client_go_for_each_of_its_downloads() {
    let world = World::with(Rules { downloads_need_cdn: true, ..Rules::default() }).await;
    let url = world.file("/", "a", b"Hello world\n");
    let options = DownloadOptions { use_cdn: true, ..DownloadOptions::default() };
    let client = world.client.with_download_options(options);
    let mut sink = Vec::new();
    client.download(&url, expected(&world), &mut sink).await.unwrap();
    let mut had = b"Hello ".as_slice();
    client.resume_download(&url, expected(&world), &mut had, &mut sink).await.unwrap();
    assert_eq!(sink, b"Hello world\nworld\n");
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn neither_an_address_nor_a_password_is_shown() {
    let world = World::start().await;
    let url = world.file("/", "a", b"x");
    let password = Some("secret".to_owned());
    let options = DownloadOptions { password, ..DownloadOptions::default() };
    let address = world.client.download_url(&url, &options).await.unwrap();
    assert_eq!(format!("{address:?}"), "DownloadUrl(…)");
    let shown = format!("{:?}", world.client.with_download_options(options));
    assert!(shown.contains("use_cdn") && !shown.contains("secret"), "{shown}");
}

const TOKEN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
                     {\"status\":\"OK\",\"url\":\"http://ADDRESS/p1\"}";
const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello ";
const REST: &str = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 6-11/12\r\nContent-Length: 6\r\n\r\nworld\n";
const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHello world\n";
const OTHER_PART: &str = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-11/12\r\nContent-Length: 7\r\n\r\n world\n";

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_ended() {
    // The server sends the rest, or the whole although the rest was asked for, or first a part
    // that the test did not ask for.
    for replies in [
        &[TOKEN, CUT, TOKEN, REST] as &[_],
        &[TOKEN, CUT, TOKEN, WHOLE],
        &[TOKEN, CUT, TOKEN, OTHER_PART, TOKEN, REST],
    ] {
        let world = World::start().await;
        let url = world.file("/", "a", b"Hello world\n");
        let (client, asked) = scripted(replies).await;
        let mut sink = Vec::new();
        client.download(&url, expected(&world), &mut sink).await.unwrap();
        assert_eq!(sink, b"Hello world\n");
        let asked = asked.await.unwrap();
        assert!(!asked[1].contains("range:") && asked[3].contains("range: bytes=6-"), "{asked:?}");
        let shown = asked.iter().filter(|request| request.contains("Bearer key")).count();
        assert_eq!(shown, asked.len() / 2, "the key goes to the API only");
    }
}

#[tokio::test]
async fn more_than_the_whole_is_not_written() {
    const MORE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nHello world\nand more";
    let world = World::start().await;
    let url = world.file("/", "a", b"Hello world\n");
    let (client, _) = scripted(&[TOKEN, MORE]).await;
    let mut sink = Vec::new();
    let error = client.download(&url, expected(&world), &mut sink).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Corrupt { .. }), "{error:?}");
    assert!(sink.len() <= 12, "{} bytes were written", sink.len());
}

#[tokio::test]
async fn the_start_of_a_file_costs_one_call_and_no_other_byte() {
    let world = World::start().await;
    let content = large();
    let url = world.file("/", "a", &content);
    assert_eq!(world.client.download_start(&url, 32).await.unwrap(), content[..32]);
    assert_eq!(world.emulator.calls_since(0), ["download/get_token.cgi"]);
    assert_eq!(world.emulator.downloads()[0].status, 206);
    let short = world.file("/", "b", b"short");
    assert_eq!(world.client.download_start(&short, 32).await.unwrap(), b"short");
    let calls = world.emulator.calls();
    assert_eq!(world.client.download_start(&short, 0).await.unwrap(), b"");
    assert_eq!(world.emulator.calls(), calls);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn the_start_is_right_also_where_ranges_are_not_understood() {
    let world = World::start().await;
    let content = large();
    let url = world.file("/", "a", &content);
    world.fail_once("download", Action::IgnoreRange);
    assert_eq!(world.client.download_start(&url, 32).await.unwrap(), content[..32]);
    world.fail_once("download", Action::WrongRange);
    assert_eq!(world.client.download_start(&url, 32).await.unwrap(), content[..32]);
    assert_eq!(world.emulator.calls(), 3, "the wrong part is asked for again");
}

#[tokio::test]
async fn a_start_that_does_not_come_is_tried_twice_and_no_page_is_taken_for_it() {
    let world = World::start().await;
    let url = world.file("/", "a", &large());
    let page = Action::Html(200, "<html>not a file, but longer than it</html>".to_owned());
    world.emulator.inject(Fault::always("download", page));
    let error = world.client.download_start(&url, 32).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
    assert_eq!((error.attempts, world.emulator.calls()), (2, 2));
}
