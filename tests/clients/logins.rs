//! Clients that log in: to a registry that asks for name and password, to one that asks for tokens and lets strangers pull what
//! is public, and to the latter over TLS; as a user, as a robot account, and as a job of a CI system.

use crate::client::Client;
use crate::containerd::Containerd;
use crate::docker::Docker;
use crate::door::Door;
use crate::layout::Layout;
use crate::tap::Tap;
use crate::tls::{CertsD, hosts_folder};
use crate::{buildah, containerd, docker, podman};

/// What a client has said: on its standard output, or of its failure.
type Said = Result<String, String>;

/// A client that keeps who has logged in, and its user.
trait Member {
    fn log_in(&self, name: &str, password: &str) -> Said;
    fn log_out(&self) -> Said;
    /// Pushes an image to this repository.
    fn push(&self, repository: &str) -> Said;
    /// Pulls the image of this repository, which the client does not have.
    fn pull(&self, repository: &str) -> Said;
}

/// What everybody goes through who comes to a registry that asks who they are.
#[track_caller]
fn comes_and_goes(member: &impl Member, door: &Door) {
    refused(member.push("team/early"));
    match door.admits_strangers {
        true => done(member.pull("public/app")),
        false => refused(member.pull("public/app")),
    }
    for (name, password) in door.accounts() {
        refused(member.log_in(name, "wrong"));
        done(member.log_in(name, password));
        let repository = format!("team/{}", name.replace('+', "-"));
        done(member.push(&repository));
        done(member.pull(&repository));
        done(member.pull("public/app"));
        if door.admits_strangers && name != "alice" {
            refused(member.push("public/app"));
        }
        done(member.log_out());
        refused(member.pull(&repository));
    }
}

#[track_caller]
fn done(said: Said) {
    if let Err(failure) = said {
        panic!("{failure}");
    }
}

/// It must have failed, and because the registry wants somebody else, in the words of some client. (On loopback docker tries
/// plain HTTP, too, when a token is refused over TLS, and tells of that alone.)
#[track_caller]
fn refused(said: Said) {
    const WORDS: [&str; 6] = [
        "unauthorized",
        "authentication required",
        "denied",
        "credential",
        "invalid username",
        "login attempt to http://",
    ];
    let failure = said.expect_err("this should have been refused").to_lowercase();
    assert!(WORDS.iter().any(|word| failure.contains(word)), "refused for another reason: {failure}");
}

/// Arguments with options before them.
fn with<'a>(options: &'a [String], arguments: &[&'a str]) -> Vec<&'a str> {
    let (command, rest) = arguments.split_first().unwrap();
    let options = options.iter().map(String::as_str);
    [*command].into_iter().chain(options).chain(rest.iter().copied()).collect()
}

/// docker, with a daemon of its own.
struct DockerMember<'a> {
    docker: &'a Docker,
    door: &'a Door,
    _signers: Option<CertsD>,
}

impl<'a> DockerMember<'a> {
    fn of(docker: &'a Docker, door: &'a Door) -> Self {
        let signers = door.authority.as_ref().map(|authority| CertsD::new(&door.host, authority));
        Self { docker, door, _signers: signers }
    }
}

impl Member for DockerMember<'_> {
    fn log_in(&self, name: &str, password: &str) -> Said {
        self.docker.docker.attempt(["login", "--username", name, "--password", password, &self.door.host])
    }

    fn log_out(&self) -> Said {
        self.docker.docker.attempt(["logout", &self.door.host])
    }

    fn push(&self, repository: &str) -> Said {
        let image = self.door.image(repository);
        self.docker.import(50_000, 7, &image);
        let pushed = self.docker.docker.attempt(["push", &image]);
        self.docker.docker.run(["image", "rm", &image]);
        pushed
    }

    fn pull(&self, repository: &str) -> Said {
        let image = self.door.image(repository);
        let pulled = self.docker.docker.attempt(["pull", &image]);
        if pulled.is_ok() {
            self.docker.docker.run(["image", "rm", &image]);
        }
        pulled
    }
}

#[test]
fn docker_logs_in_pushes_pulls_and_logs_out() {
    docker::with_each(|docker| {
        for door in Door::each() {
            comes_and_goes(&DockerMember::of(docker, &door), &door);
        }
    });
}

#[test]
fn docker_comes_and_goes_through_nginx() {
    let Some(door) = Door::behind_nginx() else { return };
    docker::with_each(|docker| comes_and_goes(&DockerMember::of(docker, &door), &door));
}

/// podman and buildah.
struct StorageMember<'a> {
    client: Client,
    /// Makes an image of this name.
    make: fn(&Client, &str),
    door: &'a Door,
}

impl StorageMember<'_> {
    fn attempt(&self, arguments: &[&str]) -> Said {
        self.client.attempt(with(&self.door.trust(&self.client, ""), arguments))
    }
}

impl Member for StorageMember<'_> {
    fn log_in(&self, name: &str, password: &str) -> Said {
        self.attempt(&["login", "--username", name, "--password", password, &self.door.host])
    }

    fn log_out(&self) -> Said {
        self.client.attempt(["logout", &self.door.host])
    }

    fn push(&self, repository: &str) -> Said {
        let image = self.door.image(repository);
        (self.make)(&self.client, &image);
        let pushed = self.attempt(&["push", &image]);
        self.client.run(["rmi", "--force", &image]);
        pushed
    }

    fn pull(&self, repository: &str) -> Said {
        let image = self.door.image(repository);
        let pulled = self.attempt(&["pull", &image]);
        if pulled.is_ok() {
            self.client.run(["rmi", "--force", &image]);
        }
        pulled
    }
}

#[test]
fn podman_logs_in_pushes_pulls_and_logs_out() {
    for door in Door::each() {
        let Some(client) = podman::podman() else { return };
        let make = |podman: &Client, image: &str| podman::import(podman, 50_000, 8, image);
        comes_and_goes(&StorageMember { client, make, door: &door }, &door);
    }
}

#[test]
fn buildah_logs_in_pushes_pulls_and_logs_out() {
    for door in Door::each() {
        let Some(client) = buildah::buildah() else { return };
        let make = |buildah: &Client, image: &str| buildah::build(buildah, 9, image);
        comes_and_goes(&StorageMember { client, make, door: &door }, &door);
    }
}

struct Skopeo<'a> {
    client: Client,
    door: &'a Door,
}

impl Member for Skopeo<'_> {
    fn log_in(&self, name: &str, password: &str) -> Said {
        let trust = self.door.trust(&self.client, "");
        let login = ["login", "--username", name, "--password", password, &self.door.host];
        self.client.attempt(with(&trust, &login))
    }

    fn log_out(&self) -> Said {
        self.client.attempt(["logout", &self.door.host])
    }

    fn push(&self, repository: &str) -> Said {
        let layout = Layout::of_image(self.client.path("in"), "v1", 9);
        let (trust, image) = (self.door.trust(&self.client, "dest-"), self.door.image(repository));
        self.client.attempt(with(&trust, &["copy", &layout.reference(), &format!("docker://{image}")]))
    }

    fn pull(&self, repository: &str) -> Said {
        let (trust, image) = (self.door.trust(&self.client, "src-"), self.door.image(repository));
        let out = tempfile::tempdir_in(self.client.folder()).unwrap();
        let out = format!("dir:{}", out.path().display());
        self.client.attempt(with(&trust, &["copy", &format!("docker://{image}"), &out]))
    }
}

#[test]
fn skopeo_logs_in_pushes_pulls_and_logs_out() {
    for door in Door::each() {
        let Some(skopeo) = Client::find("skopeo") else { return };
        comes_and_goes(&Skopeo { client: skopeo.always(["--insecure-policy"]), door: &door }, &door);
    }
}

struct Crane<'a> {
    client: Client,
    door: &'a Door,
}

impl<'a> Crane<'a> {
    fn of(crane: Client, door: &'a Door) -> Self {
        let client = match &door.authority {
            Some(authority) => crane.environment("SSL_CERT_FILE", authority.file()),
            None => crane,
        };
        Self { client, door }
    }
}

impl Member for Crane<'_> {
    /// crane keeps what it is given without asking anybody: a pull shows whether it is right.
    fn log_in(&self, name: &str, password: &str) -> Said {
        let login = ["auth", "login", "--username", name, "--password", password, &self.door.host];
        self.client.attempt(login)?;
        self.client.attempt(["manifest", &self.door.image("public/app")])
    }

    fn log_out(&self) -> Said {
        self.client.attempt(["auth", "logout", &self.door.host])
    }

    fn push(&self, repository: &str) -> Said {
        let layout = Layout::of_image(self.client.path("in"), "v1", 10);
        self.client.attempt(["push", layout.folder(), &self.door.image(repository)])
    }

    fn pull(&self, repository: &str) -> Said {
        self.client.attempt(["pull", &self.door.image(repository), &self.client.path("out.tar")])
    }
}

#[test]
fn crane_logs_in_pushes_pulls_and_logs_out() {
    for door in Door::each() {
        let Some(crane) = Client::find("crane") else { return };
        comes_and_goes(&Crane::of(crane, &door), &door);
    }
}

#[test]
fn helm_logs_in_pushes_pulls_and_logs_out() {
    for door in Door::each() {
        let Some(helm) = Client::find("helm") else { return };
        helm.write("Chart.yaml", "apiVersion: v2\nname: chart\nversion: 0.1.0\n");
        helm.run(["package", "."]);
        let trust = match &door.authority {
            Some(authority) => format!("--ca-file={}", authority.file().display()),
            None => "--plain-http".to_owned(),
        };
        let log_in = |name, password| {
            let login = ["registry", "login", &door.host, "--username", name, "--password", password, &trust];
            helm.attempt(login)
        };
        for (name, password) in door.accounts() {
            let charts = format!("oci://{}/team/{}", door.host, name.replace('+', "-"));
            let push = || helm.attempt(["push", "chart-0.1.0.tgz", &charts, &trust]);
            refused(log_in(name, "wrong"));
            refused(push());
            done(log_in(name, password));
            done(push());
            let pull = || helm.attempt(["pull", &format!("{charts}/chart"), "--destination", "HOME", &trust]);
            done(pull());
            done(helm.attempt(["registry", "logout", &door.host]));
            refused(pull());
        }
    }
}

/// ctr keeps no login: it is told each time.
#[test]
fn containerd_pushes_and_pulls_as_whoever_it_is_told() {
    containerd::with_each(|Containerd { ctr, .. }| {
        for door in Door::each() {
            let trust = match &door.authority {
                Some(authority) => format!("--hosts-dir={}", hosts_folder(ctr, &door.host, authority)),
                None => "--plain-http".to_owned(),
            };
            let pull = |user: &[&str], repository: &str| {
                let command = ["images", "pull", "--all-platforms", "--snapshotter=native", &trust];
                ctr.attempt(command.into_iter().chain(user.iter().copied()).chain([&*door.image(repository)]))
            };
            match door.admits_strangers {
                true => done(pull(&[], "public/app")),
                false => refused(pull(&[], "public/app")),
            }
            for (name, password) in door.accounts() {
                let user = format!("--user={name}:{password}");
                done(pull(&[&user], "public/app"));
                let image = door.image(&format!("team/{}", name.replace('+', "-")));
                ctr.run(["images", "tag", "--force", &door.image("public/app"), &image]);
                let push = |user: &str| ctr.attempt(["images", "push", &trust, user, &image]);
                refused(push(&format!("--user={name}:wrong")));
                done(push(&user));
                ctr.run(["images", "rm", "--sync", &image]);
                refused(pull(&[], "team/alice"));
                done(pull(&[&user], "team/alice"));
            }
        }
    });
}

#[test]
fn docker_mounts_from_where_it_may_pull() {
    docker::with_each(|docker| {
        let mut door = Door::of_tokens();
        let tap = Tap::before(door.holdfast.address);
        door.host = tap.address.to_string();
        let member = DockerMember::of(docker, &door);
        let (name, password) = door.accounts()[0];
        done(member.log_in(name, password));
        let [first, second] = ["team/first", "team/second"].map(|name| door.image(name));
        docker.import(500_000, 11, &first);
        docker.docker.run(["push", &first]);
        docker.docker.run(["tag", &first, &second]);
        docker.docker.run(["push", &second]);
        let mounts = tap.requests("POST /v2/team/second/blobs/uploads/?");
        assert!(mounts.iter().any(|line| line.contains("mount=")), "{mounts:?}");
        let uploads = tap.requests("PUT /v2/team/second/blobs/");
        assert!(uploads.len() <= 1, "the configuration at most: {uploads:?}");
        door.registry().get("/v2/team/second/manifests/v1").expect(200);
        done(member.log_out());
    });
}

#[test]
fn crane_mounts_from_where_it_may_pull() {
    let Some(crane) = Client::find("crane") else { return };
    let mut door = Door::of_tokens();
    let tap = Tap::before(door.holdfast.address);
    door.host = tap.address.to_string();
    let (name, password) = door.accounts()[1];
    let crane = Crane::of(crane, &door);
    done(crane.log_in(name, password));
    crane.client.run(["copy", &door.image("public/app"), &door.image("team/copy")]);
    let mounts = tap.requests("POST /v2/team/copy/blobs/uploads/?");
    assert!(mounts.iter().filter(|line| line.contains("mount=")).count() >= 2, "{mounts:?}");
    assert_eq!(tap.requests("PATCH /v2/team/copy/"), Vec::<String>::new());
    door.registry().get("/v2/team/copy/manifests/v1").expect(200);
}

#[test]
fn behind_nginx_failures_are_told_with_the_address_of_the_client() {
    let (Some(door), Some(curl)) = (Door::behind_nginx(), Client::find("curl")) else { return };
    let authority = door.authority.as_ref().unwrap().file();
    let url = format!("https://{}/v2/", door.host);
    let trust = ["--silent", "--show-error", "--cacert", authority.to_str().unwrap()];
    let ask = ["--interface", "127.0.0.3", "--user", "alice:wrong", "--dump-header", "-", &url];
    let answer = curl.run(trust.into_iter().chain(ask));
    let realm = format!("realm=\"https://{}/v2/token\"", door.host);
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains(&realm), "{answer}");
    let log = door.holdfast.log();
    assert!(
        log.lines().any(|line| line.contains("audit=refused") && line.contains("from=127.0.0.3")),
        "{log}"
    );
}
