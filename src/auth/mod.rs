//! Who is asking, and what they may do.
//!
//! [`Authority::authenticate`] finds out who a request comes from: by a password, as a robot ([`robots`]), by a token
//! of its own or of another server ([`token`]), or by the identity token of a CI system. The [`Caller`] that it returns knows
//! what they may do: what the [`policy`] list says, within what their token permits.
//!
//! Knows of headers and addresses, and nothing of routes: which action a request is, the API says.

mod action;
mod authority;
mod caller;
mod challenge;
mod client_certificate;
mod credentials;
mod file;
mod foreign_tokens;
mod identity;
mod known;
mod password;
pub mod policy;
mod remembered;
pub mod robots;
pub mod token;
mod token_server;
mod watched;

pub use action::{Action, ActionError};
pub use authority::{Authority, AuthorityError, Rejection, Settings};
pub use caller::{Caller, Proof};
pub use challenge::{Bearer, Challenge, Realm};
pub use client_certificate::{AlternativeName, ClientCertificate};
pub use file::FileError;
pub use foreign_tokens::TokenSettings;
pub use identity::{Identity, IdentityError, Workload};
pub use password::{FailureLimit, users};
