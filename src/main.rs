//! Reads the command line and hands over to [`holdfast::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast::cli::main()
}
