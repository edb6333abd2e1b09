//! The one client for calls that holdfast itself makes to other servers.
//!
//! It goes through the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name, and trusts the system's roots, or those
//! that `SSL_CERT_FILE` and `SSL_CERT_DIR` name in their place. It reads no configuration and knows no other room.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::{HeaderMap, Request, Response};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, StatusCode, Url};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call may take from its beginning to its end.
const WHOLE: Duration = Duration::from_secs(30);
/// The bound of what has none.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The most that is read of an answer that says nothing of interest, in bytes.
const IGNORED: usize = 64 << 10;
/// The most redirects that are followed.
const REDIRECTS: usize = 3;

/// Makes calls. Clones share their connections. The environment and the system's roots are read by the first call, so that who
/// makes none needs neither.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    client: Arc<OnceLock<Client>>,
}

/// Why a call failed. URLs are shown without what stands behind a `?`.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error(
        "no call can be made: {0}; the system's certificates must be installed, or SSL_CERT_FILE must name some"
    )]
    Client(String),
    #[error("{0:?} is no URL: write it like https://login.example.com")]
    Url(String),
    #[error("{0} is neither https nor on loopback: what comes from there cannot be trusted")]
    Plain(String),
    #[error("{url} cannot be reached: {problem}")]
    Unreachable { url: String, problem: String },
    #[error("{url} cannot be reached: {problem}")]
    Failed { url: String, problem: String },
    #[error("{url} has sent nothing for {} seconds", within.as_secs())]
    Silent { url: String, within: Duration },
    #[error("{url} answers {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} answers with more than {limit} bytes")]
    TooLarge { url: String, limit: usize },
}

impl Outgoing {
    /// A URL from which keys may be fetched: https, or http on loopback.
    pub fn trustworthy(text: &str) -> Result<Url, OutgoingError> {
        let malformed = || OutgoingError::Url(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| malformed())?;
        match (url.scheme(), url.host_str()) {
            ("https", Some(_)) => Ok(url),
            ("http", Some(host)) if is_loopback(host) => Ok(url),
            ("http", Some(_)) => Err(OutgoingError::Plain(shown(&url))),
            _ => Err(malformed()),
        }
    }

    /// The body that a GET is answered with, of no more than `limit` bytes. Any status but 200 is an error. The whole takes 30
    /// seconds at the most; three redirects are followed, none of them from https to http.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Bytes, OutgoingError> {
        let answer = self.client()?.get(url.clone()).send().await.map_err(|error| failed(url, error))?;
        if answer.status() != StatusCode::OK {
            return Err(OutgoingError::Status { url: shown(url), status: answer.status() });
        }
        read_body(answer, url, limit).await
    }

    /// The answer to any request, whatever its status, with a body of no more than `limit` bytes. Bounded like
    /// [`Outgoing::get`].
    pub async fn call(
        &self,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Response<Bytes>, OutgoingError> {
        let malformed = OutgoingError::Url(request.uri().to_string());
        let request = reqwest::Request::try_from(request).map_err(|_| malformed)?;
        let url = request.url().clone();
        let answer = self.client()?.execute(request).await.map_err(|error| failed(&url, error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(read_body(answer, &url, limit).await?);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }

    /// Sends something, and has it taken: any status below 400 will do. The whole takes `within` at the most.
    pub async fn hand_over(&self, request: Request<Bytes>, within: Duration) -> Result<(), OutgoingError> {
        let malformed = OutgoingError::Url(request.uri().to_string());
        let mut request = reqwest::Request::try_from(request).map_err(|_| malformed)?;
        *request.timeout_mut() = Some(within);
        let url = request.url().clone();
        let answer = self.client()?.execute(request).await.map_err(|error| failed(&url, error))?;
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(OutgoingError::Status { url: shown(&url), status });
        }
        // Read to its end the connection can be used again; what it says is of no interest.
        let _ = read_body(answer, &url, IGNORED).await;
        Ok(())
    }

    /// The answer to any request, whatever its status, to be read piece by piece: there is no bound on the whole, but one of `within`
    /// on the time in which nothing comes.
    pub async fn transfer(&self, request: Request<Bytes>, within: Duration) -> Result<Answer, OutgoingError> {
        let malformed = OutgoingError::Url(request.uri().to_string());
        let mut request = reqwest::Request::try_from(request).map_err(|_| malformed)?;
        *request.timeout_mut() = Some(FOR_EVER);
        let url = request.url().clone();
        let answer = tokio::time::timeout(within, self.client()?.execute(request)).await;
        let answer = answer.map_err(|_| OutgoingError::Silent { url: shown(&url), within })?;
        Ok(Answer { answer: answer.map_err(|error| failed(&url, error))?, url })
    }

    fn client(&self) -> Result<&Client, OutgoingError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            .redirect(Policy::custom(redirect))
            .referer(false)
            .build()
            .map_err(|error| OutgoingError::Client(causes(&error)))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// An answer whose body comes piece by piece.
pub struct Answer {
    answer: reqwest::Response,
    url: Url,
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.answer.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The next piece of the body; nothing at its end. Waits no longer than `within`.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Bytes>, OutgoingError> {
        let next = tokio::time::timeout(within, self.answer.chunk()).await;
        let next = next.map_err(|_| OutgoingError::Silent { url: shown(&self.url), within })?;
        next.map_err(|error| failed(&self.url, error))
    }
}

/// Asks a server with a GET, straight and without following redirects: its status. On loopback, and behind a unix socket in the
/// place of the URL's host, every certificate is taken, for nobody else can be there.
pub async fn ask_directly(
    url: &Url,
    socket: Option<&Path>,
    timeout: Duration,
) -> Result<StatusCode, OutgoingError> {
    let is_near = socket.is_some() || url.host_str().is_some_and(is_loopback);
    let builder = Client::builder().no_proxy().redirect(Policy::none()).timeout(timeout);
    let builder = match socket {
        Some(path) => builder.unix_socket(path),
        None => builder,
    };
    let client = builder.tls_danger_accept_invalid_certs(is_near).build();
    let client = client.map_err(|error| OutgoingError::Client(causes(&error)))?;
    let answer = client.get(url.clone()).send().await.map_err(|error| failed(url, error))?;
    Ok(answer.status())
}

async fn read_body(mut answer: reqwest::Response, url: &Url, limit: usize) -> Result<Bytes, OutgoingError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(url, error))? {
        if body.len() + chunk.len() > limit {
            return Err(OutgoingError::TooLarge { url: shown(url), limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn failed(url: &Url, error: reqwest::Error) -> OutgoingError {
    let (url, is_connecting) = (shown(url), error.is_connect());
    let problem = causes(&error.without_url());
    match is_connecting {
        true => OutgoingError::Unreachable { url, problem },
        false => OutgoingError::Failed { url, problem },
    }
}

fn redirect(attempt: Attempt<'_>) -> Action {
    let from = attempt.previous().last().map(Url::scheme);
    if from == Some("https") && attempt.url().scheme() != "https" {
        return attempt.error("it redirects from https to http");
    }
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("it redirects more than three times");
    }
    attempt.follow()
}

/// Whether a host, by its name or in the form that URLs have it in, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A URL as it may be shown: without what may be secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_password(None);
    url.to_string()
}

/// An error and all that caused it.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_https_or_from_loopback() {
        for url in ["https://a.example", "http://127.0.0.1:80/x", "http://localhost:1", "http://[::1]:5000/"]
        {
            assert!(Outgoing::trustworthy(url).is_ok(), "{url}");
        }
        for url in ["http://a.example/?key=secret", "http://10.0.0.1", "http://localhost.a.example"] {
            let message = Outgoing::trustworthy(url).unwrap_err().to_string();
            assert!(
                message.contains("neither https nor on loopback") && !message.contains("secret"),
                "{message}"
            );
        }
        for url in ["", "a.example", "ftp://a.example", "file:///etc/passwd", "https://"] {
            assert!(matches!(Outgoing::trustworthy(url), Err(OutgoingError::Url(_))), "{url}");
        }
    }
}
