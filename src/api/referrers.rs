//! `/v2/<name>/referrers/<digest>` (distribution specification, "Listing referrers").

use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::Call;
use super::error::Error;
use super::headers::OCI_FILTERS_APPLIED;
use super::respond::{self, With};
use crate::oci::{Digest, ManifestType, RepositoryName};
use crate::store::Referrer;

/// How large a page may become, in bytes: clients read no more than 4 MiB.
const MAX_BYTES: usize = 3 << 20;

/// An image index whose entries are the referrers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: &'static str,
    size: u64,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Referrer> for Entry {
    fn from(Referrer { digest, row }: Referrer) -> Self {
        Self {
            media_type: row.media_type.as_str(),
            size: row.size,
            digest,
            artifact_type: row.artifact_type,
            annotations: row.annotations,
        }
    }
}

/// `GET`: the manifests whose subject this digest is; none if there is no such repository or manifest.
pub(super) fn list(call: &Call, repository: &RepositoryName, subject: &Digest) -> Result<Response, Error> {
    let wanted: Vec<String> =
        call.query.get_all("artifactType").filter(|wanted| !wanted.is_empty()).map(str::to_owned).collect();
    let limit = call.query.page_size()?.unwrap_or(usize::MAX);
    let last = call.query.parsed::<Digest>("last")?;
    let page =
        call.api.registry.list_referrers(repository, subject, &wanted, last.as_ref(), limit, MAX_BYTES)?;
    let next = page.entries.last().filter(|_| page.has_more).map(|entry| entry.digest.to_string());
    let index = Index {
        schema_version: 2,
        media_type: ManifestType::OciIndex.as_str(),
        manifests: page.entries.into_iter().map(Entry::from).collect(),
    };
    let mut response = respond::json_as(StatusCode::OK, &index, ManifestType::OciIndex.as_str());
    if !wanted.is_empty() {
        response = response.with(OCI_FILTERS_APPLIED, "artifactType");
    }
    if let Some(next) = next {
        let mut parameters: Vec<(&str, &str)> =
            wanted.iter().map(|wanted| ("artifactType", &**wanted)).collect();
        let size = limit.to_string();
        if limit < usize::MAX {
            parameters.push(("n", &size));
        }
        parameters.push(("last", &next));
        let link = call.links.next_page(&format!("{repository}/referrers/{subject}"), &parameters);
        response = response.with(header::LINK, link);
    }
    Ok(response)
}
