//! A client of bare requests: what docs/api-notes.md says, and no more.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use fichier_emulator::{Emulator, Rules};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};

/// Speaks to one emulator with one key.
pub(crate) struct Plain {
    http: Client,
    api: String,
    key: String,
}

/// An upload that may be begun.
pub(crate) struct Slot {
    pub(crate) node: String,
    pub(crate) id: String,
}

/// What came of a download.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) head: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// Whether all came that was announced.
    pub(crate) complete: bool,
}

impl Fetched {
    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Plain {
    pub(crate) fn of(emulator: &Emulator) -> Plain {
        // An error only says that another test was first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Plain { http, api: emulator.api_url(), key: emulator.api_key().to_owned() }
    }

    /// A client at another address of this machine, with the same key.
    pub(crate) fn at(&self, address: [u8; 4]) -> Plain {
        let builder = Client::builder().redirect(redirect::Policy::none());
        let http = builder.local_address(IpAddr::from(address)).build().unwrap();
        Plain { http, api: self.api.clone(), key: self.key.clone() }
    }

    pub(crate) fn with_key(&self, key: &str) -> Plain {
        Plain { http: self.http.clone(), api: self.api.clone(), key: key.to_owned() }
    }

    /// Status and JSON of a reply; null if it is not JSON.
    pub(crate) async fn call(&self, endpoint: &str, ask: Value) -> (u16, Value) {
        let (status, text) = self.send(endpoint, ask).await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Status and text of a reply that may not come.
    pub(crate) async fn send(&self, endpoint: &str, ask: Value) -> reqwest::Result<(u16, String)> {
        self.raw(endpoint, Some("application/json"), Some(&self.key), &ask.to_string()).await
    }

    pub(crate) async fn raw(
        &self,
        endpoint: &str,
        content_type: Option<&str>,
        key: Option<&str>,
        body: &str,
    ) -> reqwest::Result<(u16, String)> {
        let mut request = self.http.post(format!("{}/{endpoint}", self.api)).body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let reply = request.send().await?;
        Ok((reply.status().as_u16(), reply.text().await?))
    }

    pub(crate) async fn mkdir(&self, parent: i64, name: &str) -> i64 {
        let ask = json!({"name": name, "folder_id": parent});
        self.call("folder/mkdir.cgi", ask).await.1["folder_id"].as_i64().unwrap()
    }

    pub(crate) async fn slot(&self) -> Slot {
        let (_, reply) = self.call("upload/get_upload_server.cgi", json!({})).await;
        let text = |name: &str| reply[name].as_str().unwrap().to_owned();
        Slot { node: text("url"), id: text("id") }
    }

    /// Status, `Location`, and body of the reply to an upload.
    pub(crate) async fn post(
        &self,
        slot: &Slot,
        did: i64,
        files: &[(&str, &[u8])],
    ) -> reqwest::Result<(u16, String, String)> {
        let mut body =
            format!("--bnd\r\nContent-Disposition: form-data; name=\"did\"\r\n\r\n{did}\r\n")
                .into_bytes();
        for (name, content) in files {
            let head = format!(
                "--bnd\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--bnd--\r\n");
        self.post_body(slot, body).await
    }

    pub(crate) async fn post_body(
        &self,
        slot: &Slot,
        body: Vec<u8>,
    ) -> reqwest::Result<(u16, String, String)> {
        let reply = self
            .http
            .post(format!("http://{}/upload.cgi?id={}", slot.node, slot.id))
            .bearer_auth(&self.key)
            .header(CONTENT_TYPE, "multipart/form-data; boundary=bnd")
            .header(CONTENT_LENGTH, body.len())
            .body(body)
            .send()
            .await?;
        let status = reply.status().as_u16();
        let place = reply.headers().get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        Ok((status, place.unwrap_or_default(), reply.text().await?))
    }

    /// The status of the reply to an upload without `Content-Length`.
    pub(crate) async fn post_chunked(&self, slot: &Slot) -> u16 {
        let chunks = futures_util::stream::iter([reqwest::Result::Ok("--bnd--\r\n")]);
        let reply = self
            .http
            .post(format!("http://{}/upload.cgi?id={}", slot.node, slot.id))
            .header(CONTENT_TYPE, "multipart/form-data; boundary=bnd")
            .body(reqwest::Body::wrap_stream(chunks))
            .send()
            .await
            .unwrap();
        reply.status().as_u16()
    }

    /// What `end.pl` says.
    pub(crate) async fn result_text(&self, slot: &Slot, xid: &str) -> String {
        let url = format!("http://{}/end.pl?xid={xid}", slot.node);
        self.http.get(url).header("JSON", "1").send().await.unwrap().text().await.unwrap()
    }

    /// The links that `end.pl` tells.
    pub(crate) async fn result(&self, slot: &Slot, xid: &str) -> Vec<Value> {
        let text = self.result_text(slot, xid).await;
        let reply: Value = serde_json::from_str(&text).unwrap();
        reply["links"].as_array().unwrap().clone()
    }

    /// The whole upload: slot, body, result.
    pub(crate) async fn upload(&self, did: i64, files: &[(&str, &[u8])]) -> Vec<Value> {
        let slot = self.slot().await;
        let (status, place, page) = self.post(&slot, did, files).await.unwrap();
        assert_eq!(status, 302, "{page}");
        self.result(&slot, place.strip_prefix("/end.pl?xid=").unwrap()).await
    }

    /// The address of a download.
    pub(crate) async fn token(&self, link: &str, mut ask: Value) -> String {
        ask["url"] = link.into();
        let (_, reply) = self.call("download/get_token.cgi", ask).await;
        reply["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn head(&self, url: &str) -> HeaderMap {
        self.http.head(url).send().await.unwrap().headers().clone()
    }

    /// A download, also one that breaks off.
    pub(crate) async fn fetch(&self, url: &str, range: Option<&str>) -> Fetched {
        let mut reply = self.begin(url, range).await.unwrap();
        let (status, head) = (reply.status().as_u16(), reply.headers().clone());
        let mut bytes = Vec::new();
        let complete = loop {
            match reply.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Fetched { status, head, bytes, complete }
    }

    /// A download of which only the headers are read.
    pub(crate) async fn begin(&self, url: &str, range: Option<&str>) -> reqwest::Result<Response> {
        let mut request = self.http.get(url);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        request.send().await
    }

    pub(crate) async fn get(&self, url: &str, range: Option<&str>) -> (u16, Vec<u8>) {
        let reply = self.begin(url, range).await.unwrap();
        (reply.status().as_u16(), reply.bytes().await.unwrap().to_vec())
    }
}

/// Waits for a condition that is about to come true.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::task::yield_now().await;
    }
}

/// An emulator without limits on the pace, and a client of it.
pub(crate) async fn lenient() -> (Emulator, Plain) {
    with_rules(Rules::lenient()).await
}

pub(crate) async fn with_rules(rules: Rules) -> (Emulator, Plain) {
    let emulator = Emulator::builder().rules(rules).start().await.unwrap();
    let plain = Plain::of(&emulator);
    (emulator, plain)
}

/// The hash of the 12 bytes `Hello world\n` (docs/api-notes.md, B.5).
pub(crate) fn golden_whirlpool() -> &'static str {
    "0a894ff039da399d5a72116b3665cd952abc8a9ffe37bfae4eae4d5381c5102b\
     237c27e88b03f71c516e08ffa1cc9de9eac55d7d3abd38ea56220018f006a2c5"
}
