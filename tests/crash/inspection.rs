//! Looking at everything after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast::oci::{Digest, Reference, RepositoryName, Tag};
use holdfast::registry::{Error, EventSettings, Registry, Settings};
use holdfast::store::{EventAction, PayloadId, Severity, Store, SurveyNews, SurveyOptions, Transfer};

use crate::goods::GOODS;
use crate::model::{Answer, Fact, Model, Session};

/// All invariants of the store, and the bytes of all payloads. What a crash has left is removed: whoever looks afterwards must
/// not miss anything.
pub(crate) fn survey(store: &Store) -> Result<(), String> {
    let survey = store.survey(SurveyOptions { is_thorough: true });
    let violations = survey.map_err(|error| format!("the survey failed: {error}"))?.violations;
    if !violations.is_empty() {
        return Err(format!("the store is unsound: {violations:?}"));
    }
    let mut faults = Vec::new();
    let repaired = store.look_over(SurveyOptions::default(), true, &mut |news| {
        if let SurveyNews::Found(fault) = news
            && fault.severity != Severity::Leftover
        {
            faults.push(fault);
        }
        true
    });
    repaired.map_err(|error| format!("the repair failed: {error}"))?;
    match faults.is_empty() {
        true => Ok(()),
        false => Err(format!("the store was unsound after all: {faults:?}")),
    }
}

/// Asks for everything there is. Each answer must be one that the model allows, and is the only one from then on.
pub(crate) async fn inspect(registry: &Arc<Registry>, model: &mut Model) -> Result<(), String> {
    inspect_facts(registry, model).await?;
    inspect_sessions(registry, model).await
}

/// A registry whose events are kept, as for an endpoint that is never told.
pub(crate) fn settings() -> Settings {
    Settings { events: EventSettings { enabled: true, ..EventSettings::default() }, ..Settings::default() }
}

/// Events tell what has happened and nothing else: done again in their order, without any left out, they come to the tags that
/// there are.
pub(crate) fn inspect_events(registry: &Registry) -> Result<(), String> {
    let events = registry.events_after(0, usize::MAX).map_err(|error| format!("the events: {error:?}"))?;
    let mut tags: BTreeMap<(RepositoryName, Tag), Digest> = BTreeMap::new();
    for (expected, (number, event)) in (1..).zip(events) {
        if number != expected {
            return Err(format!("the event {expected} is missing, {number} is the next"));
        }
        let Some(tag) = event.tag else { continue };
        match (event.action, event.digest) {
            (EventAction::Push, Some(digest)) => _ = tags.insert((event.repository, tag), digest),
            (EventAction::Delete, None) => _ = tags.remove(&(event.repository, tag)),
            other => return Err(format!("the event {number} is odd: {other:?}")),
        }
    }
    for repository in &GOODS.repositories {
        for tag in &GOODS.tags {
            let told = tags.get(&(repository.clone(), tag.clone())).copied();
            let found = registry.find_manifest(repository, &Reference::Tag(tag.clone()));
            let found = found.ok().map(|found| found.digest);
            if found != told {
                return Err(format!("{repository}:{tag} is {found:?}, but the events say {told:?}"));
            }
        }
    }
    Ok(())
}

/// The same, but for uploads.
pub(crate) async fn inspect_facts(registry: &Arc<Registry>, model: &mut Model) -> Result<(), String> {
    for repository in 0..GOODS.repositories.len() {
        for blob in 0..GOODS.blobs.len() {
            let answer = ask_for_blob(registry, repository, blob).await?;
            settle(model, Fact::Blob { repository, blob }, answer)?;
        }
        for manifest in 0..GOODS.manifests.len() {
            let reference = Reference::Digest(GOODS.manifests[manifest].digest);
            let answer = ask_for_manifest(registry, repository, &reference)?;
            settle(model, Fact::Manifest { repository, manifest }, answer.map(|_| 0))?;
        }
        for tag in 0..GOODS.tags.len() {
            let reference = Reference::Tag(GOODS.tags[tag].clone());
            let answer = ask_for_manifest(registry, repository, &reference)?;
            settle(model, Fact::Tag { repository, tag }, answer)?;
        }
    }
    Ok(())
}

fn settle(model: &mut Model, fact: Fact, answer: Answer) -> Result<(), String> {
    let right = model.answers(fact);
    if !right.contains(&answer) {
        return Err(format!("{fact:?} is {answer:?}, which is none of {right:?}"));
    }
    model.find(fact, answer);
    Ok(())
}

/// Pulls a blob and compares every byte.
async fn ask_for_blob(registry: &Arc<Registry>, repository: usize, blob: usize) -> Result<Answer, String> {
    let expected = &GOODS.blobs[blob];
    let payload = match registry.open_blob(&GOODS.repositories[repository], &expected.digest).await {
        Err(Error::BlobUnknown { .. }) => return Ok(None),
        other => other.map_err(|error| format!("the blob {blob} of {repository}: {error:?}"))?,
    };
    match payload.read(0..payload.size(), Transfer::Copied) {
        Ok(bytes) if bytes == expected.bytes => Ok(Some(0)),
        Ok(_) => Err(format!("the blob {blob} of {repository} has other bytes")),
        Err(error) => Err(format!("the blob {blob} of {repository}: {error}")),
    }
}

/// Pulls a manifest, and says which one it is.
fn ask_for_manifest(registry: &Registry, repository: usize, reference: &Reference) -> Result<Answer, String> {
    match registry.read_manifest(&GOODS.repositories[repository], reference) {
        Err(Error::ManifestUnknown { .. }) => Ok(None),
        Err(error) => Err(format!("the manifest {reference} of {repository}: {error:?}")),
        Ok((found, bytes)) => {
            let is_it = |manifest: &crate::goods::Manifest| {
                manifest.digest == found.digest && manifest.bytes == bytes
            };
            let number = GOODS.manifests.iter().position(is_it);
            number
                .map(Some)
                .ok_or_else(|| format!("the manifest {reference} of {repository} has other bytes"))
        }
    }
}

async fn inspect_sessions(registry: &Arc<Registry>, model: &mut Model) -> Result<(), String> {
    for (repository, id) in &model.ended {
        if let Some(offset) = ask_for_session(registry, *repository, *id).await? {
            return Err(format!("the upload {id} had ended and stands at {offset}"));
        }
    }
    let sessions = std::mem::take(&mut model.sessions);
    for (id, session) in sessions {
        match ask_for_session(registry, session.repository, id).await? {
            None if session.promised == 0 || session.may_have_ended => {}
            Some(offset) if (session.promised..=session.sent).contains(&offset) => {
                let found = Session { sent: offset, promised: offset, may_have_ended: false, ..session };
                model.sessions.insert(id, found);
            }
            found => return Err(format!("the upload {id} stands at {found:?}, but it is {session:?}")),
        }
    }
    Ok(())
}

/// How far a session is.
async fn ask_for_session(
    registry: &Registry,
    repository: usize,
    id: PayloadId,
) -> Result<Option<usize>, String> {
    match registry.upload_status(&GOODS.repositories[repository], id).await {
        Err(Error::UploadUnknown { .. }) => Ok(None),
        Err(error) => Err(format!("the upload {id}: {error:?}")),
        Ok(found) => Ok(Some(usize::try_from(found.offset).unwrap())),
    }
}
