//! Payload files: how they come in, hashed while they are written, and how they go out, mapped.

mod abilities;
mod incoming;
mod mapped_files;
mod mapping;
mod memory;
mod payload;
mod payloads;

pub(super) use abilities::Abilities;
pub use incoming::{Incoming, Mark, Savepoint};
pub use mapped_files::MappedFiles;
pub(super) use memory::Memory;
pub use payload::{Payload, PayloadError, Transfer};
pub(super) use payloads::Payloads;
