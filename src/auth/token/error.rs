//! What can be wrong with a token, and with keys.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::outgoing::OutgoingError;

/// Why a token is not accepted. For the log: the client learns no more than that it is not.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token has {0} bytes; {longest} are the most that are read", longest = super::jws::LONGEST)]
    TooLong(usize),
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    #[error(
        "tokens signed with {0} are not accepted; auth.token.signingalgorithms says with what they may be"
    )]
    Algorithm(&'static str),
    #[error("the token is signed with a key that is not trusted ({0})")]
    UnknownKey(Excerpt),
    #[error("the token says that it is signed with {0}, and the key is for something else")]
    KeyMismatch(&'static str),
    #[error("the certificates in the token lead to no certificate of auth.token.rootcertbundle: {0}")]
    Certificates(String),
    #[error("the signature does not fit the token")]
    Signature,
    #[error("the token is from issuer {0}, who is not trusted")]
    Issuer(Excerpt),
    #[error("the token is for {0}, and not for this registry")]
    Audience(Excerpt),
    #[error("the token is not valid yet; the clocks may differ")]
    NotYetValid,
    #[error("the token has expired")]
    Expired,
}

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    #[error("{url}: {problem}")]
    Answer { url: String, problem: String },
    #[error("a key could not be made: {0}")]
    Made(&'static str),
}

impl KeyError {
    /// A closure for `map_err`.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |error| Self::Io { path, error }
    }
}

/// The beginning of a text that somebody else chose, in quotes, with what is no plain text escaped.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// At most 100 characters.
    pub(super) fn of(text: &str) -> Self {
        Self(text.chars().take(100).collect())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
