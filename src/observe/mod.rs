//! What the registry tells those who run it: log events and access lines.
//!
//! Events go to standard error, one line each, as text for people or as JSON for machines; access
//! lines go to standard output in Apache's combined form. Both pass through a bounded queue and a
//! thread of its own: when nobody reads the pipe, lines are lost (and counted), requests are not.
//!
//! Any room may call this one; it calls nobody above it. [`start`] is called once, before the first
//! event; [`finish`] is the last thing a process does, also one that is about to abort.

mod access;
mod event;
mod lines;
mod request;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

pub use request::{Exchange, Peer};

/// How much is logged, and in which form.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Events below this level are dropped. [`set_level`] changes it later.
    pub level: tracing::Level,
    /// JSON objects instead of text.
    pub json: bool,
    /// Names and values that every event carries.
    pub fields: BTreeMap<String, String>,
    /// Whether each request gets a line on standard output.
    pub access_lines: bool,
}

type Filter = reload::Handle<Targets, Registry>;

static FILTER: OnceLock<Filter> = OnceLock::new();
static GUARDS: Mutex<Vec<WorkerGuard>> = Mutex::new(Vec::new());

/// Starts logging. Only the first call of a process has an effect.
pub fn start(settings: &Settings) {
    let (filter, handle) = reload::Layer::new(targets(settings.level));
    if FILTER.set(handle).is_err() {
        return;
    }
    let (standard_error, guard) = lines::queue(std::io::stderr());
    hold(guard);
    let form = event::Form {
        json: settings.json,
        colour: std::io::stderr().is_terminal() && colour_wanted(),
        fields: settings.fields.clone(),
    };
    let events = event::Events::new(form, standard_error).with_filter(filter);
    // A second subscriber can only be a test's; the first one stays.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(events));
    if settings.access_lines {
        let (standard_output, guard) = lines::queue(std::io::stdout());
        hold(guard);
        access::start(standard_output);
    }
    log_panics();
}

/// Changes from which level on events are logged, at once and everywhere.
pub fn set_level(level: tracing::Level) {
    if let Some(filter) = FILTER.get() {
        // Fails only when the subscriber is gone, and then nothing is logged anyway.
        let _ = filter.reload(targets(level));
    }
}

/// Writes out what is queued, waiting no longer than about a second. What is logged after it is lost.
pub fn finish() {
    let guards = match GUARDS.lock() {
        Ok(mut guards) => std::mem::take(&mut *guards),
        Err(_) => return,
    };
    drop(guards);
}

fn hold(guard: WorkerGuard) {
    if let Ok(mut guards) = GUARDS.lock() {
        guards.push(guard);
    }
}

/// The libraries underneath talk a lot below warnings, and about nothing that an operator can act on.
fn targets(level: tracing::Level) -> Targets {
    let level = LevelFilter::from_level(level);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_PKG_NAME"), level)
}

/// <https://no-color.org>: any value but the empty one turns colours off.
fn colour_wanted() -> bool {
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
