//! The emulator's own authority, and certificates for all the names of the service.
//!
//! They are made anew at each start and kept in memory only, so that no one can trust them after
//! the emulator has ended. One certificate is good; the others are wrong in one way each, and shown
//! on demand.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::habits::Certificate;

const NAMES: [&str; 4] = ["1fichier.com", "*.1fichier.com", "localhost", "127.0.0.1"];

/// A server's side of TLS, and what a client has to trust.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
    pub(crate) wardrobe: Arc<Wardrobe>,
}

/// The certificates, and which of them is shown.
#[derive(Debug)]
pub(crate) struct Wardrobe {
    good: Arc<CertifiedKey>,
    self_signed: Arc<CertifiedKey>,
    expired: Arc<CertifiedKey>,
    other_host: Arc<CertifiedKey>,
    shown: Mutex<Certificate>,
}

impl Wardrobe {
    /// Shows another one to clients that connect from now on.
    pub(crate) fn show(&self, certificate: Certificate) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

impl ResolvesServerCert for Wardrobe {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = *self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(match shown {
            Certificate::Good => &self.good,
            Certificate::SelfSigned => &self.self_signed,
            Certificate::Expired => &self.expired,
            Certificate::OtherHost => &self.other_host,
        }))
    }
}

/// Makes an authority, and certificates that also name `address`.
pub(crate) fn identity(address: IpAddr) -> io::Result<Identity> {
    let mut ca = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    ca.distinguished_name.push(DnType::CommonName, "fichier-emulator");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate().map_err(io::Error::other)?;
    let ca_pem = ca.self_signed(&ca_key).map_err(io::Error::other)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let mut names: Vec<String> = NAMES.map(str::to_owned).to_vec();
    if !names.contains(&address.to_string()) {
        names.push(address.to_string());
    }
    let good = leaf(names.clone())?;
    let mut expired = good.clone();
    expired.not_before = date_time_ymd(2000, 1, 1);
    expired.not_after = date_time_ymd(2001, 1, 1);
    let other_host = leaf(vec!["other.example".to_owned()])?;
    let wardrobe = Arc::new(Wardrobe {
        self_signed: certified(&leaf(names)?, None)?,
        good: certified(&good, Some(&issuer))?,
        expired: certified(&expired, Some(&issuer))?,
        other_host: certified(&other_host, Some(&issuer))?,
        shown: Mutex::default(),
    });
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&wardrobe) as Arc<dyn ResolvesServerCert>);
    // A client that resumed its session would not be shown the present certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Identity { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem, wardrobe })
}

fn leaf(names: Vec<String>) -> io::Result<CertificateParams> {
    let mut leaf = CertificateParams::new(names).map_err(io::Error::other)?;
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(leaf)
}

/// A certificate with its key, signed by `issuer` or by itself.
fn certified(
    params: &CertificateParams,
    issuer: Option<&Issuer<'_, KeyPair>>,
) -> io::Result<Arc<CertifiedKey>> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let chain: Vec<CertificateDer<'static>> =
        vec![certificate.map_err(io::Error::other)?.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = ring::sign::any_supported_type(&key).map_err(io::Error::other)?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}
