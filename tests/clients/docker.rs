//! docker, with a daemon of its own: each `dockerd` on the PATH is tried, with each kind of image store that it has.

use std::path::Path;
use std::process::Command;

use crate::client::{Client, installed, skip};
use crate::daemon::Daemon;
use crate::layout::{Layout, layer};
use crate::support::{DOCKER_LIST, Holdfast, OCI_INDEX, bytes_of};
use crate::tap::Tap;

/// A `docker` connected to a daemon of its own.
pub(crate) struct Docker {
    pub(crate) docker: Client,
    has_containerd_store: bool,
    _daemon: Daemon,
}

impl Docker {
    /// Starts the daemon with the image store in containerd or in the classic graph driver, if it has that one.
    fn start(dockerd: &Path, containerd_store: bool) -> Option<Self> {
        let docker = Client::find("docker")?;
        let socket = format!("unix://{}", docker.path("socket"));
        let docker = docker.always(["--host", &socket]);
        let mut command = command(dockerd, &docker, &socket, containerd_store);
        let log = docker.folder().join("log");
        let daemon = Daemon::start(&mut command, &log, || docker.succeeds(["info"]));
        let status = docker.run(["info", "--format", "{{.DriverStatus}}"]);
        let has_containerd_store = status.contains("io.containerd.snapshotter");
        if has_containerd_store != containerd_store {
            eprintln!("skipped: {} has no image store in containerd", dockerd.display());
            return None;
        }
        Some(Self { docker, has_containerd_store, _daemon: daemon })
    }

    /// Makes an image of one layer with this name.
    #[track_caller]
    pub(crate) fn import(&self, length: usize, seed: u64, image: &str) {
        let tarball = self.docker.write("layer.tar", layer(length, seed));
        self.docker.run(["import", &tarball, image]);
    }

    /// Whether the image's layer holds this file content.
    #[track_caller]
    pub(crate) fn holds(&self, image: &str, payload: &[u8]) -> bool {
        let container = self.docker.run(["create", "--network", "none", image, "nothing"]);
        self.docker.run(["cp", &format!("{container}:/payload"), &self.docker.path("payload")]);
        self.docker.run(["rm", &container]);
        std::fs::read(self.docker.path("payload")).unwrap() == payload
    }
}

/// `dockerd` with everything in the client's folder, and no network of its own.
fn command(dockerd: &Path, docker: &Client, socket: &str, containerd_store: bool) -> Command {
    let features = format!(r#"{{"features": {{"containerd-snapshotter": {containerd_store}}}}}"#);
    let mut command = Command::new(dockerd);
    command
        .args(["--config-file", &docker.write("daemon.json", features)])
        .args(["--data-root", &docker.path("data"), "--exec-root", &docker.path("exec")])
        .args(["--pidfile", &docker.path("pid"), "--host", socket])
        .args(["--iptables=false", "--bridge=none"]);
    if !containerd_store {
        command.args(["--storage-driver", "vfs"]);
    }
    // Its own containerd first: one that was installed beside it fits it.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = dockerd.parent().map(Path::to_owned);
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders).unwrap());
    command
}

/// Runs the test with each daemon that is installed, and each of its image stores.
pub(crate) fn with_each(test: impl Fn(&Docker)) {
    let daemons = installed("dockerd");
    if !rustix::process::geteuid().is_root() {
        return skip("dockerd", "it needs root");
    }
    for dockerd in daemons {
        for containerd_store in [false, true] {
            if let Some(docker) = Docker::start(&dockerd, containerd_store) {
                test(&docker);
            }
        }
    }
}

#[test]
fn docker_gets_back_the_image_that_it_pushed() {
    with_each(|docker| {
        let holdfast = Holdfast::start();
        let image = format!("{}/docker/image:v1", holdfast.address);
        docker.import(500_000, 1, &image);

        docker.docker.run(["push", &image]);
        let served = holdfast.get("/v2/docker/image/manifests/v1").expect(200);
        docker.docker.run(["image", "rm", &image]);
        docker.docker.run(["pull", &image]);
        let payload = bytes_of(500_000, 1);
        assert!(docker.holds(&image, &payload), "the layer came back changed");

        let digests = docker.docker.run(["image", "inspect", "--format", "{{.RepoDigests}}", &image]);
        let digest = served.header("Docker-Content-Digest");
        assert!(digests.contains(digest), "{digests} without {digest}");
        docker.docker.run(["pull", &format!("{}/docker/image@{digest}", holdfast.address)]);
    });
}

#[test]
fn docker_mounts_what_another_repository_holds() {
    with_each(|docker| {
        let holdfast = Holdfast::start();
        let tap = Tap::before(holdfast.address);
        let [first, second] = ["first", "second"].map(|name| format!("{}/docker/{name}:v1", tap.address));
        docker.import(500_000, 2, &first);

        docker.docker.run(["push", &first]);
        docker.docker.run(["tag", &first, &second]);
        docker.docker.run(["push", &second]);
        let posts = tap.requests("POST /v2/docker/second/blobs/uploads/?");
        let mounts = posts.iter().filter(|line| line.contains("mount=")).count();
        assert!(mounts >= 1, "{posts:?}");
        let uploads = tap.requests("PUT /v2/docker/second/blobs/");
        assert!(uploads.len() <= 1, "the configuration at most: {uploads:?}");
        let manifest = holdfast.get("/v2/docker/second/manifests/v1").expect(200).json();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn docker_pulls_its_platform_of_an_index() {
    with_each(|docker| {
        let holdfast = Holdfast::start();
        let layout = Layout::of_index(docker.docker.path("in"), "both", 3);
        layout.push(&holdfast, "docker/index", "both");
        let image = format!("{}/docker/index:both", holdfast.address);

        for architecture in ["amd64", "arm64"] {
            docker.docker.run(["pull", "--platform", &format!("linux/{architecture}"), &image]);
            if !docker.has_containerd_store {
                let pulled = docker.docker.run(["image", "inspect", "--format", "{{.Architecture}}", &image]);
                assert_eq!(pulled, architecture);
            }
        }
    });
}

#[test]
fn docker_pulls_zstd_layers() {
    with_each(|docker| {
        if !docker.has_containerd_store {
            return eprintln!("skipped: only the image store in containerd reads zstd in every version");
        }
        let holdfast = Holdfast::start();
        let layout = Layout::of_zstd_image(docker.docker.path("in"), "v1", 6);
        layout.push(&holdfast, "docker/zstd", "v1");
        let image = format!("{}/docker/zstd:v1", holdfast.address);
        docker.docker.run(["pull", &image]);
        assert!(docker.holds(&image, &bytes_of(100_000, 6)), "the layer came changed");
    });
}

#[test]
fn docker_pushes_a_manifest_list() {
    with_each(|docker| {
        let holdfast = Holdfast::start();
        let repository = format!("{}/docker/list", holdfast.address);
        let images = [4, 5].map(|seed| format!("{repository}:{seed}"));
        for (seed, image) in (4..).zip(&images) {
            docker.import(10_000, seed, image);
            docker.docker.run(["push", image]);
        }
        let list = format!("{repository}:all");
        docker.docker.run(["manifest", "create", "--insecure", &list, &images[0], &images[1]]);
        docker.docker.run(["manifest", "push", "--insecure", &list]);
        let served = holdfast.get("/v2/docker/list/manifests/all").expect(200);
        assert!([DOCKER_LIST, OCI_INDEX].contains(&served.header("Content-Type")), "{served}");
        assert_eq!(served.json()["manifests"].as_array().unwrap().len(), 2);
    });
}
