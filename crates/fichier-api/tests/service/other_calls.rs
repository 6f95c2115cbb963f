//! The account, and the endpoints whose replies were never recorded.

use std::collections::BTreeMap;

use fichier_api::{ErrorKind, FolderId, Offer, VoucherCode};

use crate::world::World;

#[tokio::test]
async fn the_account_is_read_once_and_remembered() {
    let world = World::start().await;
    let account = world.client.account().await.unwrap();
    assert_eq!(account.offer, Some(Offer::Premium));
    assert!(!account.upload_forbidden && !account.overquota);
    assert_eq!(world.client.account().await.unwrap(), account);
    assert_eq!(world.emulator.calls_since(0), ["user/info.cgi"]);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_remote_upload_is_listed_and_described() {
    let world = World::start().await;
    let sources = ["https://example.com/a.iso".to_owned()];
    let headers = BTreeMap::new();
    let id = world.client.request_remote_upload(&sources, FolderId::ROOT, &headers).await.unwrap();
    let jobs = world.client.remote_uploads().await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    let result = world.client.remote_upload_result(id).await.unwrap();
    assert!(result.results.iter().all(|fetched| fetched.file.is_none()), "{result:?}");
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn ftp_users_come_and_go() {
    let world = World::start().await;
    let folder = world.folder("/ftp");
    world.client.add_ftp_user("camera", "secret", folder).await.unwrap();
    let users = world.client.ftp_users().await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!((users[0].user.as_str(), users[0].folder), ("camera", Some(folder)));
    world.client.remove_ftp_user("camera").await.unwrap();
    assert!(world.client.ftp_users().await.unwrap().is_empty());
    world.client.process_ftp().await.unwrap();
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn an_account_without_vouchers_has_none() {
    let world = World::start().await;
    assert!(world.client.vouchers().await.unwrap().is_empty());
    let code = VoucherCode("unknown".to_owned());
    let checked = world.client.check_voucher(&code).await.unwrap_err();
    let used = world.client.use_voucher(&code, "someone@example.com").await.unwrap_err();
    for kind in [checked.kind, used.kind] {
        assert!(matches!(kind, ErrorKind::NotFound), "{kind:?}");
    }
    world.emulator.assert_no_violations();
}
