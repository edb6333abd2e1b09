//! Taking over a live registry by its API: whatever it lists comes as it is, a second time the difference, and a registry that fails,
//! stalls or lies holds up and spoils nothing but what it failed on.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::import_tree::{expect_sound, most_memory, report, said, write};
use crate::support::{
    Authority, Builder, Holdfast, OCI_INDEX, Registry, Request, artifact, bytes_of, descriptor, image, index,
    sha256, sha512, to_bytes,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Room for a store that takes over.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, from: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).env_remove("DOCKER_CONFIG");
        command.args(["import", "--from", from, "--root"]).arg(self.root()).args(options);
        command
    }

    fn import(&self, from: &str, options: &[&str]) -> Output {
        self.command(from, options).output().unwrap()
    }

    /// The same where it ends with `code`, as JSON.
    #[track_caller]
    fn import_as_json(&self, from: &str, options: &[&str], code: i32) -> Value {
        report(&self.import(from, &[options, &["--json"]].concat()), &self.root(), code)
    }

    fn serve(&self) -> Holdfast {
        Builder::default().start_in(self.folder.path())
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn manifest(registry: &Registry, name: &str, reference: &str) -> (Vec<u8>, String) {
    let request = Request::get(format!("/v2/{name}/manifests/{reference}")).header("Accept", "*/*");
    let found = registry.send(request).expect(200);
    let media_type = found.header("Content-Type").to_owned();
    (found.body, media_type)
}

/// Both serve the same under this reference, down to the blobs.
#[track_caller]
fn expect_same(old: &Registry, new: &Registry, name: &str, reference: &str) {
    let (bytes, media_type) = manifest(old, name, reference);
    assert_eq!(manifest(new, name, reference), (bytes.clone(), media_type), "{name} {reference}");
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    let parts = document["layers"].as_array().into_iter().flatten().chain([&document["config"]]);
    for digest in parts.filter_map(|part| part["digest"].as_str()) {
        let found = new.get(&format!("/v2/{name}/blobs/{digest}")).expect(200);
        assert_eq!(found.body, old.get(&format!("/v2/{name}/blobs/{digest}")).expect(200).body);
    }
}

#[test]
fn a_registry_comes_with_its_indexes_its_referrers_and_digests_of_every_kind() {
    let old = Holdfast::start();
    let first = old.push_image("team/app", "v1", 1);
    let child = old.push_image("team/app", "", 2);
    let nested = index(&[child.descriptor()]);
    let nested_digest = old.push_manifest("team/app", &sha256(to_bytes(&nested)), &nested);
    let entry = json!({"mediaType": OCI_INDEX, "digest": nested_digest, "size": to_bytes(&nested).len()});
    old.push_manifest("team/app", "both", &index(&[entry, first.descriptor()]));
    // A signature of the child, and what refers to the signature.
    let mut signature = artifact("application/x.signature");
    signature["subject"] = child.descriptor();
    old.push_blob("team/app", "{}");
    let signature_digest = old.push_manifest("team/app", &sha256(to_bytes(&signature)), &signature);
    let mut note = artifact("application/x.note");
    note["subject"] = descriptor("application/vnd.oci.image.manifest.v1+json", to_bytes(&signature));
    let note = old.push_manifest("team/app", &sha256(to_bytes(&note)), &note);
    let large = bytes_of(3 << 20, 4);
    old.push_blob("large", &large);
    old.push_blob("large", "{}");
    let config = descriptor("application/vnd.oci.empty.v1+json", "{}");
    let long = image(&config, &[descriptor(LAYER, &large)]);
    let long_digest = sha512(to_bytes(&long));
    old.put_manifest("large", &format!("{long_digest}?tag=sha512"), &long).expect(201);

    let place = Place::new();
    let report = place.import_as_json(&url(old.address), &[], 0);
    assert_eq!((&report["repositories"], &report["unverified"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(report["manifests"]["new"], json!(7), "{report}");
    let mut new = place.serve();
    for reference in ["v1", "both", &child.digest, &first.digest, &nested_digest, &signature_digest, &note] {
        expect_same(&old, &new, "team/app", reference);
    }
    expect_same(&old, &new, "large", "sha512");
    expect_same(&old, &new, "large", &long_digest);
    let referrers = new.get(&format!("/v2/team/app/referrers/{}", child.digest)).expect(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], json!(signature_digest));
    new.stop();
    new.check_payloads();

    // What refers to something that was here already comes, too.
    let mut late = artifact("application/x.late");
    late["subject"] = child.descriptor();
    old.push_manifest("team/app", &sha256(to_bytes(&late)), &late);
    assert_eq!(place.import_as_json(&url(old.address), &[], 0)["manifests"]["new"], json!(1));
}

#[test]
fn a_second_import_takes_the_difference_and_fetches_nothing_twice() {
    let old = Holdfast::start();
    let (goes, stays) = (old.push_image("app", "goes", 1), old.push_image("app", "stays", 2));
    old.push_image("app", "moves", 3);
    old.push_image("app", "taken", 4);
    old.push_image("gone", "v1", 5);
    let source = Source::before(&old, |_, _| None);
    let from = url(source.address);
    let place = Place::new();
    assert_eq!(place.import_as_json(&from, &[], 0)["tags"]["new"], json!(5));

    let mut new = place.serve();
    let taken = new.push_image("app", "taken", 9);
    new.push_image("here", "v1", 10);
    new.stop();
    old.push_image("app", "moves", 6);
    old.push_image("app", "new", 7);
    for path in ["app/manifests/goes".to_owned(), format!("app/manifests/{}", goes.digest)] {
        old.delete(&format!("/v2/{path}")).expect(202);
    }
    old.delete("/v2/gone/manifests/v1").expect(202);
    old.delete(&format!("/v2/gone/manifests/{}", sha256_of(&new, "gone", "v1", &place))).expect(202);
    source.forget();
    let report = place.import_as_json(&from, &[], 0);
    assert_eq!((&report["moved_tags"], &report["kept_tags"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!((&report["tags"]["new"], &report["deleted_tags"]), (&json!(1), &json!(2)), "{report}");
    assert_eq!(report["payloads"]["download"]["payloads"], json!(4), "{report}");
    let asked = source.requests();
    let again =
        |digest: &str| asked.iter().filter(|line| line.starts_with("GET") && line.contains(digest)).count();
    assert_eq!((again(&format!("manifests/{}", stays.digest)), again(&stays.layer)), (0, 0), "{asked:?}");

    new.start_again();
    assert_eq!(new.tags("app"), ["moves", "new", "stays", "taken"]);
    assert_eq!(manifest(&new, "app", "taken").0, taken.bytes);
    assert_eq!(new.tags("here"), ["v1"]);
    new.get(&format!("/v2/app/manifests/{}", goes.digest)).expect(404);
    new.get("/v2/gone/manifests/v1").expect(404);
}

/// The digest that a tag has in a store that is not running.
fn sha256_of(_stopped: &Holdfast, name: &str, tag: &str, place: &Place) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["manifest", "inspect", &format!("{name}:{tag}"), "--json", "--root"]).arg(place.root());
    let output = command.output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["digest"].as_str().unwrap().to_owned()
}

#[test]
fn what_one_registry_lacks_is_not_deleted_if_it_may_be_anothers() {
    let (one, other) = (Holdfast::start(), Holdfast::start());
    one.push_image("app", "one", 1);
    other.push_image("app", "other", 2);
    let place = Place::new();
    place.import_as_json(&url(one.address), &[], 0);
    let output = place.import(&url(other.address), &[]);
    assert!(
        output.status.success() && said(&output).contains("nothing is deleted here"),
        "{}",
        said(&output)
    );
    assert_eq!(place.import_as_json(&url(one.address), &[], 0)["deleted_tags"], json!(0));
    assert_eq!(place.serve().tags("app"), ["one", "other"]);
}

#[test]
fn nothing_is_deleted_where_that_is_not_wanted() {
    let old = Holdfast::start();
    old.push_image("app", "v1", 1);
    let place = Place::new();
    place.import_as_json(&url(old.address), &[], 0);
    old.delete("/v2/app/manifests/v1").expect(202);
    assert_eq!(place.import_as_json(&url(old.address), &["--no-delete"], 0)["deleted_tags"], json!(0));
    assert_eq!(place.import_as_json(&url(old.address), &[], 0)["deleted_tags"], json!(1));
}

#[test]
fn repositories_are_chosen_by_name_without_the_catalog_and_by_pattern_with_it() {
    let old = Holdfast::start();
    for name in ["team/a", "team/b", "other"] {
        old.push_image(name, "v1", 1);
    }
    let source = Source::before(&old, |_, _| None);
    let from = url(source.address);
    let place = Place::new();
    let report = place.import_as_json(&from, &["--repository", "team/a", "--repository", "none"], 2);
    assert_eq!(report["skipped_first"][0]["repository"], json!("none"));
    assert!(!source.requests().iter().any(|line| line.contains("_catalog")));
    let report = place.import_as_json(&from, &["--repository", "team/*"], 0);
    assert_eq!((&report["tags"]["new"], &report["deleted_tags"]), (&json!(1), &json!(0)));
    assert!(source.requests().iter().any(|line| line.contains("_catalog")));
    let new = place.serve();
    assert_eq!(new.get("/v2/_catalog").expect(200).json()["repositories"], json!(["team/a", "team/b"]));
}

#[test]
fn lists_are_read_to_their_last_page() {
    let old = Holdfast::start();
    for seed in 0..5 {
        old.push_image("app", &format!("v{seed}"), seed);
        old.push_image(&format!("app{seed}"), "v1", seed);
    }
    // Two at a time, whatever is asked for.
    let source = Source::before(&old, |line, _| {
        let list = ["/v2/_catalog", "/v2/app/tags/list"].into_iter().find(|list| line.contains(list))?;
        let last = line.split_once("last=").map(|(_, last)| last.split(['&', ' ']).next().unwrap());
        let last = last.map(|last| format!("&last={last}")).unwrap_or_default();
        Some(Deed::Instead(format!("GET {list}?n=2{last}")))
    });
    let place = Place::new();
    let report = place.import_as_json(&url(source.address), &[], 0);
    assert_eq!((&report["repositories"], &report["tags"]["new"]), (&json!(6), &json!(10)));
    let pages = source.requests().iter().filter(|line| line.contains("_catalog")).count();
    assert!(pages >= 3, "{pages}");
}

#[test]
fn what_fails_now_and_then_is_asked_for_again_and_goes_on_where_it_broke_off() {
    let old = Holdfast::start();
    let layer = bytes_of(2 << 20, 1);
    let digest = old.push_blob("app", &layer);
    old.push_blob("app", "{}");
    let config = descriptor("application/vnd.oci.empty.v1+json", "{}");
    old.push_manifest("app", "v1", &image(&config, &[descriptor(LAYER, &layer)]));
    let blob = format!("blobs/{digest}");
    let source = Source::before(&old, move |line, times| match times {
        0 if line.contains("_catalog") => {
            Some(Deed::Answer("503 Service Unavailable", "Retry-After: 1".to_owned()))
        }
        0 if line.contains("tags/list") => {
            Some(Deed::Answer("429 Too Many Requests", "Retry-After: 1".to_owned()))
        }
        0 | 1 if line.contains("manifests/sha256") => {
            Some(Deed::Answer("500 Internal Server Error", "X: y".to_owned()))
        }
        0 if line.contains("manifests/v1") => Some(Deed::Close),
        0..3 if line.contains(&blob) => Some(Deed::CutOff(700_000)),
        _ => None,
    });
    let place = Place::new();
    let began = Instant::now();
    let report = place.import_as_json(&url(source.address), &[], 0);
    assert!(began.elapsed() >= Duration::from_secs(2), "it waits as it is told to");
    assert_eq!(report["skipped"], json!(0));
    let ranges: Vec<_> = source
        .requests()
        .into_iter()
        .filter(|line| line.contains("blobs/") && line.contains("bytes="))
        .collect();
    assert!(ranges.len() >= 2 && ranges[0].contains("bytes="), "{ranges:?}");
    expect_same(&old, &place.serve(), "app", "v1");
}

#[test]
fn what_cannot_be_had_or_is_not_what_it_should_be_is_told_and_the_rest_comes() {
    let old = Holdfast::start();
    let images: BTreeMap<_, _> = ["good", "wrong", "cut", "stalls", "broken", "missing", "lies"]
        .into_iter()
        .zip(1..)
        .map(|(tag, seed)| (tag, old.push_image("app", tag, seed)))
        .collect();
    let of = |tag: &str| images[tag].layer.clone();
    let (wrong, cut, stalls, broken, missing) =
        (of("wrong"), of("cut"), of("stalls"), of("broken"), of("missing"));
    let lies = format!("manifests/{}", images["lies"].digest);
    let source = Source::before(&old, move |line, _| match line {
        line if line.contains(&wrong) => Some(Deed::Corrupt),
        line if line.contains(&cut) => Some(Deed::CutOff(0)),
        line if line.contains(&stalls) => Some(Deed::Stall),
        line if line.contains(&broken) => Some(Deed::Answer("500 Internal Server Error", "X: y".to_owned())),
        line if line.contains(&missing) => Some(Deed::Answer("404 Not Found", "X: y".to_owned())),
        line if line.contains(&lies) => Some(Deed::Corrupt),
        _ => None,
    });
    let place = Place::new();
    let report = place.import_as_json(&url(source.address), &["--timeout", "1"], 2);
    let told: BTreeMap<_, _> = report["skipped_first"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["tags"][0].as_str().unwrap_or("none"), one["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(report["skipped"], json!(6), "{report}");
    for (tag, reason) in [
        ("wrong", "its bytes are not those of its digest"),
        ("cut", "ends after 0 of"),
        ("stalls", "has sent nothing for 1 seconds"),
        ("broken", "500 Internal Server Error"),
        ("missing", "it is missing"),
        ("lies", "its data has the digest"),
    ] {
        let found = told.get(tag).copied().unwrap_or_default();
        assert!(
            found.contains(reason) || tag == "cut" && found.contains("cannot be reached"),
            "{tag}: {report}"
        );
    }
    let new = place.serve();
    assert_eq!(new.tags("app"), ["good"]);
    expect_same(&old, &new, "app", "good");
    drop(new);
    // Once the registry is well again the rest comes.
    assert_eq!(place.import_as_json(&url(old.address), &[], 0)["manifests"]["new"], json!(6));
}

#[test]
fn a_registry_that_goes_away_ends_the_import_which_goes_on_later() {
    let mut old = Holdfast::start();
    for seed in 0..6 {
        old.push_image(&format!("app{seed}"), "v1", seed);
    }
    let from = url(old.address);
    let place = Place::new();
    place.import_as_json(&from, &["--repository", "app0"], 0);
    old.stop();
    let output = place.import(&from, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot be reached"), "{}", said(&output));
    let place = Place::new();
    assert_eq!(place.import(&from, &[]).status.code(), Some(1));
    assert!(!place.root().exists(), "nothing is made for a registry that is not there");
}

#[test]
fn what_came_before_a_registry_was_lost_is_not_fetched_again() {
    let old = Holdfast::start();
    let layers = [bytes_of(300_000, 1), bytes_of(300_000, 2)];
    let digests = layers.each_ref().map(|layer| old.push_blob("app", layer));
    old.push_blob("app", "{}");
    let config = descriptor("application/vnd.oci.empty.v1+json", "{}");
    old.push_manifest("app", "v1", &image(&config, &layers.map(|layer| descriptor(LAYER, layer))));
    let is_lost = Arc::new(AtomicBool::new(true));
    let (lost, second) = (Arc::clone(&is_lost), digests[1].clone());
    let source = Source::before(&old, move |line, _| {
        let is_refused = lost.load(Ordering::Relaxed) && line.contains(&second);
        is_refused.then(|| Deed::Answer("429 Too Many Requests", "Retry-After: 0".to_owned()))
    });
    let place = Place::new();
    let output = place.import(&url(source.address), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("429 Too Many Requests"), "{}", said(&output));
    expect_sound(&place.root());
    is_lost.store(false, Ordering::Relaxed);
    source.forget();
    assert_eq!(
        place.import_as_json(&url(source.address), &[], 0)["payloads"]["download"]["payloads"],
        json!(1)
    );
    assert!(!source.requests().iter().any(|line| line.contains(&digests[0])));
    expect_same(&old, &place.serve(), "app", "v1");
}

#[test]
fn whoever_logs_in_is_told_by_the_environment_or_by_dockers_file_and_nowhere_else() {
    for policies in [
        "",
        "  policies:\n    - {who: anonymous, may: [pull, list], where: public/**}\n    - {who: 'user:alice', may: admin, where: '**'}\n",
    ] {
        let (old, _users) = with_alice(policies);
        let alice = old.by_password("alice", "secret");
        let image = alice.push_image("team/app", "v1", 1);
        let from = url(old.address);

        let place = Place::new();
        let output = place.import(&from, &["--repository", "team/app"]);
        assert_ne!(output.status.code(), Some(0), "{}", said(&output));
        assert!(!said(&output).contains("secret"));
        let mut command = place.command(&from, &["--json"]);
        command.env("HOLDFAST_FROM_USER", "alice").env("HOLDFAST_FROM_PASSWORD", "wrong");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("do not do"), "{}", said(&output));
        let output = command.env("HOLDFAST_FROM_PASSWORD", "secret").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(manifest(&place.serve(), "team/app", "v1").0, image.bytes);

        let place = Place::new();
        let auth = "YWxpY2U6c2VjcmV0";
        let config = json!({"auths": {old.address.to_string(): {"auth": auth}}});
        write(&place.folder.path().join(".docker/config.json"), to_bytes(&config));
        assert_eq!(place.import_as_json(&from, &[], 0)["manifests"]["new"], json!(1));

        let output = place.import(&from.replace("//", "//alice:secret@"), &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("everybody sees a command line"), "{}", said(&output));
    }
}

#[test]
fn blobs_that_come_at_once_take_no_memory_of_their_size() {
    const LARGE: usize = 48 << 20;
    let old = Holdfast::start();
    let layers: Vec<_> = (1..4)
        .map(|seed| {
            let layer = bytes_of(LARGE, seed);
            old.push_blob("app", &layer);
            descriptor(LAYER, layer)
        })
        .collect();
    old.push_blob("app", "{}");
    let config = descriptor("application/vnd.oci.empty.v1+json", "{}");
    old.push_manifest("app", "v1", &image(&config, &layers));
    let place = Place::new();
    let most = most_memory(&mut place.command(&url(old.address), &[]));
    assert!(most > 0 && most < LARGE, "{most} bytes");
    expect_same(&old, &place.serve(), "app", "v1");
}

/// Lets alice do everything, and log in with a password.
fn with_alice(more: &str) -> (Holdfast, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("htpasswd");
    fs::write(&users, format!("alice:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let configuration = format!("auth:\n  htpasswd: {{path: '{}'}}\n{more}", users.display());
    (Builder::default().configuration(&configuration).start(), folder)
}

#[test]
fn what_lies_elsewhere_is_fetched_from_there_without_the_login() {
    let (old, _users) = with_alice("");
    let alice = old.by_password("alice", "secret");
    let image = alice.push_image("app", "v1", 1);
    let elsewhere = Source::before(&alice, |_, _| None);
    let there = url(elsewhere.address);
    let source = Source::before(&old, move |line, _| {
        let (_, target) = line.split_once(' ').unwrap();
        let location = format!("Location: {there}{target}");
        line.contains("/blobs/").then_some(Deed::Answer("307 Temporary Redirect", location))
    });
    let place = Place::new();
    let mut command = place.command(&url(source.address), &[]);
    command.env("HOLDFAST_FROM_USER", "alice").env("HOLDFAST_FROM_PASSWORD", "secret");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(manifest(&place.serve(), "app", "v1").0, image.bytes);
    let (asked, elsewhere) = (source.requests(), elsewhere.requests());
    assert!(asked.iter().any(|line| line.contains("/blobs/") && line.ends_with("with a login")), "{asked:?}");
    assert!(elsewhere.len() == 2 && elsewhere.iter().all(|line| !line.contains("login")), "{elsewhere:?}");
}

#[test]
fn a_registry_over_tls_is_believed_by_the_roots_that_are_named() {
    let authority = Authority::new();
    let pair = authority.issue("registry");
    let old = Holdfast::configured(&crate::tls::configuration(&pair, ""));
    let image = old.over_tls(&authority.client()).push_image("app", "v1", 1);
    let from = format!("https://127.0.0.1:{}", old.address.port());
    let place = Place::new();
    let output = place.import(&from, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("certificate"), "{}", said(&output));
    let output = place.command(&from, &[]).env("SSL_CERT_FILE", authority.file()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(manifest(&place.serve(), "app", "v1").0, image.bytes);
}

#[test]
fn a_repository_that_is_shut_is_told_and_the_others_come() {
    let old = Holdfast::start();
    for name in ["a", "shut", "z"] {
        old.push_image(name, "v1", 1);
    }
    let place = Place::new();
    place.import_as_json(&url(old.address), &[], 0);
    old.push_image("z", "v2", 2);
    let source = Source::before(&old, |line, _| {
        line.contains("/v2/shut/").then(|| Deed::Answer("403 Forbidden", "X: y".to_owned()))
    });
    // The store knows the registry by its URL.
    fs::write(place.root().join("IMPORTED"), format!("{}/\n", url(source.address))).unwrap();
    let report = place.import_as_json(&url(source.address), &[], 2);
    let skipped = &report["skipped_first"][0];
    assert_eq!((&skipped["repository"], &report["skipped"]), (&json!("shut"), &json!(1)));
    assert!(skipped["reason"].as_str().unwrap().contains("403 Forbidden"), "{report}");
    assert_eq!((&report["tags"]["new"], &report["deleted_tags"]), (&json!(1), &json!(0)));
    assert_eq!(place.serve().tags("shut"), ["v1"]);
}

/// A registry behind which another one stands, and which does to its answers what it is told to.
struct Source {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What becomes of a request.
enum Deed {
    /// Another status, with a header.
    Answer(&'static str, String),
    /// Another request is made.
    Instead(String),
    /// The body ends after so many bytes.
    CutOff(usize),
    /// A byte of the body is another one.
    Corrupt,
    /// Nothing comes.
    Stall,
    /// The connection ends.
    Close,
}

impl Source {
    /// `deed` is told the request, and how often it came before.
    fn before(
        registry: &Registry,
        deed: impl Fn(&str, usize) -> Option<Deed> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let source = Self { address: listener.local_addr().unwrap(), requests: Arc::clone(&requests) };
        let (registry, deed) = (Registry { address: registry.address, ..registry.clone() }, Arc::new(deed));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (registry, deed, requests) = (registry.clone(), Arc::clone(&deed), Arc::clone(&requests));
                std::thread::spawn(move || answer(&stream, &registry, &*deed, &requests));
            }
        });
        source
    }

    /// What it was asked for: method, target, range, and whether anybody logged in.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }
}

fn answer(
    mut stream: &TcpStream,
    registry: &Registry,
    deed: &dyn Fn(&str, usize) -> Option<Deed>,
    requests: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let get = |name: &str| {
        let line = headers.iter().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.map(|line| line.split_once(':').unwrap().1.trim().to_owned())
    };
    let (range, authorization) = (get("range"), get("authorization"));
    let times = {
        let mut requests = requests.lock().unwrap();
        let is_same = |other: &&String| other.split(' ').take(2).eq(line.split(' '));
        let times = requests.iter().filter(is_same).count();
        let login = authorization.is_some().then(|| "with a login".to_owned());
        let more = range.iter().chain(&login).fold(line.clone(), |line, more| format!("{line} {more}"));
        requests.push(more);
        times
    };
    let deed = deed(&line, times);
    let asked = match &deed {
        Some(Deed::Answer(status, header)) => {
            let _gone = write!(
                stream,
                "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return;
        }
        Some(Deed::Close) => return,
        Some(Deed::Stall) => return std::thread::sleep(Duration::from_secs(5)),
        Some(Deed::Instead(other)) => other.clone(),
        _ => line,
    };
    let (method, target) = asked.split_once(' ').unwrap();
    let mut request = Request::new(method, target);
    for (name, value) in [("Range", range), ("Accept", get("accept")), ("Authorization", authorization)] {
        request = value.into_iter().fold(request, |request, value| request.header(name, value));
    }
    let mut response = registry.send(request);
    let mut head = format!("HTTP/1.1 {} Its\r\nConnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        if !name.eq_ignore_ascii_case("connection") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let length = response.body.len();
    match deed {
        Some(Deed::Corrupt) => response.body.iter_mut().take(1).for_each(|byte| *byte ^= 1),
        Some(Deed::CutOff(after)) => response.body.truncate(after.min(length)),
        _ => {}
    }
    let _gone = stream.write_all(format!("{head}\r\n").as_bytes());
    let _gone = stream.write_all(&response.body);
}
