//! Paths.
//!
//! Repository names may have components such as `blobs`, `uploads` or `manifests`, so that a path is read from the right:
//! the last components say which endpoint it is, and what is left of them is the name.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use super::error::Error;
use crate::auth::Action;
use crate::observe::metrics;
use crate::oci::{Algorithm, Digest, Reference, RepositoryName};
use crate::registry;
use crate::store::{Hasher, PayloadId};

/// An endpoint, with what its path says (distribution specification, "Endpoints").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/`: for load balancers and probes.
    Root,
    /// `/v2/` (end-1).
    Base,
    /// `/v2/_holdfast/openapi.json`: what the API is. No repository can have such a name, for none begins with `_`.
    Description,
    /// `/v2/_catalog`, from Docker's registry API.
    Catalog,
    /// `/v2/token`, the token server (distribution's token authentication specification).
    Token,
    /// `/v2/token/keys`, the keys of its tokens (RFC 7517).
    TokenKeys,
    /// `/v2/<name>/blobs/<digest>` (end-2, end-10).
    Blob { repository: RepositoryName, digest: Digest },
    /// `/v2/<name>/blobs/uploads/` (end-4a, end-4b, end-11).
    Uploads { repository: RepositoryName },
    /// `/v2/<name>/blobs/uploads/<id>` (end-5, end-6, end-13, end-14).
    Upload { repository: RepositoryName, id: PayloadId },
    /// `/v2/<name>/manifests/<reference>` (end-3, end-7, end-9).
    Manifest { repository: RepositoryName, reference: Reference },
    /// `/v2/<name>/tags/list` (end-8).
    Tags { repository: RepositoryName },
    /// `/v2/<name>/referrers/<digest>` (end-12).
    Referrers { repository: RepositoryName, digest: Digest },
}

/// Who may use a method of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everybody. Nobody is asked who they are.
    Open,
    /// Whoever has proved who they are, where that is asked.
    Known,
    /// Whoever may do this to the repository.
    May(Action),
}

impl Rule {
    /// Whether it lets anything be changed.
    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::May(Action::Push | Action::Delete | Action::Overwrite))
    }

    /// What it lets somebody do, in a word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "none",
            Self::Known => "login",
            Self::May(action) => action.as_str(),
        }
    }
}

impl Route {
    /// Reads a path as it came, escapes and all. `prefix` begins and ends with a slash.
    pub(super) fn parse(path: &str, prefix: &str) -> Result<Self, Error> {
        if path == "/" {
            return Ok(Self::Root);
        }
        let path = percent_decode_str(path).decode_utf8().map_err(|_| Error::PathEncoding)?;
        let path = path.strip_prefix(prefix).ok_or(Error::NoEndpoint)?;
        match path.strip_prefix("v2") {
            Some("" | "/") => Ok(Self::Base),
            Some(rest) => Self::parse_versioned(rest.strip_prefix('/').ok_or(Error::NoEndpoint)?),
            None => Err(Error::NoEndpoint),
        }
    }

    /// Reads what stands behind `/v2/`.
    fn parse_versioned(path: &str) -> Result<Self, Error> {
        match path {
            "_catalog" => return Ok(Self::Catalog),
            "_holdfast/openapi.json" => return Ok(Self::Description),
            "token" => return Ok(Self::Token),
            "token/keys" => return Ok(Self::TokenKeys),
            _ => {}
        }
        let components: Vec<&str> = path.split('/').collect();
        match components.as_slice() {
            [.., "manifests" | "referrers" | "blobs", ""] => Err(Error::NoEndpoint),
            [name @ .., "tags", "list"] => Ok(Self::Tags { repository: repository(name)? }),
            [name @ .., "manifests", reference] => {
                Ok(Self::Manifest { repository: repository(name)?, reference: reference.parse()? })
            }
            [name @ .., "referrers", digest] => {
                Ok(Self::Referrers { repository: repository(name)?, digest: digest.parse()? })
            }
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads { repository: repository(name)? })
            }
            [name @ .., "blobs", "uploads", id] => {
                let repository = repository(name)?;
                let id = id.parse().map_err(|_| Error::UploadId { repository: repository.clone() })?;
                Ok(Self::Upload { repository, id })
            }
            [name @ .., "blobs", digest] => {
                Ok(Self::Blob { repository: repository(name)?, digest: digest.parse()? })
            }
            _ => Err(Error::NoEndpoint),
        }
    }

    /// The methods of this endpoint, and who may use each.
    pub(super) fn table(&self) -> &'static [(Method, Rule)] {
        const PULL: Rule = Rule::May(Action::Pull);
        const PUSH: Rule = Rule::May(Action::Push);
        const DELETE: Rule = Rule::May(Action::Delete);
        const LIST: Rule = Rule::May(Action::List);
        match self {
            Self::Root => &[(Method::GET, Rule::Open), (Method::HEAD, Rule::Open)],
            Self::Base | Self::Description => &[(Method::GET, Rule::Known), (Method::HEAD, Rule::Known)],
            Self::Catalog => &[(Method::GET, LIST), (Method::HEAD, LIST)],
            Self::Token => &[(Method::GET, Rule::Open), (Method::POST, Rule::Open)],
            Self::TokenKeys => &[(Method::GET, Rule::Open), (Method::HEAD, Rule::Open)],
            Self::Blob { .. } => &[(Method::GET, PULL), (Method::HEAD, PULL), (Method::DELETE, DELETE)],
            Self::Uploads { .. } => &[(Method::POST, PUSH)],
            Self::Upload { .. } => &[
                (Method::GET, PUSH),
                (Method::HEAD, PUSH),
                (Method::PATCH, PUSH),
                (Method::PUT, PUSH),
                (Method::DELETE, PUSH),
            ],
            Self::Manifest { .. } => {
                &[(Method::GET, PULL), (Method::HEAD, PULL), (Method::PUT, PUSH), (Method::DELETE, DELETE)]
            }
            Self::Tags { .. } | Self::Referrers { .. } => &[(Method::GET, PULL), (Method::HEAD, PULL)],
        }
    }

    /// Who may use this method here, or `None` if there is no such method.
    pub(super) fn rule(&self, method: &Method) -> Option<Rule> {
        self.table().iter().find(|(known, _)| known == method).map(|(_, rule)| *rule)
    }

    /// What is answered where a repository has nothing of the kind, or does not exist.
    pub(super) fn unknown(&self, repository: &RepositoryName) -> Error {
        let repository = repository.clone();
        Error::Registry(match self {
            Self::Blob { digest, .. } => registry::Error::BlobUnknown { repository, digest: *digest },
            Self::Manifest { reference, .. } => {
                registry::Error::ManifestUnknown { repository, reference: reference.clone() }
            }
            Self::Upload { id, .. } => registry::Error::UploadUnknown { repository, id: *id },
            _ => registry::Error::RepositoryUnknown(repository),
        })
    }

    /// The methods of this endpoint, for `Allow`.
    pub(super) fn methods(&self) -> String {
        let methods: Vec<&str> = self.table().iter().map(|(method, _)| method.as_str()).collect();
        format!("{}, OPTIONS", methods.join(", "))
    }

    /// Its path, with the names of its parts in their place.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Base => "/v2/",
            Self::Description => "/v2/_holdfast/openapi.json",
            Self::Catalog => "/v2/_catalog",
            Self::Token => "/v2/token",
            Self::TokenKeys => "/v2/token/keys",
            Self::Tags { .. } => "/v2/{name}/tags/list",
            Self::Manifest { .. } => "/v2/{name}/manifests/{reference}",
            Self::Referrers { .. } => "/v2/{name}/referrers/{digest}",
            Self::Blob { .. } => "/v2/{name}/blobs/{digest}",
            Self::Uploads { .. } => "/v2/{name}/blobs/uploads/",
            Self::Upload { .. } => "/v2/{name}/blobs/uploads/{id}",
        }
    }

    /// What it is called where requests are counted.
    pub(super) fn label(&self) -> metrics::Route {
        match self {
            Self::Root => metrics::Route::Root,
            Self::Base => metrics::Route::Base,
            Self::Description => metrics::Route::Description,
            Self::Catalog => metrics::Route::Catalog,
            Self::Token => metrics::Route::Token,
            Self::TokenKeys => metrics::Route::TokenKeys,
            Self::Blob { .. } => metrics::Route::Blob,
            Self::Uploads { .. } => metrics::Route::Uploads,
            Self::Upload { .. } => metrics::Route::Upload,
            Self::Manifest { .. } => metrics::Route::Manifest,
            Self::Tags { .. } => metrics::Route::Tags,
            Self::Referrers { .. } => metrics::Route::Referrers,
        }
    }

    /// The repository that it touches.
    pub(super) fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Root | Self::Base | Self::Description | Self::Catalog | Self::Token | Self::TokenKeys => {
                None
            }
            Self::Blob { repository, .. }
            | Self::Uploads { repository }
            | Self::Upload { repository, .. }
            | Self::Manifest { repository, .. }
            | Self::Tags { repository }
            | Self::Referrers { repository, .. } => Some(repository),
        }
    }
}

/// A route of every kind, made by an exhaustive match: a new kind does not compile before it stands here.
pub(super) fn every_route() -> Vec<Route> {
    let named = || "name".parse::<RepositoryName>().expect("a name");
    let (digest, id) = (Hasher::digest(Algorithm::Sha256, b""), PayloadId::random());
    let next = |route: Option<&Route>| {
        Some(match route {
            None => Route::Root,
            Some(Route::Root) => Route::Base,
            Some(Route::Base) => Route::Description,
            Some(Route::Description) => Route::Catalog,
            Some(Route::Catalog) => Route::Token,
            Some(Route::Token) => Route::TokenKeys,
            Some(Route::TokenKeys) => Route::Blob { repository: named(), digest },
            Some(Route::Blob { .. }) => Route::Uploads { repository: named() },
            Some(Route::Uploads { .. }) => Route::Upload { repository: named(), id },
            Some(Route::Upload { .. }) => {
                Route::Manifest { repository: named(), reference: Reference::Digest(digest) }
            }
            Some(Route::Manifest { .. }) => Route::Tags { repository: named() },
            Some(Route::Tags { .. }) => Route::Referrers { repository: named(), digest },
            Some(Route::Referrers { .. }) => return None,
        })
    };
    let mut routes = Vec::new();
    while let Some(route) = next(routes.last()) {
        routes.push(route);
    }
    routes
}

fn repository(components: &[&str]) -> Result<RepositoryName, Error> {
    Ok(components.join("/").parse()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(path: &str) -> Route {
        Route::parse(path, "/").unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[test]
    fn a_name_may_look_like_an_endpoint() {
        let name = |route: Route| route.repository().map(ToString::to_string).unwrap_or_default();
        assert_eq!(name(parse("/v2/blobs/uploads/manifests/latest")), "blobs/uploads");
        assert_eq!(name(parse("/v2/manifests/tags/list/tags/list")), "manifests/tags/list");
        assert_eq!(name(parse("/v2/blobs/uploads/blobs/uploads/")), "blobs/uploads");
        assert_eq!(name(parse(&format!("/v2/blobs/blobs/{DIGEST}"))), "blobs");
        assert_eq!(name(parse(&format!("/v2/tags/list/referrers/{DIGEST}"))), "tags/list");
        let id = PayloadId::random();
        assert!(matches!(parse(&format!("/v2/uploads/blobs/uploads/{id}")), Route::Upload { .. }));
    }

    #[test]
    fn what_touches_a_repository_is_open_to_nobody_without_the_right() {
        for route in every_route() {
            for (method, rule) in route.table() {
                let reads = matches!(*method, Method::GET | Method::HEAD);
                match (route.repository(), rule) {
                    (Some(_), Rule::May(action)) => {
                        let is_upload = matches!(route, Route::Upload { .. });
                        assert_eq!(reads && !is_upload, *action == Action::Pull, "{method} {route:?}");
                        assert_eq!(rule.is_write(), *action != Action::Pull, "{method} {route:?}");
                    }
                    (Some(_), _) => panic!("{method} {route:?} is open"),
                    (None, Rule::May(action)) => assert_eq!(*action, Action::List, "{method} {route:?}"),
                    (None, Rule::Known) => {
                        assert!(matches!(route, Route::Base | Route::Description), "{route:?}");
                    }
                    (None, Rule::Open) => {
                        assert!(matches!(route, Route::Root | Route::Token | Route::TokenKeys), "{route:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn escapes_are_read_once() {
        let escaped = DIGEST.replace(':', "%3A");
        assert_eq!(parse(&format!("/v2/a%2Fb/blobs/{escaped}")), parse(&format!("/v2/a/b/blobs/{DIGEST}")));
        assert!(matches!(Route::parse("/v2/a%252Fb/tags/list", "/"), Err(Error::Name(_))));
        assert!(matches!(Route::parse("/v2/a%FFb/tags/list", "/"), Err(Error::PathEncoding)));
    }

    #[test]
    fn the_base_has_a_slash_or_none() {
        assert_eq!(parse("/v2"), Route::Base);
        assert_eq!(parse("/v2/"), Route::Base);
        assert_eq!(Route::parse("/path/v2/", "/path/").ok(), Some(Route::Base));
        assert!(matches!(Route::parse("/v2/", "/path/"), Err(Error::NoEndpoint)));
        assert!(matches!(Route::parse("/v2x/a/tags/list", "/"), Err(Error::NoEndpoint)));
    }

    proptest! {
        #[test]
        fn a_path_leads_to_the_endpoint_that_it_was_made_for(
            name in "(blobs|uploads|manifests|tags|list|referrers|a-b)(/(blobs|uploads|manifests|tags|list|x__y)){0,3}",
            tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,12}",
        ) {
            let repository: RepositoryName = name.parse().expect("a name");
            let reference = Reference::Tag(tag.parse().expect("a tag"));
            let path = format!("/v2/{name}/manifests/{tag}");
            prop_assert_eq!(parse(&path), Route::Manifest { repository: repository.clone(), reference });
            prop_assert_eq!(parse(&format!("/v2/{name}/tags/list")), Route::Tags { repository });
        }

        #[test]
        fn no_path_is_too_strange(path in "/(v2/)?[a-z/%.:\\x00é_-]{0,40}") {
            let _ = Route::parse(&path, "/");
        }
    }
}
