//! The command line: one file a subcommand.
//!
//! Exit codes: 0 all is well, 1 something failed (standard error says what, and what to do), 2 the
//! command line was wrong, or an import or an export had to skip something.

mod allocator;
mod backup;
mod bench;
mod blob;
mod check;
mod completions;
pub mod config;
mod digest;
mod events;
mod export;
mod garbage_collect;
mod gc;
mod healthcheck;
mod images;
mod import;
mod login;
mod looking;
mod man;
mod manifest;
mod notifications;
mod openapi;
mod output;
mod pieces;
mod policy;
mod progress;
mod rebuild;
mod reload;
mod repo;
mod restore;
mod retention;
mod robot;
mod scrub;
mod serve;
mod stats;
mod stopped;
mod tag;
mod tool;
mod top;
mod traces;
mod user;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

/// A container registry.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, about, arg_required_else_help = true, disable_version_flag = true)]
struct CommandLine {
    /// Print the version
    #[arg(short, long, short_alias = 'V', action = ArgAction::Version)]
    version: (),
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
    /// Collect what nothing refers to, by the command line of distribution
    GarbageCollect(garbage_collect::GarbageCollect),
    /// Read every blob and compare it with its digest, in a running server or in a stopped store
    Scrub(scrub::Scrub),
    /// Take over what another registry (registry:2 or registry:3) holds, or what has changed there since
    Import(import::Import),
    /// Bring out what a running registry or a stopped store holds, as OCI image layouts or as distribution's folder tree
    Export(export::Export),
    /// Look at the repositories of a running server or of a stopped store, and remove them
    Repo(repo::Repo),
    /// Look at tags, copy, move and remove them
    Tag(tag::Tags),
    /// Look at a manifest
    Manifest(manifest::Manifest),
    /// Look at a blob
    Blob(blob::Blob),
    /// Count what a running server or a stopped store has
    Stats(stats::Stats),
    /// Show what a running server is doing, once a second
    Top(top::Top),
    /// Look on at what happens in a running server
    Events(events::Events),
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
    /// Print the digests of files
    Digest(digest::Digests),
    /// Print the description of the API (OpenAPI 3.1)
    #[command(name = "openapi")]
    OpenApi,
    /// Load a registry, and check every answer
    Bench(bench::Bench),
    /// Print what a shell completes of this command line
    Completions(completions::Completions),
    /// Write the manual pages
    Man(man::Man),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match CommandLine::parse_from(serving(std::env::args_os().collect())).command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Gc(arguments) => gc::run(&arguments),
        Command::Retention(arguments) => retention::run(&arguments),
        Command::GarbageCollect(arguments) => garbage_collect::run(&arguments),
        Command::Scrub(arguments) => scrub::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Repo(arguments) => repo::run(&arguments),
        Command::Tag(arguments) => tag::run(&arguments),
        Command::Manifest(arguments) => manifest::run(&arguments),
        Command::Blob(arguments) => blob::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Rebuild(arguments) => rebuild::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Robot(arguments) => robot::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        Command::Digest(arguments) => digest::run(&arguments),
        Command::OpenApi => openapi::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, CommandLine::command()),
        Command::Man(arguments) => man::run(&arguments, CommandLine::command()),
    }
}

/// The command line `holdfast FILE` as `holdfast serve FILE`: so the images of distribution are told of their configuration. They
/// also take the program's name before a command, `registry serve FILE`; here it is left out.
fn serving(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|first| is_own_name(Path::new(first))) {
        arguments.remove(1);
    }
    if arguments.get(1).is_some_and(|first| is_configuration_file(Path::new(first))) {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// Whether this is the program itself, under one of its names.
fn is_own_name(text: &Path) -> bool {
    ["registry", "holdfast"]
        .iter()
        .any(|name| text == Path::new(name) || text == Path::new("/bin").join(name))
}

/// Whether this stands for a configuration file, where a command could stand.
fn is_configuration_file(text: &Path) -> bool {
    let Some(name) = text.to_str() else { return text.is_file() };
    let mut command = CommandLine::command();
    command.build();
    let is_yaml = text.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    !name.starts_with('-') && command.find_subcommand(name).is_none() && (is_yaml || text.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole names of the commands that do something, those that only lead to others left out.
    fn names(command: &clap::Command, before: &str) -> Vec<String> {
        let name = format!("{before}{}", command.get_name());
        let below: Vec<_> =
            command.get_subcommands().flat_map(|sub| names(sub, &format!("{name} "))).collect();
        if below.is_empty() { vec![name] } else { below }
    }

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn docs_commands_has_every_command_once_and_no_other() {
        let text = include_str!("../../docs/COMMANDS.md");
        let heading = |line: &'static str| line.strip_prefix("### `")?.strip_suffix('`');
        let mut told: Vec<_> = text.lines().filter_map(heading).map(str::to_owned).collect();
        let mut real = names(&CommandLine::command(), "");
        told.sort();
        real.sort();
        assert_eq!(told, real);
    }

    #[test]
    fn the_name_of_the_program_may_stand_before_a_command_or_a_file() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (given, meant) in [
            ("holdfast registry serve config.yml", "holdfast serve config.yml"),
            ("holdfast registry config.yml", "holdfast serve config.yml"),
            ("registry /bin/registry garbage-collect config.yml", "registry garbage-collect config.yml"),
            ("registry holdfast healthcheck", "registry healthcheck"),
            ("holdfast serve registry", "holdfast serve registry"),
        ] {
            assert_eq!(serving(words(given)), words(meant));
        }
    }

    #[test]
    fn a_configuration_file_is_told_from_a_command_by_its_name() {
        for (first, is_file) in [
            ("config.yml", true),
            ("/etc/config.yaml", true),
            ("serve", false),
            ("help", false),
            ("-v", false),
        ] {
            assert_eq!(is_configuration_file(Path::new(first)), is_file, "{first}");
        }
    }
}
