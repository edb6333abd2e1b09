//! The manifest for Kubernetes: it says what Kubernetes knows, its parts fit together, and a registry runs as it says. No cluster
//! has seen it.

use std::path::Path;
use std::process::Command;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Probe, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::container::{at, free_address, run};
use crate::engine::{NONROOT, with_each};
use crate::support::{Builder, Request};

const MANIFEST: &str = include_str!("../../config/kubernetes.yaml");

/// What the manifest describes, each in the type that Kubernetes has of it.
struct Manifest {
    config_map: ConfigMap,
    service: Service,
    set: StatefulSet,
}

/// # Panics
///
/// If the text is not of this type, or has a field that the type has not: it would be missing when it is written again.
#[track_caller]
fn typed<T: DeserializeOwned + Serialize>(value: &Value) -> T {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&typed).unwrap(), value);
    typed
}

impl Manifest {
    fn read() -> Self {
        let objects: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).unwrap();
        let [config_map, service, set] = &objects[..] else { panic!("{} objects", objects.len()) };
        Self { config_map: typed(config_map), service: typed(service), set: typed(set) }
    }

    fn configuration(&self) -> &str {
        &self.config_map.data.as_ref().unwrap()["config.yml"]
    }

    fn pod(&self) -> &PodSpec {
        self.set.spec.as_ref().unwrap().template.spec.as_ref().unwrap()
    }

    fn container(&self) -> &Container {
        &self.pod().containers[0]
    }

    /// Where the container has the volume of this name.
    fn mounted(&self, name: &str) -> &Path {
        let mounts = self.container().volume_mounts.as_ref().unwrap();
        Path::new(&mounts.iter().find(|mount| mount.name == name).unwrap().mount_path)
    }

    fn port(&self, name: &str) -> i32 {
        let ports = self.container().ports.as_ref().unwrap();
        ports.iter().find(|port| port.name.as_deref() == Some(name)).unwrap().container_port
    }
}

/// The port that a probe asks, by name, and the path.
fn asked(probe: Option<&Probe>) -> (String, String) {
    let get = probe.unwrap().http_get.as_ref().unwrap();
    (serde_json::to_value(&get.port).unwrap().as_str().unwrap().to_owned(), get.path.clone().unwrap())
}

#[test]
fn the_parts_of_the_manifest_fit_together() {
    let manifest = Manifest::read();
    let (service, set) = (manifest.service.spec.as_ref().unwrap(), manifest.set.spec.as_ref().unwrap());
    let labels = set.template.metadata.as_ref().unwrap().labels.as_ref();
    assert_eq!(service.selector.as_ref(), labels);
    assert_eq!(set.selector.match_labels.as_ref(), labels);
    assert_eq!(set.service_name, manifest.service.metadata.name);
    assert_eq!(set.replicas, Some(1), "one process serves a folder");

    let target = service.ports.as_ref().unwrap()[0].target_port.as_ref();
    assert_eq!(serde_json::to_value(target).unwrap(), "registry");
    assert_eq!((manifest.port("registry"), manifest.port("debug")), (5000, 5001));

    let volumes = manifest.pod().volumes.as_ref().unwrap();
    let config_map = volumes[0].config_map.as_ref().unwrap();
    assert_eq!(Some(&config_map.name), manifest.config_map.metadata.name.as_ref());
    let claims = set.volume_claim_templates.as_ref().unwrap();
    assert_eq!(claims[0].metadata.name.as_deref(), Some("data"));
    let image = format!("holdfast:{}-nonroot", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest.container().image.as_ref(), Some(&image));
}

#[test]
fn the_configuration_is_accepted_and_says_what_the_manifest_relies_on() {
    let manifest = Manifest::read();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, manifest.configuration()).unwrap();
    let mut holdfast = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    let output = holdfast.args(["config", "--config"]).arg(file).output().unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && complained.is_empty(), "{complained}");

    let root = format!("rootdirectory: {} ", manifest.mounted("data").display());
    let debug = format!("addr: \":{}\" ", manifest.port("debug"));
    let main = format!("addr: \":{}\" ", manifest.port("registry"));
    for line in [root.as_str(), &debug, &main, "draintimeout: 30s "] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let grace = manifest.pod().termination_grace_period_seconds.unwrap();
    assert!(grace >= 2 * 30, "it is killed while it drains, or brings what is under way to the disk");
}

#[test]
fn each_probe_asks_what_is_answered() {
    let manifest = Manifest::read();
    let debug = free_address();
    let _holdfast = Builder::default()
        .configuration(manifest.configuration())
        .environment("REGISTRY_HTTP_DEBUG_ADDR", &debug.to_string())
        .environment("REGISTRY_LOG_FORMATTER", "text")
        .start();
    let listener = at(debug);
    let container = manifest.container();
    for (probe, path) in [
        (&container.startup_probe, "/livez"),
        (&container.liveness_probe, "/livez"),
        (&container.readiness_probe, "/readyz"),
    ] {
        assert_eq!(asked(probe.as_ref()), ("debug".to_owned(), path.to_owned()));
        assert_eq!(listener.try_send(&Request::get(path)), Some(200), "{path}");
    }
    let annotations = manifest.set.spec.as_ref().unwrap().template.metadata.as_ref().unwrap();
    let annotations = annotations.annotations.as_ref().unwrap();
    assert_eq!(annotations["prometheus.io/port"], manifest.port("debug").to_string());
    assert_eq!(listener.try_send(&Request::get("/metrics")), Some(200));
}

#[test]
fn a_container_runs_as_shut_in_as_the_manifest_says() {
    let manifest = Manifest::read();
    let pod = manifest.pod().security_context.as_ref().unwrap();
    let security = manifest.container().security_context.as_ref().unwrap();
    assert_eq!(
        (pod.run_as_non_root, pod.run_as_user, pod.run_as_group),
        (Some(true), Some(65532), Some(65532))
    );
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.capabilities.as_ref().unwrap().drop.as_deref(), Some(&["ALL".to_owned()][..]));
    let command: Vec<&str> = manifest.container().args.as_ref().unwrap().iter().map(String::as_str).collect();
    with_each(|engine| {
        let folder = engine.client.path("kubernetes");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(format!("{folder}/config.yml"), manifest.configuration()).unwrap();
        let configuration = format!("{folder}:{}:ro", manifest.mounted("configuration").display());
        let debug = free_address();
        let container = run(engine)
            .with([
                "--read-only",
                "--cap-drop=ALL",
                "--security-opt",
                "no-new-privileges",
                "--user",
                "65532:65532",
            ])
            .with(["-v", &configuration, "-e", &format!("REGISTRY_HTTP_DEBUG_ADDR={debug}")])
            .start(NONROOT, &command);
        container.registry.push_image("app", "v1", 1);
        assert_eq!(at(debug).try_send(&Request::get("/readyz")), Some(200));
    });
}
