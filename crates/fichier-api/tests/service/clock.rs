//! The service's clock, as its replies show it.

use std::time::{Duration, SystemTime};

use fichier_api::FolderId;
use jiff::Timestamp;

use crate::world::{World, scripted};

#[tokio::test]
async fn any_reply_shows_the_services_clock_to_all_clones_of_a_client() {
    const OK: &str = "HTTP/1.1 200 OK\r\nDate: Tue, 22 Jun 2021 12:58:13 GMT\r\n\
                      Connection: close\r\n\r\n{\"status\":\"OK\"}";
    const REFUSED: &str = "HTTP/1.1 404 Not Found\r\nDate: Tue, 22 Jun 2021 12:58:14 GMT\r\n\
                           Connection: close\r\n\r\n{\"status\":\"KO\",\"message\":\"x\"}";
    const WRONG: &str = "HTTP/1.1 200 OK\r\nDate: soon\r\nConnection: close\r\n\r\n\
                         {\"status\":\"OK\"}";
    let (client, _) = scripted(&[WRONG, OK, REFUSED, WRONG]).await;
    let clone = client.clone();
    let mut showed = Vec::new();
    for _ in 0..4 {
        // What the call itself comes to does not matter.
        drop(client.remove_folder(FolderId(7)).await);
        let clock = clone.service_clock();
        showed.push(clock.map(|clock| Timestamp::try_from(clock.showed()).unwrap().to_string()));
    }
    let seconds = |text: &Option<String>| text.as_deref().map(|text| text[17..19].to_owned());
    let showed: Vec<_> = showed.iter().map(seconds).collect();
    let expected = [None, Some("13"), Some("14"), Some("14")];
    assert_eq!(showed, expected.map(|second| second.map(str::to_owned)));
    let clock = client.service_clock().unwrap();
    assert!(clock.local_is_ahead() && clock.difference() > Duration::from_secs(86_400));
}

#[tokio::test]
async fn the_emulators_clock_is_this_machines() {
    let world = World::start().await;
    assert_eq!(world.client.service_clock(), None);
    world.client.open_upload().await.unwrap();
    let clock = world.client.service_clock().unwrap();
    assert!(clock.difference() < Duration::from_secs(60), "{clock:?}");
    assert!(clock.showed() <= SystemTime::now());
}
