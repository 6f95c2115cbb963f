//! The service's clock, which need not be that of its client.

use fichier_emulator::Emulator;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::plain::{Plain, lenient};

const DAY_S: i64 = 86_400;
/// Seconds that no test takes; all shifts here are longer.
const SLACK_S: i64 = 600;

/// How far ahead the clocks of API, node and download servers are, to the `Date` they tell.
async fn ahead(emulator: &Emulator, plain: &Plain, link: &str) -> [i64; 3] {
    let places = [
        format!("{}/user/info.cgi", emulator.api_url()),
        format!("http://{}/end.pl?xid=none", plain.slot().await.node),
        plain.token(link, json!({})).await,
    ];
    let mut ahead = [0; 3];
    for (ahead, place) in ahead.iter_mut().zip(&places) {
        let head = plain.head(place).await;
        let date = rfc2822::parse(head["date"].to_str().unwrap()).unwrap();
        *ahead = date.timestamp().as_second() - Timestamp::now().as_second();
    }
    ahead
}

#[tokio::test]
async fn every_server_tells_the_same_wrong_time_from_when_it_is_set() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"1");
    for set in [0, 3 * DAY_S, -DAY_S] {
        emulator.set_clock_ahead(set);
        let told = ahead(&emulator, &plain, &link).await;
        assert!(told.iter().all(|told| (told - set).abs() < SLACK_S), "{set}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_uploaded_or_copied_is_dated_by_the_services_clock() {
    let (emulator, plain) = lenient().await;
    // At noon of that day, when no hour of a change of the clocks is repeated.
    let noon_s = Timestamp::now().as_second().rem_euclid(DAY_S) - DAY_S / 2;
    let behind_s = 400 * DAY_S + noon_s;
    emulator.set_clock_ahead(-behind_s);
    let links = plain.upload(0, &[("sent", b"1")]).await;
    let ask = json!({"urls": [links[0]["download"]], "folder_id": 0, "rename": "copied"});
    plain.call("file/cp.cgi", ask).await;
    emulator.add_file("/", "put", b"1");
    let files = emulator.files();
    assert_eq!(files.len(), 3);
    for file in files {
        let local = DateTime::strptime("%Y-%m-%d %H:%M:%S", &file.date).unwrap();
        let date = local.to_zoned_datetime(TimeZone::get("Europe/Paris").unwrap()).unwrap();
        let behind = Timestamp::now().as_second() - date.timestamp().as_second();
        assert!((behind - behind_s).abs() < SLACK_S, "{}: {}", file.name, file.date);
    }
}
