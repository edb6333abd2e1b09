//! A client that knows what it was promised.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use holdfast::load::{
    Blob, Connection, Failure, Image, Payload, Request, Stem, Stop, Target, check_blob, image_manifest,
    pull_verified, push_blob, put_manifest,
};
use holdfast::oci::{Algorithm, ManifestType};
use holdfast::store::Hasher;

use crate::LEASE;

/// What layers there are: small enough to ride in the log, and so large that they have a file from the beginning.
static STEMS: LazyLock<[Stem; 4]> = LazyLock::new(|| [2_000, 30_000, 200_000, 1_000_000].map(Stem::new));
static CONFIG: LazyLock<Stem> = LazyLock::new(|| Stem::new(500));

/// How many layers images are made of at any time, and how often one of them is given up for a new one.
const LAYERS: u64 = 40;
const NEW_ONE_IN: u64 = 4;
const TAGS: u64 = 25;
/// For how long it is asked again whether the registry is back.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client with a repository of its own.
pub(crate) struct Client {
    connection: Connection,
    repository: String,
    random: u64,
    layers: Vec<Payload<'static>>,
    /// What each tag may point at: one thing, or several if no answer came. `None` is nothing.
    tags: BTreeMap<String, Vec<Option<Image>>>,
    pub(crate) pushes: u64,
    pub(crate) pulls: u64,
    /// How many pushes took longer than what they relied on.
    pub(crate) late: u64,
    pub(crate) wrong: Vec<String>,
}

impl Client {
    pub(crate) fn new(target: &Target, number: u64) -> Self {
        let mut client = Self {
            connection: Connection::closed(target, &Stop::default()),
            repository: format!("soak/{number}"),
            random: number,
            layers: Vec::new(),
            tags: (0..TAGS).map(|tag| (format!("t{tag}"), vec![None])).collect(),
            pushes: 0,
            pulls: 0,
            late: 0,
            wrong: Vec::new(),
        };
        client.layers = (0..LAYERS).map(|_| client.new_layer()).collect();
        client
    }

    /// How many tags point at something.
    pub(crate) fn tags(&self) -> usize {
        self.tags.values().filter(|images| images.iter().any(Option::is_some)).count()
    }

    /// Works until it is told to stop, or something is wrong.
    pub(crate) fn live(&mut self, stop: &Stop) {
        while stop.check().is_ok() && self.wrong.is_empty() {
            let tag = format!("t{}", self.below(TAGS));
            match self.below(10) {
                0..=3 => self.push(tag),
                4..=8 => self.pull(&tag),
                _ => self.delete(tag),
            }
            thread::sleep(Duration::from_millis(self.below(20)));
        }
    }

    pub(crate) fn pull_everything(&mut self) {
        let tags: Vec<_> = self.tags.keys().cloned().collect();
        tags.iter().for_each(|tag| self.pull(tag));
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    fn pick(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap()
    }

    fn new_layer(&mut self) -> Payload<'static> {
        STEMS[self.pick(STEMS.len())].payload()
    }

    /// Pushes an image of a new configuration and two layers that may be there.
    fn push(&mut self, tag: String) {
        if self.below(NEW_ONE_IN) == 0 {
            let place = self.pick(self.layers.len());
            self.layers[place] = self.new_layer();
        }
        let places = [self.pick(self.layers.len()), self.pick(self.layers.len())];
        let config = CONFIG.payload();
        let layers = places.map(|place| self.layers[place].blob());
        let manifest = image_manifest(config.blob(), &layers);
        let image = image(&tag, &manifest, &[layers[0], layers[1], config.blob()]);
        let began = Instant::now();
        let pushed = self.bring(places, &config).and_then(|()| {
            put_manifest(&mut self.connection, &self.repository, &tag, ManifestType::OciImage, &manifest)
        });
        self.pushes += 1;
        match pushed {
            Ok(()) => drop(self.tags.insert(tag, vec![Some(image)])),
            Err(Failure::Status { .. }) if began.elapsed().as_secs() >= LEASE => self.late += 1,
            Err(failure) => self.note(&tag, Some(image), failure),
        }
    }

    /// Has everything be there that the image is made of.
    fn bring(&mut self, places: [usize; 2], config: &Payload<'_>) -> Result<(), Failure> {
        for payload in places.map(|place| &self.layers[place]).into_iter().chain([config]) {
            let blob = payload.blob();
            match check_blob(&mut self.connection, &blob.path(&self.repository), blob.size) {
                Err(Failure::Status { status: 404, .. }) => {
                    push_blob(&mut self.connection, &self.repository, payload)?;
                }
                checked => drop(checked?),
            }
        }
        Ok(())
    }

    fn delete(&mut self, tag: String) {
        let path = self.path(&tag);
        match self.connection.ask(&Request::new("DELETE", &path), 202) {
            Err(Failure::Status { status: 404, .. }) if self.tags[&tag].iter().any(Option::is_none) => {}
            Err(failure) => return self.note(&tag, None, failure),
            Ok(_) => {}
        }
        self.tags.insert(tag, vec![None]);
    }

    /// Pulls what a tag points at, which must be something that it may point at.
    fn pull(&mut self, tag: &str) {
        self.pulls += 1;
        let pulled = self.find(tag).and_then(|found| {
            for blob in found.iter().flatten().flat_map(|image| &image.blobs) {
                pull_verified(&mut self.connection, &blob.path(&self.repository), *blob)?;
            }
            Ok(found)
        });
        match pulled {
            Ok(Some(found)) => drop(self.tags.insert(tag.to_owned(), vec![found])),
            Ok(None) => self.wrong.push(format!("{}:{tag} is nothing that it may be", self.repository)),
            Err(Failure::Connection(_)) => self.wait(),
            Err(failure) => self.wrong.push(failure.to_string()),
        }
    }

    /// Which of the things that the tag may point at it does.
    fn find(&mut self, tag: &str) -> Result<Option<Option<Image>>, Failure> {
        let path = self.path(tag);
        for image in self.tags[tag].clone() {
            let asked = match &image {
                Some(image) => pull_verified(&mut self.connection, &path, image.manifest),
                None => self.connection.ask(&Request::new("GET", &path), 404).map(|answer| answer.length),
            };
            match asked {
                Ok(_) => return Ok(Some(image)),
                Err(Failure::Status { .. } | Failure::Bytes { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn path(&self, tag: &str) -> String {
        format!("/v2/{}/manifests/{tag}", self.repository)
    }

    /// A broken connection leaves open whether the tag points at this now; anything else is wrong.
    fn note(&mut self, tag: &str, image: Option<Image>, failure: Failure) {
        match failure {
            Failure::Connection(_) => {
                self.tags.entry(tag.to_owned()).or_default().push(image);
                self.wait();
            }
            failure => self.wrong.push(failure.to_string()),
        }
    }

    /// Waits until the registry is back.
    fn wait(&mut self) {
        let began = Instant::now();
        while let Err(failure) = self.connection.ask(&Request::new("GET", "/v2/"), 200) {
            if began.elapsed() > PATIENCE {
                return self.wrong.push(format!("the registry does not come back: {failure}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn image(tag: &str, manifest: &[u8], blobs: &[Blob]) -> Image {
    let digest = Hasher::digest(Algorithm::Sha256, manifest);
    let manifest = Blob { digest, size: manifest.len() as u64 };
    Image { tag: tag.to_owned(), manifest, blobs: blobs.to_owned() }
}
