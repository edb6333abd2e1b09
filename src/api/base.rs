//! `/` and `/v2/`.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::respond;

/// `GET /`: a registry is here. For load balancers, which ask for nothing else.
pub(super) fn root() -> Response {
    respond::empty(StatusCode::OK)
}

/// `GET /v2/` (distribution specification, "Determining support").
pub(super) fn base() -> Response {
    respond::json(StatusCode::OK, &json!({}))
}
