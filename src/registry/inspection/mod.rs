//! Looking at what the registry holds, for those who look after it.
//!
//! Listings are told a page at a time, each page as of one commit: what comes and goes meanwhile may be in them or not, and nothing
//! is held while somebody reads slowly. They end when nobody listens any more. What is said of one thing names so many others
//! at the most, and says if there are more.

mod blob;
mod manifest;
mod repositories;
mod statistics;
mod tags;
mod usage;

pub use blob::BlobReport;
pub use manifest::{ManifestReport, Part, PartPlatform, ReferrerEntry};
pub use statistics::Statistics;
pub use tags::TagEntry;
pub use usage::Usage;

/// How many tags, repositories, referrers are named of one thing.
const NAMED: usize = 1_000;
