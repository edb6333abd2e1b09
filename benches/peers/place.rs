//! Where a row puts what its operations need.

use std::fs::{self, File};
use std::io::{self, Write};

use holdfast::load::{Blob, Connection, Failure, Payload, Stem, Target, push_blob, put_manifest};
use holdfast::oci::ManifestType;

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

    /// Puts in a manifest; gives its path.
    pub(crate) fn put_manifest(
        &self,
        tag: &str,
        media_type: ManifestType,
        manifest: &[u8],
    ) -> Result<String, Failure> {
        let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
        match self {
            Self::Registry(_) => put_manifest(&mut self.connect()?, REPOSITORY, tag, media_type, manifest)?,
            Self::Folder(server) => create_file(server, &path)?.write_all(manifest)?,
        }
        Ok(path)
    }
}

fn create_file(server: &Server, path: &str) -> io::Result<File> {
    let path = server.root().join(path.trim_start_matches('/'));
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    File::create(path)
}

fn write_file(server: &Server, path: &str, payload: &Payload<'_>) -> io::Result<()> {
    let mut file = create_file(server, path)?;
    payload.slices().iter().try_for_each(|slice| file.write_all(slice))
}
