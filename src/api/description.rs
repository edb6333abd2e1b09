//! What the API is, as an OpenAPI document: made from the routes themselves, so that it has every one of them and none else.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::respond::{self, With as _};
use super::route::{Route, Rule, every_route};

/// What is said of one method of an endpoint.
struct Operation {
    summary: &'static str,
    /// Names of parameters, headers with their place: `header:Range`.
    parameters: &'static [&'static str],
    /// The media type of what is sent.
    body: Option<&'static str>,
    /// The status when it went well.
    status: u16,
}

const fn operation(summary: &'static str, status: u16) -> Operation {
    Operation { summary, parameters: &[], body: None, status }
}

const OCTETS: &str = "application/octet-stream";

/// The document as text, as it is printed and served.
pub fn openapi() -> String {
    let text = serde_json::to_string_pretty(&document()).expect("text can always be written");
    text + "\n"
}

/// Answers the document.
pub(super) fn serve() -> Response {
    let text = openapi();
    let length = text.len() as u64;
    respond::body(StatusCode::OK, Body::from(text), length).with(header::CONTENT_TYPE, "application/json")
}

/// The document (OpenAPI Specification 3.1).
fn document() -> Value {
    let mut paths = Map::new();
    for route in every_route() {
        let operations = route.table().iter().map(|(method, rule)| {
            let name = method.as_str().to_ascii_lowercase();
            (name, describe(&route, method, *rule))
        });
        paths.insert(route.template().to_owned(), Value::Object(operations.collect()));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "holdfast",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The API of the OCI distribution specification, and what Docker's registry API has beside it. A repository's \
                            name may have slashes. Where nobody has to log in, no credentials are asked for.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
            "schemas": {"Errors": errors()},
        },
    })
}

/// The body of every error (distribution specification, "Error Codes").
fn errors() -> Value {
    json!({
        "type": "object",
        "required": ["errors"],
        "properties": {"errors": {"type": "array", "items": {
            "type": "object",
            "required": ["code"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "detail": {}},
        }}},
    })
}

fn describe(route: &Route, method: &Method, rule: Rule) -> Value {
    let Operation { summary, parameters, body, status } = operation_of(route, method);
    let in_path = route.template().split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let others = parameters.iter().map(|name| match name.split_once(':') {
        Some((place, name)) => json!({"name": name, "in": place, "schema": {"type": "string"}}),
        None => json!({"name": name, "in": "query", "schema": {"type": "string"}}),
    });
    let failure = json!({
        "description": "what went wrong, and what to do",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Errors"}}},
    });
    let mut described = json!({
        "summary": summary,
        "parameters": in_path.chain(others).collect::<Vec<_>>(),
        "responses": {status.to_string(): {"description": "it is done"}, "default": failure},
        "x-action": rule.as_str(),
    });
    if let Some(media_type) = body {
        described["requestBody"] = json!({"content": {media_type: {}}});
    }
    if rule != Rule::Open {
        described["security"] = json!([{"password": []}, {"token": []}]);
    }
    described
}

fn operation_of(route: &Route, method: &Method) -> Operation {
    let is = |other: Method| *method == other;
    match route {
        Route::Root => operation("Whether the server is there", 200),
        Route::Base => operation("Whether this is a registry, and whether one is logged in", 200),
        Route::Description => operation("This document", 200),
        Route::Catalog => Operation {
            parameters: &["n", "last"],
            ..operation("The repositories that have a manifest, a page of them", 200)
        },
        Route::Token if is(Method::POST) => Operation {
            body: Some("application/x-www-form-urlencoded"),
            ..operation("A token, asked for as OAuth 2 has it", 200)
        },
        Route::Token => {
            Operation { parameters: &["service", "scope", "account"], ..operation("A token", 200) }
        }
        Route::TokenKeys => operation("The keys by which tokens are verified", 200),
        Route::Tags { .. } => Operation {
            parameters: &["n", "last"],
            ..operation("The tags of a repository, a page of them", 200)
        },
        Route::Referrers { .. } => Operation {
            parameters: &["artifactType"],
            ..operation("The manifests whose subject this digest is, as an index", 200)
        },
        Route::Manifest { .. } if is(Method::PUT) => Operation {
            parameters: &["tag", "digest", "header:Content-Type", "header:If-Match", "header:If-None-Match"],
            body: Some("application/vnd.oci.image.manifest.v1+json"),
            ..operation("Pushes a manifest, and sets tags", 201)
        },
        Route::Manifest { .. } if is(Method::DELETE) => Operation {
            parameters: &["header:If-Match"],
            ..operation("Deletes a tag, or by digest a manifest with all its tags", 202)
        },
        Route::Manifest { .. } => {
            Operation { parameters: &["header:If-None-Match"], ..operation("A manifest", 200) }
        }
        Route::Blob { .. } if is(Method::DELETE) => operation("Deletes a blob of a repository", 202),
        Route::Blob { .. } => Operation {
            parameters: &["header:Range", "header:If-None-Match", "header:If-Range"],
            ..operation("A blob, or ranges of it", 200)
        },
        Route::Uploads { .. } => Operation {
            parameters: &["mount", "from", "digest", "digest-algorithm"],
            body: Some(OCTETS),
            ..operation("Begins an upload; mounts a blob, or takes one in whole, and answers 201 then", 202)
        },
        Route::Upload { .. } if is(Method::PATCH) => Operation {
            parameters: &["header:Content-Range"],
            body: Some(OCTETS),
            ..operation("Appends a chunk", 202)
        },
        Route::Upload { .. } if is(Method::PUT) => Operation {
            parameters: &["digest", "header:Content-Range"],
            body: Some(OCTETS),
            ..operation("Appends the last bytes, if there are any, and makes the upload a blob", 201)
        },
        Route::Upload { .. } => operation("How far an upload has come; DELETE cancels it", 204),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::{self, Label};

    #[test]
    fn every_endpoint_is_described_with_its_methods_and_its_rules() {
        let document = document();
        let described: Vec<&str> = every_route().iter().map(Route::template).collect();
        assert_eq!(document["paths"].as_object().map(Map::len), Some(described.len()));
        // What is counted by route is every endpoint, and what has none.
        let counted = metrics::Route::ALL.iter().filter(|route| **route != metrics::Route::None);
        let missing: Vec<_> =
            counted.filter(|counted| !every_route().iter().any(|route| route.label() == **counted)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let put = &document["paths"]["/v2/{name}/manifests/{reference}"]["put"];
        assert_eq!(put["x-action"], "push");
        assert_eq!(put["parameters"][1]["name"], "reference");
        assert!(put["security"].is_array());
        assert!(document["paths"]["/"]["get"]["security"].is_null());
    }
}
