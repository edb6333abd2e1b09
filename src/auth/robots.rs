//! Robot accounts: for machines that keep a secret of ours.
//!
//! They stand in a file of JSON, which `holdfast robot` changes and a running server reads again when it changes. A secret is
//! random, so that a plain hash of it is as good as a slow one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::file::{self, FileError};
use super::token::{Access, Scope};
use super::watched::Watched;

/// What a robot's secret begins with, so that scanners of published code know one when they see it.
const SECRET_PREFIX: &str = "hfr_";

/// The accounts of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotFile {
    /// By name.
    pub robots: BTreeMap<String, Robot>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robot {
    /// The BLAKE3 hash of the secret.
    secret: String,
    /// What it may do at the most; none: whatever the policies say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Vec<Scope>>,
    /// In seconds since 1970.
    pub created: u64,
    /// In seconds since 1970; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RobotError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{0:?} cannot be the name of a robot: it has 1 to 64 lower-case letters, digits, '-', '_' and '.'"
    )]
    Name(String),
    #[error("there is a robot {0} already: remove it first, or choose another name")]
    Exists(String),
    #[error("there is no robot {0}: holdfast robot list names those that there are")]
    Unknown(String),
    #[error("the system has no random numbers")]
    Random,
}

impl RobotFile {
    /// Reads a file; an empty one has no accounts.
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map_err(|error| format!("line {} is wrong", error.line()))
    }

    fn read(path: &Path) -> Result<Self, FileError> {
        let text = file::read_if_any(path)?;
        Self::parse(&text).map_err(|reason| FileError::Invalid { path: path.to_owned(), reason })
    }
}

impl Robot {
    /// Whether it has expired.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| seconds(now) >= expires)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn hash_of(secret: &str) -> blake3::Hash {
    blake3::hash(secret.as_bytes())
}

/// The accounts that there are.
pub fn list(path: &Path) -> Result<RobotFile, RobotError> {
    Ok(RobotFile::read(path)?)
}

/// Adds an account and gives its secret, which is not kept.
pub fn add(
    path: &Path,
    name: &str,
    access: Option<Vec<Scope>>,
    lifetime: Option<Duration>,
) -> Result<String, RobotError> {
    check_name(name)?;
    let _lock = file::lock(path)?;
    let mut file = RobotFile::read(path)?;
    if file.robots.contains_key(name) {
        return Err(RobotError::Exists(name.to_owned()));
    }
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| RobotError::Random)?;
    let secret = format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let created = seconds(SystemTime::now());
    let expires = lifetime.map(|lifetime| created.saturating_add(lifetime.as_secs()));
    let robot = Robot { secret: hash_of(&secret).to_string(), access, created, expires };
    file.robots.insert(name.to_owned(), robot);
    write(path, &file)?;
    Ok(secret)
}

/// Removes an account: its secret and its tokens count no more.
pub fn remove(path: &Path, name: &str) -> Result<(), RobotError> {
    let _lock = file::lock(path)?;
    let mut file = RobotFile::read(path)?;
    file.robots.remove(name).ok_or_else(|| RobotError::Unknown(name.to_owned()))?;
    write(path, &file)
}

fn write(path: &Path, file: &RobotFile) -> Result<(), RobotError> {
    let text = serde_json::to_string_pretty(file).expect("names, hashes and numbers can always be written");
    Ok(file::replace(path, &(text + "\n"))?)
}

fn check_name(name: &str) -> Result<(), RobotError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    match (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(()),
        false => Err(RobotError::Name(name.to_owned())),
    }
}

/// The accounts of a running server.
pub(super) struct Robots(Watched<RobotFile>);

impl Robots {
    /// Those of a file, which need not be there yet.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        Watched::open_if_any(path, RobotFile::parse).map(Self)
    }

    /// The number of what the file says now; it grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.0.current().1
    }

    /// What a robot may do at the most, if this is its secret; an error if it is not.
    pub(super) fn verify(&self, name: &str, secret: &str) -> Result<Option<Arc<Access>>, ()> {
        let (file, _) = self.0.current();
        let robot = file.robots.get(name).filter(|robot| !robot.is_expired(SystemTime::now())).ok_or(())?;
        let known = blake3::Hash::from_hex(&robot.secret).map_err(|_| ())?;
        // Hashes are compared in constant time.
        if known != hash_of(secret) {
            return Err(());
        }
        Ok(bounds(robot))
    }

    /// What a robot may do at the most who has shown its secret before; an error if it is gone.
    pub(super) fn still(&self, name: &str) -> Result<Option<Arc<Access>>, ()> {
        let (file, _) = self.0.current();
        let robot = file.robots.get(name).filter(|robot| !robot.is_expired(SystemTime::now()));
        robot.map(bounds).ok_or(())
    }
}

fn bounds(robot: &Robot) -> Option<Arc<Access>> {
    robot.access.as_ref().map(|scopes| Arc::new(scopes.iter().cloned().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robot_is_known_by_its_secret_until_it_goes_or_expires() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("robots.json");
        let scopes = Scope::parse_all(["repository:team/app:pull"]).expect("scopes");
        let secret = add(&path, "ci", Some(scopes), None).expect("added");
        let short = add(&path, "short", None, Some(Duration::ZERO)).expect("added");
        assert!(matches!(add(&path, "ci", None, None), Err(RobotError::Exists(_))));
        let robots = Robots::open(&path).expect("robots");
        let bounds = robots.verify("ci", &secret).expect("its secret").expect("its bounds");
        assert!(bounds.permits(&"team/app".parse().expect("a name"), "pull"));
        assert!(robots.verify("ci", &secret[1..]).is_err());
        assert!(robots.verify("other", &secret).is_err());
        assert!(robots.verify("short", &short).is_err(), "it has expired");
        remove(&path, "ci").expect("removed");
        assert!(matches!(remove(&path, "ci"), Err(RobotError::Unknown(_))));
        assert!(Robots::open(&path).expect("robots").verify("ci", &secret).is_err());
    }

    #[test]
    fn the_file_has_no_secret_in_it_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("robots.json");
        let secret = add(&path, "ci", None, None).expect("added");
        assert!(secret.starts_with(SECRET_PREFIX) && secret.len() > 40);
        assert!(!std::fs::read_to_string(&path).expect("read").contains(&secret[4..]));
        assert_eq!(std::fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_are_plain() {
        for name in ["", "CI", "a b", "a:b", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("team-a.ci_1").is_ok());
    }
}
