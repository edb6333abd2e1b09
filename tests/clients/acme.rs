//! Certificates by ACME, from an ACME server that looks for the hosts as Let's Encrypt does.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

use crate::pebble::{Pebble, free_address};
use crate::support::{Builder, Holdfast};

const FIRST: &str = "registry.example.com";
const SECOND: &str = "mirror.example.com";
const QUARTER: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A registry that is to have certificates from an ACME server, which need not run.
struct Ordering {
    pebble: Pebble,
    address: SocketAddr,
}

impl Ordering {
    /// None without pebble.
    fn with_certificates_for(validity: Duration) -> Option<Self> {
        let address = free_address();
        Some(Self { pebble: Pebble::find(address, validity)?, address })
    }

    /// Starts the registry for these hosts; clients have to have a certificate, which the ACME server has not.
    fn start(&self, hosts: &[&str]) -> Holdfast {
        let (folder, clientcas) = (self.folder(), self.pebble.authority.file());
        let (folder, clientcas) = (folder.display(), clientcas.display());
        let (hosts, directory) = (hosts.join(", "), self.pebble.directory());
        let ordered = format!(
            "{{cachefile: {folder}, hosts: [{hosts}], email: operator@example.com, directoryurl: '{directory}'}}"
        );
        let yaml = format!("http: {{tls: {{clientcas: [{clientcas}], letsencrypt: {ordered}}}}}\n");
        Builder::default()
            .at(self.address)
            .configuration(&yaml)
            .environment("SSL_CERT_FILE", self.pebble.authority.file().to_str().unwrap())
            .environment("NO_PROXY", "127.0.0.1")
            .start()
    }

    fn folder(&self) -> PathBuf {
        self.pebble.authority.folder().join("ordered")
    }

    /// The certificate that a client is shown who asks for this host, if it trusts it.
    fn shown(&self, host: &str, client: &Arc<ClientConfig>) -> Result<CertificateDer<'static>, String> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|error| error.to_string())?;
        }
        Ok(session.peer_certificates().unwrap()[0].clone().into_owned())
    }

    /// The certificate of a host, as soon as there is one that a client trusts.
    #[track_caller]
    fn ordered(&self, host: &str, client: &Arc<ClientConfig>) -> CertificateDer<'static> {
        let began = Instant::now();
        loop {
            match self.shown(host, client) {
                Ok(certificate) => return certificate,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{host}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_host_gets_a_certificate_and_has_it_after_a_restart_without_another_order() {
    let Some(mut ordering) = Ordering::with_certificates_for(QUARTER) else { return };
    ordering.pebble.start();
    let client = ordering.pebble.client();
    let mut holdfast = ordering.start(&[FIRST, SECOND]);
    let certificates = [FIRST, SECOND].map(|host| ordering.ordered(host, &client));
    assert_ne!(certificates[0], certificates[1]);
    let other = ordering.shown("other.example.com", &client).unwrap_err();
    assert!(other.contains("not valid for name"), "{other}");
    for name in [FIRST, SECOND, "acme_account+credentials.json"] {
        let mode = std::fs::metadata(ordering.folder().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    holdfast.stop();
    ordering.pebble.stop();
    holdfast.start_again();
    let again = [FIRST, SECOND].map(|host| ordering.shown(host, &client).unwrap());
    assert_eq!(again, certificates);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!holdfast.log().contains("could be ordered"), "{}", holdfast.log());
}

#[test]
fn a_certificate_is_renewed_before_it_expires() {
    let Some(mut ordering) = Ordering::with_certificates_for(Duration::from_secs(10)) else { return };
    ordering.pebble.start();
    let client = ordering.pebble.client();
    let holdfast = ordering.start(&[FIRST]);
    let mut shown = vec![ordering.ordered(FIRST, &client)];
    // Each time that one is shown it is valid, for the client looks.
    let began = Instant::now();
    while shown.len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(40), "it was not renewed");
        let now = ordering.shown(FIRST, &client).unwrap();
        if shown.last() != Some(&now) {
            shown.push(now);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!holdfast.log().contains("could be ordered"), "{}", holdfast.log());
}

#[test]
fn without_its_acme_server_the_registry_serves_and_on_sighup_it_tries_again() {
    let Some(mut ordering) = Ordering::with_certificates_for(QUARTER) else { return };
    ordering.pebble.start();
    let stranger = ordering.pebble.client();
    ordering.pebble.stop();
    let mut holdfast = ordering.start(&[FIRST]);
    let error = ordering.shown(FIRST, &stranger).unwrap_err();
    assert!(error.contains("UnknownIssuer") || error.contains("CaUsedAsEndEntity"), "{error}");
    wait_until("the log says what is wrong", || holdfast.log().contains("no certificate could be ordered"));
    let log = holdfast.log();
    let directory = ordering.pebble.directory();
    assert!(log.contains(&format!("{directory} cannot be reached")), "{log}");
    assert!(log.contains("the next try is in"), "{log}");

    ordering.pebble.start();
    let client = ordering.pebble.client();
    holdfast.signal(Signal::HUP);
    let first = ordering.ordered(FIRST, &client);

    // An ACME server that has lost its memory is told of the account anew.
    holdfast.stop();
    ordering.pebble.stop();
    std::fs::remove_file(ordering.folder().join(FIRST)).unwrap();
    ordering.pebble.start();
    holdfast.start_again();
    assert_ne!(ordering.ordered(FIRST, &ordering.pebble.client()), first);
    assert!(holdfast.log().contains("does not know the account"), "{}", holdfast.log());
}

#[test]
fn a_host_that_does_not_lead_here_is_named_with_what_to_do() {
    let Some(mut ordering) = Ordering::with_certificates_for(QUARTER) else { return };
    ordering.pebble.start();
    ordering.address = free_address();
    let holdfast = ordering.start(&[FIRST]);
    let complaint = format!("did not find this registry at {FIRST} (Failed to connect to");
    wait_until("the log says what is wrong", || holdfast.log().contains(&complaint));
    assert!(holdfast.log().contains("port 443"), "{}", holdfast.log());
}

#[test]
fn a_certificate_from_elsewhere_goes_on_until_the_directory_in_force_has_issued_one() {
    let Some(mut ordering) = Ordering::with_certificates_for(QUARTER) else { return };
    let staged = ordering.pebble.authority.issue_changed("staged", |parameters| {
        parameters.subject_alt_names = vec![rcgen::SanType::DnsName(FIRST.try_into().unwrap())];
    });
    let [key, chain] = [&staged.key, &staged.certificate].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::create_dir(ordering.folder()).unwrap();
    let file = format!("Directory: https://staging.example.com/dir\n\n{key}{chain}");
    std::fs::write(ordering.folder().join(FIRST), file).unwrap();

    let holdfast = ordering.start(&[FIRST]);
    let authority = &ordering.pebble.authority;
    let client = authority.client_of(&[&rustls::version::TLS13], Some(&authority.issue("client")));
    assert_eq!(ordering.shown(FIRST, &client).unwrap(), staged.der());
    wait_until("the old one goes on", || holdfast.log().contains("the one in force goes on until"));
    ordering.pebble.start();
    holdfast.signal(Signal::HUP);
    ordering.ordered(FIRST, &ordering.pebble.client());
}
