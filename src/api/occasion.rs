//! What an event says of the request behind it.

use axum::http::header;

use super::Call;
use super::headers::text;
use crate::auth::Identity;
use crate::observe::RequestId;
use crate::registry::Occasion;
use crate::store::RequestRow;

/// The most that is kept of a text that a client has made up, in bytes.
const MOST: usize = 256;

/// This request, as events tell of it.
pub(super) fn occasion(call: &Call) -> Occasion {
    let parts = &call.parts;
    let (origin, base) = call.links.origin(parts);
    let request = RequestRow {
        id: parts.extensions.get::<RequestId>().map(RequestId::to_string).unwrap_or_default(),
        address: call.api.source(parts).to_string(),
        host: origin.split_once("://").map(|(_, host)| host).unwrap_or_default().to_owned(),
        method: parts.method.as_str().to_owned(),
        user_agent: shortened(text(&parts.headers, header::USER_AGENT).unwrap_or_default()),
        actor: match &call.guest.caller.identity {
            Identity::Anyone => String::new(),
            identity => identity.to_string(),
        },
    };
    Occasion { request, origin: base }
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MOST)].to_owned()
}
