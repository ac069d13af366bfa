use super::*;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

fn read(hex: &str) -> Result<Ipld, CborError> {
    decode(&HEXLOWER.decode(hex.as_bytes()).unwrap())
}

/// What came out of `@ipld/dag-cbor` 9.2.7 for the same bytes, written again.
#[test]
fn lenient_input_is_read_as_js_reads_it() {
    let cases = [
        ("f93c00", "01"),                             // half 1.0
        ("f93800", "fb3fe0000000000000"),             // half 0.5
        ("f90001", "fb3e70000000000000"),             // the smallest half
        ("f9bc00", "20"),                             // half -1.0
        ("fa3f800000", "01"),                         // single 1.0
        ("fa3fc00000", "fb3ff8000000000000"),         // single 1.5
        ("fb8000000000000000", "00"),                 // -0
        ("fb4340000000000000", "fb4340000000000000"), // 2^53 stays a double
        ("fb433fffffffffffff", "1b001fffffffffffff"), // 2^53 - 1 does not
        ("f7", "f6"),                                 // undefined
        ("a2616201616101", "a2616101616201"),         // keys in any order
        ("1bffffffffffffffff", "1bffffffffffffffff"),
        ("3bffffffffffffffff", "3bffffffffffffffff"),
        ("61ff", "63efbfbd"), // no UTF-8
        ("63eda080", "69efbfbdefbfbdefbfbd"),
        ("63efbbbf", "60"), // a byte order mark
        ("a1695f5f70726f746f5f5f01", "a0"),
        ("d82a46000155000100", "d82a46000155000100"), // a CID that holds its bytes
    ];
    for (input, output) in cases {
        let again = read(input).and_then(|value| encode(&value));
        assert_eq!(
            again.map(|bytes| HEXLOWER.encode(&bytes)),
            Ok(output.to_owned()),
            "{input}"
        );
    }
}

#[test]
fn every_malformed_input_is_refused_for_its_own_reason() {
    use CborError::*;
    let cases = [
        ("", Truncated),
        ("19", Truncated),
        ("6261", Truncated),
        ("8201", Truncated),
        ("a16161", Truncated),
        ("0000", TrailingBytes),
        ("1817", NotMinimal),
        ("1900ff", NotMinimal),
        ("1a0000ffff", NotMinimal),
        ("1b00000000ffffffff", NotMinimal),
        ("780161", NotMinimal),
        ("980100", NotMinimal),
        ("d9002a4100", NotMinimal),
        ("9fff", Indefinite),
        ("7fff", Indefinite),
        ("5f4100ff", Indefinite),
        ("bfff", Indefinite),
        ("ff", Indefinite),
        ("a2616101616102", DuplicateKey("a".to_owned())),
        ("a10101", KeyNotText),
        ("a1416101", KeyNotText),
        ("c000", UnknownTag(0)),
        ("d82a4100", BadCid),
        ("d82a00", BadCid),
        ("d82a4700015500010000", BadCid), // a byte after the CID
        ("d82a450155000100", BadCid),     // no 0 before it
        ("e0", UnknownSimple(0)),
        ("f8ff", UnknownSimple(24)),
        ("f97e00", NotFinite),
        ("f97c00", NotFinite),
        ("fb7ff0000000000000", NotFinite),
    ];
    for (input, error) in cases {
        assert_eq!(read(input), Err(error), "{input}");
    }
}

/// Where js reads more than we do (DEVIATIONS.md): links that no encoder writes. Nesting is bounded further below.
#[test]
fn links_that_js_reads_and_we_do_not() {
    let identity_of_65_bytes = format!("d82a584600015500{:02x}{}", 65, "00".repeat(65));
    let cases = [
        (
            "d82a470001d500000100",
            "a number inside the CID is not in its shortest form",
        ),
        (&identity_of_65_bytes, "the digest has more than 64 bytes"),
    ];
    for (input, why) in cases {
        assert_eq!(read(input), Err(CborError::BadCid), "{why}");
    }
}

#[test]
fn claims_that_the_bytes_do_not_keep_are_refused_at_once() {
    for head in ["5b", "7b", "9b", "bb"] {
        assert_eq!(
            read(&format!("{head}1000000000000000")),
            Err(CborError::Truncated)
        );
    }
}

#[test]
fn nesting_has_a_bound_both_ways() {
    let nested = |depth: usize| [vec![0x81; depth], vec![0xf6]].concat();
    let deepest = decode(&nested(MAX_DEPTH)).unwrap();
    assert_eq!(encode(&deepest), Ok(nested(MAX_DEPTH)));
    assert_eq!(decode(&nested(MAX_DEPTH + 1)), Err(CborError::TooDeep));
    assert_eq!(encode(&Ipld::List(vec![deepest])), Err(CborError::TooDeep));
    assert_eq!(decode(&nested(200_000)), Err(CborError::TooDeep));
}

#[test]
fn the_number_of_values_has_a_bound() {
    let mut bytes = vec![0x9a];
    bytes.extend_from_slice(&(MAX_ITEMS as u32).to_be_bytes());
    bytes.resize(bytes.len() + MAX_ITEMS, 0);
    assert_eq!(decode(&bytes), Err(CborError::TooMany));
}

#[test]
fn what_cannot_be_written_is_refused() {
    assert_eq!(encode(&Ipld::Float(f64::NAN)), Err(CborError::NotFinite));
    assert_eq!(encode(&Ipld::Integer(1 << 64)), Err(CborError::TooBig));
    assert_eq!(
        encode(&Ipld::Integer(-(1 << 64) - 1)),
        Err(CborError::TooBig)
    );
}

#[test]
fn keys_are_written_by_length_then_by_bytes() {
    let map = ["b", "aa", "a", ""].map(|key| (key.to_owned(), Ipld::Null));
    let bytes = encode(&Ipld::Map(map.into())).unwrap();
    assert_eq!(HEXLOWER.encode(&bytes), "a460f66161f66162f6626161f6");
}

pub(crate) fn any_ipld() -> impl Strategy<Value = Ipld> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<bool>().prop_map(Ipld::Bool),
        (-(1i128 << 64)..1 << 64).prop_map(Ipld::Integer),
        any::<f64>().prop_filter_map("finite", |float| number(float).ok()),
        any::<Vec<u8>>().prop_map(Ipld::Bytes),
        "[^\u{feff}]*".prop_map(Ipld::String),
        any::<[u8; 32]>()
            .prop_map(|bytes| Ipld::Link(*crate::Block::dag_cbor(bytes.to_vec()).unwrap().cid())),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Ipld::List),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..8).prop_map(Ipld::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in any_ipld()) {
        prop_assert_eq!(decode(&encode(&value).unwrap()), Ok(value));
    }

    #[test]
    fn what_is_read_can_be_written_and_read_again(bytes: Vec<u8>) {
        if let Ok(value) = decode(&bytes) {
            let written = encode(&value).unwrap();
            prop_assert!(written.len() <= bytes.len() * 3);
            prop_assert!(decode(&written).is_ok());
        }
    }
}
