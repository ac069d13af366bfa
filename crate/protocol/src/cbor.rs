//! The DAG-CBOR profile of Ceramic (ipld.io, DAG-CBOR), as lenient and as strict as `@ipld/dag-cbor`.
//!
//! A hostile sender can nest without end, claim lengths that are not there, spell one number in many ways, or repeat a
//! key. [`MAX_DEPTH`] bounds the nesting, [`MAX_ITEMS`] the values; nothing is reserved before its bytes were seen.
//!
//! Numbers are those of JavaScript: a float that holds a whole number of at most 53 bits *is* that integer, so it becomes
//! one when read or written.

use cid::Cid;
use ipld_core::ipld::Ipld;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How deep lists and maps may nest. js-ceramic has no bound but its stack.
pub const MAX_DEPTH: usize = 256;
/// How many values one decoded text may hold: as many as the largest block has bytes.
pub const MAX_ITEMS: usize = crate::MAX_BLOCK_BYTES;
/// 2^53 - 1, the largest whole number that JavaScript holds exactly.
pub(crate) const MAX_SAFE_INTEGER: i128 = 9_007_199_254_740_991;

const CID_TAG: u64 = 42;

/// Why bytes are not DAG-CBOR, or a value cannot be written as such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The bytes end inside a value.
    #[error("the bytes end inside a value")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    TrailingBytes,
    /// A length or integer is not written in its shortest form.
    #[error("a number is not in its shortest form")]
    NotMinimal,
    /// An indefinite length.
    #[error("indefinite lengths are not allowed")]
    Indefinite,
    /// A map has a key twice.
    #[error("a map has the key {0:?} twice")]
    DuplicateKey(String),
    /// A map key is not text.
    #[error("a map key is not text")]
    KeyNotText,
    /// A tag other than 42.
    #[error("the tag {0} is not allowed")]
    UnknownTag(u64),
    /// Tag 42 does not hold a CID.
    #[error("a link does not hold a CID")]
    BadCid,
    /// A simple value that DAG-CBOR does not have.
    #[error("the simple value {0} is not allowed")]
    UnknownSimple(u8),
    /// NaN or an infinity.
    #[error("numbers must be finite")]
    NotFinite,
    /// An integer of more than 64 bits.
    #[error("an integer has more than 64 bits")]
    TooBig,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More values than [`MAX_ITEMS`].
    #[error("more than {MAX_ITEMS} values")]
    TooMany,
}

impl CborError {
    /// A stable name for this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated => "cbor-truncated",
            Self::TrailingBytes => "cbor-trailing-bytes",
            Self::NotMinimal => "cbor-not-minimal",
            Self::Indefinite => "cbor-indefinite",
            Self::DuplicateKey(_) => "cbor-duplicate-key",
            Self::KeyNotText => "cbor-key-not-text",
            Self::UnknownTag(_) => "cbor-unknown-tag",
            Self::BadCid => "cbor-bad-cid",
            Self::UnknownSimple(_) => "cbor-unknown-simple",
            Self::NotFinite => "cbor-not-finite",
            Self::TooBig => "cbor-too-big",
            Self::TooDeep => "cbor-too-deep",
            Self::TooMany => "cbor-too-many",
        }
    }
}

/// Reads exactly one value.
pub fn decode(bytes: &[u8]) -> Result<Ipld, CborError> {
    let mut reader = Reader {
        bytes,
        items: MAX_ITEMS,
    };
    let value = reader.value(MAX_DEPTH)?;
    match reader.bytes {
        [] => Ok(value),
        _ => Err(CborError::TrailingBytes),
    }
}

/// Writes a value as js does: shortest heads, keys by length then bytes, whole numbers as integers.
pub fn encode(value: &Ipld) -> Result<Vec<u8>, CborError> {
    let mut out = Vec::new();
    write(&mut out, value, MAX_DEPTH)?;
    Ok(out)
}

/// The number JavaScript would see in this float.
pub(crate) fn number(float: f64) -> Result<Ipld, CborError> {
    if !float.is_finite() {
        return Err(CborError::NotFinite);
    }
    // Whole and at most 53 bits: the cast is exact. It also turns -0 into 0.
    if float.fract() == 0.0 && float.abs() <= MAX_SAFE_INTEGER as f64 {
        return Ok(Ipld::Integer(float as i128));
    }
    Ok(Ipld::Float(float))
}

struct Reader<'a> {
    bytes: &'a [u8],
    items: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let (taken, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.bytes.split_at_checked(length))
            .ok_or(CborError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(CborError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// The major type (0 to 7) and the five bits beside it.
    fn head(&mut self) -> Result<(u8, u8), CborError> {
        let [byte] = self.array()?;
        Ok((byte >> 5, byte & 0x1f))
    }

    /// The number that follows a head, which must be as short as it can be.
    fn argument(&mut self, info: u8) -> Result<u64, CborError> {
        let (value, least) = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => (u64::from(u8::from_be_bytes(self.array()?)), 24),
            25 => (u64::from(u16::from_be_bytes(self.array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.array()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.array()?), 1 << 32),
            _ => return Err(CborError::Indefinite),
        };
        if value < least {
            return Err(CborError::NotMinimal);
        }
        Ok(value)
    }

    /// Text as js reads it: what is no UTF-8 is replaced, a byte order mark at the start is dropped.
    fn text(&mut self, info: u8) -> Result<String, CborError> {
        let length = self.argument(info)?;
        let bytes = self.take(length)?;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        };
        Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Ipld, CborError> {
        self.items = self.items.checked_sub(1).ok_or(CborError::TooMany)?;
        let (major, info) = self.head()?;
        match major {
            0 => Ok(Ipld::Integer(i128::from(self.argument(info)?))),
            1 => Ok(Ipld::Integer(!i128::from(self.argument(info)?))), // -1 - n
            2 => {
                let length = self.argument(info)?;
                Ok(Ipld::Bytes(self.take(length)?.to_vec()))
            }
            3 => Ok(Ipld::String(self.text(info)?)),
            4 => self.list(info, depth),
            5 => self.map(info, depth),
            6 => self.link(info),
            _ => self.simple(info),
        }
    }

    fn list(&mut self, info: u8, depth: usize) -> Result<Ipld, CborError> {
        let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
        let mut list = Vec::new();
        for _ in 0..self.argument(info)? {
            list.push(self.value(depth)?);
        }
        Ok(Ipld::List(list))
    }

    fn map(&mut self, info: u8, depth: usize) -> Result<Ipld, CborError> {
        let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
        let mut map = BTreeMap::new();
        for _ in 0..self.argument(info)? {
            let key = match self.head()? {
                (3, info) => self.text(info)?,
                _ => return Err(CborError::KeyNotText),
            };
            if map.contains_key(&key) {
                return Err(CborError::DuplicateKey(key));
            }
            let value = self.value(depth)?;
            // In js this key sets the prototype of the object instead of becoming a part of it.
            if key != "__proto__" {
                map.insert(key, value);
            }
        }
        Ok(Ipld::Map(map))
    }

    fn link(&mut self, info: u8) -> Result<Ipld, CborError> {
        let tag = self.argument(info)?;
        if tag != CID_TAG {
            return Err(CborError::UnknownTag(tag));
        }
        let (2, info) = self.head()? else {
            return Err(CborError::BadCid);
        };
        let length = self.argument(info)?;
        match self.take(length)? {
            [0, cid @ ..] => Ok(Ipld::Link(read_cid(cid).ok_or(CborError::BadCid)?)),
            _ => Err(CborError::BadCid),
        }
    }

    fn simple(&mut self, info: u8) -> Result<Ipld, CborError> {
        match info {
            20 => Ok(Ipld::Bool(false)),
            21 => Ok(Ipld::Bool(true)),
            22 | 23 => Ok(Ipld::Null), // 23 is undefined
            25 => number(half(u16::from_be_bytes(self.array()?))),
            26 => number(f64::from(f32::from_be_bytes(self.array()?))),
            27 => number(f64::from_be_bytes(self.array()?)),
            31 => Err(CborError::Indefinite),
            other => Err(CborError::UnknownSimple(other)),
        }
    }
}

/// Exactly one CID, nothing after it.
pub(crate) fn read_cid(mut bytes: &[u8]) -> Option<Cid> {
    let cid = Cid::read_bytes(&mut bytes).ok()?;
    bytes.is_empty().then_some(cid)
}

/// A half-precision float: 1 bit sign, 5 bits exponent, 10 bits fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (fraction + 1024.0) * 2f64.powi(i32::from(exponent).saturating_sub(25)),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

fn write(out: &mut Vec<u8>, value: &Ipld, depth: usize) -> Result<(), CborError> {
    match value {
        Ipld::Null => out.push(0xf6),
        Ipld::Bool(false) => out.push(0xf4),
        Ipld::Bool(true) => out.push(0xf5),
        Ipld::Integer(integer) => write_integer(out, *integer)?,
        Ipld::Float(float) => match number(*float)? {
            Ipld::Integer(integer) => write_integer(out, integer)?,
            _ => {
                out.push(0xfb);
                out.extend_from_slice(&float.to_be_bytes());
            }
        },
        Ipld::Bytes(bytes) => write_bytes(out, 2, bytes),
        Ipld::String(text) => write_bytes(out, 3, text.as_bytes()),
        Ipld::List(list) => {
            let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
            write_head(out, 4, list.len() as u64);
            for item in list {
                write(out, item, depth)?;
            }
        }
        Ipld::Map(map) => {
            let depth = depth.checked_sub(1).ok_or(CborError::TooDeep)?;
            write_head(out, 5, map.len() as u64);
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.len()); // stable, and the map is sorted by bytes already
            for (key, value) in entries {
                write_bytes(out, 3, key.as_bytes());
                write(out, value, depth)?;
            }
        }
        Ipld::Link(cid) => {
            write_head(out, 6, CID_TAG);
            let mut bytes = vec![0];
            bytes.extend_from_slice(&cid.to_bytes());
            write_bytes(out, 2, &bytes);
        }
    }
    Ok(())
}

fn write_integer(out: &mut Vec<u8>, integer: i128) -> Result<(), CborError> {
    let (major, size) = if integer < 0 {
        (1, !integer)
    } else {
        (0, integer)
    };
    let size = u64::try_from(size).map_err(|_| CborError::TooBig)?;
    write_head(out, major, size);
    Ok(())
}

fn write_bytes(out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    write_head(out, major, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    let [.., d1, d0] = bytes;
    let [.., c3, c2, c1, c0] = bytes;
    match argument {
        0..=23 => out.push(major | d0),
        24..=0xff => out.extend_from_slice(&[major | 24, d0]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, d1, d0]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, c3, c2, c1, c0]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
