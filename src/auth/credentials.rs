//! The `Authorization` header (RFC 9110, section 11.6.2).

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What somebody presents. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// RFC 7617.
    Basic { name: String, password: String },
    /// RFC 6750.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { name, .. } => {
                formatter.debug_struct("Basic").field("name", name).finish_non_exhaustive()
            }
            Self::Bearer(_) => formatter.debug_tuple("Bearer").finish_non_exhaustive(),
        }
    }
}

/// What is no `Authorization` that anybody here can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    #[error("there is more than one Authorization header")]
    Several,
    #[error("the Authorization header is neither Basic nor Bearer")]
    Scheme,
    #[error("the Authorization header has too many bytes")]
    TooLong,
    #[error("the Authorization header is not well-formed")]
    Malformed,
}

/// The longest value that is looked at, in bytes: a token of 16 KiB, or a name and a password.
const LONGEST: usize = 16 * 1024 + 64;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The value of the header, where there is one.
pub(super) fn header(headers: &HeaderMap) -> Result<Option<&str>, CredentialsError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match values.next() {
        Some(_) => Err(CredentialsError::Several),
        None if value.len() > LONGEST => Err(CredentialsError::TooLong),
        None => value.to_str().map(Some).map_err(|_| CredentialsError::Malformed),
    }
}

impl Credentials {
    /// Reads the value of the header.
    pub(super) fn parse(value: &str) -> Result<Self, CredentialsError> {
        let (scheme, rest) = value.split_once(' ').ok_or(CredentialsError::Scheme)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("Bearer") && !rest.is_empty() {
            return Ok(Self::Bearer(rest.to_owned()));
        }
        if !scheme.eq_ignore_ascii_case("Basic") {
            return Err(CredentialsError::Scheme);
        }
        let bytes = BASE64.decode(rest).map_err(|_| CredentialsError::Malformed)?;
        let text = String::from_utf8(bytes).map_err(|_| CredentialsError::Malformed)?;
        let (name, password) = text.split_once(':').ok_or(CredentialsError::Malformed)?;
        Ok(Self::Basic { name: name.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn basic(name: &str, password: &str) -> Credentials {
        Credentials::Basic { name: name.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn a_password_may_have_colons_and_a_name_may_not() {
        assert_eq!(Credentials::parse("Basic YTpiOmM="), Ok(basic("a", "b:c")));
        assert_eq!(Credentials::parse("basic YTpiOmM"), Ok(basic("a", "b:c")));
        assert_eq!(Credentials::parse("bEARER x.y.z"), Ok(Credentials::Bearer("x.y.z".to_owned())));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for value in ["", "Basic", "Bearer ", "Digest x", "Basic !", "Basic YQ==", "Basic //8="] {
            assert!(Credentials::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn two_headers_are_one_too_many() {
        let mut headers = HeaderMap::new();
        assert_eq!(header(&headers), Ok(None));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        assert_eq!(header(&headers), Ok(Some("Basic YTpi")));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic YTpj"));
        assert_eq!(header(&headers), Err(CredentialsError::Several));
        let long = HeaderValue::try_from("x".repeat(LONGEST + 1)).expect("a value");
        headers.insert(header::AUTHORIZATION, long);
        assert_eq!(header(&headers), Err(CredentialsError::TooLong));
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {:?}", basic("alice", "hidden"), Credentials::Bearer("hidden".to_owned()));
        assert!(shown.contains("alice") && !shown.contains("hidden"), "{shown}");
    }

    proptest! {
        #[test]
        fn whatever_was_encoded_is_read(name in "[^:]{0,20}", password in ".{0,40}") {
            let value = format!("Basic {}", BASE64.encode(format!("{name}:{password}")));
            prop_assert_eq!(Credentials::parse(&value), Ok(basic(&name, &password)));
        }
    }
}
