//! What is asked of a registry, however full it is.

use holdfast::load::{Connection, EMPTY_INDEX, Failure, Stem, check_blob, pull_manifest, push_blob};
use holdfast::oci::ManifestType;

use super::content::Content;
use crate::rows::list_page;

/// One operation of a question.
type Work<'a> = Box<dyn Fn(&mut Connection, u64) -> Result<u64, Failure> + Send + Sync + 'a>;

/// A column of the table.
pub(crate) struct Question {
    pub(crate) name: &'static str,
    /// How it is asked of this content; none if the content has no such thing.
    pub(crate) work: for<'a> fn(&'a Content) -> Option<Work<'a>>,
}

/// Those that put something in come last.
pub(crate) const QUESTIONS: [Question; 4] = [
    Question { name: "GET a manifest by tag", work: get_manifest },
    Question { name: "HEAD of a blob", work: head_of_blob },
    Question { name: "100 tags from the middle", work: list_tags },
    Question { name: "push 4 KiB", work: push },
];

fn get_manifest(content: &Content) -> Option<Work<'_>> {
    Some(Box::new(|connection, number| {
        let length = EMPTY_INDEX.len() as u64;
        pull_manifest(connection, &content.manifest(number), ManifestType::OciIndex, length)
    }))
}

fn head_of_blob(content: &Content) -> Option<Work<'_>> {
    Some(Box::new(|connection, number| {
        let (path, blob) = content.blob(number);
        check_blob(connection, &path, blob.size)
    }))
}

fn list_tags(content: &Content) -> Option<Work<'_>> {
    let (path, last) = content.page()?;
    Some(Box::new(move |connection, _| list_page(connection, &path, &last)))
}

fn push(content: &Content) -> Option<Work<'_>> {
    let stem = Stem::new(4 << 10);
    Some(Box::new(move |connection, number| {
        push_blob(connection, &content.repository(number), &stem.payload())
    }))
}
