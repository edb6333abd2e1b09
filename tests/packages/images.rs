//! The images by themselves: what they say of themselves, and a registry that is run from them.

use serde_json::Value;

use crate::client::Client;
use crate::container::{Container, run};
use crate::engine::{IMAGE, NONROOT, image, with_each};
use crate::support::{OCI_IMAGE, bytes_of};

const VOLUME: [&str; 2] = ["-v", "images:/var/lib/registry"];
const SHUT_IN: [&str; 4] = ["--read-only", "--cap-drop=ALL", "--security-opt", "no-new-privileges"];

/// What the image in this archive says of how it is run.
fn configuration(suffix: &str) -> Option<Value> {
    let (archive, skopeo) = (image(suffix)?, Client::find("skopeo")?);
    let text = skopeo.run(["inspect", "--config", &format!("oci-archive:{}", archive.display())]);
    Some(serde_json::from_str::<Value>(&text).unwrap()["config"].take())
}

#[test]
fn the_images_say_how_they_are_run_in_the_words_of_registry_2() {
    for (suffix, user) in [("", Value::Null), ("-nonroot", "65532:65532".into())] {
        let Some(config) = configuration(suffix) else { return };
        assert_eq!(config["User"], user);
        assert_eq!(config["ExposedPorts"], serde_json::json!({"5000/tcp": {}}));
        assert_eq!(config["Volumes"], serde_json::json!({"/var/lib/registry": {}}));
        assert_eq!(config["Cmd"][1], "/etc/docker/registry/config.yml");
        let labels = &config["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(labels["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
        assert_eq!(labels["org.opencontainers.image.description"], env!("CARGO_PKG_DESCRIPTION"));
    }
}

#[track_caller]
fn expect_image(container: &Container, digest: &str) {
    let target = format!("/v2/app/manifests/{digest}");
    container.registry.get(&target).expect(200).expect_header("Content-Type", OCI_IMAGE);
}

#[test]
fn what_was_pushed_outlives_the_container() {
    with_each(|engine| {
        for image in [IMAGE, NONROOT] {
            let volume = format!("{}:/var/lib/registry", image.replace(['/', ':'], "-"));
            let container = run(engine).with(["-v", &volume]).start(image, &[]);
            let digest = container.registry.push_image("app", "v1", 1).digest;
            container.restart();
            expect_image(&container, &digest);
            let another = container.registry.push_image("app", "v2", 2).digest;
            container.crash();
            drop(container);
            let container = run(engine).with(["-v", &volume]).start(image, &[]);
            expect_image(&container, &digest);
            expect_image(&container, &another);
        }
    });
}

#[test]
fn an_image_is_pushed_and_pulled_by_the_engine_that_runs_the_registry() {
    with_each(|engine| {
        let container = run(engine).start(IMAGE, &[]);
        let remote = format!("{}/self:v1", container.registry.address);
        let insecure: &[&str] = if engine.is_podman() { &["--tls-verify=false"] } else { &[] };
        let call =
            |command| [command].iter().chain(insecure).copied().chain([remote.as_str()]).collect::<Vec<_>>();
        engine.client.run(["tag", NONROOT, &remote]);
        engine.client.run(call("push"));
        engine.client.run(["rmi", &remote]);
        engine.client.run(call("pull"));
    });
}

#[test]
fn nothing_is_written_but_the_volume_and_no_privilege_is_needed() {
    with_each(|engine| {
        let container = run(engine).with(SHUT_IN).with(VOLUME).start(NONROOT, &[]);
        container.registry.push_image("app", "v1", 1);
        container.registry.push_blob("app", bytes_of(5_000_000, 3));
        assert_eq!(container.exec(&["holdfast", "healthcheck", &container.url("/")]), "");
        drop(container);
        // Root without capabilities may not enter what belongs to another user: a volume of its own.
        let container = run(engine).with(SHUT_IN).start(IMAGE, &[]);
        container.registry.push_image("app", "v1", 1);
    });
}

#[test]
fn without_a_word_it_listens_on_port_5000_and_is_found_well() {
    with_each(|engine| {
        let name = engine.client.run(["run", "-d", "--network", "none", IMAGE]);
        let is_well =
            || engine.client.succeeds(["exec", &name, "holdfast", "healthcheck", "--timeout", "1s"]);
        let well = (0..100).any(|_| {
            is_well() || {
                std::thread::sleep(std::time::Duration::from_millis(100));
                false
            }
        });
        let asked =
            engine.client.attempt(["exec", &name, "holdfast", "healthcheck", "http://127.0.0.1:5000/"]);
        engine.client.run(["rm", "-f", &name]);
        assert!(well && asked.is_ok(), "{asked:?}");
    });
}

#[test]
fn the_certificates_of_public_authorities_are_there() {
    with_each(|engine| {
        let name = engine.client.run(["create", "--network", "none", IMAGE]);
        let copy = engine.client.path("certificates.crt");
        engine.client.run(["cp", &format!("{name}:/etc/ssl/certs/ca-certificates.crt"), &copy]);
        engine.client.run(["rm", &name]);
        let certificates = std::fs::read_to_string(copy).unwrap();
        assert!(certificates.matches("-----BEGIN CERTIFICATE-----").count() > 100);
    });
}
