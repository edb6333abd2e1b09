//! Payload files: how they come in, hashed while they are written, and how they go out, mapped.

mod abilities;
mod incoming;
mod memory;
mod payload;

pub(super) use abilities::Abilities;
pub use incoming::{Incoming, Mark, Savepoint};
pub(super) use memory::Memory;
pub use payload::{Payload, PayloadError, Transfer};
