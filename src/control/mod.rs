//! The way to a running server for the tools of the command line: HTTP over a socket in the data folder, which whoever runs
//! the server may open, and nobody else. What they ask for is an operation of the registry; what happens is told
//! as it happens, a line of JSON each.
//!
//! A tool that finds no server opens the store itself, and has the same done in its own process.

mod changes;
mod client;
mod events;
mod figures;
mod inspection;
mod lines;
mod routes;
mod telling;
mod work;

use std::path::{Path, PathBuf};

pub use changes::{RemoveRepository, RemoveTags, copy, remove_repository, remove_tags};
pub use client::{AskError, ask};
pub use events::{Beginning, Tail, TailNews};
pub use figures::FiguresOf;
pub use inspection::{
    BlobOf, ManifestAt, Repositories, StatisticsOf, Tags, UsageOf, blob, manifest, manifest_text,
    repositories, statistics, tags, usage,
};
pub use routes::{Desk, router};
pub use telling::{Event, Events};
pub use work::{Backup, Check, Export, Gc, Retain, Scrub, back_up, check, collect, export, retain, scrub};

/// Who may open the socket: its owner.
pub const MODE: u32 = 0o600;

/// Where the server of a data folder listens for its tools.
pub fn socket(root: &Path) -> PathBuf {
    root.join("control")
}
