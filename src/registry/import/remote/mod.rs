//! A live registry, asked over its API: what it lists, its manifests, and its blobs, several at a time.

mod api;
mod catalog;
mod challenge;
mod client;
mod download;
mod login;
mod parallel;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use crate::oci::{ChildKind, Digest, Glob, RepositoryName};
use crate::store::{Intake, IntakeError, Landed, Timestamp};

use super::origin::{Digests, FoundBlob, FoundTag, Names, Origin, Referrers, SourceError, Unread, Unusable};
use api::Trouble;
use catalog::Catalog;
use client::Client;
use download::download;
use parallel::parallel;

/// How many bytes of manifests are read ahead.
const AHEAD: usize = 32 << 20;

/// A registry to import from.
#[derive(Clone)]
pub struct RegistrySource {
    pub url: Url,
    pub login: Option<Login>,
    /// How many requests are made at once.
    pub parallel: usize,
    /// How long it may send nothing before it is asked again.
    pub patience: Duration,
}

/// Who logs in to a registry.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// Without the password.
impl fmt::Debug for RegistrySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

/// A registry that is being read.
pub(super) struct Remote<'a> {
    client: Client,
    /// The repositories that are to come; all of them if there is none.
    wanted: &'a [Glob],
    parallel: usize,
    /// Manifests that were read ahead.
    ahead: Mutex<HashMap<Digest, Result<Vec<u8>, Trouble>>>,
    lists_referrers: AtomicBool,
    /// Why nothing more can be had, until it is told.
    lost: Mutex<Option<Trouble>>,
}

impl<'a> Remote<'a> {
    /// Makes sure that there is a registry.
    pub(super) fn connect(source: &RegistrySource, wanted: &'a [Glob]) -> Result<Self, SourceError> {
        let client = Client::new(source);
        client.ping().map_err(|trouble| client.lost(trouble))?;
        let (ahead, lists_referrers) = (Mutex::default(), AtomicBool::new(true));
        let (parallel, lost) = (source.parallel.max(1), Mutex::default());
        Ok(Self { client, wanted, parallel, ahead, lists_referrers, lost })
    }

    /// The repositories that are named, if none is left to be found.
    fn named(&self) -> Option<Vec<RepositoryName>> {
        let names = self.wanted.iter().map(|glob| glob.as_str().parse().ok());
        names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
    }

    fn find_named(&self, name: RepositoryName) -> Result<Result<RepositoryName, Unusable>, SourceError> {
        let unusable = |reason: String| Unusable { repository: name.to_string(), reason };
        match self.client.tags(&name) {
            Ok(_) => Ok(Ok(name)),
            Err(Trouble::Absent) => Ok(Err(unusable("there is no such repository there".to_owned()))),
            Err(Trouble::Failed(reason)) => Ok(Err(unusable(reason))),
            Err(trouble) => Err(self.client.lost(trouble)),
        }
    }

    fn unread(&self, trouble: Trouble) -> Unread {
        match trouble {
            Trouble::Absent => Unread::Absent,
            Trouble::Failed(reason) => Unread::Damaged(reason),
            trouble @ Trouble::Lost(_) => Unread::Lost(self.client.lost(trouble)),
        }
    }

    /// Why a payload has not come.
    fn note_missed(&self, trouble: Trouble) -> String {
        match trouble {
            Trouble::Absent => "it is missing".to_owned(),
            Trouble::Failed(reason) => reason,
            Trouble::Lost(ref reason) => {
                let reason = reason.clone();
                *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
                reason
            }
        }
    }

    fn ahead(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Result<Vec<u8>, Trouble>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_far_ahead(&self) -> bool {
        self.ahead().values().flatten().map(Vec::len).sum::<usize>() >= AHEAD
    }
}

impl Origin for Remote<'_> {
    fn followed(&self) -> Option<String> {
        Some(self.client.url().to_string())
    }

    fn count_objects(&self) -> Result<u64, SourceError> {
        Ok(0)
    }

    fn repositories(&self) -> Names<'_> {
        match self.named() {
            Some(names) => Box::new(names.into_iter().map(|name| self.find_named(name))),
            None => Box::new(Catalog::new(&self.client)),
        }
    }

    /// One without tags may stay when all that it had was deleted.
    fn has_repository(&self, name: &RepositoryName) -> Result<bool, SourceError> {
        match self.client.tags(name) {
            Ok(tags) => Ok(!tags.is_empty()),
            Err(Trouble::Failed(_)) => Ok(true),
            Err(Trouble::Absent) => Ok(false),
            Err(trouble) => Err(self.client.lost(trouble)),
        }
    }

    fn tags(&self, name: &RepositoryName) -> Result<Vec<FoundTag>, Unread> {
        self.ahead().clear();
        let tags = self.client.tags(name).map_err(|trouble| self.unread(trouble))?;
        let resolved = parallel(&tags, self.parallel, |text| {
            let tag = text.parse().map_err(|_| Trouble::Failed("it is no name of a tag".to_owned()))?;
            Ok((tag, self.client.resolve(name, text)?))
        });
        let mut found = Vec::new();
        for (text, resolved) in tags.into_iter().zip(resolved) {
            let target = match resolved {
                Ok((tag, digest)) => Ok((tag, digest, Timestamp::now())),
                // It went meanwhile.
                Err(Trouble::Absent) => continue,
                Err(Trouble::Failed(reason)) => Err(reason),
                Err(trouble) => return Err(self.unread(trouble)),
            };
            found.push(FoundTag { name: text, target });
        }
        Ok(found)
    }

    /// What the tags lead to: nobody lists the others.
    fn revisions(&self, _name: &RepositoryName, tags: &[Digest]) -> Result<Digests, SourceError> {
        Ok((tags.to_vec(), Vec::new()))
    }

    fn hides_referrers(&self) -> bool {
        self.lists_referrers.load(Ordering::Relaxed)
    }

    fn referrers(&self, name: &RepositoryName, subjects: &[Digest]) -> Result<Referrers, SourceError> {
        let mut referrers = Referrers::default();
        // One first: most of those that do not know the question never do.
        let (first, others) = subjects.split_at(subjects.len().min(1));
        for some in [first, others].into_iter().filter(|_| self.hides_referrers()) {
            let asked = parallel(some, self.parallel, |subject| self.client.referrers(name, subject));
            for (subject, found) in some.iter().zip(asked) {
                match found {
                    Ok(Some(found)) => referrers.found.extend(found),
                    Ok(None) => self.lists_referrers.store(false, Ordering::Relaxed),
                    Err(Trouble::Absent) => {}
                    Err(Trouble::Failed(reason)) => referrers.failed.push((*subject, reason)),
                    Err(trouble) => return Err(self.client.lost(trouble)),
                }
            }
        }
        Ok(referrers)
    }

    /// Nobody says since when. Whether it is there is found out by reading it.
    fn revision(
        &self,
        _name: &RepositoryName,
        _digest: &Digest,
        _kind: ChildKind,
    ) -> Result<Timestamp, Unread> {
        Ok(Timestamp::now())
    }

    fn has_manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, SourceError> {
        match self.client.has_manifest(name, digest) {
            Ok(()) | Err(Trouble::Failed(_)) => Ok(true),
            Err(Trouble::Absent) => Ok(false),
            Err(trouble) => Err(self.client.lost(trouble)),
        }
    }

    fn expect(&self, name: &RepositoryName, digests: &[Digest]) {
        let known: Vec<_> = {
            let ahead = self.ahead();
            digests.iter().filter(|digest| !ahead.contains_key(*digest)).copied().collect()
        };
        parallel(&known, self.parallel, |digest| {
            if !self.is_far_ahead() {
                let read = self.client.manifest(name, digest);
                self.ahead().insert(*digest, read);
            }
        });
    }

    fn manifest(&self, name: &RepositoryName, digest: &Digest) -> Result<Vec<u8>, Unread> {
        let read = self.ahead().remove(digest);
        let read = read.unwrap_or_else(|| self.client.manifest(name, digest));
        read.map_err(|trouble| self.unread(trouble))
    }

    fn blob(&self, name: &RepositoryName, digest: &Digest, size: Option<u64>) -> Result<FoundBlob, Unread> {
        let size = match size {
            Some(size) => size,
            None => self.client.blob_size(name, digest).map_err(|trouble| self.unread(trouble))?,
        };
        Ok(FoundBlob { size, path: None })
    }

    fn hand_over(
        &self,
        intake: &Intake<'_>,
        name: &RepositoryName,
        wanted: &[(Digest, u64)],
    ) -> Result<Vec<Result<Landed, String>>, IntakeError> {
        let is_over = AtomicBool::new(false);
        let brought = parallel(wanted, self.parallel, |(digest, size)| {
            if is_over.load(Ordering::Relaxed) {
                return Ok(Err(Trouble::Failed("the import ended before it".to_owned())));
            }
            let brought = download(&self.client, intake, name, digest, *size);
            is_over.fetch_or(matches!(brought, Err(_) | Ok(Err(Trouble::Lost(_)))), Ordering::Relaxed);
            brought
        });
        let (mut landed, mut failure) = (Vec::new(), None);
        for one in brought {
            match one {
                Ok(one) => landed.push(one.map_err(|trouble| self.note_missed(trouble))),
                Err(error) => failure = Some(error),
            }
        }
        let kept = failure.map_or_else(|| intake.keep(landed.iter().flatten()), Err);
        if kept.is_err() {
            landed.iter().flatten().for_each(|one| intake.discard(one));
        }
        kept.map(|()| landed)
    }

    fn check(&self) -> Result<(), SourceError> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        lost.map_or(Ok(()), |trouble| Err(self.client.lost(trouble)))
    }
}
