//! holdfast: a container registry in one program.
//!
//! The house, from the door inwards; imports run one way, downward:
//!
//! - [`cli`] reads the command line, a file a subcommand, and builds the pieces;
//! - [`server`] has the sockets, the connections and their limits;
//! - [`api`] is HTTP and nothing else;
//! - [`control`] is how the command line's tools reach a running server;
//! - [`notifications`] tells endpoints of what has happened;
//! - [`auth`] says who is asking and what they may do;
//! - [`registry`] does what a registry does, with no HTTP in it;
//! - [`store`] keeps metadata in redb and payloads in files, durably;
//! - [`oci`] is the vocabulary of the specifications, and knows nobody.
//!
//! Beside them, [`config`] is the configuration as plain data, and [`observe`] has logs and metrics; of the above
//! they know no more than words.
//! [`health`] looks whether all is well, [`outgoing`] is the client for the calls that the registry itself makes, `files` has what small files beside the store need.
//! [`traces`] sends what `observe` has traced to a collector.
//! [`load`] is the other side of the conversation: a client that loads registries and checks what they answer.

pub mod api;
pub mod auth;
pub mod cli;
pub mod config;
pub mod control;
mod files;
pub mod health;
pub mod load;
pub mod notifications;
pub mod observe;
pub mod oci;
pub mod outgoing;
pub mod registry;
pub mod server;
pub mod store;
pub mod traces;
