//! The client of one account: what every call has in common.
//!
//! Each endpoint is a method of [`Client`], in the file of its group in `calls`, `upload` or
//! `download`. All of them go through [`Client::call`]: wait for a turn, send, read the reply, tell
//! the pacer, and repeat only what may be repeated.
//!
//! Invariant: once the service has refused the key, calls with it fail without being sent for the
//! better part of an hour, so that several callers cost one refusal and not one each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::client::download_options::DownloadOptions;
use crate::client::retry;
use crate::error::{Error, ErrorKind};
use crate::key::ApiKey;
use crate::pace::{Lane, Pacer};
use crate::transport::{
    AddressFamily, ApiAddress, BuildError, Carrier, ServiceClock, Settings, Transport,
};

/// The address of the service (docs/api-notes.md, A.1).
const API_URL: &str = "https://api.1fichier.com/v1";
/// The longest time without a byte; after it a connection has failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The time for which a refused key is not shown again. Callers ask again once an hour.
const REFUSED_FOR: Duration = Duration::from_secs(50 * 60);

/// The client of one account. Cloning it is cheap; clones share connections and pacer.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    pacer: Pacer,
    /// [`ApiKey::digest`].
    key_digest: Arc<str>,
    /// When the service refused the key.
    // A std mutex: held for a look or a change, never across an `.await`.
    refused_at: Arc<Mutex<Option<Instant>>>,
    /// The options of [`Client::download`] and [`Client::resume_download`].
    download_options: Arc<DownloadOptions>,
}

/// Settings of a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    key: ApiKey,
    pacer: Pacer,
    api_url: String,
    extra_roots_pem: Option<Vec<u8>>,
    user_agent: String,
    proxy: Option<String>,
    stall_timeout: Duration,
    address_family: AddressFamily,
}

impl Client {
    /// Settings for a client that uses `key`, and shares the pace of `pacer`.
    ///
    /// All programs on a machine that use one account should share one pacer:
    /// [`Pacer::at`] keeps its memory in a file.
    pub fn builder(key: ApiKey, pacer: Pacer) -> ClientBuilder {
        ClientBuilder {
            key,
            pacer,
            api_url: API_URL.to_owned(),
            extra_roots_pem: None,
            user_agent: concat!("fichier-api/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            stall_timeout: STALL_TIMEOUT,
            address_family: AddressFamily::default(),
        }
    }

    /// The same account over another carrier than the network, at the pace of `pacer`.
    #[must_use]
    pub fn carried_by(&self, carrier: Arc<dyn Carrier>, pacer: Pacer) -> Client {
        let transport = Arc::new(self.transport.carried_by(carrier, pacer.clock()));
        Client { transport, pacer, refused_at: Arc::default(), ..self.clone() }
    }

    /// The same way to the service with another key.
    ///
    /// # Errors
    ///
    /// [`BuildError::Http`] if the key is no header value.
    pub fn with_key(&self, key: &ApiKey) -> Result<Client, BuildError> {
        let transport = Arc::new(self.transport.with_key(key)?);
        let (key_digest, refused_at) = (key.digest().into(), Arc::default());
        Ok(Client { transport, key_digest, refused_at, ..self.clone() })
    }

    /// The same client, which goes on with the counts of the one that it replaces.
    #[must_use]
    pub fn counting_on(self, former: &Client) -> Client {
        Client { pacer: self.pacer.counting_on(&former.pacer), ..self }
    }

    /// The pacer that spaces this client's calls.
    pub fn pacer(&self) -> &Pacer {
        &self.pacer
    }

    /// The same client, whose [`Client::download`] and [`Client::resume_download`] use these
    /// options instead of the default ones. A password in them goes with every file.
    #[must_use]
    pub fn with_download_options(&self, options: DownloadOptions) -> Client {
        Client { download_options: options.into(), ..self.clone() }
    }

    /// The service's clock in the newest reply to any call, of the API or a node, a refusal too;
    /// `None` until the first. Costs no call.
    pub fn service_clock(&self) -> Option<ServiceClock> {
        self.transport.service_clock().get()
    }

    /// Whether a word is the API key: to be asked before a text is kept that may hold it.
    pub fn is_key(&self, word: &str) -> bool {
        ApiKey::new(word).is_ok_and(|key| *key.digest() == *self.key_digest)
    }

    /// Tells keys apart, and with them accounts, where the key itself must not be kept.
    pub fn key_digest(&self) -> &str {
        &self.key_digest
    }

    /// Shows a refused key to the service again at the next call, because a person asks for it.
    pub fn try_key_again(&self) {
        *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the service refused this key not long ago.
    fn is_key_refused(&self) -> bool {
        let refused_at = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = REFUSED_FOR / self.pacer.time_scale();
        refused_at.is_some_and(|at| at.elapsed() < lasts)
    }

    pub(crate) fn download_options(&self) -> &DownloadOptions {
        &self.download_options
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Calls one endpoint of the API, in its lane; costs one paced call for each attempt.
    ///
    /// With `idempotent`, a call whose reply was lost is repeated; without, only one that was
    /// certainly not carried out (docs/api-notes.md, B.0).
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        lane: Lane,
        idempotent: bool,
        json: &impl Serialize,
    ) -> Result<T, Error> {
        let json = serde_json::to_vec(json).map_err(|error| {
            let problem = format!("the request cannot be written as JSON: {error}");
            Error { endpoint, attempts: 0, kind: ErrorKind::InvalidRequest { problem } }
        })?;
        if self.is_key_refused() {
            return Err(Error { endpoint, attempts: 0, kind: ErrorKind::KeyRefused });
        }
        let called = retry::call(idempotent, &self.pacer, endpoint, || async {
            let _turn = self.pacer.turn(lane).await?;
            let answered = match self.transport.call(endpoint, json.clone()).await {
                Ok(reply) => reply.decode().map_err(|kind| reply.taken_for_a_flood(endpoint, kind)),
                Err(kind) => Err(kind),
            };
            self.pacer.count(endpoint, answered.as_ref().err());
            answered
        })
        .await;
        if let Err(Error { kind: ErrorKind::KeyRefused, .. }) = &called {
            let now = Some(Instant::now());
            *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
        called
    }
}

impl ClientBuilder {
    /// Another address of the API, such as that of an emulator: `http://127.0.0.1:4000/v1`.
    /// Plain `http` is only possible on loopback.
    #[must_use]
    pub fn api_url(self, url: &str) -> ClientBuilder {
        ClientBuilder { api_url: url.to_owned(), ..self }
    }

    /// Trusts the certificates in this PEM text, besides the public authorities.
    #[must_use]
    pub fn extra_root_pem(self, pem: Vec<u8>) -> ClientBuilder {
        ClientBuilder { extra_roots_pem: Some(pem), ..self }
    }

    /// The name that the client sends; by default `fichier-api/VERSION`.
    #[must_use]
    pub fn user_agent(self, text: &str) -> ClientBuilder {
        ClientBuilder { user_agent: text.to_owned(), ..self }
    }

    /// Sends everything through this proxy, whatever `HTTPS_PROXY` and `NO_PROXY` say.
    #[must_use]
    pub fn proxy(self, url: &str) -> ClientBuilder {
        ClientBuilder { proxy: Some(url.to_owned()), ..self }
    }

    /// Gives a connection up on which no byte moved for this long; 60 s by default. There is no
    /// limit on how long an upload or a download takes as a whole.
    #[must_use]
    pub fn stall_timeout(self, timeout: Duration) -> ClientBuilder {
        ClientBuilder { stall_timeout: timeout, ..self }
    }

    /// Which address family all connections use; by default [`AddressFamily::Auto`]. The service
    /// takes the two addresses of one machine for two locations, of which only one at a time may
    /// download: give all programs of an account on a machine the same one (docs/api-notes.md, D).
    ///
    /// Of a proxy it concerns the way to the proxy, which has its own from there on. A name that
    /// has no address of the family is [`ErrorKind::Unreachable`], and its text says so.
    #[must_use]
    pub fn address_family(self, family: AddressFamily) -> ClientBuilder {
        ClientBuilder { address_family: family, ..self }
    }

    /// The client. Opens no connection.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when a setting cannot be used.
    pub fn build(self) -> Result<Client, BuildError> {
        let settings = Settings {
            address: ApiAddress::parse(&self.api_url)?,
            extra_roots_pem: self.extra_roots_pem,
            user_agent: self.user_agent,
            proxy: self.proxy,
            stall_timeout: self.stall_timeout,
            address_family: self.address_family,
        };
        let transport = Arc::new(Transport::new(&self.key, settings, self.pacer.clock())?);
        Ok(Client {
            transport,
            pacer: self.pacer,
            key_digest: self.key.digest().into(),
            refused_at: Arc::default(),
            download_options: Arc::default(),
        })
    }
}
