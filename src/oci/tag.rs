//! Tags.

use std::fmt;
use std::str::FromStr;

use super::as_text::as_text;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution specification, "Pulling manifests").
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// The longest tag, in bytes.
    pub const MAX_LEN: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tag has 1 to {max} characters from a-z, A-Z, 0-9, '_', '.' and '-', and does not begin with '.' or '-'",
    max = Tag::MAX_LEN
)]
pub struct TagError;

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let begins = text.bytes().next().is_some_and(is_word);
        let goes_on = text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
        if !begins || !goes_on || text.len() > Self::MAX_LEN {
            return Err(TagError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Tag);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_tag_of_the_grammar_is_accepted(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            prop_assert_eq!(text.parse::<Tag>().map(|tag| tag.to_string()), Ok(text));
        }
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for text in ["", ".hidden", "-dash", "a/b", "a:b", "é", "a b", "a\0", &"a".repeat(129)] {
            assert_eq!(text.parse::<Tag>(), Err(TagError), "{text:?}");
        }
    }
}
