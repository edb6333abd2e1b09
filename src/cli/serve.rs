//! `holdfast serve`: builds the pieces, ties them together, runs them, and takes them apart again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use clap::builder::FalseyValueParser;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinSet;

use super::allocator;
use super::import::{self, Failure as ImportFailure};
use super::notifications;
use super::pieces::{HeaderError, Pieces};
use super::reload;
use super::traces;
use crate::auth::{self, Authority};
use crate::config::{
    self, AccessFormatter, Certificate, ClientAuth, Config, Flags, Formatter, Http, LetsEncrypt, Level,
    Loaded, MinimumTls, Net, Note, Sources, process_environment,
};
use crate::control::{self, Desk};
use crate::notifications::Source;
use crate::observe::metrics::{Exposition, Readings};
use crate::observe::{self, AccessForm};
use crate::outgoing::Outgoing;
use crate::registry;
use crate::server::signals::{Signals, StopSignal, Wish};
use crate::server::tls::acme::Acme;
use crate::server::{
    Address, AddressError, BindError, Endpoint, FileSender, MetricsPage, Server, Settings, Tls, TlsError,
    open_files, supervisor, tls,
};
use crate::store::{self, FormatError, OpenError};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen: HOST:PORT, or :PORT for every address; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// The folder of the data
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// If the folder holds a registry of distribution (docker/registry/v2) and no store yet, take that over first
    #[arg(long, env = "HOLDFAST_IMPORT", value_parser = FalseyValueParser::new())]
    import: bool,
}

impl Serve {
    /// Reads the configuration as this command line asks for it.
    pub(super) fn load(&self) -> Result<Loaded, config::Errors> {
        Config::load(Sources {
            file: self.config.clone().or_else(|| self.file.clone()),
            environment: process_environment(),
            flags: Flags { addr: self.addr.clone(), root: self.root.clone() },
        })
    }
}

/// Why the registry cannot be served. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    #[error(transparent)]
    Configuration(#[from] config::Errors),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Import(#[from] ImportFailure),
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("events cannot be told: {0}")]
    Events(#[from] registry::Error),
    #[error(transparent)]
    Logins(#[from] auth::AuthorityError),
    #[error(
        "the store cannot be written any more; what was acknowledged is safe: see the error before this one, then start again"
    )]
    StoreFailed,
    #[error("signals cannot be handled: {0}; the system is short of something: try again")]
    Signals(#[source] std::io::Error),
    #[error("threads cannot be started: {0}; the system is short of something: try again")]
    Threads(#[source] std::io::Error),
}

/// How a run ended.
enum End {
    /// What was under way was finished, the store is closed.
    Drained,
    /// A second signal, or one before there was anything to drain.
    AtOnce(StopSignal),
}

/// Runs the registry until a signal stops it.
pub(super) fn run(arguments: &Serve) -> ExitCode {
    let end = run_threads(arguments);
    let code = match end {
        Ok(End::Drained) => ExitCode::SUCCESS,
        Ok(End::AtOnce(signal)) => ExitCode::from(signal.exit_code()),
        Err(error) => {
            match observe::is_started() {
                true => tracing::error!("{error}"),
                false => eprintln!("holdfast: {error}"),
            }
            ExitCode::FAILURE
        }
    };
    observe::finish();
    code
}

fn run_threads(arguments: &Serve) -> Result<End, ServeError> {
    allocator::keep_buffers();
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let threads = threads.map_err(ServeError::Threads)?;
    let end = threads.block_on(serve(arguments));
    // A thread that still waits for something (the lock of the data folder, say) is not waited for.
    threads.shutdown_timeout(Duration::from_millis(100));
    end
}

async fn serve(arguments: &Serve) -> Result<End, ServeError> {
    let mut signals = Signals::install().map_err(ServeError::Signals)?;
    let loaded = arguments.load()?;
    let config = &loaded.config;
    let spans = observe::start(&log_settings(config)).map_err(ServeError::Threads)?;
    loaded.notes.iter().for_each(log);
    open_files::raise_limit();
    let address = address(&config.http)?;
    let tls = config.http.tls.as_ref().map(|tls| load_tls(tls, &config.http)).transpose()?.map(Arc::new);
    let pieces = tokio::select! {
        pieces = build(config, arguments.import) => pieces?,
        signal = signals.stop() => return Ok(End::AtOnce(signal)),
    };
    let servers = match Servers::bind(&address, config, tls.clone(), pieces.files.clone()).await {
        Ok(servers) => servers,
        Err(error) => {
            pieces.registry.close().await;
            return Err(error);
        }
    };
    let source = notifications::source(servers.main.endpoint());
    let notifier = notifications::notifier(config, &pieces.registry, source.clone()).await?;
    announce(servers.main.endpoint(), &loaded, &pieces.authority);
    supervisor::ready();

    let (stop, stopped) = oneshot::channel();
    let (stop_telling, telling_stopped) = oneshot::channel();
    let telling = tokio::spawn(notifier.run(ended(telling_stopped)));
    let (stop_tracing, tracing_stopped) = oneshot::channel();
    let tracing = traces::sender(config.tracing.as_ref(), spans);
    let tracing = tracing.map(|sender| tokio::spawn(sender.run(ended(tracing_stopped))));
    let last_call = || pieces.registry.interrupt_uploads();
    let mut upkeep = upkeep(&pieces, tls.clone());
    let to_the_end = async {
        Box::pin(servers.run(&pieces, source, stopped, last_call)).await;
        upkeep.abort_all();
        drop(stop_telling);
        // An error is a panic, which was logged.
        let _ = telling.await;
        drop(stop_tracing);
        if let Some(tracing) = tracing {
            let _ = tracing.await;
        }
        pieces.registry.close().await;
        tracing::info!("stopped");
        End::Drained
    };
    tokio::select! {
        end = to_the_end => Ok(end),
        () = pieces.registry.failed() => Err(ServeError::StoreFailed),
        signal = attend(&mut signals, stop, arguments, &loaded, &pieces, tls.as_deref()) => Ok(End::AtOnce(signal)),
    }
}

/// What goes on beside serving, for as long as somebody has it.
fn upkeep(pieces: &Pieces, tls: Option<Arc<Tls>>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&pieces.registry).collect_on_schedule());
    tasks.spawn(Arc::clone(&pieces.registry).retain_on_schedule());
    tasks.spawn(Arc::clone(&pieces.registry).scrub_on_schedule());
    tasks.spawn(Arc::clone(&pieces.health).watch());
    let authority = Arc::clone(&pieces.authority);
    tasks.spawn(async move { authority.run().await });
    if let Some(tls) = tls {
        tasks.spawn(tls.keep_current());
    }
    tasks
}

/// Takes over first what is to be taken over, if that is wanted.
async fn build(config: &Config, is_importing: bool) -> Result<Pieces, ServeError> {
    if is_importing && let Some(source) = store::awaits_import(&config.storage.root)? {
        import::before_serving(config, source).await?;
    }
    Pieces::build(config).await
}

/// Does what signals ask for. Returns at the second one that says stop.
async fn attend(
    signals: &mut Signals,
    stop: oneshot::Sender<()>,
    arguments: &Serve,
    loaded: &Loaded,
    pieces: &Pieces,
    tls: Option<&Tls>,
) -> StopSignal {
    while signals.next().await == Wish::Reload {
        reload::reload(arguments, loaded, pieces);
        tls.inspect(|tls| tls.reload());
    }
    tracing::info!("stopping: requests under way are finished; a second signal stops at once");
    supervisor::stopping();
    // The receiver is gone only if serving has ended already.
    let _ = stop.send(());
    signals.stop().await
}

/// The server that clients talk to, the one for probes where `http.debug.addr` is set, and the one for tools.
struct Servers {
    main: Server,
    debug: Option<Server>,
    /// The path of metrics on the server for probes.
    metrics: Option<String>,
    control: Option<Server>,
}

impl Servers {
    async fn bind(
        address: &Address,
        config: &Config,
        tls: Option<Arc<Tls>>,
        files: Option<Arc<dyn FileSender>>,
    ) -> Result<Self, ServeError> {
        let http = &config.http;
        let main = Server::bind_or_inherit(address, Settings { tls, files, ..settings(http) }).await?;
        let debug = match &http.debug.addr {
            None => None,
            Some(text) => {
                let server = Server::bind(&Address::parse(text)?, debug_settings(http)).await?;
                tracing::info!("answering probes on {}", server.endpoint());
                Some(server)
            }
        };
        let control = bind_control(&config.storage.root, http).await;
        Ok(Servers { main, debug, metrics: http.debug.metrics.clone(), control })
    }

    /// Runs all. Probes are answered until the last client has been served.
    async fn run(
        self,
        pieces: &Pieces,
        source: Source,
        stop: oneshot::Receiver<()>,
        last_call: impl FnOnce(),
    ) {
        let readiness = self.main.readiness();
        let (main_runs, _) = broadcast::channel::<()>(1);
        let (for_debug, for_control) = (main_runs.subscribe(), main_runs.subscribe());
        let main = async {
            self.main.run(pieces.router.clone(), ended(stop), last_call).await;
            drop(main_runs);
        };
        let exposition = exposition(pieces);
        let metrics = self.metrics.map(|path| MetricsPage { path, exposition: Arc::clone(&exposition) });
        let probes = readiness.debug_router(Arc::clone(&pieces.health), metrics);
        let debug = run_beside(self.debug, probes, for_debug);
        let desk = Desk { registry: Arc::clone(&pieces.registry), source, exposition };
        let control = run_beside(self.control, control::router(desk), for_control);
        tokio::join!(main, debug, control);
    }
}

/// Metrics that ask the registry how it stands. They keep nothing of it open.
fn exposition(pieces: &Pieces) -> Arc<Exposition> {
    let (registry, health) = (Arc::downgrade(&pieces.registry), Arc::clone(&pieces.health));
    let read = move || Readings {
        health_failing: Some(health.failing() as u64),
        ..registry.upgrade().map(|registry| registry.readings()).unwrap_or_default()
    };
    Arc::new(Exposition::new(read))
}

/// Runs a server until the main one has ended.
async fn run_beside(server: Option<Server>, router: Router, mut main_ended: broadcast::Receiver<()>) {
    if let Some(server) = server {
        let ended = async {
            // An error is the sender being gone.
            let _ = main_ended.recv().await;
        };
        server.run(router, ended, || ()).await;
    }
}

/// The socket for tools. Where there can be none the registry is served all the same.
async fn bind_control(root: &Path, http: &Http) -> Option<Server> {
    let address = Address::Unix { path: control::socket(root), mode: control::MODE };
    match Server::bind(&address, debug_settings(http)).await {
        Ok(server) => Some(server),
        Err(error) => {
            tracing::warn!("commands such as holdfast gc cannot reach this server: {error}");
            None
        }
    }
}

/// Completes when the sender sends, or is gone.
async fn ended(receiver: oneshot::Receiver<()>) {
    // An error is the sender being gone.
    let _ = receiver.await;
}

fn log(note: &Note) {
    match note.level {
        Level::Error | Level::Warn => tracing::warn!("{note}"),
        _ => tracing::info!("{note}"),
    }
}

/// The line that tells a person where to go from here, and a warning where others can go there too.
fn announce(endpoint: &Endpoint, loaded: &Loaded, authority: &Authority) {
    let root = &loaded.config.storage.root;
    let data = std::path::absolute(root).unwrap_or_else(|_| root.clone());
    let push = endpoint.first_push(loaded.config.http.host.as_deref());
    tracing::info!(data = %data.display(), push, "listening on {endpoint}");
    if loaded.delete_disabled_by_distribution_default() {
        tracing::info!(
            "deleting is off, as it is in distribution: its configuration file does not set storage.delete.enabled"
        );
    }
    tracing::info!("{}", authority.rule());
    warn_of_strangers(endpoint, &loaded.config.http, authority.asks());
}

/// Says who can do what, where that is more than the operator can have meant.
fn warn_of_strangers(endpoint: &Endpoint, http: &Http, has_logins: bool) {
    let verifies_clients = http
        .tls
        .as_ref()
        .is_some_and(|tls| !tls.clientcas.is_empty() && tls.clientauth == ClientAuth::Require);
    if !endpoint.is_reachable_from_outside() || has_logins || verifies_clients {
        return;
    }
    let frame = "*".repeat(80);
    let everyone = format!("Whoever can reach {endpoint} may pull, push and delete every image.");
    let in_the_clear = (!endpoint.is_encrypted).then_some(
        "Nothing is encrypted: whoever is on the way may read and change what is pulled and pushed.",
    );
    let mend: &[&str] = match endpoint.is_encrypted {
        true => &[
            "To mend it: listen on 127.0.0.1 (--addr), let people log in (auth.htpasswd, auth.policies),",
            "or set http.tls.clientcas.",
        ],
        false => &[
            "To mend it: listen on 127.0.0.1 (--addr), or set http.tls.certificate and http.tls.key, and let",
            "people log in (auth.htpasswd, auth.policies).",
        ],
    };
    let lines = [frame.as_str(), &everyone].into_iter().chain(in_the_clear);
    for line in lines.chain(mend.iter().copied()).chain([frame.as_str()]) {
        tracing::warn!("{line}");
    }
}

pub(super) fn address(http: &Http) -> Result<Address, AddressError> {
    match http.net {
        Net::Tcp => Address::parse(&http.addr),
        Net::Unix => Ok(Address::Unix { path: Path::new(&http.addr).to_owned(), mode: http.socketmode }),
    }
}

fn settings(http: &Http) -> Settings {
    Settings {
        headers: http.headers.clone(),
        header_timeout: http.headertimeout,
        idle_timeout: http.idletimeout,
        keep_alive_timeout: http.keepalivetimeout,
        drain_timeout: http.draintimeout,
        wait_timeout: http.waittimeout,
        max_connections: http.maxconnections,
        max_header_bytes: http.maxheaderbytes,
        tls: None,
        http2: http.h2c.enabled && !http.http2.disabled,
        logged: true,
        trusted_proxies: http.trustedproxies.clone(),
        files: None,
    }
}

fn load_tls(tls: &config::Tls, http: &Http) -> Result<Tls, TlsError> {
    let source = match &tls.certificate {
        Certificate::Files { certificate, key } => {
            tls::Source::Files(tls::Pair { certificate: certificate.clone(), key: key.clone() })
        }
        Certificate::LetsEncrypt(settings) => {
            tls::Source::Acme(Arc::new(Acme::open(acme_settings(settings), Outgoing::default())?))
        }
    };
    Tls::load(tls::Settings {
        source,
        client_cas: tls.clientcas.clone(),
        anonymous_clients: tls.clientauth == ClientAuth::IfGiven,
        tls12: tls.minimumtls == MinimumTls::Tls12,
        cipher_suites: tls.ciphersuites.clone(),
        http2: !http.http2.disabled,
    })
}

fn acme_settings(settings: &LetsEncrypt) -> tls::acme::Settings {
    tls::acme::Settings {
        folder: settings.cachefile.clone(),
        email: settings.email.clone(),
        hosts: settings.hosts.clone(),
        directory: settings.directoryurl.clone(),
    }
}

/// Probes are short, and say nothing that a log needs.
fn debug_settings(http: &Http) -> Settings {
    Settings { drain_timeout: Duration::ZERO, max_connections: 64, logged: false, ..settings(http) }
}

fn log_settings(config: &Config) -> observe::Settings {
    let log = &config.log;
    observe::Settings {
        spans: config.tracing.as_ref().map(traces::span_settings),
        level: level(log.level),
        json: log.formatter == Formatter::Json,
        fields: log.fields.clone(),
        access_lines: (!log.accesslog.disabled).then_some(match log.accesslog.formatter {
            AccessFormatter::Combined => AccessForm::Combined,
            AccessFormatter::Json => AccessForm::Json,
        }),
    }
}

/// The level under the name that events know it by.
pub(super) fn level(level: Level) -> tracing::Level {
    match level {
        Level::Error => tracing::Level::ERROR,
        Level::Warn => tracing::Level::WARN,
        Level::Info => tracing::Level::INFO,
        Level::Debug => tracing::Level::DEBUG,
        Level::Trace => tracing::Level::TRACE,
    }
}
