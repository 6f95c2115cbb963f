//! One address family for all connections, on loopback.

use fichier_api::{AddressFamily, ErrorKind, FolderId};

use crate::world::{World, builder, printed};

/// The emulator's address with the name of this machine instead of the number.
fn by_name(world: &World) -> String {
    world.emulator.api_url().replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn a_name_is_resolved_within_the_family() {
    let world = World::start().await;
    let client = builder(&world.emulator, world.emulator.api_key());
    let client = client.api_url(&by_name(&world)).address_family(AddressFamily::V4);
    client.build().unwrap().list_folder(FolderId::ROOT).await.unwrap();
    assert_eq!(world.emulator.calls(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_of_the_family_is_not_reached() {
    let world = World::start().await;
    let client = builder(&world.emulator, world.emulator.api_key());
    let client = client.api_url(&by_name(&world)).address_family(AddressFamily::V6);
    let error = client.build().unwrap().list_folder(FolderId::ROOT).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable(_)), "{error:?}");
    assert!(!error.outcome_unknown());
    assert_eq!(world.emulator.calls(), 0);
    // Where this machine's name has an IPv6 address, nobody listens there.
    let text = printed(&error);
    let lacks = text.contains("localhost has no IPv6 address, and only IPv6 is used");
    assert!(lacks || text.contains("onnection refused"), "{text}");
}

#[tokio::test]
async fn an_address_that_is_no_name_is_used_as_it_is() {
    let world = World::start().await;
    let client = builder(&world.emulator, world.emulator.api_key());
    let client = client.address_family(AddressFamily::V6).build().unwrap();
    client.open_upload().await.unwrap();
    world.emulator.assert_no_violations();
}
