//! Payload files: how they come in, hashed while they are written, and how they go out, mapped.

mod abilities;
mod incoming;
mod payload;

pub(super) use abilities::Abilities;
pub use incoming::{Incoming, Mark, Savepoint};
pub use payload::{Payload, PayloadError, Transfer};
