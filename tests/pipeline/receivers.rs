//! The way to a receiver of alerts, over TLS: the emulated service stands in for one.

use std::fs;
use std::time::Duration;

use fichier_testkit::Bench;
use fichierd::base::Random;
use fichierd::config::notify::AddressSource;
use fichierd::config::{NotifyConfig, NotifyKind, Topic};
use fichierd::daemon::alerts;
use fichierd::status::Status;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_over_tls_is_trusted_by_an_authority_that_is_named() {
    let world = Bench::over_tls().await;
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("ca.pem");
    fs::write(&authority, world.emulator.ca_pem().unwrap()).unwrap();
    let receiver = |ca_file| NotifyConfig {
        name: "own".to_owned(),
        kind: NotifyKind::Webhook,
        url: AddressSource::Here(format!("{}/nowhere", world.emulator.api_url()).into()),
        token: None,
        mirrors: Vec::new(),
        on: vec![Topic::Stopped],
        after: Duration::ZERO,
        remind: None,
        every: Duration::from_secs(600),
        paths: false,
        ca_file,
    };
    let (status, random) = (Status::default(), Random::default());
    let stranger = alerts::test(&receiver(None), &status, &random).await;
    assert_eq!(stranger, Err("it cannot be reached".to_owned()));
    let known = alerts::test(&receiver(Some(authority)), &status, &random).await.unwrap_err();
    assert!(known.starts_with("HTTP 40"), "it was reached, and knows no such thing: {known}");
    let missing = receiver(Some(dir.path().join("missing.pem")));
    let missing = alerts::test(&missing, &status, &random).await.unwrap_err();
    assert!(missing.starts_with("`ca_file` "), "{missing}");
}
