//! Where a value comes from, what can be wrong with it, and what is only worth a note.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::settings::Level;

/// Whose defaults hold for what is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// No file, or one without `version`.
    Holdfast,
    /// A file with `version: 0.1`.
    Distribution,
}

/// Where a value, or a mistake, stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default(Dialect),
    /// In a file; lines and columns count from 1.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line, unless the file as a whole is meant.
        line: Option<usize>,
        /// The column, in characters.
        column: Option<usize>,
    },
    /// In an environment variable.
    Variable(Arc<str>),
    /// On the command line.
    Flag(&'static str),
}

impl Origin {
    /// Whether somebody set the value.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Default(_))
    }

    /// The line in the file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => *line,
            _ => None,
        }
    }

    /// What origins are ordered by: the place in the file, then everything that is not in it.
    fn place(&self) -> (bool, usize, usize) {
        match self {
            Self::File { line, column, .. } => (false, line.unwrap_or(0), column.unwrap_or(0)),
            _ => (true, 0, 0),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(Dialect::Holdfast) => f.write_str("default"),
            Self::Default(Dialect::Distribution) => f.write_str("default of distribution"),
            Self::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
                column.map_or(Ok(()), |column| write!(f, ":{column}"))
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The key, in full; empty where no key is concerned.
    pub key: String,
    /// What.
    pub fault: Fault,
}

impl Problem {
    pub(super) fn new(origin: &Origin, key: &str, fault: Fault) -> Self {
        Self { origin: origin.clone(), key: key.to_owned(), fault }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        self.fault.fmt(f)
    }
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is not there, or is no text.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// It is not YAML, or YAML that a configuration has no use for.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// No such key.
    #[error("there is no such key{}", did_you_mean(.nearest))]
    Unknown {
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The key stands twice in one mapping.
    #[error("the key stands here a second time; the first is on line {first}")]
    Duplicate {
        /// The line of the first.
        first: usize,
    },
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What belongs here.
        expected: String,
        /// What stands here.
        found: String,
    },
    /// A value of the right type that is not valid.
    #[error("{0}")]
    Value(String),
    /// Something that distribution does and holdfast does not, yet.
    #[error("holdfast does not support this yet; {0}")]
    Unsupported(&'static str),
    /// A file for a version that nobody knows.
    #[error(
        "version {0:?} is not known: a file of distribution's says 0.1, one of holdfast's own leaves version out"
    )]
    Version(String),
}

/// The end of a message about something misspelt.
pub(super) fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

/// Everything that is wrong with a configuration, in the order of the places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.origin.place());
        Self(problems)
    }

    /// The problems, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LISTED: usize = 50;
        match self.0.len() {
            1 => f.write_str("the configuration has an error:")?,
            count => write!(f, "the configuration has {count} errors:")?,
        }
        for problem in self.0.iter().take(LISTED) {
            write!(f, "\n  {problem}")?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Something worth saying at the start that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// [`Level::Info`] for what is merely not needed, [`Level::Warn`] for what may be a mistake.
    pub level: Level,
    /// Where.
    pub origin: Origin,
    /// The key, in full; empty where no key is concerned.
    pub key: String,
    /// What. Never holds the value of the key.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// What is found while reading: problems and notes, in the order of finding.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Note>,
}

impl Findings {
    pub(super) fn problem(&mut self, origin: &Origin, key: &str, fault: Fault) {
        self.problems.push(Problem::new(origin, key, fault));
    }

    pub(super) fn note(&mut self, level: Level, origin: &Origin, key: &str, message: String) {
        self.notes.push(Note { level, origin: origin.clone(), key: key.to_owned(), message });
    }
}
