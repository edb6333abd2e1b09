//! What a client's certificate says of it.

use std::net::IpAddr;

/// The certificate that a client has shown over TLS, and that a signer of `http.tls.clientcas` vouches for. The requests of its
/// connection carry it as an extension, in an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The first common name of the subject.
    pub common_name: Option<String>,
    /// In the order of the certificate.
    pub alternative_names: Vec<AlternativeName>,
}

/// A subject alternative name (RFC 5280, section 4.2.1.6). Names of different kinds are different, though spelt alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlternativeName {
    Dns(String),
    Email(String),
    Uri(String),
    Ip(IpAddr),
}
