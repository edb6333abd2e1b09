//! An ACME server of a test's own: pebble, Let's Encrypt's for tests, and a resolver that leads every name to this machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client;
use crate::support::Authority;

/// Where it is, and what it does; it need not run.
pub(crate) struct Pebble {
    program: PathBuf,
    /// Who has signed its own certificate.
    pub(crate) authority: Authority,
    address: SocketAddr,
    management: SocketAddr,
    resolver: SocketAddr,
    /// On what port it looks for hosts.
    registry: SocketAddr,
    /// How long its certificates are valid.
    validity: Duration,
    running: Option<Child>,
}

impl Pebble {
    /// One that looks for hosts on this port of this machine, or `None` if it is not installed, which is said.
    pub(crate) fn find(registry: SocketAddr, validity: Duration) -> Option<Self> {
        let program = client::installed("pebble").into_iter().next()?;
        let (address, management) = (free_address(), free_address());
        let (authority, resolver) = (Authority::new(), resolve_to_this_machine());
        Some(Self { program, authority, address, management, resolver, registry, validity, running: None })
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// Starts it, with a memory as of one that was never there.
    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "it is running");
        let pair = self.authority.issue("pebble");
        let configuration = serde_json::json!({"pebble": {
            "listenAddress": self.address.to_string(),
            "managementListenAddress": self.management.to_string(),
            "certificate": pair.certificate,
            "privateKey": pair.key,
            "tlsPort": self.registry.port(),
            "keyAlgorithm": "ecdsa",
            "retryAfter": {"authz": 1, "order": 1},
            "profiles": {"default": {"description": "the only one", "validityPeriod": self.validity.as_secs()}},
        }});
        let folder = self.authority.folder();
        std::fs::write(folder.join("pebble.json"), configuration.to_string()).unwrap();
        let log = File::create(folder.join("pebble.log")).unwrap();
        let mut command = Command::new(&self.program);
        command.arg("-config").arg(folder.join("pebble.json"));
        command.args(["-dnsserver", &self.resolver.to_string()]).env("PEBBLE_VA_NOSLEEP", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        let began = Instant::now();
        while [self.address, self.management].iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(began.elapsed() < Duration::from_secs(20), "pebble does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A client that trusts what it issues, and shows a certificate of the authority.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.root()).unwrap()).unwrap();
        let own = self.authority.issue("client");
        let chain = vec![own.der()];
        let key = PrivateKeyDer::from_pem_file(&own.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(builder.unwrap().with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
    }

    /// The certificate in PEM that it has signed all others with, and the headers that it came with.
    fn root(&self) -> Vec<u8> {
        let session = ClientConnection::new(self.authority.client(), self.management.ip().into()).unwrap();
        let mut stream = StreamOwned::new(session, TcpStream::connect(self.management).unwrap());
        stream.write_all(b"GET /roots/0 HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.authority.folder().join("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("pebble logged:\n{}", self.log());
        }
    }
}

/// An address on which nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server of the domain name system, over TCP, that knows one answer, as long as the test lasts.
fn resolve_to_this_machine() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Pebble asks again where it gets no answer.
            let _ = resolve(stream);
        }
    });
    address
}

/// Answers one question: RFC 1035, section 4. There is an IPv4 address and nothing else.
fn resolve(mut stream: TcpStream) -> io::Result<()> {
    const HEADER: usize = 12;
    const IPV4_ADDRESS: [u8; 2] = [0, 1];
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    let name = message[HEADER..].iter().position(|&byte| byte == 0).unwrap();
    let question = &message[HEADER..HEADER + name + 5];
    let is_answered = question[name + 1..name + 3] == IPV4_ADDRESS;
    let mut answer = message[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_answered), 0, 0, 0, 0]);
    answer.extend(question);
    if is_answered {
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
    stream.write_all(&answer)
}
