//! What a registry is filled with, a little or very much of it.

use std::sync::Mutex;
use std::time::Duration;

use holdfast::load::{
    Blob, Connection, EMPTY_INDEX, Failure, Limit, Request, Stem, Target, numbers, push_blob, put_manifest,
};
use holdfast::oci::ManifestType;

use crate::support::{fill_with_tags, run};

/// What there is much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Tags,
    Repositories,
    Blobs,
}

impl Axis {
    pub(crate) const ALL: [Self; 3] = [Self::Tags, Self::Repositories, Self::Blobs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tags => "tags of one repository",
            Self::Repositories => "repositories",
            Self::Blobs => "blobs of one repository",
        }
    }

    /// The name of a row.
    pub(crate) fn row(self, count: u64) -> String {
        format!("{} {}", numbers::count(count), self.name())
    }
}

/// What lies in a registry, and where. Beside what there is much of there is a repository with one blob, the tag `latest`
/// and 1,000 others.
pub(crate) struct Content {
    axis: Axis,
    count: u64,
    blob: Blob,
    /// Those that there are many of; empty unless it is they.
    blobs: Vec<Blob>,
}

/// How many tags there are beside, and always where pages are asked for.
const TAGS: u64 = 1_000;

const SIDE: &str = "bench/side";
const MAIN: &str = "bench/main";

/// Filling goes fastest when many ask at once.
const FILLERS: usize = 64;

impl Content {
    /// Fills a registry; `None` if it takes longer than this.
    pub(crate) fn fill(
        target: &Target,
        axis: Axis,
        count: u64,
        time: Duration,
    ) -> Result<Option<Self>, Failure> {
        let (stem, mut connection) = (Stem::new(Stem::SMALLEST), Connection::open(target)?);
        let payload = stem.payload();
        push_blob(&mut connection, SIDE, &payload)?;
        put_index(&mut connection, SIDE, "latest")?;
        fill_with_tags(target, SIDE, TAGS)?;
        let mut content = Self { axis, count, blob: payload.blob(), blobs: Vec::new() };
        let limit = Limit { operations: count, time };
        let blobs = Mutex::new(Vec::new());
        let load = run(target, FILLERS, limit, &|connection, number| match axis {
            Axis::Tags => put_index(connection, MAIN, &tag(number)),
            Axis::Repositories => content.put_repository(connection, number),
            Axis::Blobs => {
                let payload = stem.payload();
                push_blob(connection, SIDE, &payload)?;
                blobs.lock().unwrap().push(payload.blob());
                Ok(0)
            }
        })?;
        content.blobs = blobs.into_inner().unwrap();
        Ok((load.total().operations == count).then_some(content))
    }

    /// With a manifest and a blob that others have as well.
    fn put_repository(&self, connection: &mut Connection, number: u64) -> Result<u64, Failure> {
        let repository = repository(number);
        let mount = format!("/v2/{repository}/blobs/uploads/?mount={}&from={SIDE}", self.blob.digest);
        connection.ask(&Request::new("POST", &mount).body(Vec::new()), 201)?;
        put_index(connection, &repository, "latest")
    }

    /// Where a manifest lies under a tag: another one for each number, where there are many.
    pub(crate) fn manifest(&self, number: u64) -> String {
        match self.axis {
            Axis::Tags => format!("/v2/{MAIN}/manifests/{}", tag(self.any(number))),
            _ => format!("/v2/{}/manifests/latest", self.repository(number)),
        }
    }

    /// A blob and where it lies: another one for each number.
    pub(crate) fn blob(&self, number: u64) -> (String, Blob) {
        let index = usize::try_from(self.any(number)).unwrap();
        let blob = self.blobs.get(index).copied().unwrap_or(self.blob);
        let repository = if self.axis == Axis::Tags { SIDE.to_owned() } else { self.repository(number) };
        (blob.path(&repository), blob)
    }

    /// A page of 100 tags from the middle of as many as there are, and the last of them; none if there are not enough.
    pub(crate) fn page(&self) -> Option<(String, String)> {
        let (repository, count) = if self.axis == Axis::Tags { (MAIN, self.count) } else { (SIDE, TAGS) };
        let middle = count / 2;
        (middle + 100 < count).then(|| {
            let path = format!("/v2/{repository}/tags/list?n=100&last={}", tag(middle));
            (path, tag(middle + 100))
        })
    }

    /// A repository to push to: another one for each number, where there are many.
    pub(crate) fn repository(&self, number: u64) -> String {
        match self.axis {
            Axis::Tags => MAIN.to_owned(),
            Axis::Repositories => repository(self.any(number)),
            Axis::Blobs => SIDE.to_owned(),
        }
    }

    /// The number of any of those that there are many of.
    fn any(&self, number: u64) -> u64 {
        (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % self.count
    }
}

fn tag(number: u64) -> String {
    format!("t{number:07}")
}

fn repository(number: u64) -> String {
    format!("bench/r{number:07}")
}

fn put_index(connection: &mut Connection, repository: &str, tag: &str) -> Result<u64, Failure> {
    put_manifest(connection, repository, tag, ManifestType::OciIndex, EMPTY_INDEX.as_bytes()).map(|()| 0)
}
