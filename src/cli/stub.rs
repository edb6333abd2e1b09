//! Stand-in for the api until it lands.
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

pub(super) fn router() -> Router {
    Router::new().fallback(answer)
}

async fn answer(request: Request<Body>) -> Response {
    let method = request.method().clone();
    if request.into_body().collect().await.is_err() {
        return StatusCode::REQUEST_TIMEOUT.into_response();
    }
    match method {
        Method::POST => (
            StatusCode::ACCEPTED,
            [("location", "/v2/test/blobs/uploads/1")],
        )
            .into_response(),
        Method::PATCH => (
            StatusCode::ACCEPTED,
            [("location", "/v2/test/blobs/uploads/1")],
        )
            .into_response(),
        _ => "{}".into_response(),
    }
}
