//! TLS with an authority of one's own, and the service's host names behind a proxy.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fichier_api::{BuildError, ErrorKind, FolderId, UploadFile};
use fichier_emulator::{Emulator, Rules};

use crate::world::{SCALE, builder, name};

async fn emulator() -> Emulator {
    Emulator::builder().rules(Rules::scaled(SCALE)).tls(true).start().await.unwrap()
}

#[tokio::test]
async fn files_go_up_and_come_down_through_a_proxy_to_the_hosts_of_the_service() {
    let emulator = emulator().await;
    let folder = FolderId(emulator.add_folder("/backup"));
    let client = builder(&emulator, emulator.api_key())
        .api_url("https://api.1fichier.com/v1")
        .proxy(&emulator.proxy_url().unwrap())
        .extra_root_pem(emulator.ca_pem().unwrap().into())
        .build()
        .unwrap();

    let slot = client.open_upload().await.unwrap();
    assert!(slot.node.ends_with(".1fichier.com"), "{slot:?}");
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"Hello world\n").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let file = UploadFile::new(name("a"), 12, || Ok(file));
    let progress = Arc::new(AtomicU64::new(0));
    client.send_files(&slot, folder, vec![file], progress).await.unwrap();

    let listing = client.list_folder(folder).await.unwrap();
    let mut sink = Vec::new();
    client.download(&listing.files[0].url, None, &mut sink).await.unwrap();
    assert_eq!(sink, b"Hello world\n");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted_and_gets_nothing() {
    let emulator = emulator().await;
    let client = builder(&emulator, emulator.api_key()).build().unwrap();
    let error = client.make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(!error.outcome_unknown());
    assert_eq!(emulator.calls(), 0);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_at_once() {
    let emulator = emulator().await;
    let builder = || builder(&emulator, emulator.api_key());
    let plain = builder().api_url("http://api.1fichier.com/v1").build();
    assert!(matches!(plain, Err(BuildError::ApiUrl { .. })), "{plain:?}");
    let garbage = builder().extra_root_pem(b"garbage".to_vec()).build();
    assert!(matches!(garbage, Err(BuildError::RootCertificate { .. })), "{garbage:?}");
    let proxy = builder().proxy("not a proxy").build();
    assert!(matches!(proxy, Err(BuildError::Http { .. })), "{proxy:?}");
}
