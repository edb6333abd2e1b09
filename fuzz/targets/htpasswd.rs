//! The file of users: whatever stands in it, a change touches one line, and whoever was added gets in by their password and by no
//! other, unless a line is so wrong that nobody does.

use std::path::Path;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdfast::auth::users::{self, UserChange};
use holdfast::auth::{Authority, FailureLimit, Settings};
use holdfast::observe::Peer;

/// Of `right`, with the least cost that bcrypt has.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";

/// The first line is the name of somebody, the rest is the file.
pub fn htpasswd(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, file) = data.split_at(end);
    let Ok(name) = std::str::from_utf8(name) else {
        return;
    };
    let folder = folder();
    let path = folder.path().join("htpasswd");
    std::fs::write(&path, file.get(1..).unwrap_or_default()).unwrap();
    let Ok(before) = users::list(&path) else {
        return assert!(std::str::from_utf8(file).is_err());
    };
    if users::check_name(name).is_err() {
        return;
    }
    let add = UserChange::Add { hash: HASH.to_owned() };
    let others: Vec<String> = before.iter().filter(|other| *other != name).cloned().collect();
    match users::change(&path, name, &add) {
        Ok(()) => assert_eq!(others, before),
        Err(_) => {
            assert!(before.iter().any(|other| other == name));
            users::change(&path, name, &UserChange::Replace { hash: HASH.to_owned() }).unwrap();
        }
    }
    let with_name: Vec<String> = others.iter().cloned().chain([name.to_owned()]).collect();
    assert_eq!(users::list(&path).unwrap(), with_name);
    log_in(folder.path(), &path, name);
    users::change(&path, name, &UserChange::Remove).unwrap();
    assert_eq!(users::list(&path).unwrap(), others);
}

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).unwrap()
}

fn log_in(folder: &Path, path: &Path, name: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let Ok(authority) = Authority::new(&settings(folder, path)) else {
        let is_wrong = |line: &str| {
            !line.starts_with('#') && line.split_once(':').is_none_or(|(name, _)| name.is_empty())
        };
        return assert!(
            text.lines().map(str::trim).any(|line| !line.is_empty() && is_wrong(line)),
            "{text:?}"
        );
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for (password, is_right) in [("right", true), ("wrong", false)] {
        let caller = runtime.block_on(authority.authenticate(&headers(name, password), Peer::Local));
        assert_eq!(caller.is_ok(), is_right, "{name:?} {text:?}");
        if let Ok(caller) = caller {
            assert_eq!(caller.identity.to_string(), format!("user:{name}"));
        }
    }
}

fn headers(name: &str, password: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
}

fn settings(folder: &Path, path: &Path) -> Settings {
    Settings {
        htpasswd: Some(path.to_owned()),
        realm: String::new(),
        token: None,
        issuers: Vec::new(),
        policies: None,
        robots: folder.join("robots.json"),
        keys: folder.join("keys"),
        lifetime: Duration::from_secs(900),
        rotation: Duration::from_secs(3600),
        failures: FailureLimit { most: 10, window: Duration::from_secs(60) },
        wait: Duration::from_secs(60),
    }
}
