//! The image of the architecture that this machine has not: its binary, run by an emulator.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::{Client, skip};
use crate::container::{at, free_address};
use crate::daemon::Daemon;
use crate::engine::image;
use crate::support::{Request, bytes_of};

/// Its name in an image, and the emulator.
const OTHER: (&str, &str) = match cfg!(target_arch = "aarch64") {
    true => ("amd64", "qemu-x86_64-static"),
    false => ("arm64", "qemu-aarch64-static"),
};

/// Unpacks the files of its image, layer by layer, and says where they lie.
fn unpack(skopeo: &Client, archive: &Path) -> PathBuf {
    let (image, files) = (skopeo.path("image"), skopeo.folder().join("files"));
    let source = format!("oci-archive:{}", archive.display());
    skopeo.run(["--override-arch", OTHER.0, "copy", "--insecure-policy", &source, &format!("dir:{image}")]);
    let manifest = std::fs::read(Path::new(&image).join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    std::fs::create_dir(&files).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().trim_start_matches("sha256:");
        let mut tar = Command::new("tar");
        tar.arg("-xf").arg(Path::new(&image).join(digest)).arg("-C").arg(&files);
        assert!(tar.status().unwrap().success(), "{tar:?}");
    }
    files
}

#[test]
fn the_image_of_the_other_architecture_serves_what_is_pushed_to_it() {
    let (Some(archive), Some(skopeo)) = (image(""), Client::find("skopeo")) else { return };
    if Command::new(OTHER.1).arg("--version").output().is_err() {
        return skip(OTHER.1, "the other architecture is emulated by it (Debian's qemu-user-static)");
    }
    let files = unpack(&skopeo, &archive);
    let registry = at(free_address());
    let mut command = Command::new(OTHER.1);
    command.arg(files.join("bin/holdfast")).args([
        "serve",
        "--addr",
        &registry.address.to_string(),
        "--root",
    ]);
    command.arg(skopeo.folder().join("data"));
    let answers = || registry.try_send(&Request::get("/v2/")) == Some(200);
    let _server = Daemon::start(&mut command, &skopeo.folder().join("log"), answers);
    registry.push_image("team/app", "v1", 1);
    let bytes = bytes_of(3_000_000, 2);
    let digest = registry.push_blob("team/app", bytes.clone());
    let pulled = registry.get(&format!("/v2/team/app/blobs/{digest}")).expect(200);
    assert!(pulled.body == bytes);
    registry.get("/v2/team/app/manifests/v1").expect(200);
}
