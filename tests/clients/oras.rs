//! oras: pushes and pulls any files, and what refers to them.

use serde_json::Value;

use crate::client::Client;
use crate::layout::{self, Layout};
use crate::support::{Holdfast, bytes_of, sha256};
use crate::tap::Tap;

const BUNDLE: &str = "application/vnd.example.bundle";
const SBOM: &str = "application/vnd.example.sbom";
const SIGNATURE: &str = "application/vnd.example.signature";

/// The answer's `digest`, where the client was asked for JSON.
fn digest_of(output: &str) -> String {
    let answer: Value = serde_json::from_str(output).unwrap();
    answer["digest"].as_str().unwrap().to_owned()
}

#[test]
fn oras_gets_back_the_files_that_it_pushed() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let remote = format!("{}/oras/files:v1", holdfast.address);
    let files =
        [("small.txt", b"hello".to_vec()), ("large.bin", bytes_of(3_000_000, 1)), ("empty", Vec::new())];
    for (name, bytes) in &files {
        oras.write(name, bytes);
    }

    oras.run([
        "push",
        "--plain-http",
        "--artifact-type",
        BUNDLE,
        &remote,
        "small.txt:text/plain",
        "large.bin",
        "empty",
    ]);
    let manifest = holdfast.get("/v2/oras/files/manifests/v1").expect(200).json();
    assert_eq!(manifest["artifactType"], BUNDLE);

    oras.run(["pull", "--plain-http", "--output", "out", &remote]);
    for (name, bytes) in &files {
        let pulled = std::fs::read(oras.folder().join("out").join(name)).unwrap();
        assert!(&pulled == bytes, "{name} came back changed");
    }
}

#[test]
fn oras_copies_an_index_in_and_out() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let layout = Layout::of_index(oras.path("in"), "both", 2);
    let remote = format!("{}/oras/index:both", holdfast.address);

    oras.run(["copy", "--from-oci-layout", "--to-plain-http", &layout.folder_and_tag(), &remote]);
    holdfast.get("/v2/oras/index/manifests/both").expect(200).expect_body(&layout.manifest);
    let out = oras.path("out");
    oras.run(["copy", "--from-plain-http", "--to-oci-layout", &remote, &format!("{out}:both")]);
    assert_eq!(layout::digest_in(&out), layout.digest);
}

#[test]
fn oras_discovers_what_is_attached_and_copies_it_along() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let layout = Layout::of_image(oras.path("in"), "v1", 3);
    let [source, target] = ["source", "target"].map(|name| format!("{}/oras/{name}", holdfast.address));
    oras.run([
        "copy",
        "--from-oci-layout",
        "--to-plain-http",
        &layout.folder_and_tag(),
        &format!("{source}:v1"),
    ]);
    oras.write("sbom.json", "{}");

    let attach = |subject: &str, kind: &str| {
        let options = ["attach", "--plain-http", "--format", "json", "--artifact-type", kind];
        digest_of(&oras.run(options.into_iter().chain(["--annotation", "by=a test", subject, "sbom.json"])))
    };
    let sbom = attach(&format!("{source}:v1"), SBOM);
    let signature = attach(&format!("{source}@{sbom}"), SIGNATURE);
    let tree = oras.run(["discover", "--plain-http", &format!("{source}:v1")]);
    assert!(tree.contains(&sbom) && tree.contains(&signature), "{tree}");
    let filtered = ["discover", "--plain-http", "--format", "json", "--artifact-type", "application/of.none"];
    let none = oras.run(filtered.into_iter().chain([format!("{source}:v1").as_str()]));
    assert!(!none.contains(&sbom), "{none}");

    let copy = ["copy", "--recursive", "--from-plain-http", "--to-plain-http"];
    oras.run(copy.map(str::to_owned).into_iter().chain([format!("{source}:v1"), format!("{target}:v1")]));
    for (subject, referrer) in [(&layout.digest, &sbom), (&sbom, &signature)] {
        let list = holdfast.get(&format!("/v2/oras/target/referrers/{subject}")).expect(200).json();
        assert_eq!(list["manifests"][0]["digest"], referrer.as_str());
        assert_eq!(list["manifests"][0]["annotations"]["by"], "a test");
    }
    assert_eq!(holdfast.tags("oras/target"), ["v1"], "no tag stands in for the referrers");
}

#[test]
fn oras_mounts_what_another_repository_holds() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let tap = Tap::before(holdfast.address);
    let layout = Layout::of_image(oras.path("in"), "v1", 4);
    let [first, second] = ["first", "second"].map(|name| format!("{}/oras/{name}:v1", tap.address));

    oras.run(["copy", "--from-oci-layout", "--to-plain-http", &layout.folder_and_tag(), &first]);
    oras.run(["copy", "--from-plain-http", "--to-plain-http", &first, &second]);
    let mounts = tap.requests("POST /v2/oras/second/blobs/uploads/?");
    assert!(mounts.iter().all(|line| line.contains("from=oras")), "{mounts:?}");
    assert_eq!(mounts.len(), 2, "configuration and layer");
    assert_eq!(tap.requests("PUT /v2/oras/second/blobs/"), Vec::<String>::new());
    holdfast.get("/v2/oras/second/manifests/v1").expect(200).expect_body(&layout.manifest);
}

#[test]
fn oras_lists_tags_and_repositories_and_deletes() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let host = holdfast.address.to_string();
    let repository = format!("{host}/oras/lists");
    oras.write("file", "content");
    for tag in ["b", "a"] {
        oras.run([
            "push",
            "--plain-http",
            "--annotation",
            &format!("tag={tag}"),
            &format!("{repository}:{tag}"),
            "file",
        ]);
    }
    assert_eq!(oras.run(["repo", "tags", "--plain-http", &repository]), "a\nb");
    assert_eq!(oras.run(["repo", "ls", "--plain-http", &host]), "oras/lists");

    oras.run(["tag", "--plain-http", &format!("{repository}:a"), "c"]);
    oras.run(["manifest", "delete", "--force", "--plain-http", &format!("{repository}:a")]);
    assert_eq!(
        oras.run(["repo", "tags", "--plain-http", &repository]),
        "b",
        "a and c named the same manifest"
    );
}

#[test]
fn oras_pushes_fetches_and_deletes_a_single_blob() {
    let Some(oras) = Client::find("oras") else {
        return;
    };
    let holdfast = Holdfast::start();
    let bytes = bytes_of(100_000, 5);
    let file = oras.write("blob", &bytes);
    let blob = format!("{}/oras/blob@{}", holdfast.address, sha256(&bytes));

    oras.run(["blob", "push", "--plain-http", &blob, &file]);
    oras.run(["blob", "fetch", "--plain-http", "--output", "fetched", &blob]);
    assert!(std::fs::read(oras.path("fetched")).unwrap() == bytes, "the blob came back changed");
    oras.run(["blob", "delete", "--force", "--plain-http", &blob]);
    oras.fail(["blob", "fetch", "--plain-http", "--output", "gone", &blob]);
}
