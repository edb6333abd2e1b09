//! `/v2/token`, holdfast's own token server (distribution's token authentication specification, with its OAuth 2 variant), and
//! `/v2/token/keys`, the keys that its tokens are verified with.

use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use time::OffsetDateTime;

use super::Call;
use super::error::Error;
use super::query::Query;
use super::request_body::RequestBody;
use super::respond::{self, With};
use crate::auth::token::{Access, Issued, Scope};
use crate::auth::{Caller, Rejection};
use crate::observe::{Decision, audit};

/// The largest form, in bytes: it may hold a token and a hundred scopes.
const LARGEST_FORM: usize = 64 << 10;

/// The answer. Clients look for the token under one of its two names.
#[derive(Serialize)]
struct Answer<'a> {
    token: &'a str,
    access_token: &'a str,
    /// In seconds.
    expires_in: u64,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// `GET`, with `Authorization` or without, and `POST` of a form.
pub(super) async fn issue(call: &Call, body: RequestBody) -> Result<Response, Error> {
    if !call.api.authority.issues_tokens() {
        return Err(Error::NoEndpoint);
    }
    match call.parts.method {
        Method::POST => {
            let settings = &call.api.settings;
            let form = body.read(&call.parts.headers, LARGEST_FORM, settings.idle, &call.api.room).await?;
            let form = Query::parse_form(&String::from_utf8_lossy(&form.bytes));
            let caller = by_form(call, &form).await;
            answer(call, caller, &form, true)
        }
        _ => {
            let peer = call.api.source(&call.parts);
            let caller = call.api.authority.authenticate_for_token(&call.parts.headers, peer).await;
            answer(call, caller, &call.query, false)
        }
    }
}

/// Who fills in a form (RFC 6749, sections 4.3 and 6). An identity token will do where another server would have given a refresh
/// token.
async fn by_form(call: &Call, form: &Query) -> Result<Caller, Rejection> {
    let field = |name| form.get(name).unwrap_or_default();
    let peer = call.api.source(&call.parts);
    let (name, password) = match field("grant_type") {
        "password" => (field("username"), field("password")),
        "refresh_token" => (field("client_id"), field("refresh_token")),
        _ => return Err(Rejection::Wrong),
    };
    call.api.authority.log_in(name, password, peer).await
}

fn answer(
    call: &Call,
    caller: Result<Caller, Rejection>,
    asked: &Query,
    is_form: bool,
) -> Result<Response, Error> {
    let caller = caller.map_err(|rejection| refused(call, rejection))?;
    let scopes = Scope::parse_all(asked.get_all("scope")).map_err(Error::Scope)?;
    let Some(issued) = call.api.authority.issue(&caller, &scopes) else {
        return Err(Error::NoEndpoint);
    };
    let (issued, access) = issued.map_err(Error::Keys)?;
    Ok(respond::json(StatusCode::OK, &document(&issued, &access, is_form))
        .with(header::CACHE_CONTROL, "no-store"))
}

fn refused(call: &Call, rejection: Rejection) -> Error {
    let (parts, peer) = (&call.parts, call.api.source(&call.parts));
    audit(Decision::Refused, "unknown", &parts.method, parts.uri.path(), "login", peer);
    match rejection {
        Rejection::Busy => Error::LoginsBusy,
        rejection => {
            let challenge = call.api.authority.password_challenge().header("", "");
            Error::Unauthorized { challenge, why: Some(rejection) }
        }
    }
}

fn document<'a>(issued: &'a Issued, access: &Access, is_form: bool) -> Answer<'a> {
    let scopes = || access.entries().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    Answer {
        token: &issued.token,
        access_token: &issued.token,
        expires_in: issued.expires_in.as_secs(),
        issued_at: rfc3339(issued.issued_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
        token_type: is_form.then_some("Bearer"),
        scope: is_form.then(scopes),
    }
}

/// A time in seconds since 1970 as RFC 3339 writes it.
fn rfc3339(seconds: u64) -> String {
    let time = OffsetDateTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

/// The keys as a set of JSON web keys (RFC 7517).
pub(super) fn keys(call: &Call) -> Result<Response, Error> {
    let keys = call.api.authority.jwks().ok_or(Error::NoEndpoint)?;
    let length = keys.len() as u64;
    Ok(respond::body(StatusCode::OK, Body::from(keys), length)
        .with(header::CONTENT_TYPE, "application/jwk-set+json")
        .with(header::CACHE_CONTROL, "public, max-age=300"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_clients_read_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_800_000_001), "2027-01-15T08:00:01Z");
    }
}
