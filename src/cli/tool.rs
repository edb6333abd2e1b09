//! What gc, scrub and backup share: a running server does the work and tells of it; where there is none this process does, in
//! the store.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::pieces::registry_settings;
use super::progress;
use super::stopped::{Stopped, StoppedError};
use crate::control::{self, AskError, Event, Events};
use crate::registry::{Error, Registry};
use crate::store::{OpenError, Options, Store};

/// Why the work was not done to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ToolError {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error("{}: {error}", path.display())]
    Path { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Registry(#[from] Error),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] io::Error),
    #[error("{0}")]
    Failed(String),
    #[error("the server was stopped in the middle; run this again")]
    BrokenOff,
}

impl ToolError {
    /// Says it on standard error.
    pub(super) fn exit(self) -> ExitCode {
        eprintln!("holdfast: {self}");
        ExitCode::FAILURE
    }
}

/// Work as a server does it.
pub(super) struct Tool<Wanted, News, Outcome> {
    /// Where the server is asked for it.
    pub(super) path: &'static str,
    pub(super) wanted: Wanted,
    /// How it is begun without a server.
    pub(super) begin: fn(Arc<Registry>, Wanted) -> Events<News, Outcome>,
}

impl<Wanted, News, Outcome> Tool<Wanted, News, Outcome>
where
    Wanted: Serialize,
    News: DeserializeOwned,
    Outcome: DeserializeOwned,
{
    /// Has the work done, and shows its news. Gives what it came to.
    pub(super) fn run(self, store: &Stopped, show: impl FnMut(News)) -> Result<Outcome, ToolError> {
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let done = threads.map_err(ToolError::Threads)?.block_on(self.work(store, show));
        progress::show("");
        done
    }

    async fn work(self, store: &Stopped, mut show: impl FnMut(News)) -> Result<Outcome, ToolError> {
        let (config, options) = store.find_with_config()?;
        let root = &config.storage.root;
        let (teller, told) = mpsc::channel(256);
        let socket = control::socket(root);
        let asked = control::ask(&socket, self.path, &self.wanted, teller);
        let (is_done, outcome) = tokio::join!(asked, listen(told, &mut show));
        if is_done? {
            return outcome;
        }
        // Nobody was told anything that could be relied on.
        let options = Options { lease: Duration::ZERO, ..options };
        let registry = Registry::new(Store::open(root, &options)?, registry_settings(&config));
        let outcome = listen((self.begin)(registry.clone(), self.wanted), &mut show).await;
        registry.unlinked().await?;
        registry.close().await;
        outcome
    }
}

/// Shows what is told, up to its end.
pub(super) async fn listen<News, Outcome>(
    mut told: Events<News, Outcome>,
    show: &mut impl FnMut(News),
) -> Result<Outcome, ToolError> {
    while let Some(event) = told.recv().await {
        match event {
            Event::News(news) => show(news),
            Event::Done(outcome) => return Ok(outcome),
            Event::Failed(error) => return Err(ToolError::Failed(error)),
        }
    }
    Err(ToolError::BrokenOff)
}
