//! The account at the ACME server: made once, and known again by its key, which is kept.

use std::sync::Arc;

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::Acme;
use super::calls::Calls;
use super::error::AcmeError;

/// An account as it is kept.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// Of whom it is an account.
    directory: String,
    credentials: AccountCredentials,
}

impl Acme {
    /// The account that is kept, or a new one. Whoever sets the hosts has agreed to the terms of service.
    pub(super) async fn account(self: &Arc<Self>) -> Result<Account, AcmeError> {
        let builder = Account::builder_with_http(Box::new(Calls(self.outgoing.clone())));
        let directory = &self.settings.directory;
        if let Some(kept) = self.cache.account().filter(|kept| kept.directory == *directory) {
            return Ok(builder.from_credentials(kept.credentials).await?);
        }
        let email = self.settings.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = email.as_deref().into_iter().collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&wanted, directory.clone(), None).await?;
        let kept = Kept { directory: directory.clone(), credentials };
        let acme = Arc::clone(self);
        let keeping = spawn_blocking(move || acme.cache.keep_account(&kept));
        keeping.await.expect("writing a file does not panic")?;
        tracing::info!(directory, "an account was made at the ACME server");
        Ok(account)
    }
}
