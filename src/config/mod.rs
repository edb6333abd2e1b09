//! The configuration: parsed once, checked whole, and then plain data.
//!
//! [`Config::load`] brings together a YAML file, `REGISTRY_…` variables and flags. It reports every mistake at once,
//! each with the key, the line and what to write instead, and everything else that deserves to be known as notes.
//! What it hands out is valid: whoever holds a [`Config`] need not check it again. Every value's origin is kept.
//!
//! The keys are those of distribution's `config.yml` where the same thing is meant, so that its users can start from
//! the file they have. `table` is the home of every setting, `foreign` of distribution's other keys; the example
//! file, the tables in the documentation and the messages are made from these two.
//!
//! This room does nothing but read that one file. The command line loads it; the server and those beneath it get the
//! structs of `settings` handed down, and call nothing here.

mod access;
mod check;
mod collections;
#[cfg(test)]
mod documents;
mod environment;
mod force;
mod foreign;
mod health_checks;
mod kind;
mod load;
mod notifications;
mod pattern;
mod problem;
mod quotas;
mod retention;
mod schema;
mod settings;
mod show;
mod table;
mod telemetry;
mod tree;
mod units;
mod value;
mod walk;
mod yaml;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use check::CIPHER_SUITES;
pub use load::{Flags, Loaded, Sources, process_environment};
pub use pattern::Pattern;
pub use problem::{Dialect, Errors, Fault, Note, Origin, Problem};
pub use settings::*;
pub use show::example;
pub use units::{parse_duration, parse_size, show_duration, show_size};
