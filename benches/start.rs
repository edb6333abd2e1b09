//! How soon a registry answers that has a million objects, and that it answers as soon as is promised. It takes minutes:
//! `cargo bench --bench start`, with `TMPDIR` on a disk.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holdfast::oci::{Algorithm, Digest, ManifestType, RepositoryName};
use holdfast::store::{
    Accepted, Change, Decision, Hasher, Need, NeedKind, Operation, Options, PayloadId, Slot, Store, Tables,
    Write as Changing,
};
use rustix::process::{Pid, Signal, kill_process};

/// Each has so many blobs, of which each manifest needs as many as it can without sharing them.
const REPOSITORIES: u32 = 1_000;
const BLOBS: u32 = 1_000;
const MANIFESTS: u32 = 100;
/// What is promised, the replay not counted.
const SOON: Duration = Duration::from_millis(100);
const STARTS: usize = 5;
const WAIT: Duration = Duration::from_secs(60);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    fill(&root);
    let size = || root.join("metadata.redb").metadata().unwrap().len();
    println!("metadata.redb has {} bytes when it is filled", size());
    let mut sizes = Vec::new();
    for signal in [Signal::TERM, Signal::KILL] {
        let times: Vec<_> = (0..STARTS)
            .map(|_| {
                sizes.push(size());
                start_and_end(&root, signal)
            })
            .collect();
        println!("first answers before {signal:?}: {times:?}");
    }
    // The first of these comes after the last kill.
    let last = start_and_end(&root, Signal::TERM);
    println!("first answer after the last of them: {last:?}; sizes: {sizes:?}, {}", size());
    assert!(last < SOON, "{last:?}");
    let (first, last) = (sizes[1], size());
    assert!(last <= first + first / 10, "metadata.redb grows from start to start: {sizes:?}, {last}");
}

/// Starts the registry, waits for its first answer, lets it have something to do, and ends it.
fn start_and_end(root: &Path, signal: Signal) -> Duration {
    let address = free_address();
    let began = Instant::now();
    let mut process = serve(root, address);
    let answered = wait_for_answer(address, began);
    for number in 0..50_u32 {
        push(address, &[&std::process::id().to_le_bytes()[..], &number.to_le_bytes()].concat());
    }
    end(&mut process, signal);
    assert!(answered < SOON, "the first answer came after {answered:?}");
    answered
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn serve(root: &Path, address: SocketAddr) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["serve", "--addr", &address.to_string(), "--root"]).arg(root);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

fn end(process: &mut Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
    process.wait().unwrap();
}

fn wait_for_answer(address: SocketAddr, began: Instant) -> Duration {
    while began.elapsed() < WAIT {
        if let Some(answer) = ask(address, "GET /v2/ HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n", &[]) {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            return began.elapsed();
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    panic!("no answer within {WAIT:?}");
}

fn push(address: SocketAddr, bytes: &[u8]) {
    let digest = Hasher::digest(Algorithm::Sha256, bytes);
    let length = bytes.len();
    let head = format!(
        "POST /v2/start/blobs/uploads/?digest={digest} HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let answer = ask(address, &head, bytes).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

/// `None` if nobody answers.
fn ask(address: SocketAddr, head: &str, body: &[u8]) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

/// Puts everything into a new store, through its writer.
fn fill(root: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Store::open(root, &Options::default()).unwrap();
    for number in 0..REPOSITORIES {
        runtime.block_on(store.submit(FillRepository(number), WAIT)).unwrap();
    }
    runtime.block_on(async { drop(store) });
}

/// Fills a repository with blobs that have files, as far as the metadata know, and with manifests that need them.
struct FillRepository(u32);

impl Operation for FillRepository {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Changing<'_>>, slot: Slot) -> Decision<Self> {
        let repository: RepositoryName = format!("team-{}/app-{}", self.0 % 50, self.0).parse().unwrap();
        let (mut changes, mut blobs) = (Vec::new(), Vec::new());
        for number in 0..BLOBS {
            let digest =
                Hasher::digest(Algorithm::Sha256, format!("blob {number} of {repository}").as_bytes());
            changes.push(Change::BlobAdded { digest, size: 1 << 20, file: PayloadId::random() });
            changes.push(Change::BlobLinked { repository: repository.clone(), digest, at: slot.now });
            blobs.push(digest);
        }
        for needed in blobs.chunks((BLOBS / MANIFESTS) as usize) {
            changes.push(put(&repository, needed, slot));
        }
        Ok(Accepted::new(changes, ()))
    }
}

fn put(repository: &RepositoryName, needed: &[Digest], slot: Slot) -> Change {
    let bytes = image(needed);
    let digest = Hasher::digest(Algorithm::Sha256, bytes.as_bytes());
    let need = |digest: &Digest| Need { kind: NeedKind::Blob, digest: *digest, present: true };
    Change::ManifestPut {
        repository: repository.clone(),
        digest,
        media_type: ManifestType::OciImage,
        bytes: bytes.into_bytes().into(),
        needs: needed.iter().map(need).collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
        at: slot.now,
    }
}

/// An image of a configuration and layers.
fn image(needed: &[Digest]) -> String {
    let descriptor = |kind: &str, digest: &Digest| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":1048576}}"#)
    };
    let (config, layers) = needed.split_first().unwrap();
    let mut text = String::new();
    for layer in layers {
        let comma = if text.is_empty() { "" } else { "," };
        write!(text, "{comma}{}", descriptor("layer.v1.tar+gzip", layer)).unwrap();
    }
    let config = descriptor("config.v1+json", config);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{text}]}}"#
    )
}
