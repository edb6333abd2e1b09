//! One order: RFC 8555, section 7.4.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::challenges::Challenges;
use super::error::AcmeError;

/// How long the ACME server may take for each of its steps.
const STEP: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// Orders a certificate for a host, with a new key. Returns the key and the chain in PEM. What was put into `challenges` is the
/// caller's to take back.
pub(super) async fn order(
    account: &Account,
    host: &str,
    challenges: &Challenges,
) -> Result<(String, String), AcmeError> {
    let identifiers = [Identifier::Dns(host.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order, host, challenges).await?;
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new([host.to_owned()])?;
    parameters.distinguished_name = DistinguishedName::new();
    order.finalize_csr(parameters.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&STEP).await?;
    Ok((key.serialize_pem(), chain))
}

/// Proves that the host is ours, where the server does not remember it.
async fn prove(order: &mut Order, host: &str, challenges: &Challenges) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut challenge = challenge.ok_or_else(|| AcmeError::NoChallenge(host.to_owned()))?;
        challenges.put(host, challenge.key_authorization().digest().as_ref())?;
        challenge.set_ready().await?;
    }
    let polled = order.poll_ready(&STEP).await;
    if order.state().status == OrderStatus::Invalid {
        return Err(AcmeError::NotFound { host: host.to_owned(), reason: refusal(order).await });
    }
    polled?;
    Ok(())
}

/// What the server says against the host.
async fn refusal(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(detail) = problem.and_then(|problem| problem.detail.clone()) {
            return detail;
        }
    }
    "it does not say why".to_owned()
}
