//! `holdfast openapi`: the API as a document for machines.

use std::process::ExitCode;

use super::output;
use super::tool::ToolError;
use crate::api;

/// Prints it, as JSON.
pub(super) fn run() -> ExitCode {
    let printed = output::print(&api::openapi()).map_err(ToolError::Output);
    printed.map_or_else(ToolError::exit, |()| ExitCode::SUCCESS)
}
