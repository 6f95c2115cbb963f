//! Why no client could be made.

/// Why no [`Client`](crate::Client) could be made. None of these goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The address of the API cannot be used.
    #[error("the address of the API cannot be used: {problem}")]
    ApiUrl {
        /// Why the address is refused.
        problem: String,
    },
    /// The extra root certificate cannot be used.
    #[error("the extra root certificate cannot be used: {problem}")]
    RootCertificate {
        /// Why the certificate is refused.
        problem: String,
    },
    /// The HTTP client refused its settings, such as the address of the proxy.
    #[error("the HTTP client cannot be set up: {problem}")]
    Http {
        /// The words of the HTTP client.
        problem: String,
    },
}
