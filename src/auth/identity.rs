//! Who somebody is, once that was proved.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who a request comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// Nobody asks who it is: there are no logins.
    Anyone,
    /// Somebody without credentials.
    Anonymous,
    /// Somebody whose password was verified, or whom another token server vouches for.
    User(String),
    /// A robot account.
    Robot(String),
    /// A job of a CI system, by an identity token.
    Workload(Box<Workload>),
}

/// What an identity token says (OpenID Connect Core 1.0, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// The name that the configuration gives to the issuer.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// All claims.
    pub claims: Map<String, Value>,
}

impl Identity {
    /// A job that an issuer has said this of.
    pub fn workload(issuer: &str, claims: Map<String, Value>) -> Self {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self::Workload(Box::new(Workload { issuer: issuer.to_owned(), subject, claims }))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => formatter.write_str("anyone"),
            Self::Anonymous => formatter.write_str("anonymous"),
            Self::User(name) => write!(formatter, "user:{name}"),
            Self::Robot(name) => write!(formatter, "robot:{name}"),
            Self::Workload(workload) => write!(formatter, "{}:{}", workload.issuer, workload.subject),
        }
    }
}

/// A text that names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is nobody: write user:NAME, robot:NAME or anonymous")]
pub struct IdentityError(String);

/// Those who can be named in a few words.
impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        match text.split_once(':') {
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            Some(("robot", name)) if !name.is_empty() => Ok(Self::Robot(name.to_owned())),
            None if text == "anonymous" => Ok(Self::Anonymous),
            _ => Err(IdentityError(text.to_owned())),
        }
    }
}
