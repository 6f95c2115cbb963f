//! HTTP, and nothing but: sends one request and reads one reply.
//!
//! Three `reqwest` clients, because the service's three kinds of servers want to be spoken to in
//! three ways: the API over kept connections with the key, the upload nodes over a fresh HTTP/1.1
//! connection each with the key, the download servers without it (docs/api-notes.md, A.1, C.3, D).
//! The meaning of a reply is decided in `wire`.
//!
//! Invariants: no redirect is ever followed, so the key goes where [`ApiAddress`] allowed it and
//! nowhere else. No reply is read past [`MAX_REPLY_BYTES`], also after decompression. No wait is
//! unbounded: a connection must be open within [`CONNECT_TIMEOUT`], and bytes must move within the
//! stall timeout; how long a transfer takes as a whole is not limited here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName,
    HeaderValue, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use url::Url;

use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::key::ApiKey;
use crate::transport::address::ApiAddress;
use crate::transport::build_error::BuildError;
use crate::transport::carrier::Carrier;
use crate::transport::family::{AddressFamily, Resolver};
use crate::transport::service_clock::NewestReading;
use crate::transport::tls;
use crate::wire::Reply;

/// The longest time until a connection, with TLS, is open; after it the attempt has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of a reply; a larger one is an error. A listing of 5,000 files has about 3 MiB.
const MAX_REPLY_BYTES: usize = 16 * 1024 * 1024;
/// Stall timeouts that a small reply may take as a whole, also if it keeps trickling; then the call
/// has failed.
const STALLS_PER_CALL: u32 = 5;
/// The one call that some clients make by GET (docs/api-notes.md, A.3).
pub(crate) const ALSO_BY_GET: &str = "upload/get_upload_server.cgi";
/// The HTTP status of a server that wants another method.
const METHOD_NOT_ALLOWED: u16 = 405;
/// Asks `end.pl` for JSON instead of a page (docs/api-notes.md, C.4).
const JSON: HeaderName = HeaderName::from_static("json");

/// The settings that a [`Transport`] is made from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) address: ApiAddress,
    pub(crate) extra_roots_pem: Option<Vec<u8>>,
    pub(crate) user_agent: String,
    pub(crate) proxy: Option<String>,
    pub(crate) stall_timeout: Duration,
    pub(crate) address_family: AddressFamily,
}

/// The bytes of a file that a download asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// From this one to the end.
    From(u64),
    /// From the first one to this one.
    UpTo(u64),
}

/// The connections to the service.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    address: ApiAddress,
    authorization: HeaderValue,
    stall_timeout: Duration,
    api: reqwest::Client,
    node: reqwest::Client,
    download: reqwest::Client,
    service_clock: Arc<NewestReading>,
    /// Whether the service wants to be asked for an upload node by GET (H.2).
    wants_get: Arc<AtomicBool>,
    /// Instead of the network.
    carrier: Option<Arc<dyn Carrier>>,
}

impl Transport {
    pub(crate) fn new(
        key: &ApiKey,
        settings: Settings,
        clock: Clock,
    ) -> Result<Transport, BuildError> {
        let authorization = authorization(key)?;
        let stall = settings.stall_timeout;
        // One for all, so that they never disagree.
        let resolver = Resolver::new(settings.address_family);
        let start = |speaks_http2| start(&settings, &resolver, speaks_http2);
        let http1 = || Ok::<_, BuildError>(start(false)?.http1_only());
        let fresh = http1()?.pool_max_idle_per_host(0);
        Ok(Transport {
            api: finish(start(true)?.gzip(true).read_timeout(stall))?,
            // Nodes are asked for plain replies; one that packs them all the same is understood.
            node: finish(fresh.gzip(true))?,
            download: finish(http1()?.read_timeout(stall))?,
            service_clock: Arc::new(NewestReading::new(clock)),
            wants_get: Arc::default(),
            carrier: None,
            address: settings.address,
            authorization,
            stall_timeout: stall,
        })
    }

    /// The same, over another carrier; shares no reading of the service's clock.
    pub(crate) fn carried_by(&self, carrier: Arc<dyn Carrier>, clock: Clock) -> Transport {
        let service_clock = Arc::new(NewestReading::new(clock));
        Transport { service_clock, carrier: Some(carrier), ..self.clone() }
    }

    /// The same, with another key.
    pub(crate) fn with_key(&self, key: &ApiKey) -> Result<Transport, BuildError> {
        Ok(Transport { authorization: authorization(key)?, ..self.clone() })
    }

    /// Whether there is a network that takes a body piece by piece.
    pub(crate) fn has_network(&self) -> bool {
        self.carrier.is_none()
    }

    pub(crate) fn address(&self) -> &ApiAddress {
        &self.address
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.stall_timeout
    }

    /// The service's clock in the newest reply.
    pub(crate) fn service_clock(&self) -> &NewestReading {
        &self.service_clock
    }

    /// Calls one endpoint of the API: by POST, or by GET where the service has once answered that it
    /// wants that (H.2).
    pub(crate) async fn call(&self, endpoint: &str, json: Vec<u8>) -> Result<Reply, ErrorKind> {
        let at = self.address.endpoint(endpoint);
        let may_be_got = endpoint == ALSO_BY_GET;
        if may_be_got && self.wants_get.load(Ordering::Relaxed) {
            return self.ask(self.api.get(at)).await;
        }
        let reply = self.ask(self.api.post(at.clone()).body(json)).await?;
        if may_be_got && reply.status == METHOD_NOT_ALLOWED {
            self.wants_get.store(true, Ordering::Relaxed);
            return self.ask(self.api.get(at)).await;
        }
        Ok(reply)
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Reply, ErrorKind> {
        let request = request
            .timeout(self.stall_timeout * STALLS_PER_CALL)
            .header(AUTHORIZATION, self.authorization.clone())
            // The bare type: anything more is refused by some endpoints (docs/api-notes.md, A.2).
            .header(CONTENT_TYPE, "application/json");
        self.read(self.send(request).await?).await
    }

    /// Sends a form to an upload node. The caller watches its progress: no timeout is set, since
    /// the reply comes after the whole body.
    pub(crate) async fn send_form(
        &self,
        to: Url,
        content_type: &str,
        content_length: u64,
        body: reqwest::Body,
    ) -> Result<Reply, ErrorKind> {
        let request = self
            .node
            .post(to)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, content_length)
            .header(ACCEPT_ENCODING, "identity")
            .body(body);
        self.read(self.send(request).await?).await
    }

    /// Asks a node for the outcome of an upload. The key is not needed there, and not sent.
    pub(crate) async fn ask_node(&self, at: Url) -> Result<Reply, ErrorKind> {
        let request = self
            .node
            .get(at)
            .timeout(self.stall_timeout * STALLS_PER_CALL)
            .header(CONNECTION, "close")
            .header(ACCEPT_ENCODING, "identity")
            .header(JSON, "1");
        self.read(self.send(request).await?).await
    }

    /// Starts a download of some bytes of a file; the body is left to the caller.
    pub(crate) async fn download(
        &self,
        from: Url,
        part: Part,
    ) -> Result<reqwest::Response, ErrorKind> {
        let request = self.download.get(from).header(ACCEPT_ENCODING, "identity");
        let request = match part {
            Part::From(0) => request,
            Part::From(offset) => request.header(RANGE, format!("bytes={offset}-")),
            Part::UpTo(last) => request.header(RANGE, format!("bytes=0-{last}")),
        };
        self.send(request).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, ErrorKind> {
        let Some(carrier) = &self.carrier else {
            return request.send().await.map_err(unreachable);
        };
        let request = request.build().and_then(http::Request::try_from).map_err(unreachable)?;
        let response = carrier.carry(request).await.map_err(ErrorKind::Unreachable)?;
        Ok(response.into())
    }

    /// Reads a reply to its end, and the service's clock in it. Refuses one that is too large.
    pub(crate) async fn read(&self, mut response: reqwest::Response) -> Result<Reply, ErrorKind> {
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        self.service_clock.note(text(DATE));
        let mut reply = Reply {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE).map(str::to_owned),
            location: text(LOCATION).map(str::to_owned),
            retry_after: text(RETRY_AFTER).map(str::to_owned),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if reply.body.len() + chunk.len() > MAX_REPLY_BYTES {
                let detail = format!("the reply is larger than {MAX_REPLY_BYTES} bytes");
                return Err(ErrorKind::UnexpectedReply { detail });
            }
            reply.body.extend_from_slice(&chunk);
        }
        Ok(reply)
    }
}

/// The header that shows the key, which no log prints.
fn authorization(key: &ApiKey) -> Result<HeaderValue, BuildError> {
    let mut authorization = HeaderValue::from_str(&key.bearer())
        .map_err(|_| BuildError::Http { problem: "the key is no header value".to_owned() })?;
    authorization.set_sensitive(true);
    Ok(authorization)
}

/// The error of a failed connection, without the address it was to: that may be a secret.
pub(crate) fn unreachable(error: reqwest::Error) -> ErrorKind {
    let error = error.without_url();
    let kind = if error.is_connect() {
        // The connection was not made, for any reason: nothing was sent.
        io::ErrorKind::ConnectionRefused
    } else if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io_kind(&error)
    };
    // The levels in between name parts of the libraries below, which tell a person nothing.
    let mut first: &dyn std::error::Error = &error;
    while let Some(cause) = first.source() {
        first = cause;
    }
    let text = first.to_string();
    let text = text.split(" (os error ").next().unwrap_or(&text);
    ErrorKind::Unreachable(io::Error::new(kind, text))
}

/// The kind of the operating system's error below, if there is one.
fn io_kind(error: &reqwest::Error) -> io::ErrorKind {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind();
        }
        cause = error.source();
    }
    io::ErrorKind::Other
}

fn start(
    settings: &Settings,
    resolver: &Resolver,
    speaks_http2: bool,
) -> Result<reqwest::ClientBuilder, BuildError> {
    let tls = tls::config(settings.extra_roots_pem.as_deref(), speaks_http2)?;
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver.clone())
        .user_agent(&settings.user_agent)
        .redirect(Policy::none())
        .referer(false)
        .gzip(false)
        // Repeats are decided in `client::retry` alone.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT);
    let http = |error: &reqwest::Error| BuildError::Http { problem: error.to_string() };
    Ok(match &settings.proxy {
        _ if settings.address.is_plain() => builder.no_proxy(),
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| http(&error))?),
        None => builder,
    })
}

fn finish(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    builder.build().map_err(|error| BuildError::Http { problem: error.to_string() })
}
