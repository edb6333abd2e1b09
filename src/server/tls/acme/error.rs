//! Why there is no certificate.

use std::path::PathBuf;

use thiserror::Error;

/// Why an order came to nothing. The messages say what to do.
#[derive(Debug, Error)]
pub(super) enum AcmeError {
    #[error("{0}")]
    Server(#[from] instant_acme::Error),
    #[error(
        "the ACME server did not find this registry at {host} ({reason}): the name has to lead here from everywhere, port 443 of it \
         to http.addr, and nothing on the way may end TLS"
    )]
    NotFound { host: String, reason: String },
    #[error("the ACME server does not offer the challenge tls-alpn-01 for {0}: use one that does")]
    NoChallenge(String),
    #[error("the order took longer than {0} s: see whether the ACME server is well")]
    TimedOut(u64),
    #[error("a key or a request for a certificate cannot be made: {0}")]
    Making(#[from] rcgen::Error),
    #[error("what the ACME server has issued cannot be used: {0}")]
    Unusable(String),
    #[error("{} cannot be written: {source}; make room there, and let the registry's user write it", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

impl AcmeError {
    /// The ACME server knows nothing of the account.
    pub(super) fn is_unknown_account(&self) -> bool {
        const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
        matches!(self, Self::Server(instant_acme::Error::Api(problem)) if problem.r#type.as_deref() == Some(UNKNOWN))
    }
}
