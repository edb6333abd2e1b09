//! Scopes: what a client asks a token for, and what a challenge tells it to ask for.
//!
//! `repository:team/app:pull,push`, one or more of them separated by spaces. A resource's name may itself hold `:`, as in
//! `repository:host:5000/app:pull`: its type ends at the first one, and its actions begin behind the last.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Some actions on one resource: a scope where it is asked for, an entry of the `access` claim where it is granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `repository`, or `registry` for what concerns all of them.
    #[serde(rename = "type")]
    pub kind: String,
    /// What stands in parentheses behind the type, such as `plugin`. It decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The name of a repository; `catalog` for the listing of them.
    pub name: String,
    /// `pull`, `push`, `delete`, or `*` for every one. There may be none.
    #[serde(default, deserialize_with = "null_is_none")]
    pub actions: BTreeSet<String>,
}

/// Why a text is no scope. What stands in it is shown no longer than 100 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("{0:?} is no scope: write it like repository:team/app:pull,push")]
    Malformed(String),
    #[error("the scope has {0} bytes: ask for {LONGEST} at the most")]
    TooLong(usize),
    #[error("more than {MOST} scopes are asked for: ask for fewer at once")]
    TooMany,
}

/// The longest scope that is read, in bytes.
const LONGEST: usize = 1024;
/// The most scopes that are read at once.
const MOST: usize = 100;
/// The most actions in one scope.
const MOST_ACTIONS: usize = 16;

impl Scope {
    /// Every scope in some `scope` parameters, each of which may hold several. At most 100, of 1024 bytes each.
    pub fn parse_all<'a>(parameters: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, ScopeError> {
        let texts = parameters.into_iter().flat_map(|text| text.split(' ')).filter(|text| !text.is_empty());
        let mut scopes = Vec::new();
        for text in texts {
            if scopes.len() == MOST {
                return Err(ScopeError::TooMany);
            }
            scopes.push(text.parse()?);
        }
        Ok(scopes)
    }

    /// Whether the two are about the same resource.
    pub fn is_about_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }

    /// Whether the action is among those here, `*` being every one.
    pub fn has(&self, action: &str) -> bool {
        self.actions.contains("*") || self.actions.contains(action)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > LONGEST {
            return Err(ScopeError::TooLong(text.len()));
        }
        parse(text).ok_or_else(|| ScopeError::Malformed(text.chars().take(100).collect()))
    }
}

fn parse(text: &str) -> Option<Scope> {
    let (kind, rest) = text.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let (kind, class) = match kind.split_once('(') {
        Some((kind, class)) => (kind, Some(class.strip_suffix(')')?)),
        None => (kind, None),
    };
    let actions: BTreeSet<&str> = actions.split(',').filter(|action| !action.is_empty()).collect();
    let is_valid = is_word(kind)
        && class.is_none_or(is_word)
        && is_name(name)
        && actions.len() <= MOST_ACTIONS
        && actions.iter().all(|action| *action == "*" || is_word(action));
    is_valid.then(|| Scope {
        kind: kind.to_owned(),
        class: class.map(str::to_owned),
        name: name.to_owned(),
        actions: actions.into_iter().map(str::to_owned).collect(),
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether a resource may have this name. That of a repository is looked at more closely by those who grant anything.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\,".contains(&byte))
}

fn null_is_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(class) = &self.class {
            write!(f, "({class})")?;
        }
        write!(f, ":{}:", self.name)?;
        for (index, action) in self.actions.iter().enumerate() {
            write!(f, "{}{action}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scope_is_a_type_a_name_and_actions() {
        let scope: Scope = "repository:team/app:pull,push".parse().unwrap();
        assert_eq!((scope.kind.as_str(), scope.class.as_deref()), ("repository", None));
        assert_eq!(scope.name, "team/app");
        assert!(scope.has("pull") && scope.has("push") && !scope.has("delete"));
    }

    #[test]
    fn a_name_may_hold_colons() {
        let scope: Scope = "repository:registry.example.com:5000/team/app:pull".parse().unwrap();
        assert_eq!(scope.name, "registry.example.com:5000/team/app");
    }

    #[test]
    fn a_type_may_have_a_class() {
        let scope: Scope = "repository(plugin):a/b:pull".parse().unwrap();
        assert_eq!((scope.kind.as_str(), scope.class.as_deref()), ("repository", Some("plugin")));
    }

    #[test]
    fn a_star_is_every_action() {
        let scope: Scope = "registry:catalog:*".parse().unwrap();
        assert!(scope.has("anything"));
    }

    #[test]
    fn what_was_read_is_written_in_one_form() {
        for (text, written) in [
            ("repository:a/b:push,pull,pull", "repository:a/b:pull,push"),
            ("repository(image):a:*", "repository(image):a:*"),
            ("repository:a:", "repository:a:"),
            ("repository:a:,pull,", "repository:a:pull"),
        ] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_scope_is_refused_with_an_example() {
        for text in [
            "",
            "repository",
            "repository:app",
            ":app:pull",
            "repository::pull",
            "Repository:app:pull",
            "repository(:app:pull",
            "repository():app:pull",
            "repository:a\"b:pull",
            "repository:a\\b:pull",
            "repository:ä:pull",
            "repository:app:PULL",
            "repository:app:pull;push",
            "repository:a\nb:pull",
            "repository:app:a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
        ] {
            let message = text.parse::<Scope>().unwrap_err().to_string();
            assert!(message.contains("repository:team/app:pull,push"), "{text:?}: {message}");
        }
    }

    #[test]
    fn parameters_may_hold_several_scopes_each() {
        let scopes =
            Scope::parse_all(["repository:a:pull repository:b:pull", " ", "registry:catalog:*"]).unwrap();
        assert_eq!(scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["a", "b", "catalog"]);
    }

    #[test]
    fn length_and_count_are_bounded() {
        let long = format!("repository:{}:pull", "a".repeat(LONGEST));
        assert_eq!(long.parse::<Scope>(), Err(ScopeError::TooLong(long.len())));
        let many = "repository:a:pull ".repeat(MOST + 1);
        assert_eq!(Scope::parse_all([many.as_str()]), Err(ScopeError::TooMany));
        assert_eq!(Scope::parse_all([&many[..many.len() - 18]]).unwrap().len(), MOST);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_reads_back_the_same(text in "[a-z(]{0,5}[:a-z/,*() é\"]{0,40}") {
            if let Ok(scope) = text.parse::<Scope>() {
                prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
            }
        }
    }
}
