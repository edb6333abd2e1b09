//! The configuration through its front door: text in, settings or messages out.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod access;
mod auth;
mod distribution;
mod errors;
mod generated;
mod notifications;
mod precedence;
mod quotas;
mod retention;
mod settings;
mod telemetry;
mod variables;

use super::{Config, Errors, Flags, Loaded, Sources};

/// Loads a file with this text and these variables.
fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Errors> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, text).unwrap();
    Config::load(Sources { file: Some(file), environment: owned(variables), flags: Flags::default() })
}

/// Loads a file with this text.
fn load(text: &str) -> Result<Loaded, Errors> {
    load_with(text, &[])
}

/// Loads variables without a file.
fn load_variables(variables: &[(&str, &str)]) -> Result<Loaded, Errors> {
    Config::load(Sources { file: None, environment: owned(variables), flags: Flags::default() })
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The messages, with the folder of the file left out.
fn messages(result: Result<Loaded, Errors>) -> Vec<String> {
    let errors = result.err().map(|errors| errors.problems().to_vec()).unwrap_or_default();
    errors.iter().map(|problem| bare(&problem.to_string())).collect()
}

/// The notes, with the folder of the file left out.
fn notes(loaded: &Loaded) -> Vec<String> {
    loaded.notes.iter().map(|note| bare(&note.to_string())).collect()
}

fn bare(message: &str) -> String {
    match message.find("config.yml") {
        Some(start) if message.starts_with('/') => message[start..].to_owned(),
        _ => message.to_owned(),
    }
}

fn origin(loaded: &Loaded, key: &str) -> String {
    bare(&loaded.origin(key).unwrap().to_string())
}
