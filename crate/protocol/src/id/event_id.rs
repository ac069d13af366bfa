use cid::Cid;
use sha2::{Digest, Sha256};

use super::{IdError, STREAM_ID_CODEC, read_cid, read_varint};

/// The type that follows the streamid multicodec in an EventID.
const EVENT_ID_TYPE: u64 = 5;
/// Longest EventID read, in bytes: a network of ten bytes and a CID of a sha2-256 hash make 74.
pub const MAX_EVENT_ID: usize = 128;
/// Bytes of the hash of a separator, and of a controller.
const HASH_TAIL: usize = 8;
/// Bytes of the init event's CID.
const INIT_TAIL: usize = 4;
/// Where local networks begin, each with a number of its own.
const LOCAL: u64 = 0x1_0000_0000;

/// Where an event stands among all events of a network, and which one it is (CIP-124, as ceramic-one 0.58 writes it): events
/// of one model, then of one controller, then of one document lie side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Vec<u8>);

/// The number that a network has in EventIDs; none if its name is not one of Ceramic's.
pub fn network_id(name: &str) -> Option<u64> {
    match name {
        "mainnet" | "elp" => Some(0),
        "testnet-clay" => Some(1),
        "dev-unstable" => Some(2),
        "inmemory" => Some(0xff),
        _ => {
            let number: u32 = name.strip_prefix("local-")?.parse().ok()?;
            Some(LOCAL.saturating_add(u64::from(number)))
        }
    }
}

/// What all events of some documents have in common: the beginning of their EventIDs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPrefix(Vec<u8>);

impl EventPrefix {
    /// Of all documents with this separator: of a model instance the key is `model`, the value the id of its model in bytes.
    pub fn of_separator(network: u64, key: &str, value: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(MAX_EVENT_ID);
        for number in [STREAM_ID_CODEC, EVENT_ID_TYPE, network] {
            let mut buffer = unsigned_varint::encode::u64_buffer();
            bytes.extend_from_slice(unsigned_varint::encode::u64(number, &mut buffer));
        }
        let hash = Sha256::new().chain_update(key).chain_update(value);
        bytes.extend(tail::<HASH_TAIL>(&hash.finalize()));
        Self(bytes)
    }

    /// Of those among them that this DID controlled at first.
    pub fn of_controller(mut self, controller: &str) -> Self {
        self.0
            .extend(tail::<HASH_TAIL>(&Sha256::digest(controller)));
        self
    }

    /// Of the one among them that begins with this event; of few others, since only the last bytes of its CID count.
    pub fn of_document(mut self, init: &Cid) -> Self {
        self.0.extend(tail::<INIT_TAIL>(&init.to_bytes()));
        self
    }

    /// The id of an event, if this is the prefix of a document.
    pub fn event(&self, event: &Cid) -> EventId {
        let mut bytes = self.0.clone();
        bytes.extend(event.to_bytes());
        EventId(bytes)
    }

    /// The bytes before and after all ids that begin so: what is left out is filled with zeros below, and with ones above.
    pub fn range(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut start, mut end) = (self.0.clone(), self.0.clone());
        let full = head_length(&self.0).saturating_add(HASH_TAIL + HASH_TAIL + INIT_TAIL);
        start.resize(full.max(start.len()), 0);
        end.resize(full.max(end.len()), 0xff);
        end.push(0xff);
        (start, end)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl EventId {
    /// Reads exactly one id of an event; a fencepost is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdError> {
        if bytes.len() > MAX_EVENT_ID {
            return Err(IdError::Malformed);
        }
        let mut rest = bytes;
        if read_varint(&mut rest)? != STREAM_ID_CODEC || read_varint(&mut rest)? != EVENT_ID_TYPE {
            return Err(IdError::WrongCodec);
        }
        read_varint(&mut rest)?;
        let (_, mut rest) = rest
            .split_at_checked(HASH_TAIL + HASH_TAIL + INIT_TAIL)
            .ok_or(IdError::Truncated)?;
        read_cid(&mut rest)?;
        match rest {
            [] => Ok(Self(bytes.to_vec())),
            _ => Err(IdError::TrailingBytes),
        }
    }

    /// The number of the network.
    pub fn network(&self) -> Option<u64> {
        let mut rest = self.0.as_slice();
        read_varint(&mut rest).ok()?;
        read_varint(&mut rest).ok()?;
        read_varint(&mut rest).ok()
    }

    /// What it has in common with all events of its document.
    pub fn prefix(&self) -> EventPrefix {
        let end = head_length(&self.0).saturating_add(HASH_TAIL + HASH_TAIL + INIT_TAIL);
        EventPrefix(self.0.get(..end).unwrap_or(&self.0).to_vec())
    }

    /// The CID of the event.
    pub fn event(&self) -> Option<Cid> {
        let mut rest = self.0.get(self.prefix().0.len()..)?;
        read_cid(&mut rest).ok()
    }

    /// The one way to write it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<EventId> for Vec<u8> {
    fn from(id: EventId) -> Self {
        id.0
    }
}

/// How many bytes come before the separator.
fn head_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    for _ in 0..3 {
        if read_varint(&mut rest).is_err() {
            return bytes.len();
        }
    }
    bytes.len().saturating_sub(rest.len())
}

fn tail<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.last_chunk::<N>().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    const METAMODEL: &str = "ce01040171710b0009686d6f64656c2d7631";
    const CONTROLLER: &str = "did:key:z6MkgSV3tAuw7gUWqKCUY7ae6uWNxqYgdwPhUJbJhF9EFXm9";
    const INIT: &str = "bagcqceraplay4erv6l32qrki522uhiz7rf46xccwniw7ypmvs3cvu2b3oulq";
    const EVENT: &str = "bafyreihu557meceujusxajkaro3epfe6nnzjgbjaxsapgtml7ox5ezb5qy";

    fn prefix(network: u64) -> EventPrefix {
        let value = HEXLOWER.decode(METAMODEL.as_bytes()).unwrap();
        EventPrefix::of_separator(network, "model", &value)
    }

    fn id(network: u64) -> EventId {
        let document = prefix(network).of_controller(CONTROLLER);
        let document = document.of_document(&INIT.parse().unwrap());
        document.event(&EVENT.parse().unwrap())
    }

    /// Made by ceramic-one, and by a second implementation in JavaScript.
    #[test]
    fn an_event_id_has_the_known_bytes_on_mainnet_and_on_a_network_of_ones_own() {
        let tail = "ba25076d730241e745cc7c072ff729ea683b751701711220f4ef7ec208944d257025408bb647949e6b72930520bc80f34d8bfbafd2643d86";
        assert_eq!(HEXLOWER.encode(id(0).as_bytes()), format!("ce010500{tail}"));
        let local = network_id(&format!("local-{}", 0xce4a_441c_u32)).unwrap();
        let text = HEXLOWER.encode(id(local).as_bytes());
        assert_eq!(text, format!("ce01059c88a9f21c{tail}"));
        assert_eq!(id(local).network(), Some(local));
    }

    #[test]
    fn an_id_is_read_back_and_its_parts_are_those_it_was_made_of() {
        let made = id(7);
        let read = EventId::from_bytes(made.as_bytes()).unwrap();
        assert_eq!(read, made);
        assert_eq!(read.event(), Some(EVENT.parse().unwrap()));
        let document = prefix(7).of_controller(CONTROLLER);
        assert_eq!(read.prefix(), document.of_document(&INIT.parse().unwrap()));
    }

    #[test]
    fn every_part_cut_off_is_no_id_of_an_event() {
        let bytes = Vec::from(id(7));
        for end in 0..bytes.len() {
            assert!(EventId::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(EventId::from_bytes(&longer), Err(IdError::TrailingBytes));
        let endless = vec![0x80; MAX_EVENT_ID];
        assert!(EventId::from_bytes(&endless).is_err());
    }

    /// As recorded between two ceramic-one nodes.
    #[test]
    fn fenceposts_are_filled_with_zeros_and_with_ones() {
        let range = |prefix: EventPrefix| {
            let (start, end) = prefix.range();
            (HEXLOWER.encode(&start), HEXLOWER.encode(&end))
        };
        let head = "ce010500ba25076d730241e7";
        let model = range(prefix(0));
        assert_eq!(model.0, format!("{head}{}", "0".repeat(24)));
        assert_eq!(model.1, format!("{head}{}", "f".repeat(26)));
        let controller = range(prefix(0).of_controller(CONTROLLER));
        let head = format!("{head}45cc7c072ff729ea");
        assert_eq!(controller.0, format!("{head}{}", "0".repeat(8)));
        assert_eq!(controller.1, format!("{head}{}", "f".repeat(10)));
        let document = prefix(0).of_controller(CONTROLLER);
        let document = range(document.of_document(&INIT.parse().unwrap()));
        assert_eq!(document.0, format!("{head}683b7517"));
        assert_eq!(document.1, format!("{head}683b7517ff"));
    }

    #[test]
    fn networks_have_the_numbers_of_ceramic_one() {
        let ids = ["mainnet", "elp", "testnet-clay", "dev-unstable", "inmemory"].map(network_id);
        assert_eq!(ids, [Some(0), Some(0), Some(1), Some(2), Some(0xff)]);
        assert_eq!(network_id("local-1"), Some(0x1_0000_0001));
        for none in ["local-", "local-4294967296", "local--1", "local", "test"] {
            assert_eq!(network_id(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn an_id_lies_within_the_ranges_of_its_prefixes(network in any::<u64>(), value in any::<Vec<u8>>(), did in ".*") {
            let network = network >> 8; // varints of ids have 56 bits
            let separator = EventPrefix::of_separator(network, "model", &value);
            let controller = separator.clone().of_controller(&did);
            let document = controller.clone().of_document(&INIT.parse().unwrap());
            let id = Vec::from(document.event(&EVENT.parse().unwrap()));
            for prefix in [separator, controller, document] {
                let (start, end) = prefix.range();
                prop_assert!(start <= id && id < end);
            }
            prop_assert!(EventId::from_bytes(&id).is_ok());
        }

        #[test]
        fn whatever_is_read_is_written_the_same(bytes in any::<Vec<u8>>()) {
            if let Ok(id) = EventId::from_bytes(&bytes) {
                prop_assert_eq!(id.as_bytes(), bytes.as_slice());
            }
        }
    }
}
