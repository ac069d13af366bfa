//! Texts of bytes, read as the JavaScript libraries of Ceramic read them, and bounded where reading is dear.

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};

/// Longest base58 that is decoded, in characters, since the cost is quadratic. The longest in use, of Tezos, has 99.
pub const MAX_BASE58: usize = 128;

/// Bounded base58btc, without a multibase prefix.
pub fn base58(text: &str) -> Option<Vec<u8>> {
    match text.len() {
        0..=MAX_BASE58 => multibase::Base::Base58Btc.decode(text).ok(),
        _ => None,
    }
}

/// Base64 of RFC 4648 with any padding, since js does not count it.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64_NOPAD
        .decode(text.trim_end_matches('=').as_bytes())
        .ok()
}

/// Hexadecimal in either case, after a `0x`.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}
