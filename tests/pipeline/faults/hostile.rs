//! Replies fail, want too much, lead elsewhere or never end: each is taken for no more than it is
//! (rows H08 to H13, U01).

use std::time::{Duration, Instant};

use fichier_api::{ErrorKind, FolderId};
use fichier_emulator::{Action, Fault};
use fichier_testkit::{Bench, crypt};
use fichierd::disk::Due;
use fichierd::mirror::Trouble;
use tokio::task::JoinSet;

use super::wire::Elsewhere;

const MUTATIONS: [&str; 6] = [
    "folder/mkdir.cgi",
    "upload/get_upload_server.cgi",
    "upload.cgi",
    "end.pl",
    "file/mv.cgi",
    "file/rename.cgi",
];

async fn with_changes() -> Bench {
    let mut world = Bench::new().await;
    world.write_many(["folder/a", "folder/b", "folder/c"].map(str::to_owned));
    world.settle().await;
    world.write("folder/a", "changed");
    world.write("new/d", "new");
    world.rename("folder/c", "folder/renamed");
    world
}

async fn ends_as_on_disk(world: &mut Bench) {
    world.settle().await;
    world.assert_mirrored();
    let kept: Vec<Vec<u8>> = world.versions().into_iter().map(|(_, content)| content).collect();
    assert_eq!(kept, [b"content of folder/a".to_vec()]);
    assert_eq!(world.problems(), []);
}

async fn finish(mut worlds: JoinSet<()>) {
    while let Some(done) = worlds.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_a_failing_front_end_leaves_open_what_was_done_and_all_ends_as_on_disk() {
    let mut worlds = JoinSet::new();
    for (n, status) in [500, 502, 503, 504, 509].into_iter().enumerate() {
        for (m, endpoint) in MUTATIONS.into_iter().enumerate() {
            worlds.spawn(async move {
                let done = (n + m) % 2 == 0;
                eprintln!("{endpoint}: {status}, done: {done}");
                let page = Action::Status(status, "<html><body>nginx</body></html>".to_owned());
                let action = if done { Action::DoItThenStatus(status) } else { page };
                let mut world = with_changes().await;
                let bytes = world.emulator.bytes_received();
                world.emulator.inject(Fault::once(endpoint, action));
                ends_as_on_disk(&mut world).await;
                if done {
                    // Files that the service has taken are not sent again.
                    let once = crypt::bytes_of(&["changed", "new"]);
                    let sent = world.emulator.bytes_received() - bytes;
                    assert_eq!(sent, once, "{endpoint}: {status}");
                }
            });
        }
    }
    finish(worlds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_a_wish_to_wait_is_honoured_and_an_absurd_one_ends_with_the_cap() {
    let wishes = [
        "120",
        "0",
        "-5",
        "99999999999",
        "99999999999999999999999999",
        "soon",
        "Fri, 31 Dec 1999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ];
    let mut worlds = JoinSet::new();
    for wish in wishes {
        worlds.spawn(async move {
            let mut world = with_changes().await;
            world.emulator.inject(Fault::once("file/mv.cgi", Action::RetryAfter(wish.to_owned())));
            let end = world.cycle().await;
            assert!(matches!(end.trouble, Some(Trouble::HeldOff(..))), "{wish}: {end:?}");
            let pacer = world.shared.client.pacer().clone();
            let calls = world.emulator.calls();
            world.cycle().await;
            if pacer.hold_off().is_some() {
                assert_eq!(world.emulator.calls_since(calls), Vec::<String>::new(), "{wish}");
            }
            let deadline = Instant::now() + Duration::from_secs(20);
            while pacer.hold_off().is_some() {
                assert!(Instant::now() < deadline, "`{wish}` never ends");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ends_as_on_disk(&mut world).await;
        });
    }
    finish(worlds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_within_a_lock_nothing_is_asked_and_an_upload_under_way_finishes() {
    let mut world = Bench::new().await;
    world.write("small", "there before");
    world.settle().await;
    let size = 8 << 20;
    world.write("large", vec![7; size]);
    let (uploads, bytes) = (world.asked("upload.cgi"), world.emulator.bytes_received());
    world.emulator.inject(Fault::once("upload.cgi", Action::ReadSlowly(4_000_000)));
    world.emulator.inject(Fault::once("folder/ls.cgi", Action::Flood));
    // Another part of the program meets the flood meanwhile.
    let client = world.shared.client.clone();
    let meets_the_flood = async {
        let deadline = Instant::now() + Duration::from_secs(20);
        while world.emulator.bytes_received() == bytes {
            assert!(Instant::now() < deadline, "the upload does not begin");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.list_folder(FolderId(0)).await.unwrap_err()
    };
    let due = Due { everything: true, paths: Vec::new() };
    let (end, refused) = tokio::join!(world.worker.run(&world.shared, &due), meets_the_flood);
    assert!(matches!(refused.kind, ErrorKind::Throttled { .. }), "{refused:?}");
    assert!(end.report.problems == 0, "{:?}", world.problems());
    let upload = world.emulator.requests().into_iter().rfind(|r| r.endpoint == "upload.cgi");
    assert_eq!(upload.unwrap().status, 302);
    let deadline = Instant::now() + Duration::from_secs(20);
    while client.pacer().hold_off().is_some() {
        assert!(Instant::now() < deadline, "the hold-off never ends");
        world.cycle().await;
    }
    world.settle().await;
    // A call within the lock would be a violation.
    world.assert_mirrored();
    assert_eq!(world.asked("upload.cgi"), uploads + 1);
    assert_eq!(world.emulator.bytes_received() - bytes, crypt::stored_bytes(size as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_a_refusal_that_is_no_flood_is_not_waited_out_and_not_asked_for_ever() {
    for message in ["No such user #93", "Resource not allowed #631"] {
        let mut world = with_changes().await;
        let body = format!("{{\"status\":\"KO\",\"message\":\"{message}\"}}");
        world.emulator.inject(Fault::always("file/mv.cgi", Action::Status(403, body)));
        let calls = world.emulator.calls();
        for _ in 0..3 {
            let end = world.cycle().await;
            assert!(world.shared.client.pacer().hold_off().is_none(), "{message}: {end:?}");
            assert!(end.trouble.is_some() || end.report.problems > 0, "{message}: {end:?}");
        }
        let refused = world.emulator.calls_since(calls);
        let refused = refused.iter().filter(|call| *call == "file/mv.cgi").count();
        assert!(refused <= 20, "{message}: asked {refused} times");
        world.emulator.clear_faults();
        ends_as_on_disk(&mut world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_redirects_are_followed_nowhere_by_no_call() {
    let elsewhere = Elsewhere::at("127.0.0.1").await;
    let mut worlds = JoinSet::new();
    for endpoint in MUTATIONS {
        for itself in [false, true] {
            let address = elsewhere.address;
            worlds.spawn(async move {
                let mut world = with_changes().await;
                let to = if itself {
                    format!("{}/{endpoint}", world.emulator.api_url())
                } else {
                    format!("http://{address}/v1/{endpoint}")
                };
                let calls = world.emulator.calls();
                world.emulator.inject(Fault::always(endpoint, Action::RedirectTo(to)));
                let end = world.cycle().await;
                // If `end.pl` tells nothing, the staging folder does.
                let goes_on = endpoint == "end.pl";
                let is_said = end.trouble.is_some() || end.report.problems > 0;
                assert!(is_said || goes_on, "{endpoint}: {end:?}");
                let asked = world.emulator.calls_since(calls);
                let asked = asked.iter().filter(|call| *call == endpoint).count();
                assert!(asked <= 16, "{endpoint}: a loop of {asked}");
                world.emulator.clear_faults();
                ends_as_on_disk(&mut world).await;
            });
        }
    }
    finish(worlds).await;
    assert_eq!(elsewhere.visitors(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn h13_an_endless_reply_is_cut_off_also_when_it_is_packed() {
    const GIB: u64 = 1 << 30;
    let mut worlds = JoinSet::new();
    for action in [Action::HugeBody(GIB), Action::GzipBomb(GIB)] {
        for endpoint in ["upload/get_upload_server.cgi", "upload.cgi", "end.pl", "file/mv.cgi"] {
            let action = action.clone();
            worlds.spawn(async move {
                let mut world = with_changes().await;
                world.emulator.inject(Fault::once(endpoint, action));
                ends_as_on_disk(&mut world).await;
            });
        }
    }
    finish(worlds).await;
    for action in [Action::HugeBody(GIB), Action::GzipBomb(GIB)] {
        let world = Bench::new().await;
        world.emulator.inject(Fault::always("folder/ls.cgi", action));
        let error = world.shared.client.list_folder(FolderId(0)).await.unwrap_err();
        let said = error.kind.to_string();
        assert!(said.contains("the reply is larger than 16777216 bytes"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u01_a_node_that_is_not_the_services_and_an_odd_id_get_nothing() {
    let stranger = Elsewhere::at("127.0.0.2").await;
    let faults = [
        Action::ForeignNode(stranger.address.to_string()),
        Action::ForeignNode("up2.1fichier.com.evil.example".to_owned()),
        Action::ForeignNode("evil1fichier.com".to_owned()),
        Action::BadUploadId("../../v1/x".to_owned()),
        Action::BadUploadId("short".to_owned()),
        Action::BadUploadId("1".repeat(40)),
    ];
    for fault in faults {
        let mut world = with_changes().await;
        let (uploads, bytes) = (world.asked("upload.cgi"), world.emulator.bytes_received());
        world.emulator.inject(Fault::always("upload/get_upload_server.cgi", fault.clone()));
        let end = world.cycle().await;
        assert!(end.trouble.is_some() || end.report.problems > 0, "{fault:?}: {end:?}");
        assert_eq!(world.asked("upload.cgi"), uploads, "{fault:?}");
        assert_eq!(world.emulator.bytes_received(), bytes, "{fault:?}");
        world.emulator.clear_faults();
        ends_as_on_disk(&mut world).await;
    }
    assert_eq!(stranger.visitors(), 0);
}
