use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn encode(kind: Kind, message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.write(kind, &mut out);
    out
}

fn decode(kind: Kind, bytes: &[u8]) -> Result<Vec<Message>, FrameError> {
    let mut decoder = Decoder::new(kind);
    decoder.push(bytes);
    let mut all = Vec::new();
    while let Some(message) = decoder.take()? {
        all.push(message);
    }
    Ok(all)
}

fn body(body: Body) -> Message {
    Message {
        sync_id: None,
        body,
    }
}

/// Made by serde_cbor, as ceramic-one uses it.
#[test]
fn messages_have_the_known_bytes() {
    let range = RangeHash {
        first: vec![],
        hash: SetHash::default(),
        last: vec![0xff],
    };
    let everything = Interest {
        start: vec![],
        end: vec![0xff],
    };
    let known = [
        (
            "a26773796e635f6964617864626f6479a16f496e7465726573745265717565737481a26573746172744063656e6441ff",
            Message {
                sync_id: Some("x".to_owned()),
                body: Body::InterestRequest(vec![everything]),
            },
        ),
        (
            "a164626f6479a16c52616e676552657175657374a3656669727374406468617368a264686173684065636f756e7400646c61737441ff",
            body(Body::RangeRequest(range)),
        ),
        (
            "a164626f6479a16556616c7565a2636b65794201026576616c75658401181818c818ff",
            body(Body::Value(vec![1, 2], vec![1, 0x18, 0xc8, 0xff])),
        ),
        ("a164626f64796846696e6973686564", body(Body::Finished)),
        (
            "a164626f6479a16d52616e6765526573706f6e736580",
            body(Body::RangeResponse(vec![])),
        ),
    ];
    for (bytes, message) in known {
        assert_eq!(encode(Kind::Model, &message), hex(bytes));
        assert_eq!(decode(Kind::Model, &hex(bytes)), Ok(vec![message]));
    }
}

#[test]
fn keys_of_peers_are_texts_and_keys_of_events_are_bytes() {
    let message = body(Body::Value(b"1.2".to_vec(), vec![]));
    for (kind, other) in [(Kind::Peer, Kind::Model), (Kind::Tile, Kind::Peer)] {
        let bytes = encode(kind, &message);
        assert_eq!(decode(kind, &bytes), Ok(vec![message.clone()]));
        assert_eq!(decode(other, &bytes), Err(FrameError::Malformed("key")));
    }
}

#[test]
fn hostile_lengths_are_refused_at_once_and_nothing_is_reserved_for_them() {
    let refused = [
        ("bbffffffffffffffff", FrameError::TooLarge),
        ("9a7fffffff", FrameError::TooLarge),
        ("5b0000000100000000", FrameError::TooLarge),
        ("a1646b6f6479818181818181818181", FrameError::TooDeep),
        ("9f", FrameError::Foreign),
        ("c24101", FrameError::Foreign),
        ("fb3ff0000000000000", FrameError::Foreign),
        ("a0", FrameError::Malformed("message")),
        ("01", FrameError::Malformed("message")),
        (
            "a164626f6479a16556616c7565a2636b65794201026576616c75654401020304",
            FrameError::Malformed("value"),
        ),
        (
            "a164626f6479a16556616c7565a2636b65794201026576616c756581190100",
            FrameError::Malformed("value"),
        ),
        (
            "a164626f6479a16556616c7565a1636b6579420102",
            FrameError::Malformed("value"),
        ),
        (
            "a264626f64796846696e697368656464626f64796846696e6973686564",
            FrameError::Malformed("message"),
        ),
        ("a164626f647965456e646564", FrameError::Malformed("body")),
    ];
    for (bytes, error) in refused {
        let mut decoder = Decoder::new(Kind::Model);
        decoder.push(&hex(bytes));
        assert_eq!(decoder.take(), Err(error), "{bytes}");
        assert!(decoder.buffer.capacity() < 1024);
    }
}

#[test]
fn too_many_interests_ranges_and_bytes_are_refused() {
    let interest = Interest {
        start: vec![1],
        end: vec![2],
    };
    let range = RangeHash {
        first: vec![],
        hash: SetHash::of(b"x"),
        last: vec![1],
    };
    let long = vec![7; MAX_EVENT_ID + 1];
    let refused = [
        Body::InterestRequest(vec![interest; MAX_INTERESTS + 1]),
        Body::RangeResponse(vec![range; MAX_RANGES + 1]),
        Body::Value(long, vec![]),
        Body::Value(vec![1], vec![1; MAX_VALUE_BYTES + 1]),
    ];
    for refused in refused {
        let bytes = encode(Kind::Model, &body(refused));
        let error = decode(Kind::Model, &bytes).unwrap_err();
        assert_eq!(error.code(), "recon-message-too-many");
    }
    let message = Message {
        sync_id: Some("x".repeat(MAX_SYNC_ID + 1)),
        body: Body::Finished,
    };
    assert!(decode(Kind::Model, &encode(Kind::Model, &message)).is_err());
}

#[test]
fn the_largest_value_fits() {
    let message = body(Body::Value(
        vec![9; MAX_EVENT_ID],
        vec![0xff; MAX_VALUE_BYTES],
    ));
    let bytes = encode(Kind::Model, &message);
    assert_eq!(decode(Kind::Model, &bytes), Ok(vec![message]));
}

#[test]
fn a_field_that_nobody_knows_is_passed_over() {
    let bytes = hex("a3636e657783014102a16161f564626f64796846696e69736865646773796e635f6964f6");
    assert_eq!(decode(Kind::Model, &bytes), Ok(vec![body(Body::Finished)]));
}

fn a_key() -> impl Strategy<Value = Key> {
    prop::collection::vec(0..=0x7f_u8, 0..80)
}

fn a_range() -> impl Strategy<Value = RangeHash> {
    let hash = (any::<Option<[u8; 32]>>(), any::<u64>()).prop_map(|(bytes, count)| {
        SetHash::from_bytes(bytes.as_ref().map_or(&[], |bytes| bytes), count).unwrap()
    });
    (a_key(), hash, a_key()).prop_map(|(first, hash, last)| RangeHash { first, hash, last })
}

fn a_message() -> impl Strategy<Value = Message> {
    let interest = || (a_key(), a_key()).prop_map(|(start, end)| Interest { start, end });
    let interests = || prop::collection::vec(interest(), 0..4);
    let body = prop_oneof![
        interests().prop_map(Body::InterestRequest),
        interests().prop_map(Body::InterestResponse),
        a_range().prop_map(Body::RangeRequest),
        prop::collection::vec(a_range(), 0..6).prop_map(Body::RangeResponse),
        (a_key(), any::<Vec<u8>>()).prop_map(|(key, value)| Body::Value(key, value)),
        Just(Body::Finished),
    ];
    ("[a-z0-9-]{0,36}", any::<bool>(), body).prop_map(|(id, named, body)| Message {
        sync_id: named.then_some(id),
        body,
    })
}

fn a_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Peer), Just(Kind::Model), Just(Kind::Tile)]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_however_it_is_cut(
        kind in a_kind(),
        messages in prop::collection::vec(a_message(), 1..5),
        cut in 1..40_usize,
    ) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.write(kind, &mut bytes));
        let mut decoder = Decoder::new(kind);
        let mut read = Vec::new();
        for part in bytes.chunks(cut) {
            decoder.push(part);
            while let Some(message) = decoder.take().unwrap() {
                read.push(message);
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert_eq!(decoder.held(), 0);
    }

    #[test]
    fn any_bytes_are_messages_or_refused(kind in a_kind(), bytes in any::<Vec<u8>>()) {
        let _ = decode(kind, &bytes);
    }

    #[test]
    fn any_damage_leaves_a_message_or_is_refused(kind in a_kind(), message in a_message(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(kind, &message);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for message in decode(kind, &bytes).unwrap_or_default() {
            prop_assert_eq!(decode(kind, &encode(kind, &message)), Ok(vec![message]));
        }
    }
}
