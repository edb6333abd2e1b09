//! A payload that comes in as a stream: out of an archive, or over the network.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::oci::{Algorithm, Digest};
use crate::store::disk::{DiskFile, is_full};
use crate::store::hasher::Hasher;
use crate::store::ids::PayloadId;
use crate::store::in_flight::Guard;

use super::{Intake, IntakeError, Landed, Method};

/// How many bytes are written before the disk is told to begin with them.
const WRITEBACK: u64 = 8 << 20;

/// A payload on its way in, hashed as it comes. Dropped before its end it leaves nothing behind.
pub struct Landing<'a> {
    intake: &'a Intake<'a>,
    id: PayloadId,
    guard: Option<Guard>,
    /// Where it lies until its digest is known.
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    hasher: Hasher,
    length: u64,
    written_back: u64,
}

impl<'a> Intake<'a> {
    /// Begins to take in a payload of which nothing is there yet.
    pub fn receive(&'a self, algorithm: Algorithm) -> Result<Landing<'a>, IntakeError> {
        let id = PayloadId::random();
        let guard = Some(self.store.in_flight.enter(id));
        let path = self.store.layout.upload(id);
        let file = self.store.disk.create(&path).map_err(|error| failed(&path, error))?;
        let hasher = Hasher::new(algorithm);
        Ok(Landing { intake: self, id, guard, path, file, hasher, length: 0, written_back: 0 })
    }

    /// Makes payloads that were received, and their names, durable. After an error none is to be relied on.
    pub fn keep<'l>(&self, landed: impl Iterator<Item = &'l Landed> + Clone) -> Result<(), IntakeError> {
        self.make_durable(landed)
    }
}

impl Landing<'_> {
    /// How many bytes have come.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        if !self.intake.store.has_room(bytes.len() as u64) {
            return Err(IntakeError::Full);
        }
        self.file.write_at(bytes, self.length).map_err(|error| failed(&self.path, error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        let waiting = self.length - self.written_back;
        if waiting >= WRITEBACK {
            let begun = self.file.start_writeback(self.written_back, waiting);
            begun.map_err(|error| failed(&self.path, error))?;
            self.written_back = self.length;
        }
        Ok(())
    }

    /// Forgets what has come, to begin anew.
    pub fn restart(&mut self) -> Result<(), IntakeError> {
        self.file.set_length(0).map_err(|error| failed(&self.path, error))?;
        (self.hasher, self.length, self.written_back) = (Hasher::new(self.hasher.algorithm()), 0, 0);
        Ok(())
    }

    /// The digest of what has come.
    pub fn digest(&self) -> Digest {
        self.hasher.finish()
    }

    /// Ends it: what has come is a payload from now on, which [`Intake::keep`] makes durable.
    pub fn finish(mut self, method: Method) -> Result<Landed, IntakeError> {
        let digest = self.digest();
        let store = self.intake.store;
        let to = store.layout.payload(&digest, self.id);
        self.intake.sync(&*self.file).map_err(|error| failed(&self.path, error))?;
        store.disk.rename(&self.path, &to).map_err(|error| failed(&to, error))?;
        let guard = self.guard.take().expect("it is taken here alone, and ended once");
        Ok(Landed { file: self.id, method, digest, _guard: guard })
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if self.guard.is_some() {
            // If that fails the next start removes it.
            let _ = self.intake.store.disk.unlink(&self.path);
        }
    }
}

fn failed(path: &std::path::Path, error: io::Error) -> IntakeError {
    match is_full(&error) {
        true => IntakeError::Full,
        false => IntakeError::Io { path: path.to_owned(), error },
    }
}
