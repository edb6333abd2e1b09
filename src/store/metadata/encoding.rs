//! How the vocabulary's types stand in rows and changes: digests as bytes, names and tags as text.

use minicbor::decode::Error;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::oci::{Algorithm, Digest, ManifestType, RepositoryName, Tag};
use crate::store::ids::PayloadId;

use super::MetadataError;
use super::keys::{DigestKey, digest_from_key};

/// Encodes a row.
pub(super) fn encode<T: Encode<()>>(row: &T) -> Vec<u8> {
    minicbor::to_vec(row).expect("writing to memory cannot fail")
}

/// Decodes a row of `table`.
pub(super) fn decode<T: for<'b> Decode<'b, ()>>(
    table: &'static str,
    bytes: &[u8],
) -> Result<T, MetadataError> {
    minicbor::decode(bytes).map_err(|error| MetadataError::Row { table, reason: error.to_string() })
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl<C> Encode<C> for $type {
            fn encode<W: Write>(
                &self,
                encoder: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                encoder.str(self.as_str())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
                decoder.str()?.parse().map_err(|_| Error::message(concat!("not a ", stringify!($type))))
            }
        }
    )*};
}

as_text!(RepositoryName, Tag, ManifestType, Algorithm);

impl<C> Encode<C> for Digest {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        encoder.bytes(&DigestKey::new(self))?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        digest_from_key(decoder.bytes()?).ok_or_else(|| Error::message("not a digest"))
    }
}

impl<C> Encode<C> for PayloadId {
    fn encode<W: Write>(&self, encoder: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        encoder.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PayloadId {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        let bytes = decoder.bytes()?.try_into();
        bytes.map(Self::from_bytes).map_err(|_| Error::message("not an identifier"))
    }
}
