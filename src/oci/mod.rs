//! The vocabulary of the OCI specifications: digests, names, tags, descriptors, manifests; and patterns of
//! names.
//!
//! Every type here is made only by parsing, so that whoever holds one holds something valid. The room is pure:
//! no I/O, no clock, and it knows no other room.

pub(crate) mod as_text;
mod descriptor;
mod digest;
mod glob;
mod image_name;
mod manifest;
mod media_type;
mod name;
mod reference;
mod tag;

pub use descriptor::{Descriptor, Platform};
pub use digest::{Algorithm, Digest, DigestError};
pub use glob::{Glob, GlobError};
pub use image_name::{ImageName, ImageNameError};
pub use manifest::{Child, ChildKind, Manifest, ManifestError};
pub use media_type::ManifestType;
pub use name::{NameError, RepositoryName};
pub use reference::{Reference, ReferenceError};
pub use tag::{Tag, TagError};
