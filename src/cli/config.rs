//! `holdfast config`: prints what is in force and where each value comes from.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Config, Flags, Level, Loaded, Sources, example, process_environment};

/// Prints the configuration that a server started in the same way would use, with the origin of each value.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// The configuration file [default: what REGISTRY_CONFIGURATION_PATH names, else none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// The folder that holds the data
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print a file with every setting, its default and what it means instead
    #[arg(long, conflicts_with_all = ["config", "addr", "root"])]
    example: bool,
}

/// Prints the configuration to standard output, and its notes or what is wrong with it to standard error.
pub fn run(args: ConfigArgs) -> ExitCode {
    if args.example {
        return print(&example());
    }
    let flags = Flags { addr: args.addr, root: args.root };
    match Config::load(Sources { file: args.config, environment: process_environment(), flags }) {
        Ok(loaded) => {
            print_notes(&loaded);
            print(&loaded.to_yaml())
        }
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::FAILURE
        }
    }
}

fn print_notes(loaded: &Loaded) {
    for note in &loaded.notes {
        let kind = if note.level == Level::Warn { "warning" } else { "note" };
        eprintln!("{kind}: {note}");
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the configuration cannot be printed: {error}");
            ExitCode::FAILURE
        }
    }
}
