//! The registry as its clients see it: an address that speaks HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use rustls::ClientConfig;
use serde_json::Value;

use super::content::{bytes_of, sha256};
use super::manifests::{Image, descriptor, image, to_bytes};
use super::{Connection, Request, Response, Upload};

/// A running registry. Cheap to clone, so that threads can share it.
#[derive(Clone, Debug)]
pub struct Registry {
    pub address: SocketAddr,
    /// Headers that the configuration puts on every response.
    pub configured_headers: Vec<(String, String)>,
    /// What every request sends as `Authorization`, unless it has one of its own.
    pub authorization: Option<String>,
    /// Who it is spoken to as, where it speaks TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Registry {
    /// The same registry for somebody who logs in with each request.
    pub fn by_password(&self, name: &str, password: &str) -> Self {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        self.by(&format!("Basic {credentials}"))
    }

    /// The same registry for somebody who has a token.
    pub fn by_token(&self, token: &str) -> Self {
        self.by(&format!("Bearer {token}"))
    }

    /// The same registry with this `Authorization`.
    pub fn by(&self, authorization: &str) -> Self {
        Self { authorization: Some(authorization.to_owned()), ..self.clone() }
    }

    /// A connection of its own, for tests that control every byte.
    pub fn connect(&self) -> Connection {
        match &self.tls {
            None => Connection::open(self.address, self.configured_headers.clone()),
            Some(client) => Connection::open_tls(self.address, client).unwrap(),
        }
    }

    /// The same registry, spoken to over TLS as this client.
    pub fn over_tls(&self, client: &Arc<ClientConfig>) -> Self {
        Self { tls: Some(Arc::clone(client)), ..self.clone() }
    }

    /// Sends a request on a new connection and reads the answer, after which nothing may come.
    #[track_caller]
    pub fn send(&self, request: impl Into<Request>) -> Response {
        let mut connection = self.connect();
        let mut request = request.into();
        if let Some(authorization) =
            self.authorization.as_ref().filter(|_| !request.has_header("Authorization"))
        {
            request = request.header("Authorization", authorization);
        }
        let response = connection.send(&request);
        connection.expect_end();
        response
    }

    /// Sends a request to a registry that may end meanwhile: the status of the answer, or `None` when none came.
    pub fn try_send(&self, request: &Request) -> Option<u16> {
        Connection::try_open(self.address)?.try_status(request)
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    #[track_caller]
    pub fn head(&self, target: &str) -> Response {
        self.send(Request::head(target))
    }

    #[track_caller]
    pub fn post(&self, target: &str) -> Response {
        self.send(Request::post(target))
    }

    #[track_caller]
    pub fn delete(&self, target: &str) -> Response {
        self.send(Request::delete(target))
    }

    /// Opens an upload session in the repository.
    #[track_caller]
    pub fn start_upload(&self, repository: &str) -> Upload<'_> {
        let response = self.post(&format!("/v2/{repository}/blobs/uploads/")).expect(202);
        Upload::at(self, response.location())
    }

    /// Pushes a blob, POST then PUT, and gives its sha256 digest.
    #[track_caller]
    pub fn push_blob(&self, repository: &str, bytes: impl AsRef<[u8]>) -> String {
        let digest = sha256(&bytes);
        self.start_upload(repository).put(&digest, bytes.as_ref()).expect(201);
        digest
    }

    /// Pushes a manifest under its own media type, whatever comes of it.
    #[track_caller]
    pub fn put_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> Response {
        let media_type = manifest["mediaType"].as_str().unwrap();
        self.put_manifest_bytes(repository, reference, media_type, to_bytes(manifest))
    }

    /// Pushes these bytes as a manifest, whatever comes of it.
    #[track_caller]
    pub fn put_manifest_bytes(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> Response {
        let target = format!("/v2/{repository}/manifests/{reference}");
        self.send(Request::put(target).header("Content-Type", media_type).body(bytes))
    }

    /// Pushes a manifest and gives its sha256 digest.
    #[track_caller]
    pub fn push_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> String {
        self.put_manifest(repository, reference, manifest).expect(201);
        sha256(to_bytes(manifest))
    }

    /// Pushes an OCI image of its own: its seed tells it from others.
    #[track_caller]
    pub fn push_image(&self, repository: &str, reference: &str, seed: u64) -> Image {
        let manifest = self.push_image_blobs(repository, seed);
        let bytes = to_bytes(&manifest);
        let reference = if reference.is_empty() { sha256(&bytes) } else { reference.to_owned() };
        self.put_manifest(repository, &reference, &manifest).expect(201);
        Image {
            digest: sha256(&bytes),
            bytes,
            media_type: manifest["mediaType"].as_str().unwrap().to_owned(),
            config: manifest["config"]["digest"].as_str().unwrap().to_owned(),
            layer: manifest["layers"][0]["digest"].as_str().unwrap().to_owned(),
        }
    }

    /// Pushes the configuration and layer of such an image and gives the manifest that is still to be pushed.
    #[track_caller]
    pub fn push_image_blobs(&self, repository: &str, seed: u64) -> Value {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","seed":{seed}}}"#);
        let layer = bytes_of(512, seed);
        self.push_blob(repository, &config);
        self.push_blob(repository, &layer);
        image(
            &descriptor("application/vnd.oci.image.config.v1+json", &config),
            &[descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        )
    }

    /// The tags of the repository, all of them.
    #[track_caller]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let list = self.get(&format!("/v2/{repository}/tags/list")).expect(200).json();
        list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }
}
