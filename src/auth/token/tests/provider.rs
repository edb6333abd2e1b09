//! An OpenID provider, or any other server that publishes keys, for tests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::keys::Key;

/// Serves what it is told to on a port of loopback, and counts. It ends with the tests.
pub(super) struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, String>,
    asked: HashMap<String, usize>,
}

impl Provider {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let answering = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &answering);
            }
        });
        Self { address, state }
    }

    /// One with a configuration, and these keys.
    pub(super) fn openid(keys: &[(&str, &Key)]) -> Self {
        let provider = Self::start();
        let (issuer, keys_at) = (provider.url(""), provider.url("/keys"));
        provider.answer(CONFIGURATION, &json!({"issuer": issuer, "jwks_uri": keys_at}));
        provider.publish(keys);
        provider
    }

    pub(super) fn publish(&self, keys: &[(&str, &Key)]) {
        self.answer("/keys", &json!({"keys": keys.iter().map(|(id, key)| key.jwk(id)).collect::<Vec<_>>()}));
    }

    pub(super) fn answer(&self, path: &str, body: &Value) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), body.to_string());
    }

    /// Answers 404 from now on.
    pub(super) fn forget(&self, path: &str) {
        self.state.lock().unwrap().answers.remove(path);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was asked for a path.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.get(path).copied().unwrap_or(0)
    }
}

pub(super) const CONFIGURATION: &str = "/.well-known/openid-configuration";

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else {
        return;
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let mut state = state.lock().unwrap();
    *state.asked.entry(path.clone()).or_default() += 1;
    let (status, body) = match state.answers.get(&path) {
        Some(body) => ("200 OK", body.as_str()),
        None => ("404 Not Found", ""),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}
