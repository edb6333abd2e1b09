//! The image storage and policy that podman and buildah share, away from the machine's own.

use std::path::PathBuf;

use crate::client::{Client, skip};

const TRUST_ALL: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

/// The client with images in a folder of its own, copied rather than mounted, so that any file system will do.
/// `None` if this user may not: without root it would need a user namespace.
pub(crate) fn with_own_storage(client: Client) -> Option<Client> {
    with_storage(client, "vfs", "")
}

/// Like [`with_own_storage`], with this storage driver and these lines in the section `storage.options`.
pub(crate) fn with_storage(client: Client, driver: &str, options: &str) -> Option<Client> {
    if !rustix::process::geteuid().is_root() {
        skip("podman and buildah", "only root can keep images in a folder of its own choice");
        return None;
    }
    let [graph, run] = ["images", "run"].map(|name| client.path(name));
    let configuration = format!(
        "[storage]\ndriver = {driver:?}\ngraphroot = {graph:?}\nrunroot = {run:?}\n[storage.options]\n{options}\n"
    );
    let file = PathBuf::from(client.write("storage.conf", configuration));
    let policy = client.folder().join("HOME/.config/containers");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(policy.join("policy.json"), TRUST_ALL).unwrap();
    Some(client.environment("CONTAINERS_STORAGE_CONF", file))
}
