//! Tokens: read, verified and issued.
//!
//! - [`Scope`] is what a client asks for, [`Access`] what a token permits;
//! - [`Verifier`] verifies bearer tokens as distribution does, against [`TrustedKeys`];
//! - [`Issuer`] signs holdfast's own, with keys that it makes, rotates and publishes;
//! - [`Identities`] verifies the identity tokens (OIDC) that CI systems hand to their jobs.
//!
//! Nothing here knows HTTP's requests: texts come in, and what they prove goes out. A token is never part of an error or of a
//! log line; what is shown of its claims is cut short.

mod access;
mod chain;
mod claims;
mod error;
mod identity;
mod issuer;
mod jws;
mod keys;
mod public_key;
mod scope;
mod signing_keys;
mod source;
mod verify;

#[cfg(test)]
mod tests;

pub use access::Access;
pub use error::{KeyError, TokenError};
pub use identity::{Identities, Identity, IdentityIssuer};
pub use issuer::{Issued, Issuer};
pub use jws::Algorithms;
pub use keys::TrustedKeys;
pub use scope::{Scope, ScopeError};
pub use source::Source;
pub use verify::{Verified, Verifier};
