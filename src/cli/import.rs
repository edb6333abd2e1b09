//! `holdfast import`: takes over what another registry holds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::pieces::{registry_settings, store_options};
use super::progress::{self, megabytes};
use super::stopped::{Stopped, StoppedError};
use crate::config::{Config, show_duration};
use crate::registry::{ImportError, ImportNews, ImportOptions, ImportReport, Registry};
use crate::store::{Method, OpenError, Options, Store, Tally};

/// How often those who are no terminal are told how far it is.
const TOLD: Duration = Duration::from_secs(10);

/// What is told below the options.
const MORE: &str = "\
The other registry may go on serving meanwhile. Run this again when it has stopped, and what has changed there since comes, moves and goes.
An import that was cut off goes on when it is run again.

A tag that an import has set moves with the one there, and goes with it, until somebody sets it here. A manifest that it has brought goes
with the one there, unless something here tags or needs it. What was pushed here stays; what was deleted here alone comes back.

Exit code 0 if everything has come, 2 if something was skipped because it is damaged there, 1 if the import could not go on.";

#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(super) struct Import {
    /// The folder that storage.filesystem.rootdirectory of the other registry names, or docker/registry/v2 in it; it may be the folder of the
    /// store
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    #[command(flatten)]
    store: Stopped,
    /// How payloads come in; left out, by the first of reflink, link and copy that is possible
    #[arg(long)]
    method: Option<Way>,
    /// Compare every payload with its digest before it is served; without, those are taken by their sizes, and the scrub compares them later
    #[arg(long)]
    verify: bool,
    /// Write what it came to as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// Files that share their blocks with the source's
    Reflink,
    /// The source's files under a second name
    Link,
    /// Files of their own
    Copy,
    /// As link, or else copy, and the source's file is removed once the store has it: there is no way back
    Move,
}

impl Way {
    fn methods(self) -> Vec<Method> {
        match self {
            Self::Reflink => vec![Method::Reflink],
            Self::Link => vec![Method::Link],
            Self::Copy => vec![Method::Copy],
            Self::Move => vec![Method::Link, Method::Copy],
        }
    }
}

/// Why nothing was taken over, or not all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("{0}; what has come so far stays: run the import again, and it goes on")]
    Import(#[from] ImportError),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] std::io::Error),
}

/// Imports. Exit code 1 if that could not be done to its end, 2 if something was skipped.
pub(super) fn run(arguments: &Import) -> ExitCode {
    let (report, root) = match import(arguments) {
        Ok(done) => done,
        Err(error) => {
            progress::show("");
            eprintln!("holdfast: {error}");
            return ExitCode::FAILURE;
        }
    };
    progress::show("");
    match arguments.json {
        true => println!("{}", serde_json::json!(report)),
        false => summarise(&report, &root),
    }
    match report.skipped {
        0 => ExitCode::SUCCESS,
        skipped => {
            eprintln!("holdfast: {skipped} things were skipped, for they are damaged or cannot be held here");
            ExitCode::from(2)
        }
    }
}

fn import(arguments: &Import) -> Result<(ImportReport, PathBuf), Failure> {
    let (config, options) = arguments.store.load()?;
    let how = ImportOptions {
        methods: arguments.method.map_or_else(|| Method::ALL.to_vec(), Way::methods),
        removes_source: matches!(arguments.method, Some(Way::Move)),
        verifies: arguments.verify,
    };
    let threads =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Threads)?;
    let mut shown = Shown::new(arguments.json);
    let (source, root) = (arguments.source.clone(), config.storage.root.clone());
    let report = threads.block_on(take_over(config, source, options, how, move |news| shown.show(news)))?;
    Ok((report, root))
}

/// Takes over what the folder of the data holds, or what was not taken over to its end, and tells the log of it.
pub(super) async fn before_serving(config: &Config, source: PathBuf) -> Result<(), Failure> {
    tracing::info!(source = %source.display(), "taking over what another registry holds; it is served when all is here");
    let options = store_options(&config.storage);
    let mut told = Instant::now();
    let log = move |news: &ImportNews<'_>| match news {
        ImportNews::Progress(report) if told.elapsed() >= TOLD => {
            told = Instant::now();
            tracing::info!(objects = report.objects_done, of = report.objects, "taking over");
        }
        ImportNews::Progress(_) => {}
        ImportNews::Note(text) => tracing::info!("{text}"),
        ImportNews::Skipped(skipped) => tracing::warn!("skipped: {skipped}"),
    };
    let report = take_over(config.clone(), source, options, ImportOptions::default(), log).await?;
    let ImportReport { repositories, manifests, tags, skipped, .. } = report;
    tracing::info!(
        repositories,
        manifests = manifests.new,
        tags = tags.new,
        skipped,
        "took over what was there"
    );
    Ok(())
}

async fn take_over(
    config: Config,
    source: PathBuf,
    options: Options,
    how: ImportOptions,
    mut listener: impl FnMut(&ImportNews<'_>) + Send + 'static,
) -> Result<ImportReport, Failure> {
    let work = move || -> Result<(Arc<Registry>, ImportReport), Failure> {
        let source = std::path::absolute(&source).unwrap_or(source);
        Registry::expect_source(&source)?;
        let store = Store::open_for_import(&config.storage.root, &source, &options)?;
        let registry = Registry::new(store, registry_settings(&config));
        let report = registry.import(&source, how, &mut listener)?;
        Ok((registry, report))
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Threads(error.into()))?;
    let (registry, report) = done?;
    registry.close().await;
    Ok(report)
}

/// What a person, or a log, is shown.
struct Shown {
    is_json: bool,
    began: Instant,
    told: Instant,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        Self { is_json, began: Instant::now(), told: Instant::now() }
    }

    fn show(&mut self, news: &ImportNews<'_>) {
        match news {
            ImportNews::Progress(report) => self.show_progress(report),
            ImportNews::Note(text) => {
                progress::show("");
                eprintln!("{text}");
            }
            ImportNews::Skipped(_) if self.is_json => {}
            ImportNews::Skipped(skipped) => {
                progress::show("");
                println!("skipped: {skipped}");
            }
        }
    }

    fn show_progress(&mut self, report: &ImportReport) {
        let text = how_far(report, self.began.elapsed());
        if progress::is_shown() {
            progress::show(&text);
        } else if self.told.elapsed() >= TOLD {
            self.told = Instant::now();
            eprintln!("{text}");
        }
    }
}

/// How far it is, how fast, and how long it will take.
fn how_far(report: &ImportReport, elapsed: Duration) -> String {
    let ImportReport { repositories, objects, objects_done, .. } = report;
    let Tally { bytes, .. } = report.total();
    let seconds = elapsed.as_secs().max(1);
    let left = objects.saturating_sub(*objects_done);
    let estimate = match objects_done {
        0 => String::new(),
        done => {
            let left = Duration::from_secs(seconds.saturating_mul(left) / done);
            format!(", about {} to go", show_duration(left))
        }
    };
    let (size, rate) = (megabytes(bytes), megabytes(bytes / seconds));
    format!(
        "{repositories} repositories, {objects_done} of {objects} objects, {size}, {rate} a second{estimate}"
    )
}

fn summarise(report: &ImportReport, root: &Path) {
    let ImportReport { repositories, manifests, tags, blobs, payloads, .. } = report;
    println!("repositories: {repositories}");
    for (kind, counted) in [("manifests", manifests), ("tags", tags)] {
        println!("{kind}: {} new, {} there already", counted.new, counted.present);
    }
    println!("blobs: {blobs} new");
    for (method, Tally { payloads, bytes }) in payloads {
        println!("by {method}: {payloads} payloads, {}", megabytes(*bytes));
    }
    let more = [
        (report.moved_tags, "tags moved, as they did there"),
        (report.deleted_tags, "tags deleted, as they were there"),
        (report.deleted_manifests, "manifests deleted, as they were there"),
        (report.kept_tags, "tags kept that were set here to something else"),
        (report.sparse_indexes, "indexes lack images, as they do there"),
        (report.stale_links, "links to blobs that are gone and nothing needs"),
        (report.unverified, "payloads were taken by their size: the scrub compares them with their digests"),
    ];
    for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
        println!("{count} {what}");
    }
    println!("start it with: holdfast serve --root {}", root.display());
}
