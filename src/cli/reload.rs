//! SIGHUP: the configuration is read again, and what can change without a restart does.

use super::pieces::{Pieces, quotas};
use super::serve::{Serve, level};
use crate::auth::policy::Policies;
use crate::config::Loaded;
use crate::observe;

/// The settings that take effect at once.
const AT_ONCE: &[&str] = &[
    "log.level",
    "storage.maintenance.readonly.enabled",
    "storage.quota.size",
    "storage.quota.repositories",
];

/// Those that do where there were policies before and are some still.
const POLICIES: &[&str] = &["auth.policies", "auth.groups"];

/// Reads the configuration as the command line asks for it, and says what differs from the one that
/// the process was started with. One with errors is logged and changes nothing.
pub(super) fn reload(arguments: &Serve, started_with: &Loaded, pieces: &Pieces) {
    let read = match arguments.load() {
        Ok(read) => read,
        Err(errors) => {
            tracing::error!("the configuration stays as it is: {errors}");
            return;
        }
    };
    let level = level(read.config.log.level);
    observe::set_level(level);
    tracing::info!(level = level.as_str(), "the configuration was read again");
    let mut waiting = read.changed_from(started_with);
    waiting.retain(|key| !AT_ONCE.contains(key));
    let (storage, auth) = (read.config.storage, read.config.auth);
    pieces.registry.renew_rules(storage.readonly, quotas(&storage.quota));
    if pieces.authority.renew_policies(Policies { list: auth.policies, groups: auth.groups }) {
        waiting.retain(|key| !POLICIES.contains(key));
    }
    if !waiting.is_empty() {
        tracing::warn!(keys = waiting.join(" "), "these settings changed and need a restart");
    }
}
