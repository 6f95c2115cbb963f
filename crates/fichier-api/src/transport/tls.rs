//! Whom the client trusts: the public certificate authorities built in, and one of the user's.
//!
//! Nothing is taken from the host, so that the same program trusts the same authorities wherever
//! it runs; an authority of one's own, as of a proxy that looks into TLS, is named explicitly.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::transport::build_error::BuildError;

/// Settings for TLS with the authorities that a [`Client`](crate::Client) trusts: those built in and
/// those in `extra_pem`. For a program that speaks to another server too, and is to trust the same.
///
/// # Errors
///
/// [`BuildError::RootCertificate`] if `extra_pem` holds no certificate, or one that cannot be read.
pub fn tls_config(extra_pem: Option<&[u8]>) -> Result<ClientConfig, BuildError> {
    config(extra_pem, false)
}

/// The same, with HTTP/2 where that is wanted.
///
/// # Errors
///
/// Those of [`tls_config`].
pub(crate) fn config(
    extra_pem: Option<&[u8]>,
    speaks_http2: bool,
) -> Result<ClientConfig, BuildError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    if let Some(pem) = extra_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unreadable(&error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(&error.to_string()))?;
        }
        if roots.len() == before {
            return Err(unreadable("there is no certificate in it"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Http { problem: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if speaks_http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(config)
}

fn unreadable(problem: &str) -> BuildError {
    BuildError::RootCertificate { problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_authorities_are_built_in() {
        let config = config(None, true).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.len() > 50);
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_an_error_and_not_ignored() {
        let garbled = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in [b"".as_slice(), b"not a certificate".as_slice(), garbled.as_slice()] {
            let refused = config(Some(pem), false);
            assert!(matches!(refused, Err(BuildError::RootCertificate { .. })));
        }
    }
}
