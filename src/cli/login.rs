//! Who logs in to a registry that holdfast asks: by the environment, or as `docker login` has left it. A command line is seen by
//! everybody on the machine.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use serde::Deserialize;

use crate::registry::Login;

const USER: &str = "HOLDFAST_FROM_USER";
const PASSWORD: &str = "HOLDFAST_FROM_PASSWORD";
/// How Docker Hub is called in its own registry's address, and in the file.
const HUB: (&str, &str) = ("registry-1.docker.io", "index.docker.io");

/// What is wrong with a login.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error("{0} is set and {1} is not: set both, or none")]
    Half(&'static str, &'static str),
    #[error("{}: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error(
        "{}: the login for {host} is kept by the program docker-credential-{helper}, which is not asked here: set \
         {USER} and {PASSWORD}",
        path.display()
    )]
    Helper { path: PathBuf, host: String, helper: String },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
}

/// Who logs in to the registry at a URL, if anybody is known.
pub(super) fn find(url: &Url) -> Result<Option<Login>, LoginError> {
    let get = |name| env::var(name).ok().filter(|text| !text.is_empty());
    match (get(USER), get(PASSWORD)) {
        (Some(user), Some(password)) => return Ok(Some(Login { user, password })),
        (Some(_), None) => return Err(LoginError::Half(USER, PASSWORD)),
        (None, Some(_)) => return Err(LoginError::Half(PASSWORD, USER)),
        (None, None) => {}
    }
    let folder = get("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(get("HOME")?).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")).filter(|path| path.is_file()) else {
        return Ok(None);
    };
    let failed = |problem: String| LoginError::File { path: path.clone(), problem };
    let text = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let file: File = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    let host = host_of(url.as_str());
    match file.find(host) {
        Ok(entry) => entry.map(|entry| entry.login().ok_or_else(|| failed(unread(host)))).transpose(),
        Err(helper) => {
            let (host, helper) = (host.to_owned(), helper.to_owned());
            Err(LoginError::Helper { path, host, helper })
        }
    }
}

fn unread(host: &str) -> String {
    format!("the login for {host} cannot be read: log in again, or set {USER} and {PASSWORD}")
}

/// The host and port of a URL, as the file names registries, which may be with a scheme and a path.
fn host_of(text: &str) -> &str {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split('/').next().unwrap_or_default();
    if host == HUB.0 { HUB.1 } else { host }
}

impl File {
    /// The entry of a host, or the program that keeps it.
    fn find(&self, host: &str) -> Result<Option<&Entry>, &str> {
        if let Some(helper) = self.cred_helpers.get(host) {
            return Err(helper);
        }
        let Some((_, entry)) = self.auths.iter().find(|(name, _)| host_of(name) == host) else {
            return Ok(None);
        };
        match &self.creds_store {
            Some(helper) if entry.auth.is_empty() && entry.username.is_empty() => Err(helper),
            _ => Ok(Some(entry)),
        }
    }
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if self.auth.is_empty() {
            let Self { username, password, .. } = self;
            return (!username.is_empty())
                .then(|| Login { user: username.clone(), password: password.clone() });
        }
        let text = String::from_utf8(BASE64_STANDARD.decode(&self.auth).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some(Login { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_the_host_however_the_file_names_it() {
        let file = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "YWxpY2U6czpjcmV0"},
            "registry.example.com:5000": {"username": "bob", "password": "pass"},
            "bare.example.com": {},
            "broken.example.com": {"auth": "?"}
        }, "credHelpers": {"helped.example.com": "pass"}}"#;
        let file: File = serde_json::from_str(file).unwrap();
        let login = |url: &str| {
            let entry = file.find(host_of(url)).unwrap();
            entry.map(|entry| entry.login().map(|login| (login.user, login.password)))
        };
        let expected = |user: &str, password: &str| Some(Some((user.to_owned(), password.to_owned())));
        assert_eq!(login("https://registry-1.docker.io/"), expected("alice", "s:cret"));
        assert_eq!(login("http://registry.example.com:5000/"), expected("bob", "pass"));
        assert_eq!(login("https://registry.example.com/"), None);
        assert_eq!(login("https://bare.example.com/"), Some(None));
        assert_eq!(login("https://broken.example.com/"), Some(None));
        assert_eq!(file.find("helped.example.com").err(), Some("pass"));
    }
}
