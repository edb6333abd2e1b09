//! Who is asking, and what they may do.
//!
//! [`Authority::authenticate`] finds out who a request comes from; the [`Caller`] that it returns knows what they may do.
//! Knows of headers and addresses, and nothing of routes: which action a request is, the API says.

mod action;
mod authority;
mod caller;
mod credentials;
mod failures;
mod htpasswd;
mod identity;
mod passwords;
pub mod policy;
mod remembered;
pub mod token;
pub mod users;
mod watched;

pub use action::{Action, ActionError};
pub use authority::{Authority, HtpasswdSettings, Rejection, Settings};
pub use caller::Caller;
pub use failures::FailureLimit;
pub use identity::{Identity, IdentityError, Workload};
pub use watched::FileError;
