//! Changing the file of users: one line at a time, whole or not at all.

use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;

use crate::auth::file::{self, FileError};

/// The prefix of names that robot accounts log in with.
pub const ROBOT_PREFIX: &str = "robot+";

/// How a new password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// As `htpasswd -B` does; distribution understands it.
    Bcrypt,
    /// Argon2id with its advised parameters.
    Argon2,
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{name:?} cannot be the name of a user: {reason}")]
    Name { name: String, reason: &'static str },
    #[error("{0}")]
    Password(&'static str),
    #[error("there is a user {0} already: to give them another password use holdfast user passwd {0}")]
    Exists(String),
    #[error("there is no user {0}: holdfast user list names those that there are")]
    Unknown(String),
    #[error("the password cannot be hashed: {0}")]
    Hashing(String),
}

/// What is done to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// There must not be one of this name.
    Add { hash: String },
    /// There must be one.
    Replace { hash: String },
    /// There must be one.
    Remove,
}

/// The hash of a password that somebody may have.
pub fn hash(password: &str, hashing: Hashing) -> Result<String, UsersError> {
    /// What Go takes where nobody says otherwise.
    const COST: u32 = 10;
    /// bcrypt leaves out what is behind it.
    const BCRYPT_LONGEST: usize = 72;
    match hashing {
        _ if password.is_empty() => Err(UsersError::Password("a password must not be empty")),
        _ if password.contains(['\0', '\n', '\r']) => {
            Err(UsersError::Password("a password is one line, without NUL"))
        }
        Hashing::Bcrypt if password.len() > BCRYPT_LONGEST => Err(UsersError::Password(
            "bcrypt takes no more than 72 bytes of a password: choose a shorter one, or use --argon2",
        )),
        Hashing::Bcrypt => {
            bcrypt::hash(password, COST).map_err(|error| UsersError::Hashing(error.to_string()))
        }
        Hashing::Argon2 => {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| UsersError::Hashing(error.to_string()))
        }
    }
}

/// Whether somebody may have this name.
pub fn check_name(name: &str) -> Result<(), UsersError> {
    let refused = |reason| Err(UsersError::Name { name: name.to_owned(), reason });
    match name {
        "" => refused("it is empty"),
        _ if name.contains(':') => refused("it has a colon, which ends it in logins"),
        _ if name.chars().any(char::is_control) => refused("it has a control character"),
        _ if name.trim() != name || name.starts_with('#') => {
            refused("it begins or ends with a blank, or begins with #")
        }
        _ if name.starts_with(ROBOT_PREFIX) => {
            refused("robot accounts have such names: see holdfast robot add")
        }
        _ => Ok(()),
    }
}

/// The names in the file, in its order.
pub fn list(path: &Path) -> Result<Vec<String>, UsersError> {
    Ok(file::read(path)?.lines().filter_map(name_of).map(str::to_owned).collect())
}

/// Changes the file. Other lines stay as they are; a new file can be read by its owner alone.
pub fn change(path: &Path, name: &str, change: &UserChange) -> Result<(), UsersError> {
    let _lock = file::lock(path)?;
    let changed = changed(&file::read(path)?, name, change)?;
    Ok(file::replace(path, &changed)?)
}

fn changed(text: &str, name: &str, change: &UserChange) -> Result<String, UsersError> {
    let is_known = text.lines().any(|line| name_of(line) == Some(name));
    let hash = match change {
        UserChange::Add { .. } if is_known => return Err(UsersError::Exists(name.to_owned())),
        UserChange::Replace { .. } | UserChange::Remove if !is_known => {
            return Err(UsersError::Unknown(name.to_owned()));
        }
        UserChange::Add { hash } | UserChange::Replace { hash } => Some(hash),
        UserChange::Remove => None,
    };
    let others = text.lines().filter(|line| name_of(line) != Some(name)).map(str::to_owned);
    let own = hash.map(|hash| format!("{name}:{hash}"));
    Ok(others.chain(own).map(|line| line + "\n").collect())
}

fn name_of(line: &str) -> Option<&str> {
    let line = line.trim();
    line.split_once(':').map(|(name, _)| name).filter(|name| !name.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn add(hash: &str) -> UserChange {
        UserChange::Add { hash: hash.to_owned() }
    }

    #[test]
    fn a_change_leaves_the_other_lines_as_they_are() {
        let text = "# ours\nalice:a\n\nbob:b\n";
        assert_eq!(changed(text, "carol", &add("c")).expect("added"), "# ours\nalice:a\n\nbob:b\ncarol:c\n");
        let replace = UserChange::Replace { hash: "x".to_owned() };
        assert_eq!(changed(text, "alice", &replace).expect("replaced"), "# ours\n\nbob:b\nalice:x\n");
        assert_eq!(changed(text, "bob", &UserChange::Remove).expect("removed"), "# ours\nalice:a\n\n");
        assert!(matches!(changed(text, "alice", &add("x")), Err(UsersError::Exists(_))));
        assert!(matches!(changed(text, "carol", &UserChange::Remove), Err(UsersError::Unknown(_))));
    }

    #[test]
    fn a_new_file_is_its_owners_alone_and_an_old_one_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("htpasswd");
        let mode = || fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
        change(&path, "alice", &add("a")).expect("added");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        change(&path, "bob", &add("b")).expect("added");
        assert_eq!(
            (mode(), list(&path).expect("names")),
            (0o640, vec!["alice".to_owned(), "bob".to_owned()])
        );
    }

    #[test]
    fn changes_at_the_same_time_are_all_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("htpasswd");
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || change(path, &format!("user{number}"), &add("x")).expect("added"));
            }
        });
        assert_eq!(list(&path).expect("names").len(), 16);
    }

    #[test]
    fn names_and_passwords_that_would_not_work_are_refused() {
        for name in ["", "a:b", "a\n", " a", "#a", "robot+ci"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("alice.smith@example.com").is_ok());
        for password in ["", "two\nlines", &"x".repeat(73)] {
            assert!(hash(password, Hashing::Bcrypt).is_err(), "{password:?}");
        }
        assert!(hash(&"x".repeat(73), Hashing::Argon2).is_ok_and(|hash| hash.starts_with("$argon2id$")));
    }
}
