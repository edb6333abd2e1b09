//! Whose an upload session is.

use crate::store::OwnerRow;

/// Who began an upload session: nobody else finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub who: String,
    /// The hash of the token with which they began it. That token stays good for the session, though it may expire before a long
    /// upload is over.
    pub token: Option<[u8; blake3::OUT_LEN]>,
}

impl From<OwnerRow> for Owner {
    fn from(row: OwnerRow) -> Self {
        Self { who: row.who, token: row.token.and_then(|token| token.as_slice().try_into().ok()) }
    }
}

impl From<Owner> for OwnerRow {
    fn from(owner: Owner) -> Self {
        Self { who: owner.who, token: owner.token.map(|token| token.to_vec().into()) }
    }
}
