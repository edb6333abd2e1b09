//! What the API is, as an OpenAPI document: made from the routes themselves, so that it has every one of them and none else.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::route::{Route, Rule};
use crate::oci::{Algorithm, Digest, Reference, RepositoryName};
use crate::store::{Hasher, PayloadId};

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

/// The document (OpenAPI Specification 3.1).
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for route in every_route() {
        let operations = route.table().iter().map(|(method, rule)| {
            let name = method.as_str().to_ascii_lowercase();
            (name, describe(&route, method, *rule))
        });
        paths.insert(template(&route).to_owned(), Value::Object(operations.collect()));
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

/// One route of each kind.
fn every_route() -> Vec<Route> {
    let repository: RepositoryName = "name".parse().expect("a name");
    let digest: Digest = Hasher::digest(Algorithm::Sha256, b"");
    let (named, id) = (|| repository.clone(), PayloadId::random());
    vec![
        Route::Root,
        Route::Base,
        Route::Catalog,
        Route::Token,
        Route::TokenKeys,
        Route::Tags { repository: named() },
        Route::Manifest { repository: named(), reference: Reference::Digest(digest) },
        Route::Referrers { repository: named(), digest },
        Route::Blob { repository: named(), digest },
        Route::Uploads { repository: named() },
        Route::Upload { repository: named(), id },
    ]
}

fn template(route: &Route) -> &'static str {
    match route {
        Route::Root => "/",
        Route::Base => "/v2/",
        Route::Catalog => "/v2/_catalog",
        Route::Token => "/v2/token",
        Route::TokenKeys => "/v2/token/keys",
        Route::Tags { .. } => "/v2/{name}/tags/list",
        Route::Manifest { .. } => "/v2/{name}/manifests/{reference}",
        Route::Referrers { .. } => "/v2/{name}/referrers/{digest}",
        Route::Blob { .. } => "/v2/{name}/blobs/{digest}",
        Route::Uploads { .. } => "/v2/{name}/blobs/uploads/",
        Route::Upload { .. } => "/v2/{name}/blobs/uploads/{id}",
    }
}

fn describe(route: &Route, method: &Method, rule: Rule) -> Value {
    let Operation { summary, parameters, body, status } = operation_of(route, method);
    let in_path = template(route).split('{').skip(1).filter_map(|rest| rest.split('}').next());
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
        let document = openapi();
        let described: Vec<&str> = every_route().iter().map(template).collect();
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
