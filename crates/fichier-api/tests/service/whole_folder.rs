//! Folders with more files than one listing shows.

use std::collections::BTreeSet;

use fichier_api::{FolderId, FolderListing};
use fichier_emulator::Rules;

use crate::world::{World, scripted};

/// A service that shows `cap` rows, and a folder with one file for each date.
async fn folder(cap: usize, dates: &[String]) -> (World, FolderId) {
    let world = World::with(Rules { listing_cap: cap, ..Rules::default() }).await;
    let folder = world.folder("/photos");
    world.folder("/photos/2026");
    for (number, date) in dates.iter().enumerate() {
        let url = world.file("/photos", &number.to_string(), b"x");
        world.emulator.set_date(url.as_str(), date);
    }
    (world, folder)
}

fn distinct(listing: &FolderListing) -> usize {
    listing.files.iter().map(|file| &file.url).collect::<BTreeSet<_>>().len()
}

#[tokio::test]
async fn a_folder_that_one_listing_shows_costs_one_call() {
    let dates: Vec<_> = (1..=4).map(|day| format!("2026-06-{day:02} 12:00:00")).collect();
    let (world, folder) = folder(10, &dates).await;
    let listing = world.client.list_folder_whole(folder).await.unwrap();
    assert!(listing.complete);
    assert_eq!((listing.files.len(), listing.folders.len()), (4, 1));
    assert_eq!(world.emulator.calls_since(0), ["folder/ls.cgi"]);
}

#[tokio::test]
async fn a_larger_folder_is_listed_in_windows_until_it_is_whole() {
    let dates: Vec<_> = (0..100)
        .map(|file| format!("2026-{:02}-{:02} 12:00:00", 1 + file % 12, 1 + file % 28))
        .collect();
    let (world, folder) = folder(20, &dates).await;
    let listing = world.client.list_folder_whole(folder).await.unwrap();
    assert!(listing.complete);
    assert_eq!((listing.files.len(), distinct(&listing), listing.folders.len()), (100, 100, 1));
    assert_eq!((listing.id, listing.name.as_str()), (folder, "photos"));
    // At best one for every ten.
    let calls = world.emulator.calls();
    assert!((6..=9 + 4 * 100 / 20).contains(&calls), "{calls}");
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn files_of_one_hour_are_told_apart() {
    let dates: Vec<_> = (0..60).map(|minute| format!("2026-06-01 12:{minute:02}:30")).collect();
    let (world, folder) = folder(10, &dates).await;
    let listing = world.client.list_folder_whole(folder).await.unwrap();
    assert!(listing.complete);
    assert_eq!(listing.files.len(), 60);
}

#[tokio::test]
async fn the_night_in_which_clocks_are_changed_loses_no_file() {
    for night in ["2026-10-25", "2026-03-29"] {
        let hours = (0..24).filter(|hour| *hour != 2 || night != "2026-03-29");
        let dates: Vec<_> = hours.map(|hour| format!("{night} {hour:02}:30:00")).collect();
        let (world, folder) = folder(9, &dates).await;
        let listing = world.client.list_folder_whole(folder).await.unwrap();
        assert!(listing.complete, "{night}");
        assert_eq!(listing.files.len(), dates.len());
    }
}

#[tokio::test]
async fn more_files_of_one_second_than_a_listing_shows_are_not_complete() {
    let dates = vec!["2026-06-01 12:00:00".to_owned(); 30];
    let (world, folder) = folder(10, &dates).await;
    let listing = world.client.list_folder_whole(folder).await.unwrap();
    assert!(!listing.complete);
    assert_eq!(listing.files.len(), distinct(&listing));
    // It does not try for long.
    assert!(world.emulator.calls() <= 9 + 4 * 30 / 10, "{}", world.emulator.calls());
    world.emulator.assert_no_violations();
}

#[tokio::test]
async fn an_unknown_folder_is_not_searched_for() {
    let world = World::with(Rules { unknown_folder_lists_empty: true, ..Rules::default() }).await;
    let listing = world.client.list_folder_whole(FolderId(404)).await.unwrap();
    assert!(!listing.complete);
    assert_eq!(world.emulator.calls(), 1);
}

#[tokio::test]
async fn windows_that_show_fewer_files_than_were_counted_are_not_the_whole() {
    // The service counts four files and shows two; the windows show those and one more.
    const FOLDER: &str = r#"HTTP/1.1 200 OK
Content-Type: application/json
Connection: close

{"status":"OK","folder_id":7,"name":"photos","files":4,"sub_folders":[],"items":[
{"url":"https://1fichier.com/?aaaaaaaaaaaaaaaaaaa1","filename":"1","size":1,"date":"2026-06-01 12:00:00"},
{"url":"https://1fichier.com/?aaaaaaaaaaaaaaaaaaa2","filename":"2","size":1,"date":"2026-06-02 12:00:00"}]}"#;
    const WINDOW: &str = r#"HTTP/1.1 200 OK
Content-Type: application/json
Connection: close

{"status":"OK","count":1,"items":[
{"url":"https://1fichier.com/?aaaaaaaaaaaaaaaaaaa3","filename":"3","size":1,"date":"2026-06-03 12:00:00"}]}"#;
    let (client, asked) = scripted(&[FOLDER, WINDOW, WINDOW, WINDOW]).await;
    let listing = client.list_folder_whole(FolderId(7)).await.unwrap();
    assert!(!listing.complete);
    assert_eq!(listing.files.len(), 3);
    let asked = asked.await.unwrap();
    let windows = |edge: &str| asked.iter().filter(|request| request.contains(edge)).count();
    assert_eq!((windows("sent_after"), windows("sent_before")), (2, 2));
}
