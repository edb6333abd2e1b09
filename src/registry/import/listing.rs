//! What layouts and archives say of their images: which repository and which tag each belongs to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::oci::{Descriptor, Digest};

/// The annotation that has a tag, or a whole name.
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// The one in which containerd, and so Docker, keeps the whole name.
const NAME: &str = "io.containerd.image.name";
/// Where names without a host come from, for Docker and its kin.
const HUB: &str = "docker.io";

/// An image that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// As far as it is said.
    pub(super) name: Name,
    pub(super) digest: Digest,
}

/// What a name says, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Name {
    /// Without the host.
    pub(super) repository: Option<String>,
    pub(super) tag: Option<String>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// What an index.json lists.
pub(super) fn read_index(text: &[u8]) -> serde_json::Result<Vec<Listed>> {
    let index: Index = serde_json::from_slice(text)?;
    let listed = index.manifests.into_iter();
    Ok(listed.map(|one| Listed { name: name_in(one.annotations.as_ref()), digest: one.digest }).collect())
}

fn name_in(annotations: Option<&BTreeMap<String, String>>) -> Name {
    let get = |key| annotations.and_then(|annotations| annotations.get(key)).filter(|text| !text.is_empty());
    let reference = get(REFERENCE);
    let name = get(NAME).map(|name| split(name)).unwrap_or_default();
    match reference {
        None => name,
        // A tag has neither.
        Some(reference) if !reference.contains(['/', ':']) => Name { tag: Some(reference.clone()), ..name },
        Some(_) if name.repository.is_some() => name,
        Some(reference) => split(reference),
    }
}

/// Takes a name such as `docker.io/library/app:v1` apart. What has neither a tag nor a digest means `latest`.
pub(super) fn split(name: &str) -> Name {
    let (name, has_digest) = match name.split_once('@') {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match name[last..].find(':') {
        Some(colon) => (&name[..last + colon], Some(name[last + colon + 1..].to_owned())),
        None => (name, (!has_digest).then(|| "latest".to_owned())),
    };
    Name { repository: Some(without_host(repository).to_owned()), tag }
}

/// The name within its registry. `docker.io/library/app` is `app`, as Docker shows it.
fn without_host(name: &str) -> &str {
    match name.split_once('/') {
        Some((HUB, path)) => path.strip_prefix("library/").unwrap_or(path),
        Some((host, path)) if host == "localhost" || host.contains(['.', ':']) => path,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(repository: Option<&str>, tag: Option<&str>) -> Name {
        Name { repository: repository.map(str::to_owned), tag: tag.map(str::to_owned) }
    }

    #[test]
    fn a_name_comes_apart_as_docker_takes_it_apart() {
        for (text, repository, tag) in [
            ("app", "app", Some("latest")),
            ("app:v1", "app", Some("v1")),
            ("team/app:v1", "team/app", Some("v1")),
            ("docker.io/library/app:v1", "app", Some("v1")),
            ("docker.io/team/app:v1", "team/app", Some("v1")),
            ("localhost/app:v1", "app", Some("v1")),
            ("localhost:5000/app", "app", Some("latest")),
            ("registry.example.com:5000/team/app:v1", "team/app", Some("v1")),
            ("app@sha256:00", "app", None),
            ("registry.example.com/app:v1@sha256:00", "app", Some("v1")),
        ] {
            assert_eq!(split(text), name(Some(repository), tag), "{text}");
        }
    }

    #[test]
    fn annotations_say_a_tag_or_a_whole_name() {
        let read = |pairs: &[(&str, &str)]| {
            let annotations = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            name_in(Some(&annotations.collect()))
        };
        assert_eq!(name_in(None), Name::default());
        assert_eq!(read(&[(REFERENCE, "v1")]), name(None, Some("v1")));
        assert_eq!(read(&[(REFERENCE, "")]), Name::default());
        assert_eq!(read(&[(REFERENCE, "localhost:5000/a/app:v1")]), name(Some("a/app"), Some("v1")));
        assert_eq!(read(&[(NAME, "docker.io/library/app:v1")]), name(Some("app"), Some("v1")));
        let both = [(NAME, "example.com/app:v1"), (REFERENCE, "v1")];
        assert_eq!(read(&both), name(Some("app"), Some("v1")));
    }
}
