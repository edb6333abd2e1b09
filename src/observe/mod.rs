//! What the registry tells those who run it: log events and access lines.
//!
//! Events go to standard error, one line each, as text for people or as JSON for machines; access
//! lines go to standard output, in Apache's combined form or as JSON. Both pass through a bounded queue and a
//! thread of its own: when nobody reads the pipe, lines are lost (and counted), requests are not.
//!
//! Any room may call this one; it calls nobody above it. [`start`] is called once, before the first
//! event; [`finish`] is the last thing a process does, also one that is about to abort.

mod access;
mod audit;
mod event;
mod identifiers;
mod lines;
pub mod metrics;
mod request;
mod spans;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use access::Access;
pub use access::AccessForm;
pub use audit::{Decision, audit};
pub use identifiers::RequestId;
use lines::Lines;
pub use request::{Exchange, Peer, Received, Told, Transport};
pub(crate) use spans::step;
pub use spans::{STEP, SpanSettings, Spans};

/// How much is logged, and in which form.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Events below this level are dropped. [`set_level`] changes it later.
    pub level: tracing::Level,
    /// JSON objects instead of text.
    pub json: bool,
    /// Names and values that every event carries.
    pub fields: BTreeMap<String, String>,
    /// The form of the line that each request gets on standard output; `None` for no lines.
    pub access_lines: Option<AccessForm>,
    /// What is traced; nothing without.
    pub spans: Option<SpanSettings>,
}

static EVENTS: OnceLock<Lines> = OnceLock::new();
static ACCESS: OnceLock<Access> = OnceLock::new();
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging, and tracing where that is wanted: what is traced is returned, for who sends it on. Only the first call of a process
/// has an effect.
///
/// # Errors
///
/// When the threads that write cannot be started.
pub fn start(settings: &Settings) -> io::Result<Option<Spans>> {
    if EVENTS.set(Lines::to(io::stderr())?).is_err() {
        return Ok(None);
    }
    if let Some(form) = settings.access_lines {
        // Cannot be set already: only the first call comes this far.
        let _ = ACCESS.set(Access { lines: Lines::to(io::stdout())?, form });
    }
    let form = event::Form {
        json: settings.json,
        colour: io::stderr().is_terminal() && is_colour_wanted(),
        fields: settings.fields.clone(),
    };
    let (filter, handle) = reload::Layer::new(targets(settings.level));
    let events = event::Events::new(form, |line| {
        if let Some(lines) = EVENTS.get() {
            lines.write(line);
        }
    });
    let subscriber = Registry::default().with(events.with_filter(filter));
    let (layer, spans) = settings.spans.as_ref().map(spans::layer).unzip();
    // Either can be set already only by a test; the first one stays.
    let _ = FILTER.set(handle);
    let _ = match layer {
        Some(layer) => tracing::subscriber::set_global_default(subscriber.with(layer)),
        None => tracing::subscriber::set_global_default(subscriber),
    };
    log_panics();
    Ok(spans)
}

/// Whether events go anywhere yet.
pub fn is_started() -> bool {
    FILTER.get().is_some()
}

/// Changes from which level on events are logged, at once and everywhere.
pub fn set_level(level: tracing::Level) {
    if let Some(filter) = FILTER.get() {
        // Fails only when the subscriber is gone, and then nothing is logged anyway.
        let _ = filter.reload(targets(level));
    }
}

/// How long the end waits for those who read the logs.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Writes out what is queued, waiting no longer than a second in all.
pub fn finish() {
    for lines in queues() {
        lines.flush(LAST_WORDS);
    }
}

/// Both queues, as far as there are any.
fn queues() -> impl Iterator<Item = &'static Lines> {
    EVENTS.get().into_iter().chain(ACCESS.get().map(|access| &access.lines))
}

const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Logs how many lines were lost, now and then. Not to be called while an event is being written.
fn report_lost() {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let Ok(mut last) = LAST.try_lock() else {
        return;
    };
    if last.is_some_and(|last| last.elapsed() < REPORT_EVERY) {
        return;
    }
    let lost = queues().map(Lines::take_lost).sum::<usize>();
    if lost > 0 {
        metrics::metrics().log_lines_lost.inc_by(lost as u64);
        *last = Some(Instant::now());
        tracing::warn!(
            lost,
            "log lines were lost: standard output or standard error is not read fast enough"
        );
    }
}

/// The libraries underneath talk a lot below warnings, and about nothing that an operator can act on.
fn targets(level: tracing::Level) -> Targets {
    let level = LevelFilter::from_level(level);
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(env!("CARGO_PKG_NAME"), level)
}

/// <https://no-color.org>: any value but the empty one turns colours off.
fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let thread = std::thread::current();
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            thread = thread.name().unwrap_or("unnamed"),
            "a defect in holdfast: {}; please report it",
            panic.payload_as_str().unwrap_or("panic"),
        );
    }));
}
