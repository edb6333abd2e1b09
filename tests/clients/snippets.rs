//! The files that the guide for clients shows, each read out of it and tried with its client.

use std::path::PathBuf;

use crate::client::{Client, installed};
use crate::containerd::{self, Containerd};
use crate::layout::{self, Layout};
use crate::support::{Holdfast, Request};
use crate::tap::Tap;
use crate::tls::Encrypted;

/// The block under this mark, with the registry that it is to name.
#[track_caller]
fn snippet(name: &str, host: &str) -> String {
    let guide = include_str!("../../docs/CLIENTS.md");
    let mark = format!("<!-- snippet: {name} -->\n```");
    let (_before, rest) = guide.split_once(&mark).unwrap_or_else(|| panic!("the guide has no {name}"));
    let (_language, rest) = rest.split_once('\n').unwrap();
    let (block, _rest) = rest.split_once("```").unwrap();
    assert!(block.contains("registry.example.com"), "{block}");
    block.replace("registry.example.com", host)
}

/// Puts a `hosts.toml` where `ctr` looks for it, if it is told the folder that this returns.
fn hosts(ctr: &Client, registry: &str, toml: &str) -> String {
    let folder = PathBuf::from(ctr.path("hosts")).join(registry);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("hosts.toml"), toml).unwrap();
    ctr.path("hosts")
}

#[track_caller]
fn pull(ctr: &Client, hosts: &str, image: &str, layout: &Layout) {
    let options = ["--all-platforms", "--snapshotter", "native", "--hosts-dir", hosts, image];
    ctr.run(["images", "pull"].into_iter().chain(options));
    assert_eq!(ctr.run(["content", "get", &layout.digest]).into_bytes(), layout.manifest);
}

#[test]
fn containerd_trusts_the_authority_that_hosts_toml_names() {
    containerd::with_each(|Containerd { ctr, .. }| {
        let encrypted = Encrypted::start();
        let host = encrypted.holdfast.address.to_string();
        let layout = Layout::of_image(ctr.path("in"), "v1", 1);
        layout.push(&encrypted.registry(), "team/app", "v1");
        let named = format!("/etc/containerd/certs.d/{host}/ca.crt");
        let toml = snippet("hosts.toml, authority", &host);
        assert!(toml.contains(&named), "{toml}");
        let toml = toml.replace(&named, encrypted.authority.file().to_str().unwrap());
        pull(ctr, &hosts(ctr, &host, &toml), &format!("{host}/team/app:v1"), &layout);
    });
}

#[test]
fn containerd_speaks_plain_http_where_hosts_toml_says_so() {
    containerd::with_each(|Containerd { ctr, .. }| {
        let holdfast = Holdfast::start();
        let toml = snippet("hosts.toml, plain", &holdfast.address.to_string());
        let layout = Layout::of_image(ctr.path("in"), "v1", 2);
        layout.push(&holdfast, "team/app", "v1");
        // On loopback it would try by itself, and under this name it does not.
        let name = "registry.example.com";
        pull(ctr, &hosts(ctr, name, &toml), &format!("{name}/team/app:v1"), &layout);
    });
}

#[test]
fn containerd_takes_from_here_what_images_name_elsewhere() {
    containerd::with_each(|Containerd { ctr, .. }| {
        let holdfast = Holdfast::start();
        let tap = Tap::before(holdfast.address);
        let layout = Layout::of_image(ctr.path("in"), "v1", 3);
        layout.push(&holdfast, "mirror/library/app", "v1");
        let toml = snippet("hosts.toml, mirror", &tap.address.to_string());
        pull(ctr, &hosts(ctr, "docker.io", &toml), "docker.io/library/app:v1", &layout);
        let asked = tap.requests("HEAD /v2/mirror/library/app/manifests/v1?ns=docker.io");
        assert!(!asked.is_empty(), "it names whom it asks for");
    });
}

#[test]
fn skopeo_finds_mirrors_and_plain_http_in_registries_conf() {
    let Some(skopeo) = Client::find("skopeo") else { return };
    let holdfast = Holdfast::start();
    let file = skopeo.write("registries.conf", snippet("registries.conf", &holdfast.address.to_string()));
    let skopeo = skopeo.always(["--insecure-policy", "--registries-conf", &file]);
    let layout = Layout::of_image(skopeo.path("in"), "v1", 4);
    let remote = format!("docker://{}/mirror/library/app:v1", holdfast.address);
    skopeo.run(["copy", "--preserve-digests", &layout.reference(), &remote]);
    let out = format!("oci:{}:v1", skopeo.path("out"));
    skopeo.run(["copy", "--preserve-digests", "docker://docker.io/library/app:v1", &out]);
    assert_eq!(layout::digest_in(&skopeo.path("out")), layout.digest);
}

#[test]
fn dockers_daemon_takes_the_file_that_is_shown() {
    let Some(docker) = Client::find("docker") else { return };
    let file = docker.write("daemon.json", snippet("daemon.json", "registry.example.com"));
    for dockerd in installed("dockerd") {
        let dockerd = Client::at(dockerd);
        match dockerd.run(["--help"]).contains("--validate") {
            true => drop(dockerd.run(["--validate", "--config-file", &file])),
            false => eprintln!("skipped: {} cannot validate", dockerd.program().display()),
        }
    }
}

/// What docker asks a mirror for, and what containerd adds.
#[test]
fn a_mirror_answers_whoever_says_for_whom_it_is_asked() {
    let holdfast = Holdfast::start();
    let image = holdfast.push_image("library/app", "v1", 5);
    for query in ["", "?ns=docker.io"] {
        let target = format!("/v2/library/app/manifests/v1{query}");
        holdfast.send(Request::get(target)).expect(200).expect_body(&image.bytes);
    }
}
