//! Everything in the tables, row by row, for tests that compare whole states.

use std::fmt::Write as _;

use redb::{Key, ReadableTable, Value};

use super::MetadataError;
use super::keys::{digest_from_key, id_from_key};
use super::tables::{Access, Tables};

/// A row as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DumpedRow {
    /// The table's name.
    pub table: &'static str,
    /// The parts of the key, digests and identifiers as they are written elsewhere, with blanks between them.
    pub key: String,
    /// The value; what is no text in it escaped.
    pub value: String,
}

impl<A: Access> Tables<A> {
    /// All rows of all tables, in the order of their keys.
    pub fn dump(&self) -> Result<Vec<DumpedRow>, MetadataError> {
        let mut rows = Vec::new();
        macro_rules! dump {
            ($($table:ident),*) => {{
                // No table is forgotten.
                let Self { $($table),* } = self;
                $( dump_table(stringify!($table), $table, &mut rows)?; )*
            }};
        }
        dump!(
            blobs,
            blob_links,
            blob_holders,
            manifests,
            manifest_bytes,
            manifest_holders,
            catalog,
            tags,
            tags_by_manifest,
            needs,
            needed_by,
            referrers,
            uploads,
            log_payloads,
            doomed_files,
            usage,
            events,
            state
        );
        Ok(rows)
    }
}

fn dump_table<K, V>(
    name: &'static str,
    table: &impl ReadableTable<K, V>,
    rows: &mut Vec<DumpedRow>,
) -> Result<(), MetadataError>
where
    K: Key + 'static,
    V: Value + 'static,
    for<'a> K::SelfType<'a>: Show,
    for<'a> V::SelfType<'a>: Show,
{
    for entry in table.iter()? {
        let (key, value) = entry?;
        let (mut shown_key, mut shown_value) = (String::new(), String::new());
        key.value().show(&mut shown_key);
        value.value().show(&mut shown_value);
        rows.push(DumpedRow { table: name, key: shown_key, value: shown_value });
    }
    Ok(())
}

/// What keys and values are made of.
trait Show {
    fn show(&self, text: &mut String);
}

impl Show for &[u8] {
    fn show(&self, text: &mut String) {
        let shown = match (digest_from_key(self), id_from_key(self)) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(id)) => id.to_string(),
            (None, None) => self.escape_ascii().to_string(),
        };
        text.push_str(&shown);
    }
}

macro_rules! show_plainly {
    ($($type:ty),*) => {$(
        impl Show for $type {
            fn show(&self, text: &mut String) {
                // Writing to memory cannot fail.
                let _ = write!(text, "{self}");
            }
        }
    )*};
}

show_plainly!(&str, u8, u64, bool);

impl Show for () {
    fn show(&self, _text: &mut String) {}
}

macro_rules! show_parts {
    ($($part:ident),*) => {
        impl<$($part: Show),*> Show for ($($part,)*) {
            #[allow(non_snake_case, reason = "a part goes by the name of its type")]
            fn show(&self, text: &mut String) {
                let ($($part,)*) = self;
                $(
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    $part.show(text);
                )*
            }
        }
    };
}

show_parts!(A, B);
show_parts!(A, B, C);
show_parts!(A, B, C, D);
