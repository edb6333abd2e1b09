//! holdfast: a container registry.

pub mod cli;
pub mod config;
pub mod observe;
pub mod server;
