//! What is encrypted in a DagJWE: a value in DAG-CBOR, inside a CID that is its own content, as dag-jose-utils 4 writes it.
//!
//! `01 71 00 <length> <value>`, then zeros up to a multiple of 24 bytes. The length tells where the value ends, so what
//! follows is not looked at.

use ipld_core::ipld::Ipld;
use zeroize::Zeroizing;

use super::JweError;
use crate::cbor;

/// CIDv1 of DAG-CBOR by the hash that is the identity.
const PREFIX: [u8; 3] = [0x01, 0x71, 0x00];
/// Lengths are rounded up to this many bytes.
const STEP: usize = 24;

pub(super) fn written(value: &Ipld) -> Result<Zeroizing<Vec<u8>>, JweError> {
    let unfit = |_| JweError::Value("DAG-CBOR cannot hold it");
    let value = Zeroizing::new(cbor::encode(value).map_err(unfit)?);
    let mut length = unsigned_varint::encode::usize_buffer();
    let length = unsigned_varint::encode::usize(value.len(), &mut length);
    let parts = [&PREFIX[..], length, &value[..]];
    let whole = parts.iter().map(|part| part.len()).sum::<usize>();
    // Made in one piece, so that no shorter copy of it is left behind.
    let mut bytes = Zeroizing::new(vec![0; whole.next_multiple_of(STEP)]);
    let into = bytes.iter_mut();
    into.zip(parts.into_iter().flatten())
        .for_each(|(into, byte)| *into = *byte);
    Ok(bytes)
}

/// The value in what was decrypted.
///
/// # Errors
/// [`JweError::Value`] for content that is none.
pub fn read(bytes: &[u8]) -> Result<Ipld, JweError> {
    let refused = JweError::Value("it is not a DAG-CBOR value inside an identity CID");
    let read = || {
        let rest = bytes.strip_prefix(&PREFIX)?;
        let (length, rest) = unsigned_varint::decode::usize(rest).ok()?;
        cbor::decode(rest.get(..length)?).ok()
    };
    read().ok_or(refused)
}
