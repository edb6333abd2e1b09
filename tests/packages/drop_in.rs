//! Where registry:2 or registry:3 ran, only the name of the image changes: the ways in which its configuration, its commands
//! and its settings are given.

use crate::container::{free_address, run};
use crate::engine::{Engine, IMAGE, with_each};
use crate::support::Request;

/// A configuration of the user's own, which puts a header on each response.
const CONFIGURATION: &str = "\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}, gc: {grace: 0s, lease: 0s}}
http: {addr: ':5000', headers: {X-Whose: [mine]}}
";

/// A folder of this name that has it as `config.yml`.
fn folder(engine: &Engine, name: &str) -> String {
    let folder = engine.client.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(format!("{folder}/config.yml"), CONFIGURATION).unwrap();
    folder
}

#[test]
fn a_configuration_is_mounted_where_either_image_has_its_own() {
    with_each(|engine| {
        let folder = folder(engine, "mounted");
        for (what, place) in [
            ("/config.yml", "/etc/docker/registry/config.yml"),
            ("/config.yml", "/etc/distribution/config.yml"),
            ("", "/etc/docker/registry"),
            ("", "/etc/distribution"),
        ] {
            let mount = format!("{folder}{what}:{place}:ro");
            for command in [&[][..], &["serve", "/etc/distribution/config.yml"]] {
                let container = run(engine).with(["-v", &mount]).start(IMAGE, command);
                container.registry.get("/v2/").expect(200).expect_header("X-Whose", "mine");
            }
        }
    });
}

#[test]
fn commands_and_entry_points_of_either_image_serve() {
    with_each(|engine| {
        let mount = format!("{}:/mine:ro", folder(engine, "commanded"));
        for (options, command) in [
            (&[][..], &["serve", "/mine/config.yml"][..]),
            (&[], &["/mine/config.yml"]),
            (&[], &["registry", "serve", "/mine/config.yml"]),
            (&[], &["/bin/registry", "serve", "/mine/config.yml"]),
            (&["--entrypoint", "registry"], &["serve", "/mine/config.yml"]),
            (&["--entrypoint", "/bin/registry"], &["serve", "/mine/config.yml"]),
            (&["--entrypoint", "/entrypoint.sh"], &["/mine/config.yml"]),
            (&["-e", "REGISTRY_CONFIGURATION_PATH=/mine/config.yml"], &["serve"]),
        ] {
            let container =
                run(engine).with(["-v", &mount]).with(options.iter().copied()).start(IMAGE, command);
            container.registry.get("/v2/").expect(200).expect_header("X-Whose", "mine");
        }
    });
}

#[test]
fn the_environment_overrides_the_file_of_the_image() {
    with_each(|engine| {
        let settings =
            ["-e", "REGISTRY_STORAGE_DELETE_ENABLED=true", "-e", "REGISTRY_HTTP_HEADERS_X-Whose=[mine]"];
        let container = run(engine).with(settings).start(IMAGE, &[]);
        container.registry.get("/v2/").expect(200).expect_header("X-Whose", "mine");
        let digest = container.registry.push_image("app", "v1", 1).digest;
        container.registry.delete(&format!("/v2/app/manifests/{digest}")).expect(202);
    });
}

#[test]
fn garbage_is_collected_beside_the_running_server_and_without_it() {
    with_each(|engine| {
        let mount = format!("{}:/etc/docker/registry:ro", folder(engine, "collecting"));
        let options = ["-v", &mount, "-v", "collected:/var/lib/registry"];
        let collect = ["garbage-collect", "/etc/docker/registry/config.yml"];
        let container = run(engine).with(options).start(IMAGE, &[]);
        let blob = container.registry.push_blob("app", "nobody needs this");
        let said = container.exec(&[&["registry"], &collect[..]].concat());
        assert!(said.contains(&format!("removed: blob app {blob}")), "{said}");

        let blob = container.registry.push_blob("app", "nor this");
        drop(container);
        let alone = [&["run", "--rm", "--network", "none"], &options[..], &[IMAGE], &collect].concat();
        let said = engine.client.run(alone);
        assert!(said.contains(&format!("removed: blob app {blob}")), "{said}");
    });
}

/// An empty registry over the old images would answer every pull with 404.
#[test]
fn a_volume_of_registry_2_is_served_once_it_was_imported() {
    with_each(|engine| {
        let volume = engine.client.path("volume");
        let blobs = format!("{volume}/docker/registry/v2/blobs");
        std::fs::create_dir_all(blobs).unwrap();
        std::fs::create_dir_all(format!("{volume}/docker/registry/v2/repositories")).unwrap();
        let mount = format!("{volume}:/var/lib/registry");
        let address = format!("REGISTRY_HTTP_ADDR={}", free_address());
        let refused =
            engine.client.attempt(["run", "--rm", "--network", "host", "-e", &address, "-v", &mount, IMAGE]);
        assert!(refused.as_ref().is_err_and(|said| said.contains("--import")), "{refused:?}");
        let container = run(engine).with(["-v", &mount, "-e", "HOLDFAST_IMPORT=true"]).start(IMAGE, &[]);
        assert_eq!(container.registry.try_send(&Request::get("/v2/_catalog")), Some(200));
    });
}
