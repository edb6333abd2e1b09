//! What a request does, as policies and tokens name it.

use std::fmt;
use std::str::FromStr;

/// What is done to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Reads it.
    Pull,
    /// Adds to it: blobs, manifests, tags. Moves tags that nothing protects.
    Push,
    /// Takes away from it.
    Delete,
    /// Moves and deletes tags that are immutable for everybody else.
    Overwrite,
    /// Finds it in the listing of repositories, together with [`Pull`](Self::Pull).
    List,
}

impl Action {
    /// All of them, which is what `admin` means in a policy.
    pub const ALL: [Self; 5] = [Self::Pull, Self::Push, Self::Delete, Self::Overwrite, Self::List];

    /// Its name in policies and in the scopes of tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Overwrite => "overwrite",
            Self::List => "list",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no action: there are pull, push, delete, overwrite, list")]
pub struct ActionError(String);

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let known = Self::ALL.into_iter().find(|action| action.as_str() == text);
        known.ok_or_else(|| ActionError(text.to_owned()))
    }
}
