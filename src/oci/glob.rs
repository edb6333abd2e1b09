//! Patterns with `*` and `**`, for names of repositories, tags and the values of claims.

use std::fmt;
use std::str::FromStr;

use super::as_text::as_text;

/// A pattern. `*` stands for any characters but a slash, `**` between slashes for any number of whole components, none
/// included. Everything else stands for itself. Matching takes time in proportion to the pattern times the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    #[error("a pattern must not be empty: write ** for everything")]
    Empty,
    #[error("{0:?}: ** stands for whole components, so it stands alone between slashes, as in team/**")]
    HalfComponent(String),
    #[error("a pattern has at most {} bytes", Glob::LONGEST)]
    TooLong,
}

impl Glob {
    /// The longest pattern, in bytes.
    pub const LONGEST: usize = 1024;

    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        match text {
            "" => Err(GlobError::Empty),
            _ if text.len() > Self::LONGEST => Err(GlobError::TooLong),
            _ if text.split('/').any(|component| component != "**" && component.contains("**")) => {
                Err(GlobError::HalfComponent(text.to_owned()))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let text: Vec<&str> = text.split('/').collect();
        matches(&pattern, &text, |pattern| *pattern == "**", |pattern, text| component(pattern, text))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        Self::parse(text)
    }
}

as_text!(Glob);

fn component(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), |byte| *byte == b'*', |pattern, text| pattern == text)
}

/// Whether a sequence matches a pattern in which a wildcard stands for any number of items. Only the last wildcard that was
/// met can be of use, so that it alone is gone back to.
fn matches<T>(
    pattern: &[T],
    text: &[T],
    is_wildcard: impl Fn(&T) -> bool,
    is_match: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut wildcard: Option<(usize, usize)> = None;
    while let Some(item) = text.get(read) {
        match pattern.get(at) {
            Some(token) if is_wildcard(token) => {
                wildcard = Some((at, read));
                at += 1;
            }
            Some(token) if is_match(token, item) => {
                at += 1;
                read += 1;
            }
            _ => match &mut wildcard {
                Some((place, taken)) => {
                    *taken += 1;
                    (at, read) = (*place + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(is_wildcard)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn one_star_stays_within_a_component() {
        for (pattern, text) in [
            ("team/*", "team/app"),
            ("*", "app"),
            ("team-*/app", "team-a/app"),
            ("a*c*e", "abcde"),
            ("v*", "v"),
        ] {
            assert!(is_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("team/*", "team/app/web"),
            ("team/*", "team"),
            ("*", "team/app"),
            ("team", "team/app"),
            ("team/app", "team"),
            ("tea*", "ateam"),
            ("a*c*e", "abcd"),
        ] {
            assert!(!is_match(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn two_stars_stand_for_any_number_of_components() {
        for (pattern, text) in [
            ("**", "a"),
            ("**", "a/b/c"),
            ("team/**", "team/app/web"),
            ("team/**", "team"),
            ("**/web", "team/app/web"),
            ("**/web", "web"),
            ("team/**/web", "team/web"),
            ("team/**/*-web/**", "team/a/b/x-web/c"),
        ] {
            assert!(is_match(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("team/**", "teams/app"), ("**/web", "team/webs"), ("a/**/b", "a/b/c")] {
            assert!(!is_match(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_would_mislead_is_no_pattern() {
        assert_eq!(Glob::parse(""), Err(GlobError::Empty));
        assert!(matches!(Glob::parse("team**"), Err(GlobError::HalfComponent(_))));
        assert!(matches!(Glob::parse("a/***"), Err(GlobError::HalfComponent(_))));
        assert_eq!(Glob::parse(&"x".repeat(1025)), Err(GlobError::TooLong));
    }

    /// As [`matches`], by trying everything.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
            ([own, rest @ ..], [other, text @ ..]) if own == other => slow(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_last_wildcard_is_enough(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(component(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn no_pattern_takes_long(stars in "(a\\*){0,400}", text in "a{0,1000}") {
            let _ = component(&stars, &text);
        }
    }
}
