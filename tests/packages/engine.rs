//! What runs containers: docker with a daemon of its own, and podman. Neither leaves anything on the machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use crate::artefacts::artefact;
use crate::client::{Client, skip};
use crate::daemon::Daemon;
use crate::storage::with_own_storage;
use crate::support::Holdfast;

/// Debian's, which has what it runs containers with beside it.
const DOCKERD: &str = "/usr/sbin/dockerd";

/// The image whose server is root, by the name that it has in an engine.
pub(crate) const IMAGE: &str = "holdfast/holdfast:latest";
/// The one whose server is not.
pub(crate) const NONROOT: &str = "holdfast/holdfast:nonroot";

/// `docker` or `podman`, with both images.
pub(crate) struct Engine {
    pub(crate) client: Client,
    _daemon: Option<Daemon>,
}

/// Those that tests are using. The last one to let go of an engine ends it.
static SHARED: [Mutex<Weak<Engine>>; 2] = [const { Mutex::new(Weak::new()) }; 2];

/// Runs the test with each engine that is installed.
pub(crate) fn with_each(test: impl Fn(&Engine)) {
    let (Some(root), Some(nonroot)) = (image(""), image("-nonroot")) else { return };
    for (shared, start) in SHARED.iter().zip([podman, docker]) {
        if let Some(engine) = share(shared, || start()?.with_images(&root, &nonroot)) {
            test(&engine);
        }
    }
}

fn share(shared: &Mutex<Weak<Engine>>, start: impl FnOnce() -> Option<Engine>) -> Option<Arc<Engine>> {
    let mut shared = shared.lock().unwrap();
    if let Some(engine) = shared.upgrade() {
        return Some(engine);
    }
    let engine = Arc::new(start()?);
    *shared = Arc::downgrade(&engine);
    Some(engine)
}

/// The archive of the image with this suffix to its name.
pub(crate) fn image(suffix: &str) -> Option<PathBuf> {
    artefact(&format!("holdfast-image{suffix}.tar"), "scripts/image")
}

fn podman() -> Option<Engine> {
    // Debian's podman asks for limits that not every machine grants.
    const CONFIGURATION: &str = r#"
        [containers]
        default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
    "#;
    let podman = with_own_storage(Client::find("podman")?)?;
    let file = podman.write("containers.conf", CONFIGURATION);
    Some(Engine { client: podman.environment("CONTAINERS_CONF", file.into()), _daemon: None })
}

fn docker() -> Option<Engine> {
    let docker = Client::find("docker")?;
    if !Path::new(DOCKERD).exists() || !rustix::process::geteuid().is_root() {
        skip("dockerd", "containers are run by Debian's, as root");
        return None;
    }
    let socket = format!("unix://{}", docker.path("socket"));
    let docker = docker.always(["--host", &socket]);
    // What it mounts goes away with it.
    let mut dockerd = Command::new("unshare");
    dockerd
        .args(["--mount", DOCKERD])
        .args(["--config-file", &docker.write("daemon.json", "{}"), "--host", &socket])
        .args(["--data-root", &docker.path("data"), "--exec-root", &docker.path("exec")])
        .args(["--pidfile", &docker.path("pid"), "--storage-driver", "vfs"])
        .args(["--iptables=false", "--bridge=none"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let daemon = Daemon::start(&mut dockerd, &docker.folder().join("log"), || docker.succeeds(["info"]));
    Some(Engine { client: docker, _daemon: Some(daemon) })
}

impl Engine {
    fn with_images(self, root: &Path, nonroot: &Path) -> Option<Self> {
        let skopeo = Client::find("skopeo")?;
        self.take(&skopeo, root, IMAGE);
        self.take(&skopeo, nonroot, NONROOT);
        Some(self)
    }

    /// Pulls the image in this archive from a registry, and gives it this name. Old daemons load no such archives.
    fn take(&self, skopeo: &Client, archive: &Path, name: &str) {
        let registry = Holdfast::start();
        let remote = format!("{}/{name}", registry.address);
        skopeo.run([
            "copy",
            "--insecure-policy",
            "--all",
            "--dest-tls-verify=false",
            &format!("oci-archive:{}", archive.display()),
            &format!("docker://{remote}"),
        ]);
        match self.is_podman() {
            true => self.client.run(["pull", "--tls-verify=false", &remote]),
            false => self.client.run(["pull", &remote]),
        };
        self.client.run(["tag", &remote, name]);
    }

    /// Where docker's daemon listens, as `DOCKER_HOST` has it.
    pub(crate) fn socket(&self) -> Option<String> {
        (!self.is_podman()).then(|| format!("unix://{}", self.client.path("socket")))
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.client.program().ends_with("podman")
    }
}
