//! Repository names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::as_text::as_text;

/// The name of a repository (distribution specification, "Pulling manifests": `<name>`).
///
/// At most [`RepositoryName::MAX_LEN`] bytes; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no repository name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a repository name has at most {max} bytes, this one has {0}", max = RepositoryName::MAX_LEN)]
    TooLong(usize),
    #[error(
        "a repository name is made of components of a-z and 0-9, joined within by one '.', one or two '_' or any '-', \
         and separated by '/'"
    )]
    Malformed,
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > Self::MAX_LEN {
            return Err(NameError::TooLong(text.len()));
        }
        if !text.split('/').all(is_component) {
            return Err(NameError::Malformed);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(RepositoryName);

impl AsRef<str> for RepositoryName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut rest = text.as_bytes();
    loop {
        let word = rest.iter().take_while(|b| is_alphanumeric(**b)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        let separator = match rest {
            [] => return true,
            [b'.', ..] => 1,
            [b'_', b'_', ..] => 2,
            [b'_', ..] => 1,
            [b'-', ..] => rest.iter().take_while(|b| **b == b'-').count(),
            _ => return false,
        };
        rest = &rest[separator..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRAMMAR: &str = "[a-z0-9]{1,4}((\\.|_|__|-{1,4})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,4}((\\.|_|__|-{1,4})[a-z0-9]{1,4}){0,3}){0,3}";

    proptest! {
        #[test]
        fn every_name_of_the_grammar_is_accepted(text in GRAMMAR) {
            prop_assert_eq!(text.parse::<RepositoryName>().map(|name| name.to_string()), Ok(text));
        }

        #[test]
        fn a_name_never_holds_what_the_grammar_has_not(text in "[a-zA-Z0-9./_\\-é\\x00 ]{0,12}") {
            if text.parse::<RepositoryName>().is_ok() {
                prop_assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"./_-".contains(&b)));
                for forbidden in ["..", "//", "___", "/.", "./", "._", "_.", "-.", "_-"] {
                    prop_assert!(!text.contains(forbidden));
                }
                prop_assert!(!text.starts_with(['.', '/', '_', '-']) && !text.ends_with(['.', '/', '_', '-']));
            }
        }
    }

    #[test]
    fn the_longest_name_has_255_bytes() {
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::TooLong(256)));
    }

    #[test]
    fn the_empty_name_is_refused() {
        assert_eq!("".parse::<RepositoryName>(), Err(NameError::Malformed));
    }
}
