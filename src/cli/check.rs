//! `holdfast check`: proves that a store holds together.

use std::process::ExitCode;

use clap::Args;

use super::stopped::{Stopped, StoppedError};
use crate::store::{MetadataError, OpenError, Store, Survey, SurveyOptions};

#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    store: Stopped,
    /// Read every payload and compare it with its digest, and compare the archive with the database
    #[arg(long)]
    payloads: bool,
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Stopped(#[from] StoppedError),
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
    let (root, options) = arguments.store.find()?;
    let store = Store::open(&root, &options)?;
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
    for digest in &survey.damaged {
        println!("damaged: {digest}, which is not served until it is pushed again; see holdfast scrub");
    }
    for violation in &survey.violations {
        println!("wrong: {violation}");
    }
    match survey.violations.len() + survey.damaged.len() {
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
