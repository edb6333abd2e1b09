//! A client's book of what its repository has to hold.
//!
//! A client does one thing at a time in a repository that is its own. So whatever becomes of the registry, it must be
//! found in the state that was acknowledged last, or in the one that the operation in flight would have made. For a copy
//! of the disk, which is taken while the client goes on, each state from before the copy to after it will do.

use std::collections::{BTreeMap, BTreeSet};

use crate::goods::{Blob, Image};

/// What a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) blobs: BTreeSet<Blob>,
    pub(crate) images: BTreeSet<Image>,
    pub(crate) tags: BTreeMap<String, Image>,
}

/// Something that a client wants.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Push(Blob),
    Mount(Blob),
    DeleteBlob(Blob),
    PushImage { image: Image, tags: Vec<String> },
    DeleteImage(Image),
    DeleteTag(String),
}

impl Operation {
    /// The status that acknowledges it.
    pub(crate) fn success(&self) -> u16 {
        match self {
            Self::Push(_) | Self::Mount(_) | Self::PushImage { .. } => 201,
            Self::DeleteBlob(_) | Self::DeleteImage(_) | Self::DeleteTag(_) => 202,
        }
    }
}

impl State {
    pub(crate) fn needs(&self, blob: Blob) -> bool {
        self.images.iter().any(|image| image.needs(blob))
    }

    /// The state that the operation makes of this one.
    fn after(&self, operation: &Operation) -> Self {
        let mut state = self.clone();
        match operation {
            Operation::Push(blob) | Operation::Mount(blob) => {
                state.blobs.insert(*blob);
            }
            Operation::DeleteBlob(blob) => {
                state.blobs.remove(blob);
            }
            Operation::PushImage { image, tags } => {
                state.images.insert(*image);
                state.tags.extend(tags.iter().map(|tag| (tag.clone(), *image)));
            }
            Operation::DeleteImage(image) => {
                state.images.remove(image);
                state.tags.retain(|_, target| target != image);
            }
            Operation::DeleteTag(tag) => {
                state.tags.remove(tag);
            }
        }
        state
    }
}

/// An upload session that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) location: String,
    pub(crate) blob: Blob,
    /// How many bytes may have arrived.
    pub(crate) sent: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    /// The states that would be right, oldest first; never empty once there was one.
    candidates: Vec<State>,
    /// Whether those that are past would be right, too.
    keeps_past: bool,
    /// Everything that ever was, or was about to be: that is what is asked for.
    pub(crate) seen_blobs: BTreeSet<Blob>,
    pub(crate) seen_images: BTreeSet<Image>,
    pub(crate) session: Option<Session>,
    /// The last session whose end was acknowledged.
    pub(crate) ended: Option<String>,
}

impl Ledger {
    /// How it is, when nothing is in flight and nothing unknown.
    pub(crate) fn state(&self) -> State {
        self.candidates.last().cloned().unwrap_or_default()
    }

    /// The operation is about to be sent.
    pub(crate) fn begin(&mut self, operation: &Operation) {
        let before = self.state();
        let after = before.after(operation);
        self.seen_blobs.extend(&after.blobs);
        self.seen_images.extend(&after.images);
        if self.candidates.is_empty() {
            self.candidates.push(before);
        }
        self.candidates.push(after);
    }

    /// The operation was acknowledged.
    pub(crate) fn succeed(&mut self) {
        if !self.keeps_past {
            self.candidates.drain(..self.candidates.len().saturating_sub(1));
        }
    }

    /// The operation was refused.
    pub(crate) fn fail(&mut self) {
        self.candidates.pop();
    }

    /// From now on every state is kept as one that would be right: the disk is about to be copied.
    pub(crate) fn keep_past(&mut self) {
        self.keeps_past = true;
    }

    /// This is what was found, and how it is from now on.
    ///
    /// # Panics
    ///
    /// If it would not be right.
    pub(crate) fn find(&mut self, repository: &str, found: State) {
        let empty = State::default();
        let newest = self.candidates.last().unwrap_or(&empty);
        let is_right = self.candidates.contains(&found) || found == *newest;
        let lost = self.complaints(&found);
        assert!(is_right, "{repository} is in none of {} right states: {lost}", self.candidates.len());
        self.candidates = vec![found];
        self.keeps_past = false;
    }

    /// How what was found differs from the state that it comes nearest to.
    fn complaints(&self, found: &State) -> String {
        let differences = self.candidates.iter().map(|right| differences(right, found));
        differences.min_by_key(Vec::len).unwrap_or_default().join("; ")
    }
}

fn differences(right: &State, found: &State) -> Vec<String> {
    let blobs = right.blobs.symmetric_difference(&found.blobs);
    let blobs = blobs.map(|blob| (found.blobs.contains(blob), format!("{blob:?} = {}", blob.digest())));
    let images = right.images.symmetric_difference(&found.images);
    let images =
        images.map(|image| (found.images.contains(image), format!("{image:?} = {}", image.digest())));
    let there = blobs.chain(images).map(|(is_there, what)| match is_there {
        true => format!("{what} is back"),
        false => format!("{what} is lost"),
    });
    let tags = right.tags.keys().chain(found.tags.keys()).collect::<BTreeSet<_>>().into_iter();
    let moved = tags.filter(|tag| right.tags.get(*tag) != found.tags.get(*tag));
    let moved = moved.map(|tag| format!("{tag}: {:?}, not {:?}", found.tags.get(tag), right.tags.get(tag)));
    there.chain(moved).collect()
}
