//! All repositories of a registry, a page at a time.

use std::collections::VecDeque;

use reqwest::Url;

use super::api::Trouble;
use super::client::Client;
use crate::oci::RepositoryName;
use crate::registry::import::origin::{SourceError, Unusable};

/// Walks through the catalog.
pub(super) struct Catalog<'r> {
    client: &'r Client,
    names: VecDeque<String>,
    next: Next,
}

enum Next {
    First,
    At(Url),
    End,
}

impl<'r> Catalog<'r> {
    pub(super) fn new(client: &'r Client) -> Self {
        Self { client, names: VecDeque::new(), next: Next::First }
    }

    fn read_page(&mut self) -> Result<(), SourceError> {
        let next = match std::mem::replace(&mut self.next, Next::End) {
            Next::First => None,
            Next::At(next) => Some(next),
            Next::End => return Ok(()),
        };
        let (names, next) = self.client.catalog(next.as_ref()).map_err(|trouble| {
            let problem = match trouble {
                Trouble::Absent => "it has no catalog".to_owned(),
                Trouble::Failed(problem) => format!("its catalog cannot be read: {problem}"),
                lost @ Trouble::Lost(_) => return self.client.lost(lost),
            };
            let problem = format!("{problem}; name what is to come with --repository NAME");
            self.client.lost(Trouble::Lost(problem))
        })?;
        self.names = names.into();
        self.next = next.map_or(Next::End, Next::At);
        Ok(())
    }
}

impl Iterator for Catalog<'_> {
    type Item = Result<Result<RepositoryName, Unusable>, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.names.is_empty() && !matches!(self.next, Next::End) {
            if let Err(error) = self.read_page() {
                return Some(Err(error));
            }
        }
        let name = self.names.pop_front()?;
        Some(Ok(name.parse().map_err(|_| Unusable::misnamed(name))))
    }
}
