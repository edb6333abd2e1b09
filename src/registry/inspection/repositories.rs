//! The names of repositories.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use crate::oci::{Glob, RepositoryName};
use crate::registry::pages::repositories_behind;
use crate::registry::{Error, Registry, blocking};

impl Registry {
    /// Tells of the repositories that have a manifest and whose names match, in bytewise order. Returns how many that were.
    pub async fn tell_repositories(
        self: &Arc<Self>,
        pattern: Option<Glob>,
        listener: Sender<Vec<RepositoryName>>,
    ) -> Result<u64, Error> {
        let (mut count, mut last) = (0, String::new());
        loop {
            let mut names = self.page_of_repositories(last).await?;
            let Some(end) = names.last() else { return Ok(count) };
            last = end.to_string();
            names.retain(|name| pattern.as_ref().is_none_or(|pattern| pattern.matches(name.as_str())));
            count += names.len() as u64;
            if listener.send(names).await.is_err() {
                return Ok(count);
            }
        }
    }

    /// The next repositories behind `last`.
    pub(super) async fn page_of_repositories(
        self: &Arc<Self>,
        last: String,
    ) -> Result<Vec<RepositoryName>, Error> {
        let registry = Arc::clone(self);
        Ok(blocking(move || repositories_behind(&registry.store.read(), &last)).await?)
    }
}
