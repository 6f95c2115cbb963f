//! Where downloads may go to: one address at a time, and what CDN credits are for.

use std::time::Duration;

use fichier_emulator::{Offer, Rules};
use serde_json::{Value, json};

use crate::plain::{Plain, lenient, with_rules};

const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];
const ONE_LOCATION: &str = "Only 1 location allowed at a time #887";

/// Status and message of a token request.
async fn ask(plain: &Plain, link: &str, cdn: u8) -> (u16, Value) {
    let (status, reply) =
        plain.call("download/get_token.cgi", json!({"url": link, "cdn": cdn})).await;
    (status, reply["message"].clone())
}

#[tokio::test]
async fn who_downloads_first_has_the_account_for_a_while() {
    let rules = Rules { one_location: Some(Duration::from_secs(3600)), ..Rules::lenient() };
    let (emulator, here) = with_rules(rules.clone()).await;
    let there = here.at(ELSEWHERE);
    let link = emulator.add_file("/", "x", b"bytes");
    let url = here.token(&link, json!({})).await;
    assert_eq!(ask(&there, &link, 0).await, (403, json!(ONE_LOCATION)));
    let page = there.fetch(&url, None).await;
    let text = String::from_utf8(page.bytes).unwrap();
    assert_eq!((page.status, text.contains(ONE_LOCATION)), (200, true), "{text}");
    assert_eq!(here.get(&url, None).await.1, b"bytes");
    emulator.assert_no_violations();

    emulator.set_rules(Rules { one_location: None, ..rules });
    assert_eq!(there.get(&url, None).await.1, b"bytes");
}

#[tokio::test]
async fn somebody_elsewhere_comes_and_goes() {
    let (emulator, plain) = lenient().await;
    let link = emulator.add_file("/", "x", b"bytes");
    let url = plain.token(&link, json!({})).await;
    emulator.set_other_location(true);
    assert_eq!(ask(&plain, &link, 0).await, (403, json!(ONE_LOCATION)));
    assert!(String::from_utf8(plain.get(&url, None).await.1).unwrap().contains("#887"));
    emulator.set_other_location(false);
    assert_eq!(plain.get(&url, None).await.1, b"bytes");
}

#[tokio::test]
async fn cdn_credit_is_shown_used_up_and_then_missed() {
    // 0.15 GB, of which the account shows hundredths.
    let (emulator, plain) = with_rules(Rules { cdn_credit_gb: 0.15, ..Rules::lenient() }).await;
    emulator.set_downloads_need_cdn(true);
    let link = emulator.add_file("/", "x", &vec![7; 20_000_000]);
    let shown = async || plain.call("user/info.cgi", json!({})).await.1["cdn"].clone();
    assert_eq!(ask(&plain, &link, 0).await.0, 403);
    assert_eq!(shown().await, json!("0.15"));
    let url = plain.token(&link, json!({"cdn": 1})).await;
    plain.get(&url, None).await;
    assert_eq!(shown().await, json!("0.13"));
    plain.get(&url, Some("bytes=0-9999999")).await;
    assert_eq!(shown().await, json!("0.12"));

    emulator.set_rules(Rules { cdn_credit_gb: 0.03, ..Rules::lenient() });
    assert_eq!(shown().await, json!("0.00"));
    let (status, message) = ask(&plain, &link, 1).await;
    assert!(message.as_str().unwrap().ends_with("Use CDN credits #913"), "{message}");
    assert_eq!(status, 403);
    // Without credit and where none is needed.
    plain.get(&plain.token(&link, json!({})).await, None).await;
    assert_eq!(emulator.bytes_sent(), 50_000_000);
}

#[tokio::test]
async fn gold_needs_no_cdn_credit() {
    let (emulator, plain) = lenient().await;
    emulator.set_downloads_need_cdn(true);
    let link = emulator.add_file("/", "x", b"bytes");
    assert_eq!(ask(&plain, &link, 0).await.0, 403);
    emulator.set_offer(Offer::Gold);
    assert_eq!(ask(&plain, &link, 0).await.0, 200);
}
