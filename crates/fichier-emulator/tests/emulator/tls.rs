//! The service under its own names: TLS with the emulator's authority, through its proxy.

use std::time::Duration;

use fichier_emulator::{Certificate, Emulator, ProxyHabit, Rules};
use reqwest::tls::Certificate as Trusted;
use reqwest::{Client, Proxy};
use serde_json::{Value, json};

use crate::plain::Plain;

/// A client that knows the emulator's proxy, and its authority if told to.
fn client(emulator: &Emulator, trusting: bool) -> Client {
    let ca = trusting.then(|| emulator.ca_pem().unwrap());
    through(emulator, &emulator.proxy_url().unwrap(), ca)
}

fn through(emulator: &Emulator, proxy: &str, ca: Option<&str>) -> Client {
    Plain::of(emulator);
    let roots = ca.map(|pem| Trusted::from_pem(pem.as_bytes()).unwrap());
    let client = Client::builder().proxy(Proxy::all(proxy).unwrap());
    client.tls_certs_only(roots).build().unwrap()
}

async fn start() -> Emulator {
    Emulator::builder().rules(Rules::lenient()).tls(true).start().await.unwrap()
}

#[tokio::test]
async fn api_node_and_download_are_reached_by_the_services_names() {
    let emulator = start().await;
    let http = client(&emulator, true);
    let post = |url: &str, ask: Value| {
        let request = http.post(url).bearer_auth(emulator.api_key());
        request.header("Content-Type", "application/json").body(ask.to_string()).send()
    };
    let reply = async |url: &str, ask: Value| -> Value {
        serde_json::from_str(&post(url, ask).await.unwrap().text().await.unwrap()).unwrap()
    };
    let api = "https://api.1fichier.com/v1";
    let slot = reply(&format!("{api}/upload/get_upload_server.cgi"), json!({})).await;
    assert_eq!(slot["url"], "up1.1fichier.com");
    let result = format!("https://up1.1fichier.com/end.pl?xid={}", slot["id"].as_str().unwrap());
    let page = http.get(result).header("JSON", "1").send().await.unwrap().text().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&page).unwrap()["links"], json!([]));
    let link = emulator.add_file("/", "x", b"bytes");
    let token = reply(&format!("{api}/download/get_token.cgi"), json!({"url": link})).await;
    let url = token["url"].as_str().unwrap();
    assert!(url.starts_with("https://a-1.1fichier.com/p"), "{url}");
    assert_eq!(http.get(url).send().await.unwrap().text().await.unwrap(), "bytes");
    emulator.assert_no_violations();
}

#[tokio::test]
async fn a_plain_service_may_be_opened_to_clients_that_know_it_by_its_names() {
    let emulator = Emulator::builder().rules(Rules::lenient()).start().await.unwrap();
    let front = emulator.open_to_others().unwrap();
    let link = emulator.add_file("/folder", "x", b"bytes");
    let ask = async |http: &Client, url: String, ask: Value| -> Value {
        let request = http.post(url).bearer_auth(emulator.api_key());
        let request = request.header("Content-Type", "application/json").body(ask.to_string());
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    };
    let other = through(&emulator, &front.proxy_url(), Some(front.ca_pem()));
    let named = |endpoint: &str| format!("https://api.1fichier.com/v1/{endpoint}");
    let folder = json!({"folder_id": emulator.folder_id("/folder").unwrap()});
    let listed = ask(&other, named("file/ls.cgi"), folder).await;
    assert_eq!(listed["items"][0]["checksum"], emulator.files()[0].whirlpool.as_str());
    // Each is sent on to servers of its own front.
    let token = ask(&other, named("download/get_token.cgi"), json!({"url": link})).await;
    let url = token["url"].as_str().unwrap();
    assert_eq!(other.get(url).send().await.unwrap().text().await.unwrap(), "bytes");
    let slot = ask(&other, named("upload/get_upload_server.cgi"), json!({})).await;
    assert_eq!(slot["url"], "up1.1fichier.com");
    let plain = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let own = format!("{}/upload/get_upload_server.cgi", emulator.api_url());
    assert!(emulator.api_url().starts_with("http://127.0.0.1:"));
    let slot = ask(&plain, own, json!({})).await;
    assert!(slot["url"].as_str().unwrap().starts_with("127.0.0.1:"), "{slot}");
    emulator.assert_no_violations();
    assert!(other.get("https://example.com/").send().await.unwrap_err().is_connect());
    assert!(emulator.violations()[0].contains("example.com:443"));
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_authority_sends_nothing() {
    let emulator = start().await;
    let http = client(&emulator, false);
    let refused = http.get("https://api.1fichier.com/v1/").send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    assert_eq!(emulator.calls(), 0);
}

#[tokio::test]
async fn the_proxy_leads_nowhere_else() {
    let emulator = start().await;
    let http = client(&emulator, true);
    let refused = http.get("https://evil1fichier.com/").send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    let violations = emulator.violations();
    assert!(violations[0].contains("evil1fichier.com:443"), "{violations:?}");
}

/// What keeps a client from the API.
async fn refusal(emulator: &Emulator) -> String {
    // Connections are kept: a new client makes a new one.
    let http = client(emulator, true);
    let refused = http.get("https://api.1fichier.com/v1/").send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
    format!("{refused:?}")
}

#[tokio::test]
async fn each_wrong_certificate_is_wrong_in_its_own_way_and_a_good_one_follows() {
    let emulator = start().await;
    for (certificate, says) in [
        (Certificate::SelfSigned, "UnknownIssuer"),
        (Certificate::Expired, "Expired"),
        (Certificate::OtherHost, "NotValidForName"),
    ] {
        emulator.set_certificate(certificate);
        let refused = refusal(&emulator).await;
        assert!(refused.contains(says), "{certificate:?}: {refused}");
    }
    assert_eq!(emulator.calls(), 0);
    emulator.set_certificate(Certificate::Good);
    client(&emulator, true).get("https://api.1fichier.com/v1/").send().await.unwrap();
    assert_eq!(emulator.calls(), 1);
}

#[tokio::test]
async fn a_proxy_may_stand_in_the_way_in_each_of_its_ways() {
    let emulator = start().await;
    for habit in
        [ProxyHabit::Authenticate, ProxyHabit::Portal, ProxyHabit::Redirect, ProxyHabit::NoSuchHost]
    {
        emulator.set_rules(Rules { proxy: habit, ..Rules::lenient() });
        refusal(&emulator).await;
    }
    emulator.set_rules(Rules { proxy: ProxyHabit::Silence, ..Rules::lenient() });
    let http = client(&emulator, true);
    let asked = http.get("https://api.1fichier.com/v1/").timeout(Duration::from_millis(300)).send();
    assert!(asked.await.unwrap_err().is_timeout());
    assert_eq!(emulator.calls(), 0);
    emulator.assert_no_violations();
}
