//! What those are asked for who have to log in (RFC 9110, section 11.6.1; distribution's token authentication specification).

use std::fmt;

use super::token_server::SERVICE;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password.
    Basic { realm: String },
    /// A token.
    Bearer(Bearer),
}

/// Where a token is to be had, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    pub realm: Realm,
    pub service: String,
    /// What it has to permit, as scopes with spaces between.
    pub scope: Option<String>,
    /// What is wrong with the one that came (RFC 6750, section 3.1).
    pub error: Option<&'static str>,
}

/// Where tokens are to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Realm {
    /// At this URL.
    Url(String),
    /// At this path of the host that the client speaks to.
    Path(String),
    /// Here, at `/v2/token`.
    Own,
}

impl Bearer {
    /// For a token of our own.
    pub(super) fn own() -> Self {
        Self { realm: Realm::Own, service: SERVICE.to_owned(), scope: None, error: None }
    }
}

impl Challenge {
    /// The header's value. `host` is the scheme and the host that the client speaks to, `own` the URL of our own token server.
    pub fn header(&self, host: &str, own: &str) -> String {
        match self {
            Self::Basic { realm } => format!("Basic realm=\"{realm}\""),
            Self::Bearer(bearer) => Header { bearer, host, own }.to_string(),
        }
    }
}

struct Header<'a> {
    bearer: &'a Bearer,
    host: &'a str,
    own: &'a str,
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bearer { realm, service, scope, error } = self.bearer;
        match realm {
            Realm::Url(url) => write!(formatter, "Bearer realm=\"{url}\"")?,
            Realm::Path(path) => write!(formatter, "Bearer realm=\"{}{path}\"", self.host)?,
            Realm::Own => write!(formatter, "Bearer realm=\"{}\"", self.own)?,
        }
        write!(formatter, ",service=\"{service}\"")?;
        if let Some(scope) = scope {
            write!(formatter, ",scope=\"{scope}\"")?;
        }
        match error {
            Some(error) => write!(formatter, ",error=\"{error}\""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_says_where_a_token_is_to_be_had_and_for_what() {
        let own = Bearer {
            scope: Some("repository:a/b:pull,push".to_owned()),
            error: Some("insufficient_scope"),
            ..Bearer::own()
        };
        assert_eq!(
            Challenge::Bearer(own.clone()).header("https://r", "https://r/v2/token"),
            "Bearer realm=\"https://r/v2/token\",service=\"holdfast\",scope=\"repository:a/b:pull,push\",error=\"insufficient_scope\""
        );
        let elsewhere = Bearer { realm: Realm::Path("/auth".to_owned()), scope: None, error: None, ..own };
        assert_eq!(
            Challenge::Bearer(elsewhere).header("https://r", ""),
            "Bearer realm=\"https://r/auth\",service=\"holdfast\""
        );
        let basic = Challenge::Basic { realm: "the house".to_owned() };
        assert_eq!(basic.header("", ""), "Basic realm=\"the house\"");
    }
}
