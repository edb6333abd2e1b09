//! `/v2/_catalog`, from Docker's registry API.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::Call;
use super::error::Error;
use super::respond::{self, With};

/// The size of a page for who does not ask for one.
const DEFAULT_ENTRIES: usize = 100;

/// `GET`: the repositories that have a manifest, a page at a time, with a link to the next.
pub(super) fn list(call: &Call) -> Result<Response, Error> {
    let max = call.api.settings.catalog_max_entries;
    let limit = call.query.page_size()?.unwrap_or(DEFAULT_ENTRIES.min(max));
    if limit > max {
        let asked = call.query.get("n").unwrap_or_default().to_owned();
        return Err(Error::PageSize { asked, max: Some(max) });
    }
    let last = call.query.get("last").unwrap_or_default();
    let page = call.api.registry.list_repositories(last, limit, |name| call.guest.caller.sees(name))?;
    let mut response = respond::json(StatusCode::OK, &json!({ "repositories": page.names }));
    if let Some(last) = page.names.last().filter(|_| page.has_more) {
        let link = call.links.next_page("_catalog", &[("n", &limit.to_string()), ("last", last)]);
        response = response.with(header::LINK, link);
    }
    Ok(response)
}
