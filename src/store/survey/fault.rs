//! What a survey tells.

use serde::{Deserialize, Serialize};

use crate::store::Tally;

/// What is told while a survey goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SurveyNews {
    /// So much there is to look at, about.
    Ahead(Tally),
    /// So far.
    Looked(SurveyTally),
    Found(Fault),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyTally {
    pub repositories: u64,
    pub manifests: u64,
    pub tags: u64,
    pub blobs: u64,
    /// Of all payloads, in bytes.
    pub payload_bytes: u64,
    /// How much of them was read.
    pub read_bytes: u64,
    pub uploads: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub severity: Severity,
    pub what: String,
    pub repair: Repair,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What a crash may leave. It costs room and harms nobody.
    Leftover,
    /// A payload is lost until somebody pushes it again; it is known to be, and not served.
    Damaged,
    /// What must hold does not.
    Wrong,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repair {
    /// Nothing is to be changed.
    NotWanted,
    /// It is as it should be, after this was done.
    Done(String),
    /// It is not, for this reason.
    Impossible(String),
}
