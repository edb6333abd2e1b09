//! What goes wrong under a load, and how often.

use std::collections::BTreeMap;
use std::io;

use crate::oci::Digest;

/// An operation that did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    #[error("the answer cannot be understood: {0}")]
    Malformed(&'static str),
    #[error("HTTP/2 was broken off: {0}")]
    Http2(String),
    #[error("{request} was answered with status {status}, not {expected}: {body}")]
    Status { request: String, status: u16, expected: u16, body: String },
    #[error("{request} gave {length} bytes, not {expected}")]
    Length { request: String, length: u64, expected: u64 },
    #[error("{request} gave other bytes than were pushed, of digest {found}")]
    Bytes { request: String, found: Digest },
    #[error("{request} gave something else: {found}")]
    Content { request: String, found: String },
    #[error("the load was over long before an answer came")]
    Overdue,
    /// Nothing is wrong: somebody said stop.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// What it is counted under.
    fn class(&self) -> String {
        match self {
            Self::Connection(error) => format!("connection: {}", error.kind()),
            Self::Malformed(_) => "not HTTP".to_owned(),
            Self::Http2(_) => "HTTP/2".to_owned(),
            Self::Status { status, .. } => format!("status {status}"),
            Self::Length { .. } => "wrong length".to_owned(),
            Self::Bytes { .. } => "wrong bytes".to_owned(),
            Self::Content { .. } => "wrong content".to_owned(),
            Self::Overdue => "no answer".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }
}

/// Failures by what they are: how many, and the first of each.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<String, (u64, Failure)>);

impl Failures {
    pub(super) fn add(&mut self, failure: Failure) {
        self.insert(failure.class(), 1, failure);
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (class, (count, first)) in other.0 {
            self.insert(class, count, first);
        }
    }

    fn insert(&mut self, class: String, count: u64, first: Failure) {
        self.0.entry(class).or_insert((0, first)).0 += count;
    }

    pub fn total(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The classes in their order: the name, how many, the first one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, &Failure)> {
        self.0.iter().map(|(class, (count, first))| (class.as_str(), *count, first))
    }

    /// One of them, if there are any.
    pub fn into_any(self) -> Option<Failure> {
        self.0.into_values().next().map(|(_, first)| first)
    }
}
