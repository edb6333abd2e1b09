//! What check, gc, scrub and backup share: a running server does the work and tells of it; where there is none this process does, in
//! the store.

use std::io;
use std::path::{Path, PathBuf};
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
use crate::oci::{Digest, RepositoryName};
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
    #[error(
        "no repository has a blob {0}; is it a manifest? Then see holdfast manifest inspect REPOSITORY@{0}"
    )]
    NoSuchBlob(Digest),
    #[error("this would remove {0} for good: --yes does it, --dry-run says what would go")]
    NotConfirmed(RepositoryName),
    #[error("standard output cannot be written: {0}")]
    Output(#[source] io::Error),
    #[error("no server is running over {}: start it, or name its folder with --root", .0.display())]
    NoServer(PathBuf),
    #[error("{0}")]
    Failed(String),
    #[error("the server was stopped in the middle; run this again")]
    BrokenOff,
}

impl ToolError {
    /// Says it on standard error. Whoever does not read standard output to its end has had enough, which is no error.
    pub(super) fn exit(self) -> ExitCode {
        if matches!(&self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
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
    /// Whether a stopped store then stays as it is, but for what the work itself changes: no payload moves.
    pub(super) is_at_rest: bool,
}

impl<Wanted, News, Outcome> Tool<Wanted, News, Outcome>
where
    Wanted: Serialize,
    News: DeserializeOwned,
    Outcome: DeserializeOwned,
{
    /// Has the work done, and shows its news. Gives what it came to. News that cannot be shown do not end it, and are an error
    /// when it is done.
    pub(super) fn run(
        self,
        store: &Stopped,
        mut show: impl FnMut(News) -> io::Result<()>,
    ) -> Result<Outcome, ToolError> {
        let mut shown = Ok(());
        let outcome = self.print(store, |news| {
            if shown.is_ok() {
                shown = show(news);
            }
            Ok(())
        })?;
        shown.map_err(ToolError::Output)?;
        Ok(outcome)
    }

    /// The same where the news are what was asked for: without anybody who reads them the work ends.
    pub(super) fn print(
        self,
        store: &Stopped,
        show: impl FnMut(News) -> io::Result<()>,
    ) -> Result<Outcome, ToolError> {
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let done = threads.map_err(ToolError::Threads)?.block_on(self.work(store, show));
        progress::show("");
        done
    }

    async fn work(
        self,
        store: &Stopped,
        mut show: impl FnMut(News) -> io::Result<()>,
    ) -> Result<Outcome, ToolError> {
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
        let open = if self.is_at_rest { Store::open_at_rest } else { Store::open };
        let registry = Registry::new(open(root, &options)?, registry_settings(&config));
        let outcome = listen((self.begin)(registry.clone(), self.wanted), &mut show).await;
        if !self.is_at_rest {
            registry.unlinked().await?;
        }
        registry.close().await;
        outcome
    }
}

/// Asks a running server for what only a running one has, and shows its news until they end, nobody reads them, or somebody
/// interrupts it. The latter is an end like any other.
pub(super) fn ask_server<News: DeserializeOwned>(
    store: &Stopped,
    path: &str,
    wanted: &impl Serialize,
    mut show: impl FnMut(News) -> io::Result<()>,
) -> Result<(), ToolError> {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.map_err(ToolError::Threads)?.block_on(async {
        let (config, _) = store.find_with_config()?;
        tokio::select! {
            outcome = ask(&config.storage.root, path, wanted, &mut show) => outcome,
            interrupted = tokio::signal::ctrl_c() => interrupted.map_err(ToolError::Threads),
        }
    })
}

/// Asks the running server of a data folder, and shows what it tells. Gives what it came to.
pub(super) async fn ask<News: DeserializeOwned, Outcome: DeserializeOwned>(
    root: &Path,
    path: &str,
    wanted: &impl Serialize,
    show: &mut impl FnMut(News) -> io::Result<()>,
) -> Result<Outcome, ToolError> {
    let (socket, (teller, told)) = (control::socket(root), mpsc::channel(256));
    let asked = async {
        let is_asked = control::ask(&socket, path, wanted, teller).await?;
        is_asked.then_some(()).ok_or_else(|| ToolError::NoServer(root.to_owned()))
    };
    tokio::try_join!(biased; asked, listen(told, show)).map(|((), outcome)| outcome)
}

/// Shows what is told, up to its end.
async fn listen<News, Outcome>(
    mut told: Events<News, Outcome>,
    show: &mut impl FnMut(News) -> io::Result<()>,
) -> Result<Outcome, ToolError> {
    while let Some(event) = told.recv().await {
        match event {
            Event::News(news) => show(news).map_err(ToolError::Output)?,
            Event::Done(outcome) => return Ok(outcome),
            Event::Failed(error) => return Err(ToolError::Failed(error)),
        }
    }
    Err(ToolError::BrokenOff)
}
