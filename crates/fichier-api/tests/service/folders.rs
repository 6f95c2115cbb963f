//! Folders: listing, making, moving, removing, sharing.

use fichier_api::{ErrorKind, FolderId, SharedWith, Sharing};
use fichier_emulator::{Action, Rules};

use crate::world::{World, name, scripted};

#[tokio::test]
async fn a_listing_shows_folders_and_files_for_one_call() {
    let world = World::start().await;
    let photos = world.folder("/photos");
    world.folder("/photos/2026");
    let link = world.file("/photos", "a.jpg", b"Hello world\n");

    let listing = world.client.list_folder(photos).await.unwrap();

    assert!(listing.complete);
    assert_eq!((listing.id, listing.name.as_str()), (photos, "photos"));
    assert_eq!(listing.folders.len(), 1);
    assert_eq!(listing.folders[0].name, name("2026"));
    assert_eq!(listing.files.len(), 1);
    let file = &listing.files[0];
    assert_eq!((&file.url, &file.name, file.size_bytes), (&link, &name("a.jpg"), 12));
    assert!(file.whirlpool.unwrap().to_hex().starts_with("0a894ff039da399d"));
    assert!(file.sent_at.is_some());
    assert_eq!(world.emulator.calls_since(0), ["folder/ls.cgi"]);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn leaf_folders_without_a_list_of_folders_and_odd_dates_are_read() {
    let rules = Rules {
        sub_folders_missing_on_leaf: true,
        empty_create_date: Some("leaf".to_owned()),
        ..Rules::default()
    };
    let world = World::with(rules).await;
    let leaf = world.folder("/leaf");
    let listing = world.client.list_folder(leaf).await.unwrap();
    assert!(listing.complete);
    assert!(listing.folders.is_empty() && listing.files.is_empty());
}

#[tokio::test]
async fn the_sub_folders_alone_are_listed_too() {
    let world = World::start().await;
    let deep = world.folder("/photos/deep");
    world.file("/photos", "a", b"x");
    let photos = FolderId(world.emulator.folder_id("/photos").unwrap());
    let found = world.client.list_sub_folders(photos).await.unwrap();
    assert_eq!(found.folders.iter().map(|folder| folder.id).collect::<Vec<_>>(), [deep]);
    assert!(found.complete && found.files.is_empty());
}

#[tokio::test]
async fn the_same_folder_is_listed_again_only_when_that_is_allowed() {
    let world = World::start().await;
    for _ in 0..3 {
        world.client.list_folder(FolderId::ROOT).await.unwrap();
    }
    assert_eq!(world.emulator.calls(), 3);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn an_unknown_folder_never_reads_as_an_empty_one() {
    let world = World::start().await;
    let error = world.client.list_folder(FolderId(404)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound), "{error:?}");

    let rules = Rules { unknown_folder_lists_empty: true, ..Rules::default() };
    let world = World::with(rules).await;
    let listing = world.client.list_folder(FolderId(404)).await.unwrap();
    assert!(!listing.complete);
}

#[tokio::test]
async fn a_cut_listing_is_not_complete() {
    let world = World::with(Rules { listing_cap: 2, ..Rules::default() }).await;
    for file in ["a", "b", "c"] {
        world.file("/", file, b"x");
    }
    let listing = world.client.list_folder(FolderId::ROOT).await.unwrap();
    assert_eq!(listing.files.len(), 2);
    assert!(!listing.complete);
}

#[tokio::test]
async fn a_new_folder_has_its_number_and_its_name() {
    let world = World::start().await;
    let parent = world.folder("/backup");
    let made = world.client.make_folder(parent, &name("it's <new>")).await.unwrap();
    assert_eq!(made.name, name("it's <new>"));
    assert_eq!(made.name.decode(), b"it's <new>");
    assert_eq!(world.emulator.folder_id("/backup/it＇s ＜new＞"), Some(made.id.0));
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_folder_that_exists_is_refused_as_such() {
    let world = World::start().await;
    world.folder("/backup");
    let error = world.client.make_folder(FolderId::ROOT, &name("backup")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NameTaken { .. }), "{error:?}");
    assert_eq!(world.emulator.calls(), 1);
}

#[tokio::test]
async fn a_new_folder_without_a_number_is_not_taken_for_the_root() {
    let world = World::start().await;
    world.fail_once("folder/mkdir.cgi", Action::NoFolderId);
    let error = world.client.make_folder(FolderId::ROOT, &name("backup")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
    assert!(error.outcome_unknown());
    assert_eq!(world.emulator.folders(), ["/backup"]);
    assert_eq!(world.emulator.calls(), 1);
}

#[tokio::test]
async fn a_new_folder_with_the_number_of_the_root_is_none() {
    const ROOT: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
                        {\"status\":\"OK\",\"folder_id\":0,\"name\":\"a\"}";
    let (client, _) = scripted(&[ROOT]).await;
    let error = client.make_folder(FolderId::ROOT, &name("a")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::UnexpectedReply { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_moves_and_is_renamed_in_two_calls() {
    let world = World::start().await;
    let (old, new) = (world.folder("/old"), world.folder("/new"));
    world.file("/old", "a", b"x");
    world.client.move_folder(old, new).await.unwrap();
    world.client.rename_folder(old, &name("was old")).await.unwrap();
    assert_eq!(world.paths(), ["/new/was old/a"]);
    assert_eq!(world.emulator.calls_since(0), ["folder/mv.cgi", "folder/mv.cgi"]);
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn a_folder_that_is_in_the_way_is_reported() {
    let world = World::start().await;
    let (one, target) = (world.folder("/one"), world.folder("/target"));
    world.folder("/target/one");
    for refused in [
        world.client.move_folder(one, target).await.unwrap_err(),
        world.client.rename_folder(one, &name("target")).await.unwrap_err(),
    ] {
        assert!(matches!(refused.kind, ErrorKind::NameTaken { .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn only_what_is_there_and_empty_is_removed() {
    let world = World::start().await;
    let (full, empty) = (world.folder("/full"), world.folder("/empty"));
    world.file("/full", "a", b"x");
    world.client.remove_folder(empty).await.unwrap();
    let error = world.client.remove_folder(full).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Refused { .. }), "{error:?}");
    let error = world.client.remove_folder(empty).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound), "{error:?}");
    assert_eq!(world.emulator.folders(), ["/full"]);
}

#[tokio::test]
async fn a_shared_folder_has_a_public_address_until_it_is_not_shared() {
    let world = World::start().await;
    let folder = world.folder("/shared");
    let user = SharedWith {
        email: "somebody@example.com".to_owned(),
        may_write: false,
        links_are_hidden: true,
    };
    let sharing = Sharing { is_public: true, password: None, users: vec![user] };
    let address = world.client.share_folder(folder, &sharing).await.unwrap();
    assert!(address.unwrap().starts_with("https://1fichier.com/dir/"));
    assert_eq!(world.client.share_folder(folder, &Sharing::default()).await.unwrap(), None);
}
