//! What an event says of the request behind it.

use uuid::Uuid;

use crate::oci::{Digest, RepositoryName};
use crate::store::{EventAction, EventRow, RequestRow, Timestamp};

/// A request, as far as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occasion {
    pub request: RequestRow,
    /// What URLs of this registry begin with, up to `/v2/`.
    pub origin: String,
}

impl Occasion {
    /// Nobody has asked: the registry does it by itself, for this reason.
    pub(in crate::registry) fn of_ourselves(why: &str) -> Self {
        Self { request: RequestRow { actor: why.to_owned(), ..RequestRow::default() }, origin: String::new() }
    }

    /// What those who look after the registry do from where it runs. They know no URL of it: theirs begin with the path.
    pub(in crate::registry) fn of_operator() -> Self {
        let request = RequestRow {
            id: Uuid::new_v4().to_string(),
            user_agent: concat!("holdfast/", env!("CARGO_PKG_VERSION")).to_owned(),
            actor: "operator".to_owned(),
            ..RequestRow::default()
        };
        Self { request, origin: String::new() }
    }

    /// An event of this request that says no more than what was done, and where.
    pub(super) fn event(&self, action: EventAction, repository: &RepositoryName, at: Timestamp) -> EventRow {
        EventRow {
            id: Uuid::new_v4().into_bytes().into(),
            at,
            action,
            repository: repository.clone(),
            digest: None,
            media_type: None,
            size: None,
            tag: None,
            from: None,
            url: None,
            request: self.request.clone(),
        }
    }

    /// Where a manifest can be pulled.
    pub(super) fn manifest_url(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/v2/{repository}/manifests/{digest}", self.origin)
    }

    /// Where a blob can be pulled.
    pub(super) fn blob_url(&self, repository: &RepositoryName, digest: &Digest) -> String {
        format!("{}/v2/{repository}/blobs/{digest}", self.origin)
    }
}
