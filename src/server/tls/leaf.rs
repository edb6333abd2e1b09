//! What a certificate says of itself.

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate, X509Error};

/// The certificate of one side of a connection, not of those that have signed it.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) subject: String,
    /// In hexadecimal digits.
    pub(super) serial: String,
    /// The last moment at which it is valid, for people.
    pub(super) expires: String,
    /// In seconds since 1970, as the next.
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Leaf {
    pub(super) fn parse(der: &[u8]) -> Result<Self, x509_parser::nom::Err<X509Error>> {
        let (_, certificate) = X509Certificate::from_der(der)?;
        let validity = certificate.validity();
        Ok(Self {
            subject: certificate.subject().to_string(),
            serial: certificate.raw_serial_as_string(),
            expires: validity.not_after.to_string(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// Why nobody takes it at this moment, if that is so, as the end of a sentence.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        self.trouble_at(OffsetDateTime::now_utc().unix_timestamp())
    }

    fn trouble_at(&self, now: i64) -> Option<&'static str> {
        if now > self.not_after {
            return Some("has expired");
        }
        (now < self.not_before).then_some("is not valid yet")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_taken_from_its_first_moment_to_its_last() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["registry.example.com".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let leaf = Leaf::parse(parameters.self_signed(&key).unwrap().der()).unwrap();
        let (first, last) = (1_577_836_800, 1_609_459_200);
        assert_eq!(leaf.trouble_at(first - 1), Some("is not valid yet"));
        assert_eq!(leaf.trouble_at(first), None);
        assert_eq!(leaf.trouble_at(last), None);
        assert_eq!(leaf.trouble_at(last + 1), Some("has expired"));
    }
}
