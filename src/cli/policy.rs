//! `holdfast policy`: what the policies of a configuration decide, and why.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::auth::policy::{Policies, Verdict};
use crate::auth::{Action, Identity};
use crate::config::{self, Config, Flags, Sources, process_environment};
use crate::oci::RepositoryName;

/// Explain what the policies decide.
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether somebody may do something to a repository, and which policy says so; exit code 1 if they may not
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// Who: user:NAME or a bare NAME, robot:NAME, anonymous, or the claims of a CI job as JSON, with --issuer
    #[arg(long = "as", value_name = "WHO")]
    who: String,
    /// The name of the issuer whose claims these are
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// pull, push, delete, overwrite or list
    action: String,
    repository: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error(transparent)]
    Configuration(#[from] config::Errors),
    #[error(transparent)]
    Action(#[from] crate::auth::ActionError),
    #[error(transparent)]
    Repository(#[from] crate::oci::NameError),
    #[error(transparent)]
    Identity(#[from] crate::auth::IdentityError),
    #[error("the claims are no JSON object: {0}")]
    Claims(#[from] serde_json::Error),
}

/// Answers, on standard output.
pub(super) fn run(arguments: &Policy) -> ExitCode {
    let Command::Test(test) = &arguments.command;
    match test.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("holdfast: {error}");
            // An answer there is not: neither yes nor no.
            ExitCode::from(2)
        }
    }
}

impl Test {
    fn run(&self) -> Result<bool, PolicyError> {
        let (who, action) = (self.identity()?, self.action.parse::<Action>()?);
        let repository: RepositoryName = self.repository.parse()?;
        let sources = Sources {
            file: self.config.clone(),
            environment: process_environment(),
            flags: Flags::default(),
        };
        let auth = Config::load(sources)?.config.auth;
        if auth.policies.is_empty() {
            println!("allowed: there are no policies, so whoever is let in may do everything");
            return Ok(true);
        }
        let policies = Policies { list: auth.policies, groups: auth.groups };
        Ok(explain(&policies, &who, action, &repository))
    }

    fn identity(&self) -> Result<Identity, PolicyError> {
        if let Some(issuer) = &self.issuer {
            let claims = serde_json::from_str(&self.who)?;
            return Ok(Identity::workload(issuer, claims));
        }
        Ok(self.who.parse().or_else(|error| match self.who.contains(':') {
            true => Err(error),
            false => Ok(Identity::User(self.who.clone())),
        })?)
    }
}

fn explain(policies: &Policies, who: &Identity, action: Action, repository: &RepositoryName) -> bool {
    match policies.explain(who, action, repository) {
        Verdict::Granted { number, policy } => {
            println!("allowed: {who} may {action} in {repository}, by policy {number}: {policy}");
            true
        }
        Verdict::Denied { about } => {
            println!("denied: no policy lets {who} {action} in {repository}");
            for number in about {
                if let Some(policy) = policies.list.get(number - 1) {
                    println!("  policy {number} is about them, and grants something else: {policy}");
                }
            }
            false
        }
    }
}
