//! SIGHUP: the configuration is read again, and what can change without a restart does.

use super::serve::{Serve, level};
use crate::config::Config;
use crate::observe;

/// Reads the configuration as the command line asked for it, and compares it with the one in force.
/// What is wrong with it is logged, and nothing changes then.
pub(super) fn reload(arguments: &Serve, in_force: &Config) {
    let read = match arguments.load() {
        Ok(loaded) => loaded.config,
        Err(errors) => {
            tracing::error!("the configuration is not read again, for it has errors: {errors}");
            return;
        }
    };
    observe::set_level(level(read.log.level));
    tracing::info!(level = ?read.log.level, "the configuration was read again");
    let mut rest = in_force.clone();
    rest.log.level = read.log.level;
    if rest != read {
        tracing::warn!("other settings changed too: they need a restart");
    }
}
