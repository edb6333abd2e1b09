//! SIGHUP: the configuration is read again, and what can change without a restart does.

use super::serve::{Serve, level};
use crate::config::Loaded;
use crate::observe;

/// The settings that take effect at once.
const AT_ONCE: &[&str] = &["log.level"];

/// Reads the configuration as the command line asks for it, and compares it with what was read last.
/// One with errors is logged and changes nothing.
pub(super) fn reload(arguments: &Serve, last_read: &mut Loaded) {
    let read = match arguments.load() {
        Ok(read) => read,
        Err(errors) => {
            tracing::error!("the configuration stays as it is: {errors}");
            return;
        }
    };
    observe::set_level(level(read.config.log.level));
    let (applied, waiting): (Vec<_>, Vec<_>) = read
        .changed_keys(last_read)
        .into_iter()
        .partition(|key| AT_ONCE.contains(key));
    tracing::info!(
        changed = applied.join(" "),
        "the configuration was read again"
    );
    if !waiting.is_empty() {
        tracing::warn!(
            keys = waiting.join(" "),
            "these settings changed and need a restart"
        );
    }
    *last_read = read;
}
