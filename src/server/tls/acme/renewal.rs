//! When certificates are ordered: at once where there is none, and again well before one expires. What fails is tried again, ever
//! less often, and after SIGHUP at once.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::error::AcmeError;
use super::order::order;
use super::{Acme, Issued};

/// The longest sleep, in seconds: a clock that was set, or a machine that slept, is noticed after it. So long it is also until a
/// certificate is renewed that was due as soon as it was issued, as by a clock that is wrong.
const LOOK: i64 = 60 * 60;
/// How long an order may take as a whole.
const WHOLE: Duration = Duration::from_secs(5 * 60);

/// A host, and when it is its turn.
struct Turn {
    host: String,
    /// In seconds since 1970.
    at: i64,
    /// How many orders have failed since one did not.
    failures: u32,
}

impl Acme {
    /// Orders what is due, one certificate after another. Never returns.
    pub(in crate::server::tls) async fn keep_current(self: Arc<Self>) {
        let hosts = self.settings.hosts.iter();
        let mut turns: Vec<Turn> =
            hosts.map(|host| Turn { host: host.clone(), at: self.due(host), failures: 0 }).collect();
        loop {
            for turn in turns.iter_mut().filter(|turn| turn.at <= now()) {
                self.take(turn).await;
            }
            let next = turns.iter().map(|turn| turn.at - now()).min().unwrap_or(LOOK);
            let next = Duration::from_secs(next.clamp(0, LOOK).unsigned_abs());
            tokio::select! {
                () = sleep(next) => {}
                () = self.wanted.notified() => {
                    turns.iter_mut().filter(|turn| turn.failures > 0).for_each(|turn| turn.at = now());
                }
            }
        }
    }

    /// When the certificate of a host has to be ordered: at once where there is none, and where it is from elsewhere, as
    /// after the change from Let's Encrypt's staging to what clients trust.
    fn due(&self, host: &str) -> i64 {
        let is_from_elsewhere = |issued: &Issued| {
            issued.directory.as_ref().is_some_and(|directory| *directory != self.settings.directory)
        };
        self.certificates.of(host).filter(|issued| !is_from_elsewhere(issued)).map_or(0, |issued| issued.due)
    }

    async fn take(self: &Arc<Self>, turn: &mut Turn) {
        let host = turn.host.as_str();
        let renewed = timeout(WHOLE, self.renew(host)).await;
        self.challenges.take_back(host);
        match renewed.unwrap_or(Err(AcmeError::TimedOut(WHOLE.as_secs()))) {
            Ok(()) => {
                let due = self.due(host);
                (turn.failures, turn.at) = (0, if due > now() { due } else { now() + LOOK });
            }
            Err(error) => {
                turn.failures += 1;
                let wait = backoff(turn.failures, RandomState::new().hash_one(turn.failures));
                turn.at = now() + wait;
                let meanwhile = self.certificates.of(host).map_or_else(
                    || "clients take nothing that is shown for this host".to_owned(),
                    |issued| format!("the one in force goes on until {}", issued.leaf.expires),
                );
                tracing::error!(
                    host,
                    "no certificate could be ordered from {}: {error}; {meanwhile}; the next try is in {wait} s, or on SIGHUP",
                    self.settings.directory
                );
            }
        }
    }

    /// Orders a certificate, keeps it, and shows it. One that cannot be kept is shown all the same.
    async fn renew(self: &Arc<Self>, host: &str) -> Result<(), AcmeError> {
        let ordered = match self.order(host).await {
            Err(error) if error.is_unknown_account() => {
                tracing::warn!("the ACME server does not know the account any more: another one is made");
                self.cache.forget_account();
                self.order(host).await
            }
            ordered => ordered,
        };
        let (key, chain) = ordered?;
        let pem = Issued::to_pem(&self.settings.directory, &key, &chain);
        let issued = Issued::from_pem(pem.as_bytes()).map_err(AcmeError::Unusable)?;
        let (acme, name) = (Arc::clone(self), host.to_owned());
        let keeping = spawn_blocking(move || acme.cache.keep_certificate(&name, &pem));
        if let Err(error) = keeping.await.expect("writing a file does not panic") {
            tracing::error!(host, "a certificate is lost with the next restart: {error}");
        }
        issued.log(host);
        self.certificates.put(host, issued);
        Ok(())
    }

    async fn order(self: &Arc<Self>, host: &str) -> Result<(String, String), AcmeError> {
        order(&self.account().await?, host, &self.challenges).await
    }
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// How long to wait after so many failures, in seconds: one minute, three, nine, 27, then an hour, and up to a quarter more by
/// chance. Let's Encrypt allows five failures an hour for each host.
fn backoff(failures: u32, chance: u64) -> i64 {
    let tripled = 3_i64.saturating_pow(failures.saturating_sub(1));
    let base = tripled.saturating_mul(60).min(LOOK);
    let scatter = i64::try_from(chance % 1024).expect("it is less than 1024");
    base + base * scatter / 4096
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_and_never_rarer_than_once_in_an_hour_and_a_quarter() {
        let waits = [1, 2, 3, 4, 5, 100].map(|failures| backoff(failures, 0));
        assert_eq!(waits, [60, 180, 540, 1620, 3600, 3600]);
        assert_eq!(backoff(1, 1023), 74);
        assert!((3600..=4500).contains(&backoff(u32::MAX, 1023)));
    }
}
