//! How a golden store comes to be: a life with every kind of change on both sides of a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast::oci::{Algorithm, Digest, ManifestType, RepositoryName};
use holdfast::store::simulated::Simulated;
use holdfast::store::{
    Accepted, Change, Decision, Disk, EventAction, EventRow, Hasher, Need, NeedKind, Operation, Options,
    PayloadId, RequestRow, ServedTime, Slot, Store, Tables, Timestamp, UploadRow, Write,
};

use crate::state;

/// How the one line begins that the last record brought.
pub(crate) const LAST: &str = "one: tag last is ";

/// How often small payloads are looked for that should move out of the log. What comes before the first time, and what
/// comes between that and the second, has to be told within this.
const SETTLE_INTERVAL: Duration = Duration::from_secs(3);

/// Small segments, so that there are several; no checkpoint that nobody has asked for.
fn options() -> Options {
    Options {
        ballast: 0,
        checkpoint_interval: Duration::from_secs(600),
        log_payload: 4 << 10,
        log_segment: 16 << 10,
        archive_size: 1 << 10,
        settle_interval: SETTLE_INTERVAL,
        ..Options::default()
    }
}

/// Lives on a machine until that is killed, and tells what was acknowledged.
pub(crate) async fn live(machine: &Simulated) -> String {
    let store = Store::open_on(machine.disk(), Path::new("/"), &options()).unwrap();
    let mut life = Life { store: &store, disk: machine.disk(), clock: 1_700_000_000_000 };
    life.before_the_checkpoint().await;
    // Settling begins with a checkpoint, and ends with a record past it.
    while !is_settled(&*machine.disk(), &digest_of(Algorithm::Sha256, 0, 1_000)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    life.after_the_checkpoint().await;
    let state = state::of(&store);
    machine.kill();
    state
}

/// Whether a payload has a file of its own.
fn is_settled(disk: &dyn Disk, digest: &Digest) -> bool {
    let hex = digest.hex();
    let shard = Path::new("/blobs").join(digest.algorithm().as_str()).join(&hex[..2]);
    disk.list(&shard).unwrap().iter().any(|name| name.to_string_lossy().starts_with(&hex))
}

struct Life<'a> {
    store: &'a Store,
    disk: Arc<dyn Disk>,
    /// Milliseconds since 1970; each change has a time of its own.
    clock: u64,
}

impl Life<'_> {
    async fn before_the_checkpoint(&mut self) {
        for (number, size) in [(0, 1_000), (1, 3_000), (2, 2_000)] {
            self.push_small("one", Algorithm::ALL[number], number, size).await;
        }
        self.link("two/of", &digest_of(Algorithm::ALL[1], 1, 3_000)).await;
        let (image, _) = self.put_image("one", "first", &["latest", "1.0"]).await;
        self.put_image("two/of", "doomed", &["latest", "doomed"]).await;
        self.put_referrer("one", &image, "signature").await;
        for upload in [7, 8] {
            self.mark(upload, 1_000).await;
        }
        self.tell(1, "latest").await;
        self.submit(vec![Change::EndpointsTold { told: [("ci".to_owned(), 0)].into() }]).await;
        // Its file is unlinked when payloads settle, which is noted.
        self.push_large("three", 21, 4_500).await;
        self.remove("three", &digest_of(Algorithm::Sha256, 21, 4_500)).await;
    }

    async fn after_the_checkpoint(&mut self) {
        self.change_blobs().await;
        self.change_manifests().await;
        self.mark(7, 2_500).await;
        self.mark(9, 500).await;
        self.submit(vec![Change::UploadEnded { id: id(8) }]).await;
        self.tell(2, "1.1").await;
        self.tell(3, "1.2").await;
        self.submit(vec![Change::EndpointsTold { told: [("ci".to_owned(), 1)].into() }]).await;
        self.submit(vec![Change::EventsForgotten { up_to: 1 }]).await;
        self.tag("one", "last", image_of("first").0).await;
    }

    async fn change_blobs(&mut self) {
        self.push_together().await;
        self.push_large("one", 20, 4_500).await;
        for number in 30..33 {
            self.push_small("three", Algorithm::Sha256, number, 3_900).await;
        }
        self.remove("three", &digest_of(Algorithm::Sha256, 30, 3_900)).await;
        // One that lies in a file by now moves to another repository, one goes for good.
        self.link("two/of", &digest_of(Algorithm::ALL[0], 0, 1_000)).await;
        self.unlink("one", &digest_of(Algorithm::ALL[0], 0, 1_000)).await;
        self.remove("one", &digest_of(Algorithm::ALL[2], 2, 2_000)).await;
    }

    async fn change_manifests(&mut self) {
        let (image, _) = self.put_image("two/of", "second", &["1.0", "1.1"]).await;
        let (again, _) = self.put_image("two/of", "second", &["1.1"]).await;
        assert_eq!(image, again);
        self.put_referrer("two/of", &image, "bill of materials").await;
        let (first, _) = image_of("first");
        let signature = referrer_of(&first, "signature").0;
        self.delete_manifest("one", signature).await;
        self.put_referrer("one", &first, "another signature").await;
        let doomed = image_of("doomed").0;
        self.delete_manifest("two/of", doomed).await;
        let tag = "1.0".parse().unwrap();
        self.submit(vec![Change::TagDeleted { repository: name("one"), tag }]).await;
    }

    /// Records an event.
    async fn tell(&mut self, number: u64, tag: &str) {
        let event = EventRow {
            id: [u8::try_from(number).unwrap(); 16].into(),
            at: self.now(),
            action: EventAction::Push,
            repository: name("one"),
            digest: Some(image_of("first").0),
            media_type: Some("text/plain".to_owned()),
            size: Some(number),
            tag: Some(tag.parse().unwrap()),
            from: Some(name("two/of")),
            url: Some("http://there/v2/".to_owned()),
            request: RequestRow {
                id: number.to_string(),
                actor: "user:alice".to_owned(),
                ..RequestRow::default()
            },
        };
        self.submit(vec![Change::EventRecorded { number, event }]).await;
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp(self.clock)
    }

    async fn submit(&self, changes: Vec<Change>) {
        self.submit_with(changes, None).await;
    }

    async fn submit_with(&self, changes: Vec<Change>, payload: Option<Bytes>) {
        let done = self.store.submit(Make { changes, payload }, Duration::from_secs(10)).await;
        assert!(done.is_ok());
    }

    async fn push_small(&mut self, repository: &str, algorithm: Algorithm, number: usize, size: usize) {
        let (changes, bytes) = self.small_push(repository, algorithm, number, size);
        self.submit_with(changes, Some(bytes)).await;
    }

    /// A payload that rides in the log; whoever writes the record says where in it.
    fn small_push(
        &mut self,
        repository: &str,
        algorithm: Algorithm,
        number: usize,
        size: usize,
    ) -> (Vec<Change>, Bytes) {
        let (digest, bytes) = (digest_of(algorithm, number, size), content(number, size));
        let logged = Change::BlobLogged { digest, size: bytes.len() as u64, offset: 0 };
        let linked = Change::BlobLinked { repository: name(repository), digest, at: self.now() };
        (vec![logged, linked], bytes)
    }

    /// Several payloads in one record.
    async fn push_together(&mut self) {
        let pushes =
            [10, 11, 12].map(|number| self.small_push("one", Algorithm::Sha256, number, 100 * number));
        let [first, second, third] = pushes;
        tokio::join!(
            async { assert!(self.store.submit(Hold, Duration::from_secs(10)).await.is_ok()) },
            self.submit_with(first.0, Some(first.1)),
            self.submit_with(second.0, Some(second.1)),
            self.submit_with(third.0, Some(third.1)),
        );
    }

    async fn push_large(&mut self, repository: &str, number: usize, size: usize) {
        let (digest, file) = (digest_of(Algorithm::Sha256, number, size), id(number));
        let mut incoming = self.store.incoming(file, Algorithm::Sha256);
        incoming.append(&[content(number, size)]).unwrap();
        self.store.settle(&mut incoming, file, &digest).unwrap();
        let added = Change::BlobAdded { digest, size: incoming.length(), file };
        let linked = Change::BlobLinked { repository: name(repository), digest, at: self.now() };
        self.submit(vec![added, linked]).await;
    }

    async fn link(&mut self, repository: &str, digest: &Digest) {
        let at = self.now();
        self.submit(vec![Change::BlobLinked { repository: name(repository), digest: *digest, at }]).await;
    }

    async fn unlink(&mut self, repository: &str, digest: &Digest) {
        self.submit(vec![Change::BlobUnlinked { repository: name(repository), digest: *digest }]).await;
    }

    /// Takes a blob out of the last repository that holds it.
    async fn remove(&mut self, repository: &str, digest: &Digest) {
        let unlinked = Change::BlobUnlinked { repository: name(repository), digest: *digest };
        self.submit(vec![unlinked, Change::BlobRemoved { digest: *digest }]).await;
    }

    /// An image whose layer is there and whose configuration is not.
    async fn put_image(&mut self, repository: &str, text: &str, tags: &[&str]) -> (Digest, Bytes) {
        let (digest, bytes) = image_of(text);
        let layer = digest_of(Algorithm::ALL[1], 1, 3_000);
        let needs = vec![
            Need { kind: NeedKind::Blob, digest: layer, present: true },
            Need { kind: NeedKind::Blob, digest: digest_of(Algorithm::Sha512, 99, 9), present: false },
        ];
        let put = self.put(repository, digest, &bytes, needs, None, None);
        let mut changes = vec![put];
        for tag in tags {
            let (repository, tag, at) = (name(repository), tag.parse().unwrap(), self.now());
            changes.push(Change::TagSet { repository, tag, digest, at });
        }
        self.submit(changes).await;
        (digest, bytes)
    }

    async fn delete_manifest(&mut self, repository: &str, digest: Digest) {
        let (repository, at) = (name(repository), self.now());
        self.submit(vec![Change::ManifestDeleted { repository, digest, at }]).await;
    }

    async fn put_referrer(&mut self, repository: &str, subject: &Digest, text: &str) {
        let (digest, bytes) = referrer_of(subject, text);
        let needs = vec![Need { kind: NeedKind::Manifest, digest: *subject, present: true }];
        let put = self.put(repository, digest, &bytes, needs, Some(*subject), Some(text));
        self.submit(vec![put]).await;
    }

    fn put(
        &mut self,
        repository: &str,
        digest: Digest,
        bytes: &Bytes,
        needs: Vec<Need>,
        subject: Option<Digest>,
        note: Option<&str>,
    ) -> Change {
        Change::ManifestPut {
            repository: name(repository),
            digest,
            media_type: ManifestType::OciImage,
            bytes: bytes.to_vec().into(),
            needs,
            subject,
            artifact_type: note.map(|note| format!("application/vnd.example.{}", note.len())),
            annotations: note.map(|note| BTreeMap::from([("org.example.note".to_owned(), note.to_owned())])),
            at: self.now(),
        }
    }

    async fn tag(&mut self, repository: &str, tag: &str, digest: Digest) {
        let (repository, tag, at) = (name(repository), tag.parse().unwrap(), self.now());
        self.submit(vec![Change::TagSet { repository, tag, digest, at }]).await;
    }

    /// An upload with so many bytes, from where it can go on. One that goes on has its file anew, with more bytes.
    async fn mark(&mut self, number: usize, length: usize) {
        let path = Path::new("/uploads").join(id(number).to_string());
        self.disk.unlink(&path).unwrap();
        self.disk.create(&path).unwrap().write_at(&content(number, length), 0).unwrap();
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(&content(number, length));
        let at = self.now();
        let upload = UploadRow {
            repository: name("one"),
            algorithm: Algorithm::Sha256,
            offset: length as u64,
            hash_state: hasher.state(),
            started: at,
            touched: ServedTime(at.0),
            owner: None,
        };
        self.submit(vec![Change::UploadMarked { id: id(number), upload }]).await;
    }
}

/// Changes as they are.
struct Make {
    changes: Vec<Change>,
    payload: Option<Bytes>,
}

impl Operation for Make {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, slot: Slot) -> Decision<Self> {
        let Self { mut changes, payload } = self;
        for change in &mut changes {
            if let Change::BlobLogged { offset, .. } = change {
                *offset = slot.offset;
            }
        }
        Ok(Accepted { changes, payload, outcome: () })
    }
}

/// Holds the writer up, so that what comes meanwhile becomes one group.
struct Hold;

impl Operation for Hold {
    type Outcome = ();
    type Refusal = ();

    fn decide(self, _tables: &Tables<Write<'_>>, _slot: Slot) -> Decision<Self> {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Accepted::new(Vec::new(), ()))
    }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn id(number: usize) -> PayloadId {
    PayloadId::from_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes().first_chunk().unwrap())
}

/// Bytes that are the same each time; longer ones of the same number go on from shorter ones.
fn content(number: usize, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes.into()
}

fn digest_of(algorithm: Algorithm, number: usize, size: usize) -> Digest {
    Hasher::digest(algorithm, &content(number, size))
}

fn image_of(text: &str) -> (Digest, Bytes) {
    let bytes = Bytes::from(format!("{{\"schemaVersion\":2,\"note\":\"{text}\"}}"));
    (Hasher::digest(Algorithm::Sha256, &bytes), bytes)
}

fn referrer_of(subject: &Digest, text: &str) -> (Digest, Bytes) {
    let bytes = Bytes::from(format!(
        "{{\"schemaVersion\":2,\"subject\":{{\"digest\":\"{subject}\"}},\"note\":\"{text}\"}}"
    ));
    (Hasher::digest(Algorithm::Sha256, &bytes), bytes)
}
