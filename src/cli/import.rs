//! `holdfast import`: takes over what another registry holds, or brings in what lies in layouts and archives.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use reqwest::Url;

use super::login::{self, LoginError};
use super::pieces::{registry_settings, store_options};
use super::progress::{self, Progress, Unit, megabytes};
use super::stopped::{Stopped, StoppedError};
use crate::config::Config;
use crate::load::numbers::count;
use crate::oci::Glob;
use crate::outgoing::is_loopback;
use crate::registry::{
    ImportError, ImportNews, ImportOptions, ImportReport, ImportSource, Place, Registry, RegistrySource,
};
use crate::store::{Method, OpenError, Options, Store, Tally};

/// How often those who are no terminal are told how far it is.
const TOLD: Duration = Duration::from_secs(10);

/// How many requests are made at once where nobody says.
const PARALLEL: u8 = 8;
/// How long a registry may send nothing where nobody says, in seconds.
const PATIENCE: u64 = 60;

/// What is told below the options.
const MORE: &str = "\
The other registry may go on serving meanwhile. Run this again when it has stopped, and what has changed there since comes, moves and goes.
An import that was cut off goes on when it is run again.

A tag that an import has set moves with the one there, and goes with it, until somebody sets it here. A manifest that it has brought goes
with the one there, unless something here tags or needs it. What was pushed here stays; what was deleted here alone comes back.

What comes out of a layout or an archive is as if it had been pushed: its tags are set, unless they are immutable, and nothing is deleted.

Exit code 0 if everything has come, 2 if something was skipped because it is damaged there, 1 if the import could not go on.";

#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(super) struct Import {
    /// The folder that storage.filesystem.rootdirectory of the other registry names, or docker/registry/v2 in it, which may be the folder
    /// of the store; or an OCI image layout, the folder of an export, or an archive of images as `docker save` writes them (tar, tar.gz, or - for one that
    /// comes through standard input)
    #[arg(value_name = "SOURCE", required_unless_present = "from")]
    source: Option<PathBuf>,
    /// A live registry to take over by its API, such as https://registry.example.com. Who logs in is told by HOLDFAST_FROM_USER and
    /// HOLDFAST_FROM_PASSWORD, or else by what `docker login` has left in its config.json
    #[arg(long, value_name = "URL", value_parser = registry_url, conflicts_with_all = ["source", "method", "verify"])]
    from: Option<Url>,
    /// Of a registry or an export, the repositories to take, such as team/app or team/**, left out, all of them; may be given several times. Of
    /// a layout or an archive, the one repository that its images go to, left out, the ones that they name
    #[arg(long = "repository", value_name = "NAME", value_parser = Glob::parse)]
    repositories: Vec<Glob>,
    #[command(flatten)]
    store: Stopped,
    /// How payloads come in; left out, by the first of reflink, link and copy that is possible
    #[arg(long)]
    method: Option<Way>,
    /// Compare every payload with its digest before it is served; without, those are taken by their sizes, and the scrub compares them later
    #[arg(long)]
    verify: bool,
    /// Delete nothing here that was deleted there since the last import
    #[arg(long)]
    no_delete: bool,
    /// How many requests to make at once
    #[arg(long, value_name = "NUMBER", default_value_t = PARALLEL, value_parser = clap::value_parser!(u8).range(1..=64), requires = "from")]
    parallel: u8,
    /// How long the registry may send nothing before it is asked again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "from")]
    timeout: u64,
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

/// A registry's URL. Without a scheme it is https, but on loopback.
fn registry_url(text: &str) -> Result<Url, String> {
    let malformed =
        || format!("{text:?} is no URL of a registry: write it like https://registry.example.com");
    let mut url = match text.contains("://") {
        true => Url::parse(text).map_err(|_| malformed())?,
        false => Url::parse(&format!("https://{text}")).map_err(|_| malformed())?,
    };
    let host = url.host_str().ok_or_else(malformed)?;
    if !text.contains("://") && is_loopback(host) {
        url = Url::parse(&format!("http://{text}")).map_err(|_| malformed())?;
    }
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "everybody sees a command line: set HOLDFAST_FROM_USER and HOLDFAST_FROM_PASSWORD";
        return Err(advice.to_owned());
    }
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        return Err(malformed());
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/v2").to_owned();
    url.set_path(&format!("{path}/"));
    Ok(url)
}

impl Import {
    fn source(&self) -> Result<ImportSource, LoginError> {
        let place = match (&self.source, &self.from) {
            (_, Some(url)) => Place::Registry(RegistrySource {
                url: url.clone(),
                login: login::find(url)?,
                parallel: self.parallel.into(),
                patience: Duration::from_secs(self.timeout),
            }),
            (Some(path), None) if path.as_os_str() == "-" => Place::Files(path.clone()),
            // From wherever the import may be gone on with.
            (path, None) => {
                let path = path.clone().unwrap_or_default();
                Place::Files(std::path::absolute(&path).unwrap_or(path))
            }
        };
        Ok(ImportSource { place, repositories: self.repositories.clone() })
    }
}

/// Why nothing was taken over, or not all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("{0}; what has come so far stays: run the import again, and it goes on")]
    Import(#[from] ImportError),
    #[error(
        "an import was cut off, and cannot go on by itself; go on with: holdfast import {from} --root {}",
        root.display()
    )]
    CutOff { from: String, root: PathBuf },
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
            eprintln!(
                "holdfast: {skipped} things were skipped, for they are damaged, cannot be had, or cannot be held here"
            );
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
        deletes: !arguments.no_delete,
    };
    let threads =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Threads)?;
    let mut shown = Shown::new(arguments.json);
    let source = arguments.source()?;
    let root = config.storage.root.clone();
    let report = threads.block_on(take_over(config, source, options, how, move |news| shown.show(news)))?;
    Ok((report, root))
}

/// Takes over what the folder of the data holds, or what was not taken over to its end, and tells the log of it.
pub(super) async fn before_serving(config: &Config, source: String) -> Result<(), Failure> {
    let path = PathBuf::from(&source);
    if !path.exists() {
        return Err(Failure::CutOff { from: source, root: config.storage.root.clone() });
    }
    tracing::info!(source, "taking over what another registry holds; it is served when all is here");
    let options = store_options(&config.storage);
    let mut told = Instant::now();
    let log = move |news: &ImportNews<'_>| match news {
        ImportNews::Progress(report) if told.elapsed() >= TOLD => {
            told = Instant::now();
            tracing::info!(objects = report.objects_done, of = report.objects, "taking over");
        }
        ImportNews::Progress(_) | ImportNews::Unpacking(_) => {}
        ImportNews::Note(text) => tracing::info!("{text}"),
        ImportNews::Skipped(skipped) => tracing::warn!("skipped: {skipped}"),
    };
    let source = ImportSource::files(path);
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
    source: ImportSource,
    options: Options,
    how: ImportOptions,
    mut listener: impl FnMut(&ImportNews<'_>) + Send + 'static,
) -> Result<ImportReport, Failure> {
    let work = move || -> Result<(Arc<Registry>, ImportReport), Failure> {
        Registry::expect_source(&source)?;
        let store = Store::open_for_import(&config.storage.root, &source.to_string(), &options)?;
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
    progress: Progress,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        Self { is_json, progress: Progress::begin(Unit::Things) }
    }

    fn show(&mut self, news: &ImportNews<'_>) {
        match news {
            ImportNews::Progress(report) => self.show_progress(report),
            ImportNews::Unpacking(bytes) => progress::show(&format!("{} of the archive", megabytes(*bytes))),
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

    /// A live registry does not say how much it has: nothing is expected then, and no time told.
    fn show_progress(&mut self, report: &ImportReport) {
        let ImportReport { repositories, objects, objects_done, .. } = report;
        self.progress.expect(*objects);
        let size = megabytes(report.total().bytes);
        let what = format!("{repositories} repositories, {} objects, {size}", count(*objects_done));
        self.progress.show(&what, *objects_done);
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_asked_over_https_unless_it_is_near_or_the_url_says_otherwise() {
        for (text, url) in [
            ("registry.example.com", "https://registry.example.com/"),
            ("registry.example.com:5000", "https://registry.example.com:5000/"),
            ("http://registry.example.com", "http://registry.example.com/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("[::1]:5000/", "http://[::1]:5000/"),
            ("https://localhost:5000", "https://localhost:5000/"),
            ("https://a.example/behind/", "https://a.example/behind/"),
            ("https://a.example/v2/", "https://a.example/"),
        ] {
            assert_eq!(registry_url(text).unwrap().as_str(), url, "{text}");
        }
        for text in ["", "ftp://a.example", "https://a.example/?x=1", "https://alice:secret@a.example", "//"]
        {
            assert!(registry_url(text).is_err_and(|message| !message.contains("secret")), "{text}");
        }
    }
}
