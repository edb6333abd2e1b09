//! `holdfast garbage-collect`: `holdfast gc` under the command line of distribution.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::gc::{self, Collect};
use super::stopped::Stopped;
use crate::config::parse_duration;

/// As distribution's command line has it, each switch may be told what it is: `--dry-run=false`.
#[derive(Debug, Args)]
pub(super) struct GarbageCollect {
    /// The configuration file [default: what REGISTRY_CONFIGURATION_PATH names, else none]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Remove nothing, and say what would be
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    dry_run: Option<bool>,
    /// Remove manifests without a tag as well, unless something needs them
    #[arg(short = 'm', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    delete_untagged: Option<bool>,
    /// Say nothing but what went wrong
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    quiet: Option<bool>,
    /// How long something is kept that nothing refers to, such as 30m or 24h; in a running server no shorter than its lease
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    grace: Option<Duration>,
}

/// Collects. Exit code 1 if that could not be done to its end.
pub(super) fn run(arguments: &GarbageCollect) -> ExitCode {
    let GarbageCollect { config, grace, .. } = arguments;
    let [dry_run, delete_untagged, quiet] =
        [arguments.dry_run, arguments.delete_untagged, arguments.quiet].map(Option::unwrap_or_default);
    let store = Stopped::configured_by(config.clone());
    gc::run(&Collect { store, grace: *grace, dry_run, delete_untagged, quiet })
}
