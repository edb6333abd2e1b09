//! Registries that ask who comes: by name and password alone, by tokens, over TLS, and behind nginx.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;
use crate::layout::Layout;
use crate::nginx::Nginx;
use crate::signer::{self, Signer};
use crate::support::{Authority, Builder, Holdfast, Pair, Registry};

const ALICE: (&str, &str) = ("alice", "ecila");
const ROBOT: &str = "robot+ci";
/// Jobs log in with any name.
const JOB: &str = "github";
const AUDIENCE: &str = "registry.example.com";

/// Strangers may pull what is public, which makes the challenge one for tokens.
const POLICIES: &str = "
    - {who: anonymous, may: [pull], where: public/**}
    - {who: user:alice, may: admin, where: '**'}
    - {who: robot:ci, may: [pull, push], where: team/**}
    - who: {issuer: github, claims: {repository: example/app, ref: refs/heads/main}}
      may: [pull, push]
      where: team/**
";

/// A registry with one user, one robot account, perhaps a job of a CI system, and an image in `public/app`.
pub(crate) struct Door {
    /// The host and port that clients come to.
    pub(crate) host: String,
    /// Whether those who have not logged in may pull what is public.
    pub(crate) admits_strangers: bool,
    pub(crate) holdfast: Holdfast,
    /// Who has signed the certificate, where TLS is spoken.
    pub(crate) authority: Option<Authority>,
    secret: String,
    /// The identity token of the job, where jobs may log in.
    job: Option<String>,
    _nginx: Option<Nginx>,
    _folder: TempDir,
}

impl Door {
    /// One that has a file of users and no policies: it asks for name and password.
    pub(crate) fn of_passwords() -> Self {
        Self::with("", false, None)
    }

    /// One that has policies: it asks for a token, which its own token server issues.
    pub(crate) fn of_tokens() -> Self {
        Self::with("", true, None)
    }

    /// The same over TLS.
    pub(crate) fn of_tokens_over_tls() -> Self {
        let authority = Authority::new();
        let Pair { certificate, key } = authority.issue("registry");
        let tls = format!("tls: {{certificate: {certificate:?}, key: {key:?}}}");
        Self::with(&tls, true, Some(authority))
    }

    /// The same behind an nginx that speaks TLS, while the registry does not; `None` if nginx is not installed.
    pub(crate) fn behind_nginx() -> Option<Self> {
        let nginx = Client::find("nginx")?;
        let mut door = Self::with("trustedproxies: [127.0.0.1]", true, None);
        let authority = Authority::new();
        let nginx = Nginx::before(nginx, door.holdfast.address, &authority.issue("proxy"));
        door.host = nginx.address.to_string();
        Some(Self { authority: Some(authority), _nginx: Some(nginx), ..door })
    }

    /// Each kind that needs nothing else to be installed.
    pub(crate) fn each() -> [Self; 3] {
        [Self::of_passwords(), Self::of_tokens(), Self::of_tokens_over_tls()]
    }

    fn with(http: &str, admits_strangers: bool, authority: Option<Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [users, robots] = ["htpasswd", "robots.json"].map(|name| folder.path().join(name));
        let (name, password) = ALICE;
        std::fs::write(&users, format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap())).unwrap();
        let secret = robot_account(&robots);
        let mut yaml = format!(
            "http: {{{http}}}\nauth:\n  htpasswd: {{path: {users:?}}}\n  robots: {{path: {robots:?}}}\n"
        );
        let job = admits_strangers.then(|| {
            let (issuer, token) = job();
            yaml += &format!(
                "  issuers: [{{name: github, url: '{issuer}', audience: {AUDIENCE}}}]\n  policies: {POLICIES}"
            );
            token
        });
        let holdfast = Builder::default().configuration(&yaml).start();
        let host = holdfast.address.to_string();
        let door =
            Self { host, admits_strangers, holdfast, authority, secret, job, _nginx: None, _folder: folder };
        let layout = Layout::of_image(door._folder.path().join("image"), "v1", 1);
        layout.push(&door.registry(), "public/app", "v1");
        door
    }

    /// Those who may log in, with their passwords.
    pub(crate) fn accounts(&self) -> Vec<(&str, &str)> {
        let job = self.job.iter().map(|token| (JOB, token.as_str()));
        [ALICE, (ROBOT, &self.secret)].into_iter().chain(job).collect()
    }

    /// The registry itself, as alice.
    pub(crate) fn registry(&self) -> Registry {
        let registry = self.holdfast.by_password(ALICE.0, ALICE.1);
        match &self.authority {
            Some(authority) => registry.over_tls(&authority.client()),
            None => registry,
        }
    }

    /// A reference to the image `v1` in this repository.
    pub(crate) fn image(&self, repository: &str) -> String {
        format!("{}/{repository}:v1", self.host)
    }

    /// What docker, podman, skopeo and buildah are told: whom they are to trust, or that there is no TLS.
    pub(crate) fn trust(&self, client: &Client, prefix: &str) -> Vec<String> {
        let Some(authority) = &self.authority else {
            return vec![format!("--{prefix}tls-verify=false")];
        };
        let folder = PathBuf::from(client.path("signers"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(authority.file(), folder.join("ca.crt")).unwrap();
        vec![format!("--{prefix}cert-dir={}", folder.display())]
    }
}

/// Makes a robot account, and gives its secret.
fn robot_account(file: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["robot", "add", "ci"]).env("REGISTRY_AUTH_ROBOTS_PATH", file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// An issuer, and the identity token that it gives to a job of a branch.
fn job() -> (String, String) {
    let signer = Signer::new("k1");
    let issuer = signer::provider(&signer);
    let now = signer::now();
    let claims = json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "repo:example/app:ref:refs/heads/main", "repository": "example/app",
        "ref": "refs/heads/main", "iat": now, "nbf": now, "exp": now + 300,
    });
    let token = signer.sign(&claims);
    (issuer, token)
}
