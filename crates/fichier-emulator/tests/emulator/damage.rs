//! Damage to stored files, as listings, downloads and the emulator's own view show it.

use fichier_emulator::{Damage, Emulator, Rules, Storage};
use serde_json::{Value, json};

use crate::plain::{Plain, lenient};

/// Size and hash in the listing of the root, and what a download brings.
async fn seen(plain: &Plain, link: &str) -> (Value, Value, Vec<u8>) {
    let (_, listing) = plain.call("file/ls.cgi", json!({"folder_id": 0})).await;
    let items = listing["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["url"] == link).unwrap();
    let (status, bytes) = plain.get(&plain.token(link, json!({})).await, None).await;
    assert_eq!(status, 200);
    (item["size"].clone(), item["checksum"].clone(), bytes)
}

/// What the service would say of a file with these bytes.
async fn of(emulator: &Emulator, plain: &Plain, bytes: &[u8]) -> (Value, Value, Vec<u8>) {
    let link = emulator.add_file("/", "model", bytes);
    let seen = seen(plain, &link).await;
    emulator.remove_file(&link);
    seen
}

#[tokio::test]
async fn damage_that_is_noticed_shows_in_listings() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    emulator.damage_content(&link, Damage::Noticed);
    assert_eq!(seen(&plain, &link).await, of(&emulator, &plain, b"by\x8bes").await);
    emulator.truncate_content(&link, 2, Damage::Noticed);
    assert_eq!(seen(&plain, &link).await, of(&emulator, &plain, b"by").await);
}

#[tokio::test]
async fn silent_damage_shows_only_in_downloads() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    let (size, hash, _) = seen(&plain, &link).await;
    emulator.damage_content(&link, Damage::Silent);
    assert_eq!(seen(&plain, &link).await, (size.clone(), hash.clone(), b"by\x8bes".to_vec()));
    emulator.truncate_content(&link, 2, Damage::Silent);
    assert_eq!(seen(&plain, &link).await, (size, hash, b"by".to_vec()));
    let rest = plain.fetch(&plain.token(&link, json!({})).await, Some("bytes=2-")).await;
    assert_eq!((rest.status, rest.header("content-range")), (416, "bytes */2"));
}

#[tokio::test]
async fn damage_on_disk_leaves_the_copies_of_a_file_alone_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let storage = Storage::Folder(dir.path().to_owned());
        Emulator::builder().rules(Rules::lenient()).storage(storage).start()
    };
    let emulator = start().await.unwrap();
    let plain = Plain::of(&emulator);
    let content = vec![7; 600_000];
    let link = emulator.add_file("/", "x", &content);
    let ask = json!({"urls": [link], "folder_id": 0, "rename": "copy"});
    let (_, reply) = plain.call("file/cp.cgi", ask).await;
    let copy = reply["urls"][0]["to_url"].as_str().unwrap();
    emulator.damage_content(&link, Damage::Silent);
    emulator.stop().await;

    let emulator = start().await.unwrap();
    let damaged = emulator.content(&link).unwrap();
    assert_eq!((damaged.len(), damaged[300_000], damaged[0]), (600_000, !7, 7));
    assert_eq!(damaged.iter().filter(|byte| **byte != 7).count(), 1);
    assert!(emulator.content(copy).unwrap() == content);
    let files = emulator.files();
    assert_eq!(files[0].whirlpool, files[1].whirlpool);
}
