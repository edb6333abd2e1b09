//! Who a client is by its certificate.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::auth::{AlternativeName, ClientCertificate};

/// What a certificate that has been verified says. None of one that has expired since, as it can where a session is resumed
/// without looking at the certificate again, and of one that cannot be read.
pub(super) fn certificate(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    if !certificate.validity().is_valid() {
        return None;
    }
    let common_name = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let names = certificate.subject_alternative_name().ok().flatten();
    let names =
        names.map(|extension| extension.value.general_names.iter().filter_map(alternative_name).collect());
    Some(ClientCertificate {
        common_name: common_name.map(str::to_owned),
        alternative_names: names.unwrap_or_default(),
    })
}

fn alternative_name(name: &GeneralName<'_>) -> Option<AlternativeName> {
    match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns((*name).to_owned())),
        GeneralName::RFC822Name(address) => Some(AlternativeName::Email((*address).to_owned())),
        GeneralName::URI(uri) => Some(AlternativeName::Uri((*uri).to_owned())),
        GeneralName::IPAddress(bytes) => ip_address(bytes).map(AlternativeName::Ip),
        _ => None,
    }
}

fn ip_address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn parameters() -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "builder 7");
        parameters.subject_alt_names = vec![
            SanType::DnsName("ci.example.com".try_into().unwrap()),
            SanType::Rfc822Name("ci@example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/ci".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 7].into()),
        ];
        parameters
    }

    fn read(parameters: &CertificateParams) -> Option<ClientCertificate> {
        let key = KeyPair::generate().unwrap();
        certificate(parameters.self_signed(&key).unwrap().der())
    }

    #[test]
    fn a_client_is_known_by_its_common_name_and_its_alternative_names() {
        let client = read(&parameters()).unwrap();
        assert_eq!(client.common_name.as_deref(), Some("builder 7"));
        let names = [
            AlternativeName::Dns("ci.example.com".to_owned()),
            AlternativeName::Email("ci@example.com".to_owned()),
            AlternativeName::Uri("spiffe://example.com/ci".to_owned()),
            AlternativeName::Ip([192, 0, 2, 7].into()),
        ];
        assert_eq!(client.alternative_names, names);
    }

    #[test]
    fn a_certificate_that_has_expired_since_it_was_verified_is_none() {
        let mut parameters = parameters();
        parameters.not_after = date_time_ymd(2020, 1, 1);
        assert_eq!(read(&parameters), None);
    }
}
