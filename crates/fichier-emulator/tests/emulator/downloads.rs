//! Downloads that go wrong, and what the service counts of them.

use std::time::Duration;

use fichier_emulator::{Action, Emulator, Fault, Rules};
use serde_json::json;

use crate::plain::{Fetched, Plain, lenient, with_rules};

/// Bytes of a file that is larger than the buffers of sockets and hyper.
const SIZE: usize = 4_000_000;

/// Bytes that differ from place to place.
fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at % 251).to_le_bytes()[0]).collect()
}

/// The next download of `link`, hit by a fault.
async fn spoiled(
    (emulator, plain): (&Emulator, &Plain),
    link: &str,
    range: Option<&str>,
    action: Action,
) -> Fetched {
    emulator.inject(Fault::once("download", action));
    plain.fetch(&plain.token(link, json!({})).await, range).await
}

#[tokio::test]
async fn a_download_is_cut_after_exactly_the_bytes_that_were_ordered() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", &content());
    for bytes in [0, 1, 3_000_000, SIZE - 1] {
        let cut = spoiled((&emulator, &plain), &link, None, Action::ResetAfter(bytes)).await;
        assert_eq!((cut.status, cut.complete, cut.bytes.len()), (200, false, bytes));
        assert_eq!(cut.header("content-length"), SIZE.to_string());
        assert!(cut.bytes == content()[..bytes]);
    }
    let rest = plain.token(&link, json!({})).await;
    assert!(plain.get(&rest, Some("bytes=3000000-")).await.1 == content()[3_000_000..]);
}

#[tokio::test]
async fn a_download_that_is_cut_at_its_end_is_whole() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", &content());
    let whole = spoiled((&emulator, &plain), &link, None, Action::ResetAfter(SIZE)).await;
    assert!(whole.complete && whole.bytes == content());
}

#[tokio::test]
async fn a_download_stalls_after_the_bytes_that_were_ordered() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", &content());
    emulator.inject(Fault::once("download", Action::StallBody(3_000_000)));
    let mut reply = plain.begin(&plain.token(&link, json!({})).await, None).await.unwrap();
    let mut came = 0;
    while came < 3_000_000 {
        came += reply.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(came, 3_000_000);
    let more = tokio::spawn(async move { reply.chunk().await.is_err() });
    // Meanwhile others are served.
    let other = emulator.add_file("/", "y", &content());
    assert!(plain.get(&plain.token(&other, json!({})).await, None).await.1 == content());
    assert!(!more.is_finished(), "it ended by itself");
    emulator.stop().await;
    assert!(more.await.unwrap());
}

#[tokio::test]
async fn a_byte_is_changed_on_the_way_and_not_in_the_account() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", &content());
    for (range, first) in [(None, 0), (Some("bytes=1000000-"), 1_000_000)] {
        let came = spoiled((&emulator, &plain), &link, range, Action::WrongBytes).await;
        let sent = &content()[first..];
        assert!(came.complete && came.bytes.len() == sent.len());
        let changed: Vec<usize> =
            (0..sent.len()).filter(|at| came.bytes[*at] != sent[*at]).collect();
        assert_eq!(changed, [sent.len() / 2]);
    }
    assert!(emulator.content(&link).unwrap() == content());
}

#[tokio::test]
async fn a_range_is_ignored_or_another_one_comes() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"0123456789");
    let both = (&emulator, &plain);
    emulator.inject(Fault::once("download", Action::IgnoreRange));
    // Not one that asks for a part: the fault waits.
    let whole = plain.fetch(&plain.token(&link, json!({})).await, None).await;
    assert_eq!((whole.status, whole.bytes.as_slice()), (200, &b"0123456789"[..]));
    let ignored = plain.fetch(&plain.token(&link, json!({})).await, Some("bytes=4-")).await;
    assert_eq!((ignored.status, ignored.bytes.as_slice()), (200, &b"0123456789"[..]));
    assert_eq!(ignored.header("content-range"), "");

    let wrong = spoiled(both, &link, Some("bytes=4-6"), Action::WrongRange).await;
    assert_eq!((wrong.status, wrong.bytes.as_slice()), (206, &b"345"[..]));
    assert_eq!(wrong.header("content-range"), "bytes 3-5/10");
    let wrong = spoiled(both, &link, Some("bytes=0-"), Action::WrongRange).await;
    assert_eq!((wrong.status, wrong.header("content-range")), (206, "bytes 1-9/10"));
    let right = plain.fetch(&plain.token(&link, json!({})).await, Some("bytes=4-6")).await;
    assert_eq!((right.status, right.header("content-range")), (206, "bytes 4-6/10"));
}

#[tokio::test]
async fn a_page_or_a_redirect_comes_instead_of_the_file() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    let both = (&emulator, &plain);
    let page = Action::Html(200, "<html>Attention</html>".into());
    let page = spoiled(both, &link, None, page).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for place in ["/?c=SCAN", "https://1fichier.com/?c=DB"] {
        let sent_on = spoiled(both, &link, None, Action::RedirectTo(place.into())).await;
        assert_eq!((sent_on.status, sent_on.header("location")), (302, place));
    }
    let half = spoiled(both, &link, None, Action::Truncated).await;
    assert_eq!((half.status, half.complete, half.bytes.as_slice()), (200, true, &b"by"[..]));
    let nothing = spoiled(both, &link, Some("bytes=1-"), Action::Empty).await;
    assert_eq!((nothing.status, nothing.complete, nothing.bytes.len()), (200, true, 0));
    let statuses: Vec<u16> = emulator.downloads().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 302, 302, 200, 200]);
}

#[tokio::test]
async fn one_file_always_comes_damaged_and_its_neighbour_never() {
    let (emulator, plain) = lenient().await;
    let bad = emulator.add_file("/", "bad", b"bytes");
    let good = emulator.add_file("/", "good", b"bytes");
    emulator.inject(Fault::always("download", Action::WrongBytes).only(&bad));
    emulator.inject(Fault::once("download/get_token.cgi", Action::KeyRefused).only("good"));
    for _ in 0..2 {
        assert_eq!(plain.get(&plain.token(&bad, json!({})).await, None).await.1, b"by\x8bes");
    }
    let (status, _) = plain.call("download/get_token.cgi", json!({"url": good})).await;
    assert_eq!(status, 401);
    assert_eq!(plain.get(&plain.token(&good, json!({})).await, None).await.1, b"bytes");
}

#[tokio::test]
async fn the_head_of_a_download_is_not_hit_by_what_waits_for_its_bytes() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    emulator.inject(Fault::once("download", Action::ResetAfter(2)));
    let url = plain.token(&link, json!({})).await;
    assert_eq!(plain.head(&url).await["content-length"], "5");
    let cut = plain.fetch(&url, None).await;
    assert_eq!((cut.complete, cut.bytes.as_slice()), (false, &b"by"[..]));
}

#[tokio::test]
async fn downloads_are_counted_with_their_bytes_and_the_most_at_one_time() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", &content());
    let url = plain.token(&link, json!({})).await;
    for _ in 0..20 {
        plain.get(&url, Some("bytes=0-99")).await;
    }
    plain.head(&url).await;
    assert_eq!((emulator.download_gets(), emulator.bytes_sent()), (20, 2000));
    assert_eq!(emulator.most_downloads_at_once(), 1);

    emulator.inject(Fault::once("download", Action::ResetAfter(1000)));
    plain.fetch(&url, None).await;
    assert_eq!((emulator.download_gets(), emulator.bytes_sent()), (21, 3000));
    plain.get(&url, None).await;
    assert_eq!(emulator.bytes_sent(), 3000 + SIZE as u64);
    assert_eq!(emulator.most_downloads_at_once(), 1);
    emulator.inject(Fault { times: 2, ..Fault::once("download", Action::StallBody(1)) });
    let first = plain.begin(&url, None).await.unwrap();
    let second = plain.begin(&url, None).await.unwrap();
    assert_eq!(emulator.most_downloads_at_once(), 2);
    drop((first, second));
}

#[tokio::test]
async fn small_files_in_quick_succession_lock_the_address() {
    // Longer than any test, so that a slow machine does not keep to it.
    let small_download_interval = Some(Duration::from_secs(3600));
    let rules = Rules { small_download_interval, ..Rules::published() };
    let (emulator, plain) = with_rules(rules).await;
    let link = emulator.add_file("/", "x", b"bytes");
    let url = plain.token(&link, json!({})).await;
    plain.head(&url).await;
    plain.head(&url).await;
    assert_eq!(plain.get(&url, None).await.1, b"bytes");
    emulator.assert_no_violations();
    assert!(!emulator.is_locked());

    let (status, page) = plain.get(&url, Some("bytes=2-")).await;
    let page = String::from_utf8(page).unwrap();
    assert_eq!((status, page.contains("Your requests are too fast")), (200, true), "{page}");
    let violations = emulator.violations();
    assert!(violations[0].contains("small files were downloaded in quick"), "{violations:?}");
    assert!(emulator.is_locked());
    let (status, _) = plain.call("download/get_token.cgi", json!({"url": link})).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn more_connections_than_the_service_likes_are_a_violation() {
    let rules = Rules { max_download_connections: Some(2), ..Rules::lenient() };
    let (emulator, plain) = with_rules(rules).await;
    let link = emulator.add_file("/", "x", b"bytes");
    let url = plain.token(&link, json!({})).await;
    for _ in 0..3 {
        plain.get(&url, None).await;
    }
    emulator.inject(Fault { times: 2, ..Fault::once("download", Action::StallBody(1)) });
    let first = plain.begin(&url, None).await.unwrap();
    let second = plain.begin(&url, None).await.unwrap();
    emulator.assert_no_violations();
    assert_eq!(plain.get(&url, None).await.1, b"bytes");
    let violations = emulator.violations();
    assert!(violations[0].contains("more than 2 downloads at one time"), "{violations:?}");
    drop((first, second));
}
