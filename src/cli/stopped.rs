//! The store of a server that is not running, as the commands beside `serve` are told of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::pieces::store_options;
use crate::config::{Config, Errors, Flags, Sources, process_environment};
use crate::store::Options;

/// How long such a command waits for a server that is just stopping.
const WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Stopped {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the data
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Why there is no store to work on.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoppedError {
    #[error(transparent)]
    Configuration(#[from] Errors),
    #[error("{} holds no store; name its folder with --root", .0.display())]
    NoStore(PathBuf),
}

impl Stopped {
    /// The one that this configuration file names.
    pub(super) fn configured_by(config: Option<PathBuf>) -> Self {
        Self { config, root: None }
    }

    /// Where the store lies, and how it is opened.
    pub(super) fn find(&self) -> Result<(PathBuf, Options), StoppedError> {
        let (config, options) = self.find_with_config()?;
        Ok((config.storage.root, options))
    }

    /// The same, with the whole configuration.
    pub(super) fn find_with_config(&self) -> Result<(Config, Options), StoppedError> {
        let (config, options) = self.load()?;
        match config.storage.root.join("FORMAT").exists() {
            true => Ok((config, options)),
            false => Err(StoppedError::NoStore(config.storage.root)),
        }
    }

    /// The same where there may be no store yet.
    pub(super) fn load(&self) -> Result<(Config, Options), StoppedError> {
        let loaded = Config::load(Sources {
            file: self.config.clone(),
            environment: process_environment(),
            flags: Flags { addr: None, root: self.root.clone() },
        })?;
        let options = Options { lock_wait: WAIT, ..store_options(&loaded.config.storage) };
        Ok((loaded.config, options))
    }
}
