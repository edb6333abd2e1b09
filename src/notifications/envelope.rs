//! Events as they are sent: distribution's envelope (its documentation, "Work with notifications").

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::store::{EventRow, RequestRow};

/// The media type of what is sent.
pub(super) const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v2+json";

/// The registry that events come from.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Its host and port.
    pub addr: String,
    /// This run of it.
    #[serde(rename = "instanceID")]
    pub instance_id: String,
}

/// What is sent in one request.
#[derive(Debug, Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) events: Vec<Event<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    id: String,
    timestamp: String,
    action: &'static str,
    target: Target<'a>,
    request: Request<'a>,
    actor: Actor<'a>,
    source: &'a Source,
}

/// Nothing that is not known is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The same as `size`.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    repository: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_repository: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct Request<'a> {
    id: &'a str,
    addr: &'a str,
    host: &'a str,
    method: &'a str,
    useragent: &'a str,
}

#[derive(Debug, Serialize)]
struct Actor<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

impl<'a> Event<'a> {
    /// An event with the descriptors of what its manifest is made of.
    pub(super) fn new(row: &'a EventRow, references: Vec<Box<RawValue>>, source: &'a Source) -> Self {
        let RequestRow { id, address, host, method, user_agent, actor } = &row.request;
        Self {
            id: Uuid::from_bytes(*row.id).to_string(),
            timestamp: row.at.to_string(),
            action: row.action.as_str(),
            target: Target {
                media_type: row.media_type.as_deref(),
                size: row.size,
                digest: row.digest.map(|digest| digest.to_string()),
                length: row.size,
                repository: row.repository.as_str(),
                from_repository: row.from.as_ref().map(|from| from.as_str()),
                url: row.url.as_deref(),
                tag: row.tag.as_ref().map(|tag| tag.as_str()),
                references,
            },
            request: Request { id, addr: address, host, method, useragent: user_agent },
            actor: Actor { name: actor },
            source,
        }
    }
}

/// An event by itself, as JSON, without descriptors.
pub fn event_as_json(row: &EventRow, source: &Source) -> Box<RawValue> {
    let event = Event::new(row, Vec::new(), source);
    serde_json::value::to_raw_value(&event).expect("documents of text and numbers can always be written")
}

/// The descriptors in a manifest, as they stand there: its config and layers, or the manifests of an index.
pub(super) fn references(manifest: &[u8]) -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Parts {
        #[serde(default)]
        config: Option<Box<RawValue>>,
        #[serde(default)]
        layers: Vec<Box<RawValue>>,
        #[serde(default)]
        manifests: Vec<Box<RawValue>>,
    }
    let Ok(Parts { config, layers, manifests }) = serde_json::from_slice(manifest) else {
        return Vec::new();
    };
    config.into_iter().chain(layers).chain(manifests).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{EventAction, Timestamp};

    fn row() -> EventRow {
        EventRow {
            id: [7; 16].into(),
            at: Timestamp(1_700_000_000_123),
            action: EventAction::Delete,
            repository: "team/app".parse().unwrap(),
            digest: None,
            media_type: None,
            size: None,
            tag: Some("v1".parse().unwrap()),
            from: None,
            url: None,
            request: RequestRow { id: "5".to_owned(), method: "DELETE".to_owned(), ..RequestRow::default() },
        }
    }

    fn written(row: &EventRow, references: Vec<Box<RawValue>>) -> Value {
        let source = Source { addr: "here:5000".to_owned(), instance_id: "run".to_owned() };
        serde_json::to_value(Event::new(row, references, &source)).unwrap()
    }

    #[test]
    fn an_event_is_written_as_distribution_does_without_what_is_not_known() {
        let expected = json!({
            "id": "07070707-0707-0707-0707-070707070707",
            "timestamp": "2023-11-14T22:13:20.123Z",
            "action": "delete",
            "target": {"repository": "team/app", "tag": "v1"},
            "request": {"id": "5", "addr": "", "host": "", "method": "DELETE", "useragent": ""},
            "actor": {},
            "source": {"addr": "here:5000", "instanceID": "run"},
        });
        assert_eq!(written(&row(), Vec::new()), expected);
    }

    #[test]
    fn descriptors_are_repeated_as_they_stand_in_the_manifest() {
        let manifest = br#"{"config": {"digest": "a", "size": 1}, "layers": [{"digest": "b", "x": [2]}]}"#;
        let expected = json!([{"digest": "a", "size": 1}, {"digest": "b", "x": [2]}]);
        assert_eq!(written(&row(), references(manifest))["target"]["references"], expected);
        let index = br#"{"manifests": [{"digest": "c"}]}"#;
        assert_eq!(references(index).len(), 1);
        assert!(references(b"no JSON").is_empty());
    }
}
