//! Who is there: logins as a registry asks for them (distribution's token authentication, RFC 7617).

use std::sync::PoisonError;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};
use reqwest::Url;
use serde::Deserialize;

use super::Login;
use super::api::Trouble;
use super::challenge::{Bearer, Challenge};
use super::client::{Again, Client, Failure, failed, never};
use crate::outgoing::{Answer, Outgoing};

/// The largest answer of a token server, in bytes.
const LARGEST_TOKEN: usize = 1 << 20;

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    /// The same, for clients of OAuth 2.
    access_token: Option<String>,
}

impl Client {
    /// What was good for this scope last.
    pub(super) fn authorization(&self, scope: &str) -> Option<String> {
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// What a challenge asks for; nothing if it is not to be had.
    pub(super) async fn log_in(&self, answer: &Answer, scope: &str) -> Result<Option<String>, Failure> {
        let headers = answer.headers().get_all(WWW_AUTHENTICATE).into_iter();
        let mut challenges: Vec<_> =
            headers.filter_map(|header| Challenge::parse(header.to_str().ok()?)).collect();
        challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
        match challenges.into_iter().next() {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.login.as_ref().map(basic)),
            Some(Challenge::Bearer(bearer)) => {
                Ok(Some(format!("Bearer {}", self.fetch_token(&bearer, scope).await?)))
            }
        }
    }

    async fn fetch_token(&self, bearer: &Bearer, scope: &str) -> Result<String, Failure> {
        let mut url = self.realm(&bearer.realm)?;
        url.query_pairs_mut()
            .extend_pairs(bearer.service.iter().map(|service| ("service", service)))
            .append_pair("scope", bearer.scope.as_deref().unwrap_or(scope));
        let mut request = Request::get(url.as_str());
        if let Some(login) = &self.login {
            request = request.header(AUTHORIZATION, basic(login));
        }
        let request = request.body(Bytes::new()).map_err(|error| never(error.to_string()))?;
        let mut answer =
            self.outgoing.transfer(request, self.patience).await.map_err(|error| failed(&error))?;
        if answer.status() == StatusCode::UNAUTHORIZED || answer.status() == StatusCode::FORBIDDEN {
            let told = self.told(&mut answer).await;
            let problem = format!("the login is refused ({}{told}); {}", answer.status(), self.advice());
            return Err(Failure { trouble: Trouble::Lost(problem), again: Again::Never });
        }
        let mut answer = self.judge(answer).await?;
        let mut body = Vec::new();
        while let Some(piece) = answer.next(self.patience).await.map_err(|error| failed(&error))? {
            if body.len() + piece.len() > LARGEST_TOKEN {
                return Err(never("its token server answers with more than a token".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        let token = serde_json::from_slice::<Token>(&body).ok();
        let token = token.and_then(|Token { token, access_token }| token.or(access_token));
        token.ok_or_else(|| never("its token server answers without a token".to_owned()))
    }

    /// Where a token is to be had. A password does not go in the clear to where the registry itself would not be asked so.
    fn realm(&self, realm: &str) -> Result<Url, Failure> {
        let url = self.url.join(realm).map_err(|_| never(format!("its token server is at {realm:?}")))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.url.scheme() == "http" => Ok(url),
            _ => Outgoing::trustworthy(url.as_str()).map_err(|error| never(error.to_string())),
        }
    }

    /// What to do about a login that does not do.
    pub(super) fn advice(&self) -> &'static str {
        match self.login {
            Some(_) => "the user name and the password that are known for it do not do",
            None => "set HOLDFAST_FROM_USER and HOLDFAST_FROM_PASSWORD, or log in with: docker login",
        }
    }
}

fn basic(login: &Login) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", login.user, login.password)))
}
