//! The account: few readings, shared by all who hold its key.

use std::path::Path;

use fichier_api::{AccountSettings, ApiKey, Client, ErrorKind, Offer, PaceConfig, Pacer};
use fichier_emulator::{Action, Emulator, Fault, Rules};
use tempfile::TempDir;

/// Minutes are a few dozen milliseconds.
const SCALE: u32 = 2_000;

async fn emulator() -> Emulator {
    let rules = Rules { calls_per_second: None, ..Rules::scaled(SCALE) };
    Emulator::builder().rules(rules).start().await.unwrap()
}

/// One process of several: each has its own pacer, whose memory all share.
fn process(emulator: &Emulator, memory: &Path, key: &str) -> Client {
    let config = PaceConfig { time_scale: SCALE, ..PaceConfig::default() };
    let pacer = Pacer::at(memory, config).unwrap();
    let builder = Client::builder(ApiKey::new(key).unwrap(), pacer);
    builder.api_url(&emulator.api_url()).build().unwrap()
}

#[tokio::test]
async fn one_reading_serves_every_process_with_the_same_key() {
    let (emulator, dir) = (emulator().await, TempDir::new().unwrap());
    let memory = dir.path().join("pace");
    emulator.set_upload_forbidden(true);
    let first = process(&emulator, &memory, emulator.api_key()).account().await.unwrap();
    assert_eq!(
        (first.email.as_deref(), first.offer),
        (Some("someone@example.com"), Some(Offer::Premium))
    );
    assert!(first.upload_forbidden && first.subscription_end.is_some());
    let second = process(&emulator, &memory, emulator.api_key()).account().await.unwrap();
    assert_eq!(second, first);
    assert_eq!(emulator.calls(), 1);
}

#[tokio::test]
async fn a_new_key_is_tried_soon_after_a_refused_one() {
    let (emulator, dir) = (emulator().await, TempDir::new().unwrap());
    let memory = dir.path().join("pace");
    let error = process(&emulator, &memory, "wrong").account().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    process(&emulator, &memory, emulator.api_key()).account().await.unwrap();
    assert_eq!(emulator.calls(), 2);
    emulator.assert_no_violations();
}

#[tokio::test]
async fn a_key_is_not_taken_for_good_because_another_was() {
    let (emulator, dir) = (emulator().await, TempDir::new().unwrap());
    let memory = dir.path().join("pace");
    process(&emulator, &memory, emulator.api_key()).account().await.unwrap();
    let error = process(&emulator, &memory, "wrong").account().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::KeyRefused), "{error:?}");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn a_reading_whose_answer_was_lost_is_repeated_only_when_the_limit_allows() {
    let (emulator, dir) = (emulator().await, TempDir::new().unwrap());
    let client = process(&emulator, &dir.path().join("pace"), emulator.api_key());
    emulator.inject(Fault::once("user/info.cgi", Action::DoItThenReset));
    let error = client.account().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert_eq!((error.attempts, error.outcome_unknown()), (1, true));
    client.account().await.unwrap();
    assert_eq!(emulator.calls(), 2);
    emulator.assert_no_violations();
}

#[tokio::test]
async fn what_was_set_is_seen_by_the_next_reading() {
    let (emulator, dir) = (emulator().await, TempDir::new().unwrap());
    let client = process(&emulator, &dir.path().join("pace"), emulator.api_key());
    assert_eq!(client.account().await.unwrap().settings.default_domain, Some(0));
    let settings = AccountSettings { default_domain: Some(3), ..AccountSettings::default() };
    client.set_account(&settings).await.unwrap();
    assert_eq!(client.account().await.unwrap().settings.default_domain, Some(3));
    assert_eq!(emulator.calls(), 3);
    emulator.assert_no_violations();
}
