//! A blob on its way from a registry into the store: hashed as it comes, and gone on with where it breaks off.

use std::thread;

use super::api::Trouble;
use super::client::{Client, pause};
use crate::oci::{Digest, RepositoryName};
use crate::store::{Intake, IntakeError, Landed, Landing, Method};

/// How often a blob may break off at the same byte before it is given up.
const TRIES: u32 = 5;

/// Why it did not come this time.
enum Break {
    /// It may go on.
    Off(String),
    /// It may be better from the beginning.
    Wrong(String),
    Trouble(Trouble),
    Intake(IntakeError),
}

/// Brings a blob, or says why it cannot be had.
pub(super) fn download(
    client: &Client,
    intake: &Intake<'_>,
    name: &RepositoryName,
    digest: &Digest,
    size: u64,
) -> Result<Result<Landed, Trouble>, IntakeError> {
    let mut landing = intake.receive(digest.algorithm())?;
    let (mut failures, mut was_wrong) = (0, false);
    loop {
        let before = landing.length();
        let reason = match receive(client, &mut landing, name, digest, size) {
            Ok(()) => return Ok(Ok(landing.finish(Method::Download)?)),
            Err(Break::Intake(error)) => return Err(error),
            Err(Break::Trouble(trouble)) => return Ok(Err(trouble)),
            Err(Break::Wrong(reason)) if was_wrong => return Ok(Err(Trouble::Failed(reason))),
            Err(Break::Wrong(reason)) => {
                landing.restart()?;
                was_wrong = true;
                reason
            }
            Err(Break::Off(reason)) => reason,
        };
        failures = if landing.length() > before { 1 } else { failures + 1 };
        if failures >= TRIES {
            return Ok(Err(Trouble::Failed(reason)));
        }
        thread::sleep(pause(failures));
    }
}

/// Receives what is still to come.
fn receive(
    client: &Client,
    landing: &mut Landing<'_>,
    name: &RepositoryName,
    digest: &Digest,
    size: u64,
) -> Result<(), Break> {
    if landing.length() < size || size == 0 {
        let (mut answer, from) = client.blob(name, digest, landing.length()).map_err(Break::Trouble)?;
        if from != landing.length() {
            landing.restart().map_err(Break::Intake)?;
        }
        while let Some(piece) = client.next(&mut answer).map_err(|error| Break::Off(error.to_string()))? {
            if landing.length() + piece.len() as u64 > size {
                return Err(Break::Wrong(format!(
                    "it has more than the {size} bytes that its manifest says"
                )));
            }
            landing.write(&piece).map_err(Break::Intake)?;
        }
    }
    match landing.length() {
        length if length < size => Err(Break::Off(format!("it ends after {length} of {size} bytes"))),
        _ if landing.digest() != *digest => {
            Err(Break::Wrong("its bytes are not those of its digest".to_owned()))
        }
        _ => Ok(()),
    }
}
