//! A client with a repository of its own, who pushes, tags, mounts and deletes, and keeps book.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::goods::{Blob, Image};
use crate::ledger::{Ledger, Operation, Session, State};
use crate::random::Random;
use crate::support::{Connection, OCI_IMAGE, Registry, Request, Response};

/// The repository that others mount from, and the payloads in it, which stay.
pub(crate) const SHARED: &str = "shared/base";
pub(crate) const SHARED_BLOBS: u64 = 6;

/// What became of an operation.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was acknowledged.
    Done,
    /// It has not happened.
    Refused(Response),
    /// It has happened or not: the answer says so, or there was none.
    Unknown(Option<Response>),
}

pub(crate) struct Client {
    pub(crate) repository: String,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    random: Random,
    /// The number of the next payload that nobody has pushed before.
    next: u64,
    connection: Option<Connection>,
}

impl Client {
    /// Clients of different numbers push different payloads.
    pub(crate) fn new(number: u64, random: Random) -> Self {
        Self {
            repository: format!("load/client-{number}"),
            ledger: Arc::default(),
            random,
            next: (number + 1) << 32,
            connection: None,
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    /// Whether it has done nothing yet.
    pub(crate) fn is_new(&self) -> bool {
        self.ledger().seen_blobs.is_empty()
    }

    pub(crate) fn state(&self) -> State {
        self.ledger().state()
    }

    /// Leaves the connection to a registry that has ended, or will be asked no more.
    pub(crate) fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Does something; `None` when no answer came.
    pub(crate) fn act(&mut self, registry: &Registry) -> Option<()> {
        if self.random.below(12) == 0 {
            return self.go_on_with_session(registry);
        }
        let operation = self.choose();
        match self.perform(registry, &operation) {
            Outcome::Done => Some(()),
            Outcome::Unknown(None) => None,
            Outcome::Refused(response) | Outcome::Unknown(Some(response)) => {
                panic!("{operation:?} in {} got {response}", self.repository)
            }
        }
    }

    /// Sends an operation and notes what became of it.
    pub(crate) fn perform(&mut self, registry: &Registry, operation: &Operation) -> Outcome {
        self.ledger().begin(operation);
        let answer = match operation {
            Operation::Push(blob) => self.push(registry, *blob),
            other => self.send(registry, &request(&self.repository, other)),
        };
        self.note(operation.success(), answer)
    }

    fn note(&self, success: u16, answer: Option<Response>) -> Outcome {
        let mut ledger = self.ledger();
        match answer {
            Some(response) if response.status == success => {
                ledger.succeed();
                Outcome::Done
            }
            Some(response) if response.status == 503 => Outcome::Unknown(Some(response)),
            Some(response) => {
                ledger.fail();
                Outcome::Refused(response)
            }
            None => Outcome::Unknown(None),
        }
    }

    /// A payload that nobody has pushed before.
    pub(crate) fn fresh(&mut self) -> Blob {
        self.next += 1;
        Blob(self.next)
    }

    /// Something that the state of the repository allows.
    pub(crate) fn choose(&mut self) -> Operation {
        let state = self.state();
        let chosen = match self.random.below(16) {
            0..3 => self.again(),
            3..6 => self.image(&state),
            6 => self.random.pick(state.images.iter()).map(|image| self.tagged(*image)),
            7 => self.random.pick(state.tags.keys()).map(|tag| Operation::DeleteTag(tag.clone())),
            8 => self.random.pick(state.images.iter()).copied().map(Operation::DeleteImage),
            9 => self.unneeded(&state).map(Operation::DeleteBlob),
            10 => Some(Operation::Mount(Blob(self.random.below(SHARED_BLOBS)))),
            _ => None,
        };
        chosen.unwrap_or_else(|| Operation::Push(self.fresh()))
    }

    /// What was pushed before, whether it is there or was deleted.
    fn again(&mut self) -> Option<Operation> {
        let seen = self.ledger().seen_blobs.clone();
        self.random.pick(seen.iter()).copied().map(Operation::Push)
    }

    fn image(&mut self, state: &State) -> Option<Operation> {
        let config = *self.random.pick(state.blobs.iter())?;
        let layer = *self.random.pick(state.blobs.iter())?;
        Some(self.tagged(Image { config, layer }))
    }

    fn tagged(&mut self, image: Image) -> Operation {
        let count = self.random.below(4);
        let tags = (0..count).map(|_| format!("tag-{}", self.random.below(8))).collect();
        Operation::PushImage { image, tags }
    }

    fn unneeded(&mut self, state: &State) -> Option<Blob> {
        let blob = *self.random.pick(state.blobs.iter())?;
        (!state.needs(blob)).then_some(blob)
    }

    /// Pushes in one of the ways that there are; the answer to the request that decides.
    fn push(&mut self, registry: &Registry, blob: Blob) -> Option<Response> {
        let (bytes, digest) = (blob.bytes(), blob.digest());
        let uploads = format!("/v2/{}/blobs/uploads/", self.repository);
        let chunks = self.random.below(3);
        if chunks == 0 {
            return self.send(registry, &Request::post(format!("{uploads}?digest={digest}")).body(bytes));
        }
        let (patched, put) = bytes.split_at(if chunks == 1 { 0 } else { bytes.len() / 2 });
        let mut answer = self.send(registry, &Request::post(uploads))?;
        if !patched.is_empty() && answer.status == 202 {
            answer = self.send(registry, &Request::patch(answer.location()).body(patched))?;
        }
        match answer.status {
            202 => self.send(registry, &Request::put(closing(&answer.location(), &digest)).body(put)),
            _ => Some(answer),
        }
    }

    /// Begins a session and sends a part, or sends the rest and ends it.
    fn go_on_with_session(&mut self, registry: &Registry) -> Option<()> {
        let session = self.ledger().session.clone();
        match session {
            None => self.begin_session(registry),
            Some(session) => self.end_session(registry, session),
        }
    }

    fn begin_session(&mut self, registry: &Registry) -> Option<()> {
        let blob = self.fresh();
        let bytes = blob.bytes();
        let started =
            self.send(registry, &Request::post(format!("/v2/{}/blobs/uploads/", self.repository)))?;
        let location = started.expect(202).location();
        let sent = bytes.len() * 2 / 3;
        self.ledger().session = Some(Session { location: location.clone(), blob, sent });
        self.send(registry, &Request::patch(location).body(&bytes[..sent]))?.expect(202);
        Some(())
    }

    fn end_session(&mut self, registry: &Registry, session: Session) -> Option<()> {
        let Session { location, blob, sent } = session;
        let bytes = blob.bytes();
        let rest = Request::put(closing(&location, &blob.digest())).body(&bytes[sent..]);
        self.ledger().begin(&Operation::Push(blob));
        self.ledger().session = Some(Session { location: location.clone(), blob, sent: bytes.len() });
        self.send(registry, &rest)?.expect(201);
        let mut ledger = self.ledger();
        ledger.succeed();
        ledger.session = None;
        ledger.ended = Some(location);
        Some(())
    }

    /// Sends on the connection that is there, or a new one.
    pub(crate) fn send(&mut self, registry: &Registry, request: &Request) -> Option<Response> {
        let mut connection = self.connection.take().or_else(|| Connection::try_open(registry.address))?;
        let response = connection.try_send(request)?;
        if response.find_header("Connection") != Some("close") {
            self.connection = Some(connection);
        }
        Some(response)
    }
}

/// The session's URL with `digest` added.
pub(crate) fn closing(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// The request that asks for the operation; pushes of blobs take several.
fn request(repository: &str, operation: &Operation) -> Request {
    let at = |kind: &str, reference: &str| format!("/v2/{repository}/{kind}/{reference}");
    match operation {
        Operation::Push(blob) => {
            Request::post(at("blobs", &format!("uploads/?digest={}", blob.digest()))).body(blob.bytes())
        }
        Operation::Mount(blob) => {
            Request::post(at("blobs", &format!("uploads/?mount={}&from={SHARED}", blob.digest())))
        }
        Operation::DeleteBlob(blob) => Request::delete(at("blobs", &blob.digest())),
        Operation::PushImage { image, tags } => {
            let tags: Vec<_> = tags.iter().map(|tag| format!("tag={tag}")).collect();
            Request::put(at("manifests", &format!("{}?{}", image.digest(), tags.join("&"))))
                .header("Content-Type", OCI_IMAGE)
                .body(image.bytes())
        }
        Operation::DeleteImage(image) => Request::delete(at("manifests", &image.digest())),
        Operation::DeleteTag(tag) => Request::delete(at("manifests", tag)),
    }
}
