//! The folder tree of distribution, written by hand in its exact shape.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Image, bytes_of, descriptor, docker_image, sha256, to_bytes};

const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A tree, and room beside it for a store.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// In a folder of its own.
    pub(crate) fn in_folder(folder: TempDir) -> Self {
        let tree = Self { folder };
        fs::create_dir_all(tree.v2().join("repositories")).unwrap();
        tree
    }

    /// What `rootdirectory` names.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("old")
    }

    /// Where a store is to be made.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder in which a server finds that store.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn v2(&self) -> PathBuf {
        self.source().join("docker/registry/v2")
    }

    pub(crate) fn data(&self, digest: &str) -> PathBuf {
        let (algorithm, hex) = digest.split_once(':').unwrap();
        self.v2().join("blobs").join(algorithm).join(&hex[..2]).join(hex).join("data")
    }

    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.v2().join("repositories").join(name)
    }

    pub(crate) fn revision(&self, name: &str, digest: &str) -> PathBuf {
        self.repository(name).join("_manifests/revisions").join(digest.replace(':', "/")).join("link")
    }

    pub(crate) fn layer(&self, name: &str, digest: &str) -> PathBuf {
        self.repository(name).join("_layers").join(digest.replace(':', "/")).join("link")
    }

    pub(crate) fn tag(&self, name: &str, tag: &str) -> PathBuf {
        self.repository(name).join("_manifests/tags").join(tag).join("current/link")
    }

    /// A blob of a repository.
    pub(crate) fn put_blob(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let digest = sha256(&bytes);
        write(&self.data(&digest), bytes);
        write(&self.layer(name, &digest), &digest);
        digest
    }

    /// A manifest of a repository, and where a tag points if there is one.
    pub(crate) fn put_manifest(&self, name: &str, tag: Option<&str>, bytes: impl AsRef<[u8]>) -> String {
        let digest = sha256(&bytes);
        write(&self.data(&digest), bytes);
        write(&self.revision(name, &digest), &digest);
        if let Some(tag) = tag {
            self.set_tag(name, tag, &digest);
        }
        digest
    }

    pub(crate) fn set_tag(&self, name: &str, tag: &str, digest: &str) {
        write(&self.tag(name, tag), digest);
        let index = self.repository(name).join("_manifests/tags").join(tag).join("index");
        write(&index.join(digest.replace(':', "/")).join("link"), digest);
    }

    /// Deletes a manifest as distribution does: its tags' folders, and the link.
    pub(crate) fn delete_manifest(&self, name: &str, digest: &str, tags: &[&str]) {
        for tag in tags {
            fs::remove_dir_all(self.repository(name).join("_manifests/tags").join(tag)).unwrap();
        }
        fs::remove_file(self.revision(name, digest)).unwrap();
    }

    /// An image of one layer.
    pub(crate) fn put_image(&self, name: &str, tag: &str, seed: u64) -> Image {
        let (config, layer) = (format!("{{\"seed\":{seed}}}"), bytes_of(20_000, seed));
        let manifest = docker_image(&descriptor(CONFIG, &config), &[descriptor(LAYER, &layer)]);
        self.put_parts(name, Some(tag), &manifest, &[config.as_bytes(), &layer])
    }

    /// A manifest, and the blobs that it is made of.
    pub(crate) fn put_parts(
        &self,
        name: &str,
        tag: Option<&str>,
        manifest: &Value,
        blobs: &[&[u8]],
    ) -> Image {
        let digests: Vec<_> = blobs.iter().map(|blob| self.put_blob(name, blob)).collect();
        let bytes = to_bytes(manifest);
        Image {
            digest: self.put_manifest(name, tag, &bytes),
            bytes,
            media_type: manifest["mediaType"].as_str().unwrap_or_default().to_owned(),
            config: digests.first().cloned().unwrap_or_default(),
            layer: digests.last().cloned().unwrap_or_default(),
        }
    }

    /// Imports it into the store beside it.
    pub(crate) fn import(&self, options: &[&str]) -> Output {
        import(&self.source(), &self.root(), options)
    }

    /// The same where all of it has to come. What it says.
    #[track_caller]
    pub(crate) fn import_all(&self, options: &[&str]) -> String {
        let output = self.import(options);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        expect_sound(&self.root());
        text
    }

    /// The same as JSON, where it ends with `code`.
    #[track_caller]
    pub(crate) fn import_as_json(&self, code: i32) -> Value {
        report(&self.import(&["--json"]), &self.root(), code)
    }
}

/// What an import into a store reports in JSON, which ended with `code`.
#[track_caller]
pub(crate) fn report(output: &Output, root: &Path, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    expect_sound(root);
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn import(source: &Path, root: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.arg("import").arg(source).arg("--root").arg(root).args(options).output().unwrap()
}

/// The most memory of its own that an import had, which has to go well, in bytes: what it allocated, without files.
#[track_caller]
pub(crate) fn most_memory(command: &mut Command) -> usize {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (mut most, status) = (0, format!("/proc/{}/status", child.id()));
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0 kB");
        most = most.max(line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    most
}

/// All that it said.
pub(crate) fn said(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    String::from_utf8([stdout.as_slice(), stderr].concat()).unwrap()
}

/// Has `holdfast check` look at the store, but for the bytes of payloads.
#[track_caller]
pub(crate) fn expect_sound(root: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_holdfast")).args(["check", "--root"]).arg(root).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// Writes a file, and the folders that it lies in.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // What is linked elsewhere is not to change.
    let _none_is_fine = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}
