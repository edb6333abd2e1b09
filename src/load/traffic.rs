//! The loads of `holdfast bench`. Each puts in what it needs before the clock starts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use super::{
    Blob, Connection, Failure, Image, Stem, Stop, Target, Work, pull, pull_image, pull_verified, push_blob,
    push_image,
};

/// Which load, where, and of what.
#[derive(Debug, Clone)]
pub struct Traffic {
    pub repository: String,
    /// Of each blob, or layer, in bytes.
    pub size: usize,
    /// One of so many bodies is hashed and compared; of the others only the length is. Images are always verified whole.
    pub verified: u64,
}

impl Traffic {
    /// New blobs: POST, PATCH, PUT.
    pub fn push(&self) -> impl Work + use<> {
        Push { repository: self.repository.clone(), stem: Stem::new(self.size) }
    }

    /// Pulls of some blobs in turn, which are pushed first: as many as fit into 256 MiB, at most 200.
    pub fn pull(&self, target: &Target, stop: &Stop) -> Result<impl Work + use<>, Failure> {
        const ROOM: usize = 256 << 20;
        let count = ROOM.checked_div(self.size).unwrap_or(ROOM).clamp(1, 200);
        let mut connection = Connection::closed(target, stop);
        let blobs = push_some(&mut connection, &self.repository, &Stem::new(self.size), count)?;
        let blobs = blobs.into_iter().map(|blob| (blob.path(&self.repository), blob)).collect();
        Ok(Pull { blobs, verified: self.verified.max(1) })
    }

    /// What continuous integration does: of four operations one is the push of an image, three are pulls of what has been
    /// pushed. An image has four layers, three of which are there already, a new one, and a new configuration of 2,000
    /// bytes.
    pub fn mixed(&self, target: &Target, stop: &Stop) -> Result<impl Work + use<>, Failure> {
        let (layer, config) = (Stem::new(self.size), Stem::new(CONFIG));
        let mut connection = Connection::closed(target, stop);
        let base = push_some(&mut connection, &self.repository, &layer, BASE)?;
        let run = Uuid::new_v4().simple().to_string();
        let mixed = Mixed {
            repository: self.repository.clone(),
            run,
            base,
            layer,
            config,
            recent: Recent::default(),
        };
        mixed.push(&mut connection, u64::MAX)?;
        Ok(mixed)
    }
}

/// Layers that all images have in common.
const BASE: usize = 3;

/// The size of an image's configuration, in bytes.
const CONFIG: usize = 2_000;

fn push_some(
    connection: &mut Connection,
    repository: &str,
    stem: &Stem,
    count: usize,
) -> Result<Vec<Blob>, Failure> {
    let push = |_| {
        let payload = stem.payload();
        push_blob(connection, repository, &payload)?;
        Ok(payload.blob())
    };
    (0..count).map(push).collect()
}

struct Push {
    repository: String,
    stem: Stem,
}

impl Work for Push {
    fn kind(&self, _number: u64) -> &'static str {
        "push"
    }

    fn perform(&self, connection: &mut Connection, _number: u64) -> Result<u64, Failure> {
        push_blob(connection, &self.repository, &self.stem.payload())
    }
}

struct Pull {
    blobs: Vec<(String, Blob)>,
    verified: u64,
}

impl Work for Pull {
    fn kind(&self, _number: u64) -> &'static str {
        "pull"
    }

    fn perform(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure> {
        let index = usize::try_from(number % self.blobs.len().max(1) as u64).unwrap_or_default();
        match self.blobs.get(index) {
            Some((path, blob)) if number.is_multiple_of(self.verified) => {
                pull_verified(connection, path, *blob)
            }
            Some((path, blob)) => pull(connection, path, blob.size),
            None => Ok(0),
        }
    }
}

struct Mixed {
    repository: String,
    /// Part of each tag, so that no two runs use the same ones.
    run: String,
    base: Vec<Blob>,
    layer: Stem,
    config: Stem,
    recent: Recent,
}

impl Mixed {
    fn push(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure> {
        let tag = format!("{}-{number}", self.run);
        let (layer, config) = (self.layer.payload(), self.config.payload());
        let (image, bytes) = push_image(connection, &self.repository, tag, &config, &self.base, &[layer])?;
        self.recent.add(image);
        Ok(bytes)
    }
}

impl Work for Mixed {
    fn kind(&self, number: u64) -> &'static str {
        if number.is_multiple_of(4) { "push image" } else { "pull image" }
    }

    fn perform(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure> {
        if number.is_multiple_of(4) {
            return self.push(connection, number);
        }
        match self.recent.pick(number) {
            Some(image) => pull_image(connection, &self.repository, &image),
            None => Ok(0),
        }
    }
}

/// The images that were pushed last.
#[derive(Default)]
struct Recent {
    images: RwLock<Vec<Arc<Image>>>,
    oldest: AtomicUsize,
}

impl Recent {
    const MOST: usize = 64;

    fn add(&self, image: Image) {
        let mut images = self.images.write().unwrap_or_else(PoisonError::into_inner);
        if images.len() < Self::MOST {
            images.push(Arc::new(image));
        } else if let Some(place) = images.get_mut(self.oldest.fetch_add(1, Ordering::Relaxed) % Self::MOST) {
            *place = Arc::new(image);
        }
    }

    /// Any of them; another one for each number.
    fn pick(&self, number: u64) -> Option<Arc<Image>> {
        let images = self.images.read().unwrap_or_else(PoisonError::into_inner);
        let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let index = usize::try_from(scattered % images.len().max(1) as u64).ok()?;
        images.get(index).cloned()
    }
}
