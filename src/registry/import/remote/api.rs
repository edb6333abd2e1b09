//! The questions that a registry's API answers (OCI distribution specification), as far as an import has them.

use hyper::header::{CONTENT_LENGTH, HeaderMap, LINK};
use hyper::{Method, StatusCode};
use reqwest::Url;
use serde::Deserialize;

use super::client::{Client, Query};
use crate::oci::{Algorithm, Descriptor, Digest, ManifestType, RepositoryName};
use crate::outgoing::Answer;
use crate::registry::import::origin::LARGEST_MANIFEST;
use crate::store::Hasher;

/// The largest list that is read at once, in bytes.
const LARGEST_LIST: usize = 64 << 20;
/// The most pages of a list.
const PAGES: usize = 1_000_000;
/// How many repositories are asked for at once.
const REPOSITORIES: &str = "100";

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// There is no such thing.
    Absent,
    /// This one thing is not to be had.
    Failed(String),
    /// Nothing is to be had any more.
    Lost(String),
}

#[derive(Deserialize)]
struct CatalogPage {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TagPage {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ReferrerPage {
    manifests: Option<Vec<Descriptor>>,
}

impl Client {
    /// Whether there is a registry.
    pub(super) fn ping(&self) -> Result<(), Trouble> {
        let query = self.query(Method::GET, "", "registry:catalog:*".to_owned())?;
        match self.ask(&query) {
            Ok(_) => Ok(()),
            Err(Trouble::Absent) => {
                Err(Trouble::Lost("it is no registry: /v2/ is not found there".to_owned()))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The first page of the catalog's, or the one at `next`: names, and where there are more.
    pub(super) fn catalog(&self, next: Option<&Url>) -> Result<(Vec<String>, Option<Url>), Trouble> {
        let mut query = self.query(Method::GET, "_catalog", "registry:catalog:*".to_owned())?;
        query.url.query_pairs_mut().append_pair("n", REPOSITORIES);
        query.url = next.cloned().unwrap_or(query.url);
        let (page, next): (CatalogPage, _) = self.page(&query)?;
        Ok((page.repositories.unwrap_or_default(), next))
    }

    /// The names of a repository's tags.
    pub(super) fn tags(&self, name: &RepositoryName) -> Result<Vec<String>, Trouble> {
        let query = self.of_repository(Method::GET, name, "tags/list")?;
        self.all_pages(query, |page: TagPage| page.tags.unwrap_or_default())
    }

    /// Where a tag points.
    pub(super) fn resolve(&self, name: &RepositoryName, tag: &str) -> Result<Digest, Trouble> {
        let mut query = self.of_manifest(Method::HEAD, name, tag)?;
        let answer = self.ask(&query)?;
        let digest = answer.headers().get("Docker-Content-Digest").and_then(|value| value.to_str().ok());
        if let Some(digest) = digest {
            return digest
                .parse()
                .map_err(|error| Trouble::Failed(format!("it points at {digest}: {error}")));
        }
        query.method = Method::GET;
        let (_, bytes) = self.ask_and_read(&query, largest_manifest())?;
        Ok(Hasher::digest(Algorithm::Sha256, &bytes))
    }

    pub(super) fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Trouble> {
        let query = self.of_manifest(Method::GET, name, &digest.to_string())?;
        let (_, bytes) = self.ask_and_read(&query, largest_manifest())?;
        Ok(bytes)
    }

    pub(super) fn has_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<(), Trouble> {
        let query = self.of_manifest(Method::HEAD, name, &digest.to_string())?;
        self.ask(&query).map(drop)
    }

    /// What refers to a manifest; nothing if the registry does not know the question.
    pub(super) fn referrers(
        &self,
        name: &RepositoryName,
        subject: &Digest,
    ) -> Result<Option<Vec<Digest>>, Trouble> {
        let query = self.of_repository(Method::GET, name, &format!("referrers/{subject}"))?;
        let digests =
            |page: ReferrerPage| page.manifests.into_iter().flatten().map(|one| one.digest).collect();
        match self.all_pages(query, digests) {
            Ok(found) => Ok(Some(found)),
            // The specification has it answered for every digest.
            Err(Trouble::Absent) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// In bytes.
    pub(super) fn blob_size(&self, name: &RepositoryName, digest: &Digest) -> Result<u64, Trouble> {
        let query = self.of_repository(Method::HEAD, name, &format!("blobs/{digest}"))?;
        let answer = self.ask(&query)?;
        let length = answer.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        length.ok_or_else(|| Trouble::Failed("it does not say how many bytes it has".to_owned()))
    }

    /// A blob's bytes from `from` on, or all of them if the registry does not know how to begin there: from where they are.
    pub(super) fn blob(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: u64,
    ) -> Result<(Answer, u64), Trouble> {
        let mut query = self.of_repository(Method::GET, name, &format!("blobs/{digest}"))?;
        query.from = from;
        let answer = self.ask(&query)?;
        let is_part = answer.status() == StatusCode::PARTIAL_CONTENT;
        Ok((answer, if is_part { from } else { 0 }))
    }

    /// A question about a manifest of any type.
    fn of_manifest(&self, method: Method, name: &RepositoryName, reference: &str) -> Result<Query, Trouble> {
        let query = self.of_repository(method, name, &format!("manifests/{reference}"))?;
        Ok(Query { accept: Some(manifest_types()), ..query })
    }

    fn of_repository(&self, method: Method, name: &RepositoryName, path: &str) -> Result<Query, Trouble> {
        self.query(method, &format!("{name}/{path}"), format!("repository:{name}:pull"))
    }

    fn query(&self, method: Method, path: &str, scope: String) -> Result<Query, Trouble> {
        let url =
            self.url().join(&format!("v2/{path}")).map_err(|error| Trouble::Failed(error.to_string()))?;
        Ok(Query { method, url, accept: None, from: 0, scope })
    }

    fn all_pages<P: for<'d> Deserialize<'d>, T>(
        &self,
        mut query: Query,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, Trouble> {
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let (page, next) = self.page(&query)?;
            all.extend(items(page));
            match next {
                Some(next) => query.url = next,
                None => return Ok(all),
            }
        }
        Err(Trouble::Failed("its list has no end".to_owned()))
    }

    /// A page of a list, and where the next one is.
    fn page<P: for<'d> Deserialize<'d>>(&self, query: &Query) -> Result<(P, Option<Url>), Trouble> {
        let (headers, body) = self.ask_and_read(query, LARGEST_LIST)?;
        let page = serde_json::from_slice(&body);
        let page = page.map_err(|error| Trouble::Failed(format!("its list cannot be read: {error}")))?;
        let next = next_page(&headers, &query.url);
        match &next {
            Some(next) if next.origin() != query.url.origin() => {
                Err(Trouble::Failed("its list goes on at another registry".to_owned()))
            }
            Some(next) if *next == query.url => Err(Trouble::Failed("its list has no end".to_owned())),
            _ => Ok((page, next)),
        }
    }
}

/// `Link: <…>; rel="next"` (RFC 8288).
fn next_page(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let links = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    let mut links = links.flat_map(|value| value.split(", <"));
    let link = links.find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let (target, _) = link.trim_start_matches([' ', '<']).split_once('>')?;
    url.join(target).ok()
}

fn manifest_types() -> String {
    ManifestType::ALL.map(ManifestType::as_str).join(", ")
}

fn largest_manifest() -> usize {
    usize::try_from(LARGEST_MANIFEST).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_where_the_link_says() {
        let url: Url = "http://a.example:5000/v2/_catalog?n=2".parse().expect("a URL");
        let next = |link: &str| {
            let headers = HeaderMap::from_iter([(LINK, link.parse().expect("a header"))]);
            next_page(&headers, &url).map(String::from)
        };
        let expected = "http://a.example:5000/v2/_catalog?n=2&last=b";
        for link in [
            r#"</v2/_catalog?n=2&last=b>; rel="next""#,
            r#"<http://a.example:5000/v2/_catalog?n=2&last=b>;rel=next"#,
            r#"</first>; rel="first", </v2/_catalog?n=2&last=b>; rel="next""#,
        ] {
            assert_eq!(next(link).as_deref(), Some(expected), "{link}");
        }
        assert_eq!(next(r#"</v2/_catalog>; rel="prev""#), None);
        assert_eq!(next("nothing"), None);
    }
}
