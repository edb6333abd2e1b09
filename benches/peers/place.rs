//! Where a row puts what its operations need.

use std::fs::{self, File};
use std::io::{self, Write};

use holdfast::load::{Blob, Connection, Failure, Payload, Stem, Target, push_blob};

use crate::support::Server;

/// The repository of whatever needs but one.
pub(crate) const REPOSITORY: &str = "bench/peers";

/// A contestant that is running.
pub(crate) enum Place<'a> {
    Registry(&'a Server),
    /// A server of files, which are put into its folder.
    Folder(&'a Server),
}

impl Place<'_> {
    pub(crate) fn target(&self) -> &Target {
        let (Self::Registry(server) | Self::Folder(server)) = self;
        &server.target
    }

    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(self.target())
    }

    /// Puts in one blob; gives its path and what it is.
    pub(crate) fn put_blob(&self, stem: &Stem) -> Result<(String, Blob), Failure> {
        let payload = stem.payload();
        let path = payload.blob().path(REPOSITORY);
        match self {
            Self::Registry(_) => drop(push_blob(&mut self.connect()?, REPOSITORY, &payload)?),
            Self::Folder(server) => write_file(server, &path, &payload)?,
        }
        Ok((path, payload.blob()))
    }
}

fn write_file(server: &Server, path: &str, payload: &Payload<'_>) -> io::Result<()> {
    let path = server.root().join(path.trim_start_matches('/'));
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut file = File::create(path)?;
    payload.slices().iter().try_for_each(|slice| file.write_all(slice))
}
