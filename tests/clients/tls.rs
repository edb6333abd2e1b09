//! Clients over TLS, with a certificate of an authority that they are told to trust and nobody else knows.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::layout::{self, Layout};
use crate::support::{Authority, Holdfast, Registry, bytes_of};
use crate::{containerd, docker, podman};

/// A registry over TLS, and its authority.
pub(crate) struct Encrypted {
    pub(crate) holdfast: Holdfast,
    pub(crate) authority: Authority,
}

impl Encrypted {
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let pair = authority.issue("registry");
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        let yaml = format!("http: {{tls: {{certificate: {certificate}, key: {key}}}}}\n");
        Self { holdfast: Holdfast::configured(&yaml), authority }
    }

    /// What the tests themselves look at it with.
    pub(crate) fn registry(&self) -> Registry {
        self.holdfast.over_tls(&self.authority.client())
    }

    /// A folder that has the authority under the name that docker, podman and skopeo look for.
    fn folder_of_signers(&self, client: &Client) -> String {
        let folder = PathBuf::from(client.path("signers"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(self.authority.file(), folder.join("ca.crt")).unwrap();
        folder.to_str().unwrap().to_owned()
    }
}

#[test]
fn curl_speaks_http_2_and_http_1_1() {
    let Some(curl) = Client::find("curl") else { return };
    let encrypted = Encrypted::start();
    let url = format!("https://{}/v2/", encrypted.holdfast.address);
    let signers = encrypted.authority.file();
    let signers = signers.to_str().unwrap();
    let ask = |option: &str| {
        let quiet = ["--silent", "--show-error", "--output", "/dev/null"];
        let told = ["--write-out", "%{http_version} %{http_code}", "--cacert", signers, option, &url];
        curl.run(quiet.into_iter().chain(told))
    };
    assert_eq!(ask("--http2"), "2 200");
    assert_eq!(ask("--http1.1"), "1.1 200");
    curl.fail(["--silent", &url]);
}

#[test]
fn skopeo_gets_back_what_it_copied_in_over_tls() {
    let Some(skopeo) = Client::find("skopeo") else { return };
    let skopeo = skopeo.always(["--insecure-policy"]);
    let encrypted = Encrypted::start();
    let signers = encrypted.folder_of_signers(&skopeo);
    let layout = Layout::of_index(skopeo.path("in"), "both", 1);
    let remote = format!("docker://{}/tls/index:both", encrypted.holdfast.address);
    let copy = ["copy", "--all", "--preserve-digests"];
    let into = ["--dest-cert-dir", &signers, &layout.reference(), &remote];
    skopeo.run(copy.into_iter().chain(into));
    let out = format!("oci:{}:both", skopeo.path("out"));
    skopeo.run(copy.into_iter().chain(["--src-cert-dir", &signers, &remote, &out]));
    assert_eq!(layout::digest_in(&skopeo.path("out")), layout.digest);
    skopeo.fail(["inspect", &remote]);
}

#[test]
fn podman_gets_back_the_image_that_it_pushed_over_tls() {
    let Some(podman) = podman::podman() else { return };
    let encrypted = Encrypted::start();
    let signers = encrypted.folder_of_signers(&podman);
    let remote = format!("{}/tls/image:v1", encrypted.holdfast.address);
    podman::import(&podman, 200_000, 2, &remote);
    podman.run(["push", "--cert-dir", &signers, &remote]);
    podman.run(["rmi", "--force", &remote]);
    podman.run(["pull", "--cert-dir", &signers, &remote]);
    assert!(podman::payload(&podman, &remote) == bytes_of(200_000, 2), "the layer came back changed");
    podman.fail(["pull", "--policy=always", &remote]);
}

/// containerd finds whom to trust in `hosts.toml`, in a folder named after the registry.
pub(crate) fn hosts_folder(ctr: &Client, host: &str, authority: &Authority) -> String {
    let folder = PathBuf::from(ctr.path("hosts")).join(host);
    std::fs::create_dir_all(&folder).unwrap();
    let signers = authority.file();
    let toml = format!(
        "server = \"https://{host}\"\n[host.\"https://{host}\"]\n  capabilities = [\"pull\", \"resolve\", \"push\"]\n  ca = {signers:?}\n"
    );
    std::fs::write(folder.join("hosts.toml"), toml).unwrap();
    ctr.path("hosts")
}

#[test]
fn containerd_gets_back_an_image_over_tls() {
    containerd::with_each(|Containerd { ctr, .. }| {
        let encrypted = Encrypted::start();
        let hosts = hosts_folder(ctr, &encrypted.holdfast.address.to_string(), &encrypted.authority);
        let layout = Layout::of_image(ctr.path("in"), "v1", 3);
        layout.push(&encrypted.registry(), "tls/containerd", "v1");
        let image = format!("{}/tls/containerd:v1", encrypted.holdfast.address);
        let pull = ["images", "pull", "--all-platforms", "--snapshotter", "native"];
        ctr.run(pull.into_iter().chain(["--hosts-dir", &hosts, &image]));
        assert_eq!(ctr.run(["content", "get", &layout.digest]).into_bytes(), layout.manifest);
        let pushed = format!("{}/tls/pushed:v1", encrypted.holdfast.address);
        ctr.run(["images", "tag", &image, &pushed]);
        ctr.run(["images", "push", "--hosts-dir", &hosts, &pushed]);
        let served = encrypted.registry().get("/v2/tls/pushed/manifests/v1").expect(200);
        served.expect_body(&layout.manifest);
    });
}

/// The authority of one registry, where docker's daemon looks for it; gone with the test.
pub(crate) struct CertsD(PathBuf);

impl CertsD {
    pub(crate) fn new(host: &str, authority: &Authority) -> Self {
        let folder = Path::new("/etc/docker/certs.d").join(host);
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder).unwrap();
        std::fs::copy(authority.file(), folder.join("ca.crt")).unwrap();
        Self(folder)
    }
}

impl Drop for CertsD {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// On loopback docker takes certificates that nobody has signed, too: that it verifies them cannot be seen here.
#[test]
fn docker_gets_back_the_image_that_it_pushed_over_tls() {
    docker::with_each(|docker: &Docker| {
        let encrypted = Encrypted::start();
        let _signers = CertsD::new(&encrypted.holdfast.address.to_string(), &encrypted.authority);
        let image = format!("{}/tls/docker:v1", encrypted.holdfast.address);
        docker.import(500_000, 4, &image);
        docker.docker.run(["push", &image]);
        docker.docker.run(["image", "rm", &image]);
        docker.docker.run(["pull", &image]);
        assert!(docker.holds(&image, &bytes_of(500_000, 4)), "the layer came back changed");
        encrypted.registry().get("/v2/tls/docker/manifests/v1").expect(200);
    });
}
