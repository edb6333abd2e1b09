//! `/v2/<name>/tags/list` (distribution specification, "Listing tags").

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use super::Call;
use super::error::Error;
use super::respond::{self, With};
use crate::oci::RepositoryName;

/// The document that lists tags.
#[derive(Serialize)]
struct TagList<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// `GET`: the tags in bytewise order; all of them, or a page with a link to the next.
pub(super) fn list(call: &Call, repository: &RepositoryName) -> Result<Response, Error> {
    let max = call.api.settings.tags_max_entries;
    let limit = call.query.page_size()?.unwrap_or(max).min(max);
    let page = call.api.registry.list_tags(repository, call.query.get("last").unwrap_or_default(), limit)?;
    let list = TagList { name: repository.as_str(), tags: &page.names };
    let mut response = respond::json(StatusCode::OK, &list);
    if let Some(last) = page.names.last().filter(|_| page.has_more) {
        let parameters = [("n", &*limit.to_string()), ("last", last)];
        let link = call.links.next_page(&format!("{repository}/tags/list"), &parameters);
        response = response.with(header::LINK, link);
    }
    Ok(response)
}
