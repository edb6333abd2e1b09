//! Requests to a registry: who is logged in, what is tried again, and for how long.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderMap, RANGE, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use reqwest::Url;
use tokio::runtime::Handle;

use super::api::Trouble;
use super::{Login, RegistrySource};
use crate::outgoing::{Answer, Outgoing, OutgoingError};
use crate::registry::import::origin::SourceError;

/// How often something is asked for before it is given up.
const TRIES: u32 = 6;
/// The same where the answer says that it can only become better elsewhere: one broken thing is not to hold up the others.
const TRIES_OF_500: u32 = 3;
/// How often it waits because the registry asks it to.
const WAITS: u32 = 30;
/// How long it waits after the first failure; each later time is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest that a registry can make it wait at once.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// How much of an error's text is told.
const TOLD: usize = 300;

/// Asks one registry.
pub(super) struct Client {
    pub(super) outgoing: Outgoing,
    runtime: Handle,
    pub(super) url: Url,
    pub(super) login: Option<Login>,
    pub(super) patience: Duration,
    /// The `Authorization` that was good last, by what it was for.
    pub(super) authorizations: Mutex<HashMap<String, String>>,
    /// Until when the registry is to be left alone.
    held_until: Mutex<Option<Instant>>,
}

/// What is asked for.
pub(super) struct Query {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: Option<String>,
    /// From which byte on.
    pub(super) from: u64,
    /// The scope of a token that is good for it.
    pub(super) scope: String,
}

/// Why one try has failed.
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    pub(super) again: Again,
}

/// What can be done about it.
pub(super) enum Again {
    Never,
    /// So many tries in all.
    Tries(u32),
    /// The registry wants to be left alone, for so long if it says so.
    Wait(Option<Duration>),
}

impl Client {
    pub(super) fn new(source: &RegistrySource) -> Self {
        let RegistrySource { url, login, patience, .. } = source.clone();
        let (authorizations, held_until) = (Mutex::default(), Mutex::default());
        let (outgoing, runtime) = (Outgoing::default(), Handle::current());
        Self { outgoing, runtime, url, login, patience, authorizations, held_until }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// What ends the import.
    pub(super) fn lost(&self, trouble: Trouble) -> SourceError {
        let problem = match trouble {
            Trouble::Absent => "it does not answer as a registry does".to_owned(),
            Trouble::Failed(problem) | Trouble::Lost(problem) => problem,
        };
        SourceError::Unreadable { place: self.url.to_string(), problem }
    }

    /// Asks until there is an answer, or no hope of one. Blocks; not on a thread of the runtime.
    pub(super) fn ask(&self, query: &Query) -> Result<Answer, Trouble> {
        let (mut tries, mut waits) = (0, 0);
        loop {
            self.wait();
            let Failure { trouble, again } = match self.runtime.block_on(self.ask_once(query)) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match again {
                Again::Tries(most) if tries + 1 < most => {
                    tries += 1;
                    thread::sleep(pause(tries));
                }
                Again::Wait(asked) if waits < WAITS => {
                    waits += 1;
                    self.hold(asked.unwrap_or_else(|| pause(waits)));
                }
                _ => return Err(trouble),
            }
        }
    }

    /// The next piece of an answer; nothing at its end.
    pub(super) fn next(&self, answer: &mut Answer) -> Result<Option<Bytes>, OutgoingError> {
        self.runtime.block_on(answer.next(self.patience))
    }

    /// The whole of an answer that is to have no more than `limit` bytes.
    pub(super) fn read(&self, mut answer: Answer, limit: usize) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(piece) = self.next(&mut answer).map_err(|error| Trouble::Failed(error.to_string()))? {
            if body.len() + piece.len() > limit {
                return Err(Trouble::Failed(format!("it has more than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The same, asked for anew where it breaks off.
    pub(super) fn ask_and_read(&self, query: &Query, limit: usize) -> Result<(HeaderMap, Vec<u8>), Trouble> {
        let mut tries = 0;
        loop {
            let answer = self.ask(query)?;
            let headers = answer.headers().clone();
            match self.read(answer, limit) {
                Ok(body) => return Ok((headers, body)),
                Err(trouble) if tries + 1 >= TRIES_OF_500 => return Err(trouble),
                Err(_) => tries += 1,
            }
            thread::sleep(pause(tries));
        }
    }

    async fn ask_once(&self, query: &Query) -> Result<Answer, Failure> {
        let known = self.authorization(&query.scope);
        let answer = self.send(query, known.as_deref()).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return self.judge(answer).await;
        }
        let Some(authorization) = self.log_in(&answer, &query.scope).await? else {
            return self.judge(answer).await;
        };
        let answer = self.send(query, Some(&authorization)).await?;
        if answer.status().is_success() {
            let mut authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
            authorizations.insert(query.scope.clone(), authorization);
        }
        self.judge(answer).await
    }

    async fn send(&self, query: &Query, authorization: Option<&str>) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(&query.method).uri(query.url.as_str());
        if let Some(accept) = &query.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if query.from > 0 {
            request = request.header(RANGE, format!("bytes={}-", query.from));
        }
        let request = request.body(Bytes::new()).map_err(|error| never(error.to_string()))?;
        self.outgoing.transfer(request, self.patience).await.map_err(|error| failed(&error))
    }

    /// Tells an answer that is one from what is to be tried again, and from what is in vain.
    pub(super) async fn judge(&self, mut answer: Answer) -> Result<Answer, Failure> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        if status == StatusCode::NOT_FOUND {
            return Err(Failure { trouble: Trouble::Absent, again: Again::Never });
        }
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        let problem = format!("it answers {status}{}", self.told(&mut answer).await);
        let is_held_off = status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::SERVICE_UNAVAILABLE && wait.is_some();
        Err(match status {
            _ if is_held_off => Failure { trouble: Trouble::Lost(problem), again: Again::Wait(wait) },
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Failure { trouble: Trouble::Failed(problem), again: Again::Tries(TRIES) }
            }
            status if status.is_server_error() => {
                Failure { trouble: Trouble::Failed(problem), again: Again::Tries(TRIES_OF_500) }
            }
            StatusCode::UNAUTHORIZED => never(format!("{problem}; {}", self.advice())),
            _ => never(problem),
        })
    }

    /// The beginning of what it says, for people.
    pub(super) async fn told(&self, answer: &mut Answer) -> String {
        let piece = answer.next(self.patience).await.ok().flatten().unwrap_or_default();
        let text: String = String::from_utf8_lossy(&piece).chars().take(TOLD).collect();
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match text.trim() {
            "" => String::new(),
            text => format!(": {text}"),
        }
    }

    /// Leaves the registry alone for a while, whoever asks.
    fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_WAIT);
        let mut held_until = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        *held_until = Some(held_until.map_or(until, |other| other.max(until)));
    }

    fn wait(&self) {
        let until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
    }
}

/// How long it waits after so many failures.
pub(super) fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

pub(super) fn never(problem: String) -> Failure {
    Failure { trouble: Trouble::Failed(problem), again: Again::Never }
}

pub(super) fn failed(error: &OutgoingError) -> Failure {
    let problem = error.to_string();
    let (trouble, again) = match error {
        OutgoingError::Client(_) => (Trouble::Lost(problem), Again::Never),
        OutgoingError::Unreachable { .. } => (Trouble::Lost(problem), Again::Tries(TRIES)),
        _ => (Trouble::Failed(problem), Again::Tries(TRIES)),
    };
    Failure { trouble, again }
}

/// How long a `Retry-After` asks for: seconds, or until a date.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert_eq!([1, 2, 3].map(pause), [250, 500, 1000].map(Duration::from_millis));
        assert_eq!([9, 40, u32::MAX].map(pause), [LONGEST_PAUSE; 3]);
    }

    #[test]
    fn a_registry_says_how_long_it_is_to_be_left_alone() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        assert!(retry_after(&later).is_some_and(|wait| wait > Duration::from_secs(90)));
        assert_eq!(retry_after("soon"), None);
    }
}
