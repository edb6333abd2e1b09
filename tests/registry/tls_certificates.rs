//! The certificates of TLS: what is wrong with files that do not fit, how they are renewed without a restart, and which clients
//! are let in by theirs.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rcgen::{KeyPair, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, HandshakeKind};

use crate::scrub::wait_until;
use crate::support::{Authority, Holdfast, Pair, Registry, Request};
use crate::tls::{configuration, rejection};

/// The certificate that the next connection is shown.
fn shown(registry: &Registry) -> Vec<u8> {
    let connection = registry.connect();
    connection.session().peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_failed_request_or_a_dropped_connection() {
    let authority = Authority::new();
    let pair = authority.issue("registry");
    let holdfast = Holdfast::configured(&configuration(&pair, ""));
    let registry = holdfast.over_tls(&authority.client());
    let mut kept = registry.connect();
    kept.send(&Request::get("/v2/")).expect(200);
    let renewed = authority.issue("renewed");

    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for keeps_its_connection in [true, true, false, false] {
            let (stop, asked, registry) = (&stop, &asked, &registry);
            scope.spawn(move || {
                let mut connection = registry.connect();
                while !stop.load(Ordering::Relaxed) {
                    connection.send(&Request::get("/v2/")).expect(200);
                    asked.fetch_add(1, Ordering::Relaxed);
                    if !keeps_its_connection {
                        connection = registry.connect();
                    }
                }
            });
        }
        pair.become_like(&renewed);
        wait_until("the renewed certificate is shown", || shown(&registry) == renewed.der().to_vec());
        stop.store(true, Ordering::Relaxed);
    });
    assert!(asked.into_inner() > 100);
    kept.send(&Request::get("/v2/")).expect(200);
    wait_until("both are logged", || {
        ["CN=registry", "CN=renewed"].iter().all(|name| holdfast.log().contains(name))
    });
}

#[test]
fn files_behind_a_symbolic_link_that_is_swapped_are_noticed_as_kubernetes_swaps_them() {
    let authority = Authority::new();
    let folder = authority.folder();
    let place = |generation: &str, name: &str| {
        let pair = authority.issue(name);
        let place = folder.join(generation);
        std::fs::create_dir(&place).unwrap();
        std::fs::rename(&pair.certificate, place.join("tls.crt")).unwrap();
        std::fs::rename(&pair.key, place.join("tls.key")).unwrap();
    };
    let swap = |generation: &str| {
        std::os::unix::fs::symlink(generation, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    place("..1", "one");
    place("..2", "two");
    swap("..1");
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
    }
    let pair = Pair { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
    let holdfast = Holdfast::configured(&configuration(&pair, ""));
    let registry = holdfast.over_tls(&authority.client());
    let first = shown(&registry);
    swap("..2");
    wait_until("the other generation is shown", || shown(&registry) != first);
    assert_eq!(shown(&registry), pair.der().to_vec());
}

#[test]
fn a_hang_up_has_the_files_read_again_at_once_and_says_what_is_in_force() {
    let authority = Authority::new();
    let holdfast = Holdfast::configured(&configuration(&authority.issue("registry"), ""));
    holdfast.signal(rustix::process::Signal::HUP);
    let said = || holdfast.log().matches("the certificate that TLS is spoken with").count();
    wait_until("it is said again", || said() == 2);
}

#[test]
fn a_renewal_that_does_not_fit_is_logged_and_the_old_certificate_stays() {
    let authority = Authority::new();
    let pair = authority.issue("registry");
    let holdfast = Holdfast::configured(&configuration(&pair, ""));
    let registry = holdfast.over_tls(&authority.client());
    let before = shown(&registry);
    std::fs::copy(&authority.issue("other").certificate, &pair.certificate).unwrap();
    wait_until("it is logged", || holdfast.log().contains("does not fit the certificate"));
    assert_eq!(shown(&registry), before);
    std::fs::remove_file(&pair.certificate).unwrap();
    wait_until("it is logged", || holdfast.log().contains("cannot be read"));
    assert_eq!(shown(&registry), before);

    let mended = authority.issue("mended");
    pair.become_like(&mended);
    wait_until("what fits is taken", || shown(&registry) == mended.der().to_vec());
}

/// What a registry says that does not start with this configuration.
fn complaint(yaml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("holdfast.yml");
    std::fs::write(&file, yaml).unwrap();
    let output = Command::new("timeout")
        .args(["30", env!("CARGO_BIN_EXE_holdfast"), "serve", "--addr", "127.0.0.1:0", "--root"])
        .arg(folder.path().join("data"))
        .arg("--config")
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!folder.path().join("data").exists(), "a store was made all the same: {said}");
    said
}

#[test]
fn files_that_do_not_fit_are_refused_at_the_start_with_their_names_and_what_to_do() {
    let authority = Authority::new();
    let (pair, other) = (authority.issue("registry"), authority.issue("other"));
    let file = |name: &str, text: &str| {
        let path = authority.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let with = |certificate: &Path, key: &Path| {
        complaint(&configuration(&Pair { certificate: certificate.to_owned(), key: key.to_owned() }, ""))
    };
    let broken = std::fs::read_to_string(&pair.certificate).unwrap().replace("-----END", "");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (said, expected) in [
        (with(&pair.certificate, &other.key), "does not fit the certificate in"),
        (with(&authority.folder().join("none"), &pair.key), "none cannot be read: No such file"),
        (with(&file("empty", ""), &pair.key), "there is no certificate in"),
        (with(&pair.key, &pair.key), "there is no certificate in"),
        (with(&file("broken", &broken), &pair.key), "broken is no valid PEM"),
        (with(&pair.certificate, &pair.certificate), "there is no private key in"),
        (with(&pair.certificate, &file("secret", encrypted)), "has a passphrase: take it off"),
        (
            complaint(&configuration(&pair, "tls.clientcas: [/nowhere/ca.pem]")),
            "http.tls.clientcas: /nowhere/ca.pem",
        ),
        (complaint(&configuration(&pair, "tls.minimumtls: tls1.1")), "the least is tls1.2"),
        (
            complaint(&configuration(&pair, "tls.ciphersuites: [TLS_RSA_WITH_RC4_128_SHA]")),
            "there are TLS_AES_256",
        ),
        (
            complaint(&configuration(&pair, "tls.clientauth: request-client-cert")),
            "write verify-client-cert-if-given",
        ),
    ] {
        assert!(said.contains(expected), "{expected:?} not in: {said}");
    }
}

#[test]
fn a_file_that_the_registry_may_not_read_is_refused_with_the_user_that_it_runs_as() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let authority = Authority::new();
    let pair = authority.issue("registry");
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let binary = folder.path().join("holdfast");
    std::fs::copy(env!("CARGO_BIN_EXE_holdfast"), &binary).unwrap();
    let config = folder.path().join("holdfast.yml");
    std::fs::write(&config, configuration(&pair, "")).unwrap();
    std::fs::set_permissions(authority.folder(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    std::fs::set_permissions(&pair.key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&binary)
        .args(["serve", "--addr", "127.0.0.1:0", "--root"])
        .arg(folder.path().join("data"))
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("http.tls.key: ") && said.contains("runs as user 65534"), "{said}");
}

#[test]
fn rsa_keys_in_pkcs_1_and_ec_keys_in_sec_1_are_read_like_pkcs_8() {
    for (algorithm, form) in [("rsa:2048", "RSA"), ("ec", "EC")] {
        let authority = Authority::new();
        let at = |name: &str| authority.folder().join(name);
        let openssl = |arguments: &[&str]| {
            let output =
                Command::new("openssl").args(arguments).current_dir(authority.folder()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        if Command::new("openssl").arg("version").output().is_err() {
            return eprintln!("skipped: openssl is not installed");
        }
        match algorithm {
            "ec" => openssl(&["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", "pkcs8.key"]),
            _ => openssl(&["genrsa", "-traditional", "-out", "pkcs8.key", "2048"]),
        }
        let text = std::fs::read_to_string(at("pkcs8.key")).unwrap();
        assert!(text.contains(&format!("BEGIN {form} PRIVATE KEY")), "{form}: {text}");
        openssl(&[
            "req",
            "-x509",
            "-key",
            "pkcs8.key",
            "-out",
            "own.pem",
            "-days",
            "2",
            "-subj",
            "/CN=registry",
        ]);
        let pair = Pair { certificate: at("own.pem"), key: at("pkcs8.key") };
        let holdfast = Holdfast::configured(&configuration(&pair, ""));
        assert!(holdfast.log().contains("CN=registry"), "{}", holdfast.log());
    }
}

#[test]
fn a_certificate_that_has_expired_is_spoken_with_and_warned_of() {
    let authority = Authority::new();
    let pair = authority.issue_changed("late", |parameters| parameters.not_after = date_time_ymd(2020, 1, 1));
    let holdfast = Holdfast::configured(&configuration(&pair, ""));
    let log = holdfast.log();
    assert!(log.contains("has expired: clients will not take it"), "{log}");
    assert_eq!(rejected_as_server(&holdfast, &authority), "CertificateExpired");
}

/// Why a client does not take the server's certificate.
fn rejected_as_server(holdfast: &Holdfast, authority: &Authority) -> String {
    let Err(error) = crate::support::Connection::open_tls(holdfast.address, &authority.client()) else {
        panic!("the client took it")
    };
    let text = format!("{error:?}");
    if text.contains("Expired") { "CertificateExpired".to_owned() } else { text }
}

#[test]
fn the_configuration_in_force_names_the_files_and_shows_nothing_of_what_is_in_them() {
    let authority = Authority::new();
    let pair = authority.issue("registry");
    let file = authority.folder().join("holdfast.yml");
    std::fs::write(&file, configuration(&pair, "")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .arg("config")
        .arg("--config")
        .arg(file)
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(&format!("key: {}", pair.key.display())), "{shown}");
    assert!(!shown.contains("PRIVATE KEY"), "{shown}");
}

/// Clients of all kinds: with a certificate of the signers, with none, with that of somebody else.
struct Clients {
    known: Arc<ClientConfig>,
    anonymous: Arc<ClientConfig>,
    stranger: Arc<ClientConfig>,
}

impl Clients {
    fn of(authority: &Authority, signer: &Authority) -> Self {
        let versions = &[&TLS13, &TLS12][..];
        // It claims the same names as a known one.
        let forger = Authority::new();
        let forged = forger.issue("builder");
        Self {
            known: authority.client_of(versions, Some(&signer.issue("builder"))),
            anonymous: authority.client(),
            stranger: authority.client_of(versions, Some(&forged)),
        }
    }
}

fn verifying(more: &str) -> (Holdfast, Authority, Authority) {
    let (authority, signer) = (Authority::new(), Authority::new());
    let clientcas = format!("tls.clientcas: [{}]\n{more}", signer.file().display());
    let holdfast = Holdfast::configured(&configuration(&authority.issue("registry"), &clientcas));
    (holdfast, authority, signer)
}

#[test]
fn clients_need_a_certificate_of_the_signers_where_there_are_signers() {
    let (holdfast, authority, signer) = verifying("");
    let clients = Clients::of(&authority, &signer);
    holdfast.over_tls(&clients.known).push_image("team/app", "latest", 1);
    let rejected = rejection(holdfast.address, &clients.anonymous);
    assert_eq!(rejected, Some(AlertDescription::CertificateRequired));
    let rejected = rejection(holdfast.address, &clients.stranger);
    assert_eq!(rejected, Some(AlertDescription::UnknownCA));
    wait_until("it is logged", || holdfast.log().contains("a TLS handshake failed"));
}

#[test]
fn clients_may_do_without_a_certificate_where_it_is_verified_only_if_given() {
    let (holdfast, authority, signer) = verifying("tls.clientauth: verify-client-cert-if-given");
    let clients = Clients::of(&authority, &signer);
    for client in [&clients.known, &clients.anonymous] {
        holdfast.over_tls(client).get("/v2/").expect(200);
    }
    let rejected = rejection(holdfast.address, &clients.stranger);
    assert_eq!(rejected, Some(AlertDescription::UnknownCA));
}

#[test]
fn a_client_whose_signer_was_taken_out_is_not_let_in_by_an_old_session() {
    let (holdfast, authority, signer) = verifying("");
    let clients = Clients::of(&authority, &signer);
    let registry = holdfast.over_tls(&clients.known);
    registry.get("/v2/").expect(200);
    let mut second = registry.connect();
    second.send(&Request::get("/v2/")).expect(200);
    assert_eq!(second.session().handshake_kind(), Some(HandshakeKind::Resumed));

    let successor = Authority::new();
    std::fs::copy(successor.file(), signer.file()).unwrap();
    let known = Clients::of(&authority, &successor).known;
    wait_until("the new signer counts", || rejection(holdfast.address, &known).is_none());
    assert!(rejection(holdfast.address, &clients.known).is_some());
    second.send(&Request::get("/v2/")).expect(200);
}

#[test]
fn a_key_of_every_usual_kind_is_taken() {
    let authority = Authority::new();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let pair = authority.issue_with("registry", &key);
        let holdfast = Holdfast::configured(&configuration(&pair, ""));
        holdfast.over_tls(&authority.client()).get("/v2/").expect(200);
    }
}
