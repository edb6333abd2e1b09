//! The command line: one file a subcommand.
//!
//! Exit codes: 0 all is well, 1 something failed (standard error says what, and what to do), 2 the
//! command line was wrong, or an import or an export had to skip something.

mod allocator;
mod backup;
mod bench;
mod check;
pub mod config;
mod export;
mod gc;
mod healthcheck;
mod import;
mod notifications;
mod pieces;
mod policy;
mod progress;
mod rebuild;
mod reload;
mod restore;
mod retention;
mod robot;
mod scrub;
mod serve;
mod stopped;
mod tool;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A container registry.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the registry
    Serve(serve::Serve),
    /// Prove that a store holds together
    Check(check::Check),
    /// Collect what nothing refers to, in a running server or in a stopped store
    Gc(gc::Collect),
    /// Remove the tags that no retention rule keeps, in a running server or in a stopped store
    Retention(retention::Retention),
    /// Read every blob and compare it with its digest, in a running server or in a stopped store
    Scrub(scrub::Scrub),
    /// Take over what another registry (registry:2 or registry:3) holds, or what has changed there since
    Import(import::Import),
    /// Bring out what a running registry or a stopped store holds, as OCI image layouts or as distribution's folder tree
    Export(export::Export),
    /// Make a backup of a running registry or of a stopped store, or renew one
    Backup(backup::Backup),
    /// Make a store of a backup
    Restore(restore::Restore),
    /// Make the database of a store anew, if it was lost or damaged
    Rebuild(rebuild::Rebuild),
    /// Add, remove and list those who may log in with a password
    User(user::User),
    /// Add, remove and list accounts for machines
    Robot(robot::Robot),
    /// Explain what the policies of the configuration decide
    Policy(policy::Policy),
    /// Print the configuration in force, and where each value comes from
    Config(config::ConfigArgs),
    /// Ask a running registry whether it is well; the exit code is 0 if it is
    Healthcheck(healthcheck::Healthcheck),
    /// Load a registry, and check every answer
    Bench(bench::Bench),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match CommandLine::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Gc(arguments) => gc::run(&arguments),
        Command::Retention(arguments) => retention::run(&arguments),
        Command::Scrub(arguments) => scrub::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Robot(arguments) => robot::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    }
}
