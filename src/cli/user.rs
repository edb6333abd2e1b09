//! `holdfast user`: those who may log in with a password.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::auth::users::{self, Hashing, UserChange, UsersError};
use crate::config::{self, Config, Flags, Sources, process_environment};

/// Add, remove and list users, and change their passwords. A running server notices within a second.
#[derive(Debug, Args)]
pub(super) struct User {
    /// The configuration file that names the file of users
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The file of users [default: auth.htpasswd.path of the configuration]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a user, asking for a password
    Add(Name),
    /// Change a user's password, asking for the new one
    Passwd(Name),
    /// Remove a user
    Remove { name: String },
    /// List the users
    List,
}

#[derive(Debug, Args)]
struct Name {
    name: String,
    /// Hash the password with Argon2id rather than bcrypt, which distribution does not understand
    #[arg(long)]
    argon2: bool,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum UserError {
    #[error(transparent)]
    Configuration(#[from] config::Errors),
    #[error("the configuration names no file of users: set auth.htpasswd.path, or give --file")]
    NoFile,
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error("the password cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("there is no terminal to ask for the password: give it on standard input with --password-stdin")]
    NoTerminal,
    #[error("the two passwords differ: try again")]
    Differ,
}

/// Does what is asked for, and says so.
pub(super) fn run(arguments: &User) -> ExitCode {
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

impl User {
    fn run(&self) -> Result<(), UserError> {
        let file = self.file()?;
        match &self.command {
            Command::Add(name) => {
                users::check_name(&name.name)?;
                let hash = name.ask()?;
                users::change(&file, &name.name, &UserChange::Add { hash })?;
                println!("added {} to {}", name.name, file.display());
            }
            Command::Passwd(name) => {
                let hash = name.ask()?;
                users::change(&file, &name.name, &UserChange::Replace { hash })?;
                println!("changed the password of {}", name.name);
            }
            Command::Remove { name } => {
                users::change(&file, name, &UserChange::Remove)?;
                println!("removed {name}");
            }
            Command::List => users::list(&file)?.iter().for_each(|name| println!("{name}")),
        }
        Ok(())
    }

    fn file(&self) -> Result<PathBuf, UserError> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let sources = Sources {
            file: self.config.clone(),
            environment: process_environment(),
            flags: Flags::default(),
        };
        Config::load(sources)?.config.auth.htpasswd.path.ok_or(UserError::NoFile)
    }
}

impl Name {
    /// Asks for a password, and hashes it.
    fn ask(&self) -> Result<String, UserError> {
        let hashing = if self.argon2 { Hashing::Argon2 } else { Hashing::Bcrypt };
        Ok(users::hash(&self.password()?, hashing)?)
    }

    fn password(&self) -> Result<String, UserError> {
        if self.password_stdin {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map_err(UserError::Read)?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !io::stdin().is_terminal() {
            return Err(UserError::NoTerminal);
        }
        let ask = |prompt: String| rpassword::prompt_password(prompt).map_err(UserError::Read);
        let password = ask(format!("Password for {}: ", self.name))?;
        match ask("Once more: ".to_owned())? == password {
            true => Ok(password),
            false => Err(UserError::Differ),
        }
    }
}
