//! `holdfast robot`: accounts for machines.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};

use super::pieces::ROBOTS;
use crate::auth::robots::{self, RobotError};
use crate::auth::token::{Scope, ScopeError};
use crate::auth::users::ROBOT_PREFIX;
use crate::config::{self, Config, Flags, Sources, parse_duration, process_environment};

/// Add, remove and list robot accounts. A running server notices within a second.
#[derive(Debug, Args)]
pub(super) struct Robot {
    /// The configuration file of the server
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the data, where the configuration does not say
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an account and print its secret, once
    Add(Add),
    /// Remove an account: its secret and its tokens count no more
    Remove { name: String },
    /// List the accounts
    List,
}

#[derive(Debug, Args)]
struct Add {
    name: String,
    /// What it may do at the most, such as repository:team/app:pull,push; may be given again. Without it the policies alone say
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// After which time it expires, such as 720h; without it, never
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    expires: Option<Duration>,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum RobotCommandError {
    #[error(transparent)]
    Configuration(#[from] config::Errors),
    #[error(transparent)]
    Robot(#[from] RobotError),
    #[error(transparent)]
    Scope(#[from] ScopeError),
}

/// Does what is asked for, and says so.
pub(super) fn run(arguments: &Robot) -> ExitCode {
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Robot {
    fn run(&self) -> Result<(), RobotCommandError> {
        let file = self.file()?;
        match &self.command {
            Command::Add(robot) => {
                let scopes = Scope::parse_all(robot.scope.iter().map(String::as_str))?;
                let access = (!scopes.is_empty()).then_some(scopes);
                let secret = robots::add(&file, &robot.name, access, robot.expires)?;
                eprintln!("{ROBOT_PREFIX}{} logs in with this secret, which is not shown again:", robot.name);
                println!("{secret}");
            }
            Command::Remove { name } => {
                robots::remove(&file, name)?;
                println!("removed {name}");
            }
            Command::List => list(&file)?,
        }
        Ok(())
    }

    fn file(&self) -> Result<PathBuf, RobotCommandError> {
        let flags = Flags { addr: None, root: self.root.clone() };
        let sources = Sources { file: self.config.clone(), environment: process_environment(), flags };
        let config = Config::load(sources)?.config;
        Ok(config.auth.robots.unwrap_or_else(|| config.storage.root.join(ROBOTS)))
    }
}

fn list(file: &std::path::Path) -> Result<(), RobotCommandError> {
    let now = SystemTime::now();
    for (name, robot) in robots::list(file)?.robots {
        let expires = robot.expires.map(|at| UNIX_EPOCH + Duration::from_secs(at));
        let until = match expires.map(|at| at.duration_since(now)) {
            None => "never expires".to_owned(),
            Some(Ok(left)) => format!("expires in {}", days_or_hours(left)),
            Some(Err(_)) => "has expired".to_owned(),
        };
        let scopes = robot.access.map_or_else(
            || "what the policies say".to_owned(),
            |scopes| scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        );
        println!("{ROBOT_PREFIX}{name}\t{until}\t{scopes}");
    }
    Ok(())
}

fn days_or_hours(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    if hours >= 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}
