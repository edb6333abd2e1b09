//! containerd, by its `ctr`: what Kubernetes pulls with. Each one on the PATH is tried, with its own `ctr`.

use std::process::Command;

use crate::client::{Client, installed, skip};
use crate::daemon::Daemon;
use crate::layout::Layout;
use crate::support::Holdfast;
use crate::tap::Tap;

const CONFIGURATION: &str = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";

/// A `ctr` connected to a containerd of its own.
pub(crate) struct Containerd {
    pub(crate) ctr: Client,
    _daemon: Daemon,
}

impl Containerd {
    fn start(ctr: Client, containerd: &std::path::Path) -> Self {
        let socket = ctr.path("socket");
        let configuration = ctr.write("config.toml", CONFIGURATION);
        let ctr = ctr.always(["--address", &socket, "--namespace", "test"]);
        let mut command = Command::new(containerd);
        command.args(["--config", &configuration, "--address", &socket]).args([
            "--root",
            &ctr.path("root"),
            "--state",
            &ctr.path("state"),
        ]);
        let log = ctr.folder().join("log");
        let daemon = Daemon::start(&mut command, &log, || ctr.succeeds(["version"]));
        Self { ctr, _daemon: daemon }
    }

    /// Pulls with every platform, copying rather than mounting, so that any file system will do.
    #[track_caller]
    fn pull(&self, image: &str) {
        let options = ["--plain-http", "--all-platforms", "--snapshotter", "native"];
        self.ctr.run(["images", "pull"].into_iter().chain(options).chain([image]));
    }

    /// Pushes, again if ctr lost its connection to containerd while it read what it was to push (containerd issue 5734).
    #[track_caller]
    fn push(&self, image: &str) {
        const ATTEMPTS: usize = 3;
        const LOST: &str = "rpc error: code = Internal desc = unexpected EOF";
        let push = || self.ctr.attempt(["images", "push", "--plain-http", image]);
        let is_lost =
            |pushed: &Result<_, String>| pushed.as_ref().is_err_and(|failure| failure.contains(LOST));
        let pushed = (1..ATTEMPTS).map(|_| push()).find(|pushed| !is_lost(pushed)).unwrap_or_else(push);
        if let Err(failure) = pushed {
            panic!("{failure}");
        }
    }

    /// The bytes of what it keeps under this digest.
    #[track_caller]
    fn content(&self, digest: &str) -> Vec<u8> {
        self.ctr.run(["content", "get", digest]).into_bytes()
    }
}

/// Runs the test with each containerd that is installed.
pub(crate) fn with_each(test: impl Fn(&Containerd)) {
    for program in installed("ctr") {
        let containerd = program.with_file_name("containerd");
        if containerd.is_file() && rustix::process::geteuid().is_root() {
            test(&Containerd::start(Client::at(program), &containerd));
        } else {
            skip("ctr", "it needs root and a containerd beside it");
        }
    }
}

#[test]
fn containerd_gets_back_an_index_with_all_its_platforms() {
    with_each(|containerd| {
        let holdfast = Holdfast::start();
        let layout = Layout::of_index(containerd.ctr.path("in"), "both", 1);
        let repository = format!("{}/containerd/index", holdfast.address);
        let archive = containerd.ctr.write("in.tar", layout.archive());
        let import = ["images", "import", "--all-platforms", "--no-unpack"];
        containerd.ctr.run(import.into_iter().chain(["--base-name", &repository, &archive]));

        let image = format!("{repository}:both");
        containerd.push(&image);
        let served = holdfast.get("/v2/containerd/index/manifests/both").expect(200);
        served.expect_body(&layout.manifest);

        containerd.ctr.run(["images", "rm", "--sync", &image]);
        assert!(!containerd.ctr.succeeds(["content", "get", &layout.digest]));
        containerd.pull(&image);
        assert_eq!(containerd.content(&layout.digest), layout.manifest);
    });
}

#[test]
fn containerd_pulls_zstd_layers() {
    with_each(|containerd| {
        let holdfast = Holdfast::start();
        let layout = Layout::of_zstd_image(containerd.ctr.path("in"), "v1", 2);
        layout.push(&holdfast, "containerd/zstd", "v1");
        containerd.pull(&format!("{}/containerd/zstd:v1", holdfast.address));
        assert_eq!(containerd.content(&layout.digest), layout.manifest);
    });
}

#[test]
fn containerd_mounts_what_another_repository_holds() {
    with_each(|containerd| {
        let holdfast = Holdfast::start();
        let tap = Tap::before(holdfast.address);
        let layout = Layout::of_image(containerd.ctr.path("in"), "v1", 3);
        layout.push(&holdfast, "containerd/first", "v1");
        let [first, second] = ["first", "second"].map(|name| format!("{}/containerd/{name}:v1", tap.address));

        containerd.pull(&first);
        containerd.ctr.run(["images", "tag", &first, &second]);
        containerd.push(&second);
        let mounts = tap.requests("POST /v2/containerd/second/blobs/uploads/?");
        assert_eq!(mounts.len(), 2, "configuration and layer");
        assert!(mounts.iter().all(|line| line.contains("mount=")), "{mounts:?}");
        assert_eq!(tap.requests("PUT /v2/containerd/second/blobs/"), Vec::<String>::new());
        let served = holdfast.get("/v2/containerd/second/manifests/v1").expect(200);
        served.expect_body(&layout.manifest);
    });
}
