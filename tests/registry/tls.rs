//! The registry over TLS: what is spoken, with whom, and what becomes of those who speak something else.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::{Resumption, Tls12Resumption};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, HandshakeKind, ProtocolVersion};
use tokio_rustls::TlsConnector;

use crate::scrub::{open, payload_file, wait_until};
use crate::support::{Authority, Connection, Holdfast, Pair, Registry, Request, bytes_of, sha256};

/// The configuration of a registry that speaks TLS with this certificate, and has more lines under `http`.
pub(crate) fn configuration(pair: &Pair, more: &str) -> String {
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    let mut yaml = format!("http:\n  tls: {{certificate: {certificate}, key: {key}}}\n");
    for line in more.lines() {
        match line.strip_prefix("tls.") {
            Some(setting) => yaml = yaml.replace("tls: {", &format!("tls: {{{setting}, ")),
            None => writeln!(yaml, "  {line}").unwrap(),
        }
    }
    yaml
}

/// A registry that speaks TLS, and its authority.
fn registry(more: &str) -> (Holdfast, Authority) {
    let authority = Authority::new();
    let holdfast = Holdfast::configured(&configuration(&authority.issue("registry"), more));
    (holdfast, authority)
}

#[track_caller]
fn ping(registry: &Registry) {
    registry.get("/v2/").expect(200);
}

/// What a server says to a client that it does not want, at the latest when the client asks something: with TLS 1.3 a
/// handshake is over for a client before the server has seen its certificate.
pub(crate) fn rejection(address: SocketAddr, client: &Arc<ClientConfig>) -> Option<AlertDescription> {
    let mut socket = TcpStream::connect(address).unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    let mut session = rustls::ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    let asked = stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: registry\r\n\r\n");
    let error = asked.and_then(|()| stream.read(&mut [0; 100])).err()?;
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        other => panic!("{other}"),
    }
}

#[test]
fn images_are_pushed_and_pulled_over_tls_1_2_and_1_3() {
    let (holdfast, authority) = registry("");
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let registry = holdfast.over_tls(&authority.client_of(&[version], None));
        assert_eq!(registry.connect().session().protocol_version(), Some(number));
        registry.push_image("team/app", "latest", 1);
        registry.get("/v2/team/app/manifests/latest").expect(200);
        let bytes = bytes_of(24 << 20, 2);
        let digest = registry.push_blob("team/app", &bytes);
        registry.get(&format!("/v2/team/app/blobs/{digest}")).expect(200).expect_body(&bytes);
    }
}

#[test]
fn a_connection_over_tls_is_kept_for_further_requests_and_ends_with_a_farewell() {
    let (holdfast, authority) = registry("");
    let mut connection = holdfast.over_tls(&authority.client()).connect();
    for _ in 0..3 {
        connection.send(&Request::get("/v2/")).expect(200);
    }
    connection.send(&Request::get("/v2/").header("Connection", "close")).expect(200);
    assert!(connection.read_to_end().is_empty());
    assert!(connection.was_closed_cleanly(), "the connection ended without close_notify");
}

#[test]
fn an_http_1_0_client_is_served_over_tls() {
    let (holdfast, authority) = registry("");
    let mut connection = holdfast.over_tls(&authority.client()).connect();
    let response = connection.send(&Request::get("/v2/").http_1_0()).expect(200);
    assert!(response.find_header("Content-Length").is_some(), "{response}");
    assert!(connection.read_to_end().is_empty());
}

#[test]
fn an_answer_to_a_body_that_is_not_read_reaches_the_client() {
    let (holdfast, authority) = registry("");
    let mut connection = holdfast.over_tls(&authority.client()).connect();
    let request = Request::put("/v2/team/app/manifests/latest")
        .header("Content-Type", crate::support::OCI_IMAGE)
        .body(vec![b' '; 12 << 20]);
    connection.write_request(&request);
    connection.read_response(&request).expect(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_with_clients_that_offer_it() {
    let (holdfast, authority) = registry("");
    let bytes = bytes_of(5 << 20, 3);
    let over_tls = holdfast.over_tls(&authority.client());
    let digest = tokio::task::spawn_blocking(move || over_tls.push_blob("team/app", bytes_of(5 << 20, 3)));
    let digest = digest.await.unwrap();

    let connector = TlsConnector::from(offering(&authority, &["h2", "http/1.1"]));
    let stream = tokio::net::TcpStream::connect(holdfast.address).await.unwrap();
    let name = ServerName::IpAddress(holdfast.address.ip().into());
    let stream = connector.connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get(format!("https://registry/v2/team/app/blobs/{digest}"));
    let response = client.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.into_body().collect().await.unwrap().to_bytes() == bytes);
}

/// A client that offers these protocols.
fn offering(authority: &Authority, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut client = Arc::unwrap_or_clone(authority.client());
    client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(client)
}

#[test]
fn http_2_is_not_offered_where_it_is_disabled() {
    let (holdfast, authority) = registry("http2: {disabled: true}");
    let registry = holdfast.over_tls(&offering(&authority, &["h2", "http/1.1"]));
    assert_eq!(registry.connect().session().alpn_protocol(), Some(&b"http/1.1"[..]));
    ping(&registry);
}

#[test]
fn the_preface_of_http_2_without_an_agreement_on_it_is_no_http_2() {
    let (holdfast, authority) = registry("h2c: {enabled: true}");
    let mut connection = holdfast.over_tls(&authority.client()).connect();
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let answer = connection.read_to_end();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn plain_http_on_the_port_of_tls_is_answered_with_400_and_what_to_do() {
    let (holdfast, authority) = registry("headers: {X-Site: [one]}");
    let mut connection = Connection::try_open(holdfast.address).unwrap();
    let request = Request::get("/v2/");
    connection.write_request(&request);
    let response = connection.read_bare_response(&request);
    assert_eq!((response.version.as_str(), response.status), ("HTTP/1.0", 400));
    assert_eq!(response.header("X-Site"), "one");
    let body = String::from_utf8(response.body).unwrap();
    assert!(body.starts_with("Client sent an HTTP request to an HTTPS server."), "{body}");
    assert!(body.contains("https://"), "{body}");
    let logged = || holdfast.log().contains("the client uses http for a registry that speaks https");
    wait_until("it is logged", logged);
    ping(&holdfast.over_tls(&authority.client()));
}

#[test]
fn tls_1_1_is_refused() {
    let (holdfast, authority) = registry("");
    let mut socket = TcpStream::connect(holdfast.address).unwrap();
    // RFC 4346, section 7.4.1.2: a version, a random value, no session, two cipher suites, no compression.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0xc0, 0x09, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    socket.write_all(&[22, 3, 1, 0, length + 4, 1, 0, 0, length]).unwrap();
    socket.write_all(&hello).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    // A fatal alert that names the handshake or the version: RFC 5246, section 7.2.
    assert!(matches!(answer.as_slice(), [21, _, _, 0, 2, 2, 40 | 70]), "{answer:?}");
    ping(&holdfast.over_tls(&authority.client()));
}

#[test]
fn the_least_version_and_the_cipher_suites_are_those_of_the_configuration() {
    let (holdfast, authority) = registry("tls.minimumtls: tls1.3");
    let refused = rejection(holdfast.address, &authority.client_of(&[&TLS12], None));
    assert_eq!(refused, Some(AlertDescription::ProtocolVersion));
    ping(&holdfast.over_tls(&authority.client_of(&[&TLS13], None)));

    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";
    let (holdfast, authority) = registry(&format!("tls.ciphersuites: [{suite}]"));
    let connection = holdfast.over_tls(&authority.client_of(&[&TLS12], None)).connect();
    let agreed = connection.session().negotiated_cipher_suite().unwrap().suite();
    assert_eq!(agreed.as_str(), Some(suite));
}

#[test]
fn a_session_is_resumed_with_tickets_and_without() {
    let (holdfast, authority) = registry("");
    let sessions = |version, tls12| {
        let mut client = Arc::unwrap_or_clone(authority.client_of(&[version], None));
        client.resumption = Resumption::in_memory_sessions(8).tls12_resumption(tls12);
        Arc::new(client)
    };
    for client in [
        sessions(&TLS13, Tls12Resumption::Disabled),
        sessions(&TLS12, Tls12Resumption::SessionIdOrTickets),
        sessions(&TLS12, Tls12Resumption::SessionIdOnly),
    ] {
        let registry = holdfast.over_tls(&client);
        let kinds = [(); 3].map(|()| {
            let mut connection = registry.connect();
            connection.send(&Request::get("/v2/")).expect(200);
            connection.session().handshake_kind().unwrap()
        });
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
    }
}

#[test]
fn handshakes_that_never_end_are_cut_off_and_keep_nobody_out() {
    let (holdfast, authority) = registry("headertimeout: 3s\nmaxconnections: 1000");
    let began = Instant::now();
    let mut stuck: Vec<_> = (0..500).map(|_| TcpStream::connect(holdfast.address).unwrap()).collect();
    // The beginning of a record of 512 bytes that never come.
    stuck.iter_mut().for_each(|socket| socket.write_all(&[22, 3, 1, 2, 0, 1]).unwrap());
    let registry = holdfast.over_tls(&authority.client());
    let asked = Instant::now();
    ping(&registry);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    for mut socket in stuck {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The end, or a reset: bytes were left unread.
        assert!(!matches!(socket.read(&mut [0; 10]), Ok(1..)));
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn who_finds_no_place_is_told_so_in_tls() {
    let (holdfast, authority) = registry("maxconnections: 1\nwaittimeout: 1s");
    let registry = holdfast.over_tls(&authority.client());
    let mut first = registry.connect();
    first.send(&Request::get("/v2/")).expect(200);
    registry.connect().send(&Request::get("/v2/")).expect(503);
    first.send(&Request::get("/v2/")).expect(200);
}

#[test]
fn an_absolute_location_says_https() {
    let (holdfast, authority) = registry("relativeurls: false");
    let registry = holdfast.over_tls(&authority.client());
    let location = registry.post("/v2/team/app/blobs/uploads/").expect(202).header("Location").to_owned();
    assert!(location.starts_with(&format!("https://{}/v2/team/app/", holdfast.address)), "{location}");
}

#[test]
fn a_file_that_shrinks_under_a_pull_over_tls_ends_that_pull_alone() {
    let (holdfast, authority) = registry("");
    let registry = holdfast.over_tls(&authority.client());
    let bytes = bytes_of(64 << 20, 4);
    let digest = registry.push_blob("team/app", &bytes);
    let request = Request::get(format!("/v2/team/app/blobs/{digest}"));
    let mut connection = registry.connect();
    connection.write_request(&request);
    connection.skip_some();
    open(&payload_file(&holdfast.root(), &digest)).set_len(1_000).unwrap();
    assert!(connection.skip_to_end() < bytes.len());
    registry.get(&request.target).expect(500);
    wait_until("it is marked", || registry.head(&request.target).status == 404);
    registry.push_blob("team/app", &bytes);
    registry.get(&request.target).expect(200).expect_body(&bytes);
}

#[test]
fn a_unix_socket_speaks_tls_too() {
    let authority = Authority::new();
    let path = authority.folder().join("socket");
    let more = format!("net: unix\naddr: {}", path.display());
    let yaml = configuration(&authority.issue("registry"), &more);
    let file = authority.folder().join("holdfast.yml");
    std::fs::write(&file, yaml).unwrap();
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["serve", "--config", file.to_str().unwrap(), "--root"])
        .arg(authority.folder().join("data"))
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut socket = loop {
        match UnixStream::connect(&path) {
            Ok(socket) => break socket,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(authority.client(), name).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn digests_of_what_came_over_tls_are_those_of_what_was_sent() {
    let (holdfast, authority) = registry("");
    let registry = holdfast.over_tls(&authority.client());
    let bytes = bytes_of(3 << 20, 5);
    let mut upload = registry.start_upload("team/app");
    for chunk in bytes.chunks(1 << 20) {
        upload.send(Request::patch(&upload.location).body(chunk)).expect(202);
    }
    upload.put(&sha256(&bytes), "").expect(201);
}
