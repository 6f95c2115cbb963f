//! The service cannot be reached, or only over a bad line: nothing is sent by accident, only the
//! service is shown the key, nothing is removed, and the mirror converges when the line is good
//! again (rows H01 to H06 and H14).

use std::sync::atomic::Ordering;
use std::time::Duration;

use fichier_emulator::{Action, Certificate, Fault, ProxyHabit, Rules};
use fichier_testkit::Bench;
use fichier_testkit::bench::Way;
use fichierd::mirror::Trouble;

use super::wire::{BlackHole, OneRequestEach};

/// The time without a byte after which a connection is given up.
const STALL: Duration = Duration::from_millis(300);

async fn with_changes(mut world: Bench) -> Bench {
    world.write_many(["folder/a", "folder/b", "folder/c"].map(str::to_owned));
    world.settle().await;
    world.write("folder/a", "changed");
    world.write("new/d", "new");
    world.remove("folder/b");
    world
}

/// Runs a cycle that does not reach the service, and returns the cause in words. Nothing has
/// changed there.
async fn unreachable(world: &mut Bench) -> String {
    let (calls, before) = (world.emulator.calls(), world.remote());
    let end = world.cycle().await;
    let Some(Trouble::Unreachable(text) | Trouble::Unanswered(text)) = end.trouble else {
        panic!("{:?}", end.trouble)
    };
    assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new(), "{text}");
    assert_eq!(world.remote(), before);
    assert!(!text.contains(world.emulator.api_key()), "{text}");
    text
}

async fn goes_on(mut world: Bench) {
    world.settle().await;
    world.assert_mirrored();
    assert_eq!(world.problems(), []);
}

fn through(world: &Bench, proxy: ProxyHabit) {
    world.emulator.set_rules(Rules { proxy, ..Rules::scaled(2_000) });
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_a_name_that_does_not_resolve_or_an_answer_that_never_comes_is_waited_out() {
    for habit in [ProxyHabit::NoSuchHost, ProxyHabit::Silence] {
        // Connections are kept, so each case has a client of its own.
        let mut world = with_changes(Bench::over_tls().await).await.restart();
        world.reach(&Way::stalling(STALL));
        through(&world, habit);
        unreachable(&mut world).await;
        unreachable(&mut world).await;
        through(&world, ProxyHabit::Tunnel);
        goes_on(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_refused_connection_and_one_into_a_black_hole_are_waited_out() {
    let hole = BlackHole::new();
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [refused, hole.address] {
        let mut world = with_changes(Bench::new().await).await;
        world.reach(&Way { stall_timeout: Some(STALL), ..Way::over(address) });
        unreachable(&mut world).await;
        world.reach(&Way::default());
        goes_on(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h03_a_wrong_certificate_gets_no_key_and_no_plain_text_and_is_said() {
    for certificate in [Certificate::Expired, Certificate::SelfSigned, Certificate::OtherHost] {
        let mut world = with_changes(Bench::over_tls().await).await.restart();
        world.emulator.set_certificate(certificate);
        let text = unreachable(&mut world).await;
        assert!(text.contains("certificate"), "{certificate:?}: {text}");
        world.emulator.set_certificate(Certificate::Good);
        goes_on(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h03_a_node_with_a_wrong_certificate_gets_neither_key_nor_files() {
    let mut world = with_changes(Bench::over_tls().await).await;
    let (uploads, bytes) = (world.asked("upload.cgi"), world.emulator.bytes_received());
    // The API's connection is kept; each upload makes a new one.
    world.emulator.set_certificate(Certificate::Expired);
    let end = world.cycle().await;
    assert!(
        matches!(end.trouble, Some(Trouble::Unreachable(_) | Trouble::Unanswered(_))),
        "{:?}",
        end.trouble
    );
    assert_eq!((world.asked("upload.cgi"), world.emulator.bytes_received()), (uploads, bytes));
    world.emulator.set_certificate(Certificate::Good);
    goes_on(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_headers_that_stall_are_given_up_at_every_call() {
    let mut worlds = tokio::task::JoinSet::new();
    for endpoint in ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"] {
        worlds.spawn(async move {
            let mut world = with_changes(Bench::new().await).await;
            world.reach(&Way::stalling(STALL));
            world.emulator.inject(Fault::once(endpoint, Action::StallHeaders));
            world.cycle().await;
            goes_on(world).await;
        });
    }
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_an_upload_that_stalls_is_given_up_and_arrives_once() {
    let mut world = with_changes(Bench::new().await).await;
    world.reach(&Way::stalling(STALL));
    // More bytes than the sockets take by themselves.
    world.write("large", vec![7; 24 << 20]);
    world.emulator.inject(Fault::once("upload.cgi", Action::StallBody(1_000_000)));
    world.cycle().await;
    world.reach(&Way::default());
    goes_on(world).await;
}

/// The limit is on silence and not on time: neither transfer is given up, though both take far
/// longer.
#[tokio::test(flavor = "multi_thread")]
async fn h04_what_is_slow_but_moves_is_not_given_up() {
    let mut world = with_changes(Bench::new().await).await;
    let stall = Duration::from_millis(1_500);
    world.reach(&Way::stalling(stall));
    world.remove_tree("new");
    world.write("large", vec![7; 10 << 20]);
    let (slot, upload) = ("upload/get_upload_server.cgi", "upload.cgi");
    let before = (world.asked(slot), world.asked(upload));
    // They take about two and eight seconds.
    world.emulator.inject(Fault::once(slot, Action::Trickle(20)));
    world.emulator.inject(Fault::once(upload, Action::ReadSlowly(1_200_000)));
    world.settle().await;
    world.assert_mirrored();
    assert_eq!((world.asked(slot), world.asked(upload)), (before.0 + 1, before.1 + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_connections_that_end_between_requests_double_nothing_and_lose_nothing() {
    let mut world = Bench::new().await;
    // A version has been retired today, so that its folders are there.
    for content in ["one", "two"] {
        world.write("edited", content);
        world.settle().await;
    }
    let mut world = with_changes(world).await;
    let line = OneRequestEach::before(&world.emulator.api_url()).await;
    let folders = world.emulator.folders().len();
    world.reach(&Way::over(line.address));
    world.rename("folder/c", "folder/renamed");
    world.settle().await;
    world.assert_mirrored();
    assert!(line.cut.load(Ordering::Relaxed) > 3, "the line was good");
    assert_eq!(world.emulator.folders().len(), folders + 1, "{:?}", world.emulator.folders());
    assert_eq!(world.versions().len(), 1 + 2);
    assert_eq!(world.problems(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_a_proxy_that_wants_a_password_and_a_captive_portal_are_waited_out() {
    for habit in [ProxyHabit::Authenticate, ProxyHabit::Portal, ProxyHabit::Redirect] {
        let mut world = with_changes(Bench::over_tls().await).await.restart();
        through(&world, habit);
        unreachable(&mut world).await;
        through(&world, ProxyHabit::Tunnel);
        goes_on(world).await;
    }
}

/// The page comes from the service's own address, as on a line without TLS.
#[tokio::test(flavor = "multi_thread")]
async fn h14_the_page_of_a_portal_in_every_reply_removes_and_doubles_nothing() {
    let world = with_changes(Bench::new().await).await;
    let before = world.remote();
    // The files there have to be found by listings.
    let mut world = world.lose_state();
    let page = "<html><body>Welcome. Please log in.</body></html>".to_owned();
    world.emulator.inject(Fault::always("*", Action::Html(200, page)));
    for _ in 0..3 {
        let end = world.cycle().await;
        assert!(end.trouble.is_some() || end.report.problems > 0, "{end:?}");
    }
    assert_eq!(world.remote(), before);
    world.emulator.clear_faults();
    world.settle().await;
    let (local, remote) = (world.local(), world.remote());
    assert!(local.iter().all(|(path, content)| remote.get(path) == Some(content)));
    world.emulator.assert_no_violations();
}
