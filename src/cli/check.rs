//! `holdfast check`: proves that a store holds together.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::pieces::store_options;
use crate::config::{Config, Errors, Flags, Sources, process_environment};
use crate::store::{MetadataError, OpenError, Store, Survey, SurveyOptions};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the data
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Read every payload and compare it with its digest, and compare the archive with the database
    #[arg(long)]
    payloads: bool,
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Configuration(#[from] Errors),
    #[error("{} holds no store; name its folder with --root", .0.display())]
    NoStore(PathBuf),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Checks the store of a server that is not running. Exit code 1 if anything is wrong.
pub(super) fn run(arguments: &Check) -> ExitCode {
    match check(arguments) {
        Ok(survey) => report(&survey),
        Err(error) => {
            eprintln!("holdfast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(arguments: &Check) -> Result<Survey, CheckError> {
    let loaded = Config::load(Sources {
        file: arguments.config.clone(),
        environment: process_environment(),
        flags: Flags { addr: None, root: arguments.root.clone() },
    })?;
    let storage = &loaded.config.storage;
    if !storage.root.join("FORMAT").exists() {
        return Err(CheckError::NoStore(storage.root.clone()));
    }
    let options = crate::store::Options { lock_wait: Duration::from_secs(2), ..store_options(storage) };
    let store = Store::open(&storage.root, &options)?;
    Ok(store.survey(SurveyOptions { is_thorough: arguments.payloads })?)
}

fn report(survey: &Survey) -> ExitCode {
    println!(
        "{} repositories, {} manifests, {} tags, {} blobs of {} bytes, {} uploads",
        survey.repositories,
        survey.manifests,
        survey.tags,
        survey.blobs,
        survey.payload_bytes,
        survey.uploads
    );
    for path in &survey.unnamed_files {
        println!("nothing names {} (harmless: a push that never ended)", path.display());
    }
    for violation in &survey.violations {
        println!("wrong: {violation}");
    }
    match survey.violations.len() {
        0 => {
            println!("the store holds together");
            ExitCode::SUCCESS
        }
        count => {
            eprintln!(
                "holdfast: {count} things are wrong with this store; restore a backup, or push again what is named"
            );
            ExitCode::FAILURE
        }
    }
}
