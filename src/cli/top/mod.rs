//! `holdfast top`: what a running server is doing, once a second.

mod figures;
mod screen;
mod text;
mod view;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::output;
use super::stopped::Stopped;
use super::tool::{ToolError, ask};
use crate::control::FiguresOf;
use figures::Figures;
use screen::Screen;
use text::Line;
use view::View;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Top {
    #[command(flatten)]
    store: Stopped,
    /// Print what one second has brought, and end; so it is where standard output is no terminal
    #[arg(long)]
    once: bool,
    /// Print a line of JSON a second
    #[arg(long)]
    json: bool,
}

/// Shows it until it is interrupted, or q is pressed. Exit code 1 without a server, or when it stops.
pub(super) fn run(arguments: &Top) -> ExitCode {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown = threads.map_err(ToolError::Threads).and_then(|threads| threads.block_on(top(arguments)));
    shown.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}

async fn top(arguments: &Top) -> Result<(), ToolError> {
    let &Top { ref store, once, json } = arguments;
    let (config, _) = store.find_with_config()?;
    let mut looking = Looking::begin(config.storage.root).await?;
    if !json && (once || !Screen::is_there()) {
        let text: String = lines(&looking.next().await?).map(|line| line.name + &line.text + "\n").collect();
        return output::print(&text).map_err(ToolError::Output);
    }
    // It is left before anything is said of an error.
    let screen = if json { None } else { Some(Screen::enter().map_err(ToolError::Output)?) };
    let mut end = End::new(screen.as_ref().map(Screen::keys)).map_err(ToolError::Threads)?;
    loop {
        let view = tokio::select! {
            view = looking.next() => view?,
            () = end.comes() => return Ok(()),
        };
        let shown = match &screen {
            Some(screen) => screen.draw(lines(&view)),
            None => output::print_lines(&[view]),
        };
        shown.map_err(ToolError::Output)?;
        if once {
            return Ok(());
        }
    }
}

fn lines(view: &View) -> impl Iterator<Item = Line> {
    text::lines(view).into_iter()
}

/// A server that is looked at again and again.
struct Looking {
    root: PathBuf,
    before: Figures,
}

impl Looking {
    async fn begin(root: PathBuf) -> Result<Self, ToolError> {
        let before = look(&root).await?;
        Ok(Self { root, before })
    }

    /// What the next second brings.
    async fn next(&mut self) -> Result<View, ToolError> {
        tokio::time::sleep(EVERY.saturating_sub(self.before.at.elapsed())).await;
        let now = look(&self.root).await?;
        let view = View::of(&self.before, &now);
        self.before = now;
        Ok(view)
    }
}

async fn look(root: &Path) -> Result<Figures, ToolError> {
    let text: String = ask(root, "/figures", &FiguresOf {}, &mut |()| Ok(())).await?;
    Ok(Figures::read(&text, Instant::now()))
}

/// What ends it: a signal, or a key.
struct End {
    signals: [Signal; 3],
    keys: Option<mpsc::Receiver<u8>>,
}

impl End {
    fn new(keys: Option<mpsc::Receiver<u8>>) -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self { signals: [interrupt?, terminate?, hangup?], keys })
    }

    async fn comes(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        let quit = async {
            while let Some(keys) = &mut self.keys {
                match keys.recv().await {
                    Some(b'q') => return,
                    Some(_) => {}
                    None => self.keys = None,
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            () = quit => {}
        }
    }
}
