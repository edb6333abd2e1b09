//! The client for outgoing calls, in processes of their own, for it reads the environment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use holdfast::outgoing::Outgoing;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const URL: &str = "HOLDFAST_TEST_URL";

/// What a process of its own gets at a URL with these variables: the body, or what went wrong.
fn get(url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_other_process", "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    let output = command.env(URL, url).envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.split_once("outcome: "))
        .unwrap_or_else(|| panic!("{text}"))
        .1
        .to_owned()
}

#[test]
#[ignore = "the other tests run it"]
fn the_other_process() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async { Outgoing::default().get(&url.parse().unwrap(), 1_000).await });
    match outcome {
        Ok(body) => println!("outcome: {}", String::from_utf8_lossy(&body)),
        Err(error) => println!("outcome: {error}"),
    }
}

/// A server on loopback that answers each request, and keeps their first lines.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> String + Send + 'static, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), requests: Arc::default() };
        let requests = Arc::clone(&server.requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                match &tls {
                    None => converse(stream, &answer, &requests),
                    Some(config) => {
                        let session = ServerConnection::new(Arc::clone(config)).unwrap();
                        converse(StreamOwned::new(session, stream), &answer, &requests);
                    }
                }
            }
        });
        server
    }

    fn saying(body: &'static str) -> Self {
        Self::start(move |_| ok(body), None)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn converse(mut stream: impl Read + Write, answer: impl Fn(&str) -> String, requests: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&mut stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else {
        return;
    };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    requests.lock().unwrap().push(request.clone());
    let _ = stream.write_all(answer(&request).as_bytes());
    let _ = stream.flush();
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A server that speaks TLS as `localhost`, and the certificate of who vouches for it.
fn with_tls(answer: impl Fn(&str) -> String + Send + 'static) -> (Server, String) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (Server::start(answer, Some(Arc::new(config))), root.pem())
}

#[test]
fn a_body_is_what_the_server_sends() {
    assert_eq!(get(&Server::saying("hello").url(), &[]), "hello");
}

#[test]
fn calls_go_through_the_proxy_that_is_named() {
    let proxy = Server::saying("from the proxy");
    let variables = [("HTTP_PROXY", proxy.url()), ("HTTPS_PROXY", proxy.url())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, url)| (*name, url.as_str())).collect();
    assert_eq!(get("http://registry.invalid/x", &variables), "from the proxy");
    get("https://registry.invalid/x", &variables);
    assert_eq!(
        proxy.requests(),
        ["GET http://registry.invalid/x HTTP/1.1", "CONNECT registry.invalid:443 HTTP/1.1"]
    );
}

#[test]
fn calls_to_hosts_that_need_no_proxy_go_by_themselves() {
    let (proxy, server) = (Server::saying("from the proxy"), Server::saying("from the server"));
    let outcome = get(&server.url(), &[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", "a.example,127.0.0.1")]);
    assert_eq!((outcome.as_str(), proxy.requests().len()), ("from the server", 0));
}

#[test]
fn the_certificates_that_are_named_are_trusted_and_no_others() {
    let (server, root) = with_tls(|_| ok("over tls"));
    let url = format!("https://localhost:{}/", server.port);
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right.pem"), folder.path().join("wrong.pem"));
    std::fs::write(&right, root).unwrap();
    std::fs::write(&wrong, with_tls(|_| String::new()).1).unwrap();
    assert_eq!(get(&url, &[("SSL_CERT_FILE", right.to_str().unwrap())]), "over tls");
    let refused = get(&url, &[("SSL_CERT_FILE", wrong.to_str().unwrap())]);
    assert!(refused.contains("cannot be reached") && refused.contains("certificate"), "{refused}");
    std::fs::remove_file(&wrong).unwrap();
    assert_eq!(get(&url, &[("SSL_CERT_DIR", folder.path().to_str().unwrap())]), "over tls");
}

#[test]
fn no_redirect_leads_from_https_to_http() {
    let plain = Server::saying("over plain http");
    let target = plain.url();
    let (server, root) = with_tls(move |_| redirect(&target));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, root).unwrap();
    let url = format!("https://localhost:{}/", server.port);
    let outcome = get(&url, &[("SSL_CERT_FILE", file.path().to_str().unwrap())]);
    assert!(outcome.contains("from https to http"), "{outcome}");
    assert_eq!(plain.requests().len(), 0);
}

#[test]
fn redirects_are_few() {
    let answer = |request: &str| match request.split(' ').nth(1).unwrap() {
        "/4" => redirect("/3"),
        "/3" => redirect("/2"),
        "/2" => redirect("/1"),
        "/1" => redirect("/0"),
        _ => ok("there"),
    };
    let server = Server::start(answer, None);
    assert_eq!(get(&format!("{}3", server.url()), &[]), "there");
    let outcome = get(&format!("{}4", server.url()), &[]);
    assert!(outcome.contains("more than three times"), "{outcome}");
}

#[test]
fn what_is_too_large_or_no_success_is_an_error_without_what_is_secret() {
    let server = Server::start(
        |request| match request.contains("large") {
            true => ok(&"x".repeat(1_001)),
            false => "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned(),
        },
        None,
    );
    for (path, problem) in [("large?key=hush", "more than 1000 bytes"), ("x?key=hush", "503")] {
        let outcome = get(&format!("{}{path}", server.url()), &[]);
        assert!(outcome.contains(problem) && !outcome.contains("hush"), "{outcome}");
    }
    let closed = get("http://127.0.0.1:1/?key=hush", &[]);
    assert!(closed.contains("cannot be reached") && !closed.contains("hush"), "{closed}");
}
