//! `holdfast digest`: what the digests of files are, as distribution's `digest` prints them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::oci::{Algorithm, Digest};
use crate::store::Hasher;

#[derive(Debug, Args)]
pub(super) struct Digests {
    /// sha256, sha512 or blake3
    #[arg(short, long, default_value_t = Algorithm::Sha256)]
    algorithm: Algorithm,
    /// The files; - is standard input
    #[arg(value_name = "FILE", default_value = STANDARD_INPUT)]
    files: Vec<PathBuf>,
}

/// How the command line names standard input.
const STANDARD_INPUT: &str = "-";

/// Prints a line for each file. Exit code 1 if any could not be read.
pub(super) fn run(arguments: &Digests) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for file in &arguments.files {
        match digest(arguments.algorithm, file) {
            Ok(digest) => println!("{digest}\t{}", file.display()),
            Err(error) => {
                eprintln!("holdfast: {}: {error}", file.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn digest(algorithm: Algorithm, file: &Path) -> io::Result<Digest> {
    match file == Path::new(STANDARD_INPUT) {
        true => digest_of(algorithm, io::stdin().lock()),
        false => digest_of(algorithm, File::open(file)?),
    }
}

fn digest_of(algorithm: Algorithm, mut content: impl Read) -> io::Result<Digest> {
    const PIECE: usize = 1 << 20;
    let (mut hasher, mut piece) = (Hasher::new(algorithm), vec![0; PIECE]);
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
