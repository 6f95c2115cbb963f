//! The pace of many calls at once, before a service that enforces its limits.

use std::path::Path;
use std::time::{Duration, Instant};

use fichier_api::{ApiKey, Client, ErrorKind, FileUrl, FolderId, PaceConfig, Pacer};
use fichier_emulator::{Action, Emulator, Fault, Rules};
use futures_util::future::join_all;
use tempfile::TempDir;

/// One process of several that share the memory of their pacers, as fast as can be configured.
fn process(emulator: &Emulator, memory: &Path, time_scale: u32) -> Client {
    let pacer = Pacer::at(memory, PaceConfig { calls_per_second: 3.0, time_scale }).unwrap();
    let key = ApiKey::new(emulator.api_key()).unwrap();
    Client::builder(key, pacer).api_url(&emulator.api_url()).build().unwrap()
}

#[tokio::test]
async fn many_calls_at_once_from_two_processes_break_no_limit() {
    let rules = Rules { listing_interval: Some(Duration::from_secs(3)), ..Rules::scaled(100) };
    let emulator = Emulator::builder().rules(rules).start().await.unwrap();
    let dir = TempDir::new().unwrap();
    let memory = dir.path().join("pace");
    let processes = [process(&emulator, &memory, 100), process(&emulator, &memory, 100)];
    let folders = ["a", "b", "c"].map(|name| FolderId(emulator.add_folder(name)));
    let work = (0..24).map(|number| {
        let client = processes[number % 2].clone();
        let folder = folders[number % folders.len()];
        async move {
            match number % 4 {
                0 => client.list_folder(folder).await.map(|_| ()),
                _ => client.open_upload().await.map(|_| ()),
            }
        }
    });
    for outcome in join_all(work).await {
        outcome.unwrap();
    }
    emulator.assert_no_violations();
    let made: u64 = processes.iter().map(|client| client.pacer().calls_made()).sum();
    assert_eq!((made, emulator.calls()), (24, 24));
}

#[tokio::test]
async fn a_flood_that_one_process_met_stops_the_others_and_the_next_ones() {
    let emulator = Emulator::builder().start().await.unwrap();
    let dir = TempDir::new().unwrap();
    let memory = dir.path().join("pace");
    let (one, other) = (process(&emulator, &memory, 1), process(&emulator, &memory, 1));
    emulator.inject(Fault::once("upload/get_upload_server.cgi", Action::Flood));
    let error = one.open_upload().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Throttled { .. }), "{error:?}");
    drop(one);
    for client in [other, process(&emulator, &memory, 1)] {
        let error = client.open_upload().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::HeldOff { .. }), "{error:?}");
    }
    assert_eq!(emulator.calls(), 1);
}

#[tokio::test]
async fn small_downloads_start_one_after_the_other_and_ask_for_an_address_when_it_is_their_turn() {
    // A tenth of 500 ms between two starts.
    let emulator = Emulator::builder().rules(Rules::scaled(10)).start().await.unwrap();
    let dir = TempDir::new().unwrap();
    let client = process(&emulator, &dir.path().join("pace"), 10);
    let url = FileUrl::parse(&emulator.add_file("/", "a", b"Hello world\n")).unwrap();
    let begun = Instant::now();
    let work = (0..4).map(|_| async { client.download(&url, None, &mut Vec::new()).await });
    for outcome in join_all(work).await {
        outcome.unwrap();
    }
    // Lower bounds that no slow machine can break: each start waits for the one before, and each
    // address but the first for the start before.
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
    let asked: Vec<u64> = emulator.requests().iter().map(|request| request.at_ms).collect();
    assert!(asked.len() == 4 && asked[2] - asked[0] >= 49, "{asked:?}");
    assert_eq!(client.pacer().calls_made(), 4);
    emulator.assert_no_violations();
}
