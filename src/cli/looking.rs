//! What commands that look at a registry share.

use clap::Args;

use super::stopped::Stopped;

#[derive(Debug, Args)]
pub(super) struct Looking {
    #[command(flatten)]
    pub(super) store: Stopped,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}
