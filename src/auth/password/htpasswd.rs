//! Users and the hashes of their passwords, in the format of Apache's `htpasswd` (`auth.htpasswd`).
//!
//! A line is `NAME:HASH`, the hash one of bcrypt (as distribution has it) or Argon2. Empty lines and those that begin with `#`
//! say nothing.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;

/// The users of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Htpasswd {
    hashes: BTreeMap<String, String>,
    /// Of lines whose hash nobody can be verified against.
    pub(super) unusable: Vec<usize>,
}

/// Verified against where a file has no users at all: bcrypt with the cost that `htpasswd -B` and we have by default.
const NOBODYS: &str = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8.z0E1Y6Gf9QkUuLyqYrGyHSPpTcuW";

impl Htpasswd {
    /// Reads a file. The error names the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut users = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':').filter(|(name, _)| !name.is_empty()) else {
                return Err(format!("line {number} is not of the form NAME:HASH"));
            };
            match Scheme::of(hash) {
                Some(_) => _ = users.hashes.insert(name.to_owned(), hash.to_owned()),
                None => users.unusable.push(number),
            }
        }
        Ok(users)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.hashes.contains_key(name)
    }

    /// Whether this is the user's password. Slow by design: a tenth of a second, say. It takes as long for a name that is not in
    /// the file, for which one of the others is verified against; always the same one, chosen by `pick`.
    pub(super) fn verify(&self, name: &str, password: &str, pick: usize) -> bool {
        match self.hashes.get(name) {
            Some(hash) => is_of(password, hash),
            None => {
                let other = self.hashes.values().nth(pick % self.hashes.len().max(1));
                let _ = is_of(password, other.map_or(NOBODYS, String::as_str));
                false
            }
        }
    }
}

/// How a password was hashed.
enum Scheme {
    Bcrypt,
    Argon2,
}

impl Scheme {
    fn of(hash: &str) -> Option<Self> {
        let is_bcrypt = || hash.parse::<bcrypt::HashParts>().is_ok();
        match hash {
            _ if hash.starts_with("$2") && is_bcrypt() => Some(Self::Bcrypt),
            _ if hash.starts_with("$argon2") && PasswordHash::new(hash).is_ok() => Some(Self::Argon2),
            _ => None,
        }
    }
}

fn is_of(password: &str, hash: &str) -> bool {
    match Scheme::of(hash) {
        Some(Scheme::Bcrypt) => bcrypt::verify(password, hash).unwrap_or(false),
        Some(Scheme::Argon2) => PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// As `htpasswd -Bbn alice secret` writes it, with the least cost.
    fn bcrypt_line(name: &str, password: &str) -> String {
        format!("{name}:{}", bcrypt::hash(password, 4).expect("a hash"))
    }

    #[test]
    fn passwords_are_known_by_their_hashes() {
        let argon2 = "$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$QR0XBo5Yo4gZ8qZRrVGQSQ";
        let text = format!("# users\n\n{}\nbob:{argon2}\n", bcrypt_line("alice", "secret"));
        let users = Htpasswd::parse(&text).expect("users");
        assert!(users.verify("alice", "secret", 0));
        assert!(!users.verify("alice", "Secret", 0));
        assert!(!users.verify("alice", "", 0));
        assert!(!users.verify("carol", "secret", 0), "nobody has this name");
        assert!(users.unusable.is_empty());
    }

    #[test]
    fn argon2_is_understood() {
        use argon2::password_hash::PasswordHasher;
        let hash = Argon2::default().hash_password(b"secret").expect("a hash").to_string();
        let users = Htpasswd::parse(&format!("bob:{hash}")).expect("users");
        assert!(users.verify("bob", "secret", 0));
        assert!(!users.verify("bob", "wrong", 0));
    }

    #[test]
    fn hashes_that_are_easily_broken_let_nobody_in() {
        let text = "a:$apr1$x$y\nb:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\nc:plain\nd:\ne:$2y$\n";
        let users = Htpasswd::parse(text).expect("users");
        assert_eq!(users.unusable, [1, 2, 3, 4, 5]);
        assert!(!users.verify("c", "plain", 0));
        assert!(!users.verify("d", "", 0));
    }

    #[test]
    fn an_error_names_the_line_and_not_what_is_in_it() {
        for text in ["ok:x\nsecret", ":secret"] {
            let error = Htpasswd::parse(text).expect_err("no users");
            assert!(error.starts_with("line ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_takes_as_long_as_a_known_one() {
        let hash = bcrypt::hash("secret", 8).expect("a hash");
        let users = Htpasswd::parse(&format!("alice:{hash}")).expect("users");
        let time = |name: &str| {
            let shortest = (0..5).map(|_| {
                let began = Instant::now();
                assert!(!users.verify(name, "wrong", 7));
                began.elapsed()
            });
            shortest.min().expect("five of them")
        };
        let (known, unknown) = (time("alice"), time("mallory"));
        assert!(unknown * 2 > known && known * 2 > unknown, "{known:?} {unknown:?}");
        assert!(Htpasswd::default().verify("a", "b", 3) || Scheme::of(NOBODYS).is_some());
    }
}
