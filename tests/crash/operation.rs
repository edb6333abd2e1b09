//! What clients do, and what it does to the model.

use holdfast::registry::Error;
use holdfast::store::PayloadId;
use holdfast::store::simulated::Random;

use crate::goods::GOODS;
use crate::model::{Effect, Fact, Model, Session};

/// Something that a client does; numbers are those of [`GOODS`].
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Pushes a blob in one request.
    Push {
        repository: usize,
        blob: usize,
    },
    /// Pushes a blob in a session, some bytes a request.
    PushInChunks {
        repository: usize,
        blob: usize,
        chunk: usize,
    },
    /// Mounts a blob from a repository, or from anywhere.
    Mount {
        repository: usize,
        blob: usize,
        from: Option<usize>,
    },
    /// Pushes a manifest, by its first tag or else by its digest.
    PutManifest {
        repository: usize,
        manifest: usize,
        tags: Vec<usize>,
    },
    DeleteTag {
        repository: usize,
        tag: usize,
    },
    DeleteManifest {
        repository: usize,
        manifest: usize,
    },
    DeleteBlob {
        repository: usize,
        blob: usize,
    },
    /// Begins a session and sends this many bytes.
    Begin {
        repository: usize,
        blob: usize,
        length: usize,
    },
    /// Sends more bytes to a session; the connection may break off behind them.
    Continue {
        id: PayloadId,
        session: Session,
        length: usize,
        breaks: bool,
    },
    /// Sends what is missing and makes the session a blob.
    Finish {
        id: PayloadId,
        session: Session,
    },
    Cancel {
        id: PayloadId,
        session: Session,
    },
}

/// What the registry answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Done,
    /// There was nothing to mount.
    NotMounted,
    Error(Error),
}

impl Operation {
    /// Something that makes sense in this repository.
    pub(crate) fn choose(model: &Model, random: &mut Random, repository: usize) -> Self {
        loop {
            if let Some(operation) = Self::propose(model, random, repository) {
                return operation;
            }
        }
    }

    fn propose(model: &Model, random: &mut Random, repository: usize) -> Option<Self> {
        let blob = random.below(GOODS.blobs.len());
        let manifest = random.below(GOODS.manifests.len());
        let size = GOODS.blobs[blob].bytes.len();
        match random.below(16) {
            0..=2 => Some(Self::Push { repository, blob }),
            3 => Some(Self::PushInChunks { repository, blob, chunk: 1 + random.below(size.max(1)) }),
            4 => {
                let from = Some(random.below(GOODS.repositories.len())).filter(|_| random.chance(70));
                Some(Self::Mount { repository, blob, from })
            }
            5..=7 => Self::propose_manifest(model, random, repository, manifest),
            8 => Some(Self::DeleteTag { repository, tag: random.below(GOODS.tags.len()) }),
            9 => Some(Self::DeleteManifest { repository, manifest }),
            10 => Some(Self::DeleteBlob { repository, blob }),
            11 => Some(Self::Begin { repository, blob, length: random.below(size + 1) }),
            _ => Self::propose_for_session(model, random, repository),
        }
    }

    fn propose_manifest(
        model: &Model,
        random: &mut Random,
        repository: usize,
        manifest: usize,
    ) -> Option<Self> {
        let needs = &GOODS.manifests[manifest];
        let is_complete = needs.blobs.iter().all(|blob| model.holds_blob(repository, *blob))
            && needs.manifests.iter().all(|child| model.holds_manifest(repository, *child));
        if !is_complete {
            // Whatever is missing is pushed instead, so that manifests come to be.
            let missing = needs.blobs.iter().find(|blob| !model.holds_blob(repository, **blob));
            return missing.map(|blob| Self::Push { repository, blob: *blob });
        }
        let tags = (0..GOODS.tags.len()).filter(|_| random.chance(40)).collect();
        Some(Self::PutManifest { repository, manifest, tags })
    }

    fn propose_for_session(model: &Model, random: &mut Random, repository: usize) -> Option<Self> {
        let own: Vec<_> =
            model.sessions.iter().filter(|(_, session)| session.repository == repository).collect();
        let (id, session) = own.get(random.below(own.len()))?;
        let (id, session) = (**id, (**session).clone());
        let left = GOODS.blobs[session.blob].bytes.len() - session.sent;
        match random.below(8) {
            0..=2 => {
                let (length, breaks) = (random.below(left + 1), random.chance(50));
                Some(Self::Continue { id, session, length, breaks })
            }
            3..=6 => Some(Self::Finish { id, session }),
            _ => Some(Self::Cancel { id, session }),
        }
    }

    /// What it changes if it is done.
    fn effects(&self) -> Vec<Effect> {
        match *self {
            Self::Push { repository, blob }
            | Self::PushInChunks { repository, blob, .. }
            | Self::Mount { repository, blob, .. }
            | Self::Finish { session: Session { repository, blob, .. }, .. } => {
                vec![Effect::Set(Fact::Blob { repository, blob }, Some(0))]
            }
            Self::PutManifest { repository, manifest, ref tags } => {
                let tags = tags.iter().map(|tag| Fact::Tag { repository, tag: *tag });
                let tags = tags.map(|tag| Effect::Set(tag, Some(manifest)));
                tags.chain([Effect::Set(Fact::Manifest { repository, manifest }, Some(0))]).collect()
            }
            Self::DeleteTag { repository, tag } => vec![Effect::Set(Fact::Tag { repository, tag }, None)],
            Self::DeleteManifest { repository, manifest } => vec![
                Effect::Set(Fact::Manifest { repository, manifest }, None),
                Effect::DropTags { repository, manifest },
            ],
            Self::DeleteBlob { repository, blob } => {
                vec![Effect::Set(Fact::Blob { repository, blob }, None)]
            }
            Self::Begin { .. } | Self::Continue { .. } | Self::Cancel { .. } => Vec::new(),
        }
    }

    /// Whether the registry has to refuse it like this. A refusal is an answer too: it must be true of what is durable.
    fn is_refused_rightly(&self, model: &Model, error: &Error) -> bool {
        match (self, error) {
            (Self::DeleteTag { repository, tag }, Error::ManifestUnknown { .. }) => {
                !model.is_there(Fact::Tag { repository: *repository, tag: *tag })
            }
            (Self::DeleteManifest { repository, manifest }, Error::ManifestUnknown { .. }) => {
                !model.holds_manifest(*repository, *manifest)
            }
            (Self::DeleteManifest { repository, manifest }, Error::StillNeeded { .. }) => {
                model.needs_manifest(*repository, *manifest)
            }
            (Self::DeleteBlob { repository, blob }, Error::BlobUnknown { .. }) => {
                !model.holds_blob(*repository, *blob)
            }
            (Self::DeleteBlob { repository, blob }, Error::StillNeeded { .. }) => {
                model.needs_blob(*repository, *blob)
            }
            _ => false,
        }
    }

    /// Tells the model what became of it. `is_disturbed`: the disk has failed or stopped, so that errors say nothing.
    pub(crate) fn record(&self, model: &mut Model, reply: &Reply, is_disturbed: bool) -> Result<(), String> {
        match reply {
            Reply::Done => {
                model.make_certain(&self.effects());
                self.record_session(model);
                Ok(())
            }
            Reply::NotMounted => match *self {
                Self::Mount { blob, from: Some(repository), .. } if model.holds_blob(repository, blob) => {
                    Err(format!("{self:?}: there was something to mount"))
                }
                _ => Ok(()),
            },
            Reply::Error(Error::BodyBroken)
                if !is_disturbed && matches!(self, Self::Continue { breaks: true, .. }) =>
            {
                self.record_mark(model);
                Ok(())
            }
            Reply::Error(error) if self.is_refused_rightly(model, error) => Ok(()),
            Reply::Error(_) if is_disturbed => {
                model.make_possible(&self.effects());
                self.record_possible_end(model);
                Ok(())
            }
            Reply::Error(error) => Err(format!("{self:?} failed: {error:?}")),
        }
    }

    fn record_session(&self, model: &mut Model) {
        match self {
            Self::Continue { id, length, .. } => {
                model.sessions.entry(*id).and_modify(|session| session.sent += length);
            }
            Self::Finish { id, session } | Self::Cancel { id, session } => {
                model.sessions.remove(id);
                model.ended.push((session.repository, *id));
            }
            _ => {}
        }
    }

    /// What has arrived before a connection broke was made durable.
    fn record_mark(&self, model: &mut Model) {
        self.record_session(model);
        if let Self::Continue { id, .. } = self {
            model.sessions.entry(*id).and_modify(|session| session.promised = session.sent);
        }
    }

    fn record_possible_end(&self, model: &mut Model) {
        match self {
            Self::Continue { id, length, .. } => {
                model.sessions.entry(*id).and_modify(|session| session.sent += length);
            }
            Self::Finish { id, .. } | Self::Cancel { id, .. } => {
                model.sessions.entry(*id).and_modify(|session| {
                    session.may_have_ended = true;
                    session.sent = GOODS.blobs[session.blob].bytes.len();
                });
            }
            _ => {}
        }
    }
}
