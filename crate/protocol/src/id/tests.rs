use super::*;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const INIT: &str = "bagcqcerakszw2vsovxznyp5gfnpdj4cqm2xiv76yd24wkjewhhykovorwo6a";
const STREAM: &str = "kjzl6cwe1jw147dvq16zluojmraqvwdmbh61dx9e0c59i344lcrsgqfohexp60s";
const GENESIS: &str = "k3y52l7qbv1frxwipl4hp7e6jlu4f6u8upm2xv0irmedfkm5cnutmezzi3u7mytj4";

fn stream() -> StreamId {
    StreamId::new(StreamType::TILE, INIT.parse().unwrap())
}

/// Made by @ceramicnetwork/streamid 5.6 (1).
#[test]
fn a_stream_id_has_the_known_bytes_and_text() {
    let hex = "ce0100018501122054b36d564eadf2dc3fa62b5e34f05066ae8affd81eb965249639f0a755d1b3bc";
    assert_eq!(HEXLOWER.encode(&stream().to_bytes()), hex);
    assert_eq!(stream().to_string(), STREAM);
    assert_eq!(stream().url(), format!("ceramic://{STREAM}"));
}

/// Made by @ceramicnetwork/streamid 5.6 (2).
#[test]
fn the_version_at_the_init_event_is_written_as_a_single_0() {
    let commit = CommitId::new(stream(), *stream().init());
    assert_eq!(commit.to_string(), GENESIS);
    assert_eq!(CommitId::from_bytes(&commit.to_bytes()), Ok(commit));
}

/// Made by @ceramicnetwork/streamid 5.6 (3).
#[test]
fn a_commit_id_has_the_known_text() {
    let tip = "bagjqcgzaday6dzalvmy5ady2m5a5legq5zrbsnlxfc2bfxej532ds7htpova";
    let commit = CommitId::new(stream(), tip.parse().unwrap());
    let text = "k1dpgaqe3i64kjqcp801r3sn7ysi5i0k7nxvs7j351s7kewfzr3l7mdxnj7szwo4kr9mn2qki5nnj0cv836ythy1t1gya9s25cn1nexst3jxi5o3h6qprfyju";
    assert_eq!(commit.to_string(), text);
    assert_eq!(text.parse(), Ok(commit));
}

/// Made by @ceramicnetwork/streamid 5.6 (4): its CID has a hash code that was never registered.
#[test]
fn the_id_of_the_metamodel_is_read_and_written() {
    let bytes = HEXLOWER
        .decode(b"ce01040171710b0009686d6f64656c2d7631")
        .unwrap();
    let metamodel = StreamId::from_bytes(&bytes).unwrap();
    assert_eq!(metamodel.stream_type(), StreamType::UNLOADABLE);
    assert_eq!(metamodel.to_bytes(), bytes);
    assert_eq!(metamodel.to_string(), "kh4q0ozorrgaq2mezktnrmdwleo1d");
    assert_eq!("kh4q0ozorrgaq2mezktnrmdwleo1d".parse(), Ok(metamodel));
}

#[test]
fn the_three_spellings_and_the_commit_query_are_read() {
    let base58 = multibase::encode(Base::Base58Btc, stream().init().to_bytes());
    let base36 = multibase::encode(Base::Base36Lower, stream().init().to_bytes());
    let genesis: DocumentRef = GENESIS.parse().unwrap();
    for prefix in ["", "ceramic://", "/ceramic/"] {
        assert_eq!(format!("{prefix}{STREAM}").parse(), Ok(stream()));
        assert_eq!(format!("{prefix}{STREAM}?version=0").parse(), Ok(stream()));
        for commit in ["0", INIT, &base58, &base36] {
            let text = format!("{prefix}{STREAM}?commit={commit}");
            assert_eq!(text.parse(), Ok(genesis), "{text}");
        }
    }
}

#[test]
fn every_malformed_text_is_refused_for_its_own_reason() {
    let v0 = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";
    let cases = [
        (String::new(), IdError::Malformed),
        ("ceramic://".to_owned(), IdError::Malformed),
        ("k".repeat(MAX_TEXT + 1), IdError::Malformed),
        (format!("{STREAM}?foo=1"), IdError::Malformed),
        (format!("{GENESIS}?commit=0"), IdError::Malformed),
        (STREAM.to_uppercase(), IdError::NotBase36),
        (format!("ceramic://ceramic://{STREAM}"), IdError::NotBase36),
        (INIT.to_owned(), IdError::NotBase36),
        ("k".to_owned(), IdError::Truncated),
        (STREAM.replace("kjz", "kaz"), IdError::WrongCodec),
        (format!("{STREAM}?commit=1"), IdError::BadCid),
        (format!("{STREAM}?commit="), IdError::BadCid),
        (format!("{STREAM}?commit={v0}"), IdError::CidVersion),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<DocumentRef>(), Err(error), "{text}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut bytes = CommitId::new(stream(), *stream().init()).to_bytes();
    bytes.push(0);
    assert_eq!(DocumentRef::from_bytes(&bytes), Err(IdError::TrailingBytes));
    assert_eq!(StreamId::from_bytes(&bytes), Err(IdError::TrailingBytes));
}

#[test]
fn a_stream_id_is_no_commit_id_and_the_other_way_round() {
    assert_eq!(GENESIS.parse::<StreamId>(), Err(IdError::HasCommit));
    assert_eq!(STREAM.parse::<CommitId>(), Err(IdError::NoCommit));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(kind in 0u64..1 << 53, init: [u8; 32], tip: [u8; 32]) {
        let cid = |digest: &[u8]| Cid::new_v1(0x85, multihash::Multihash::wrap(0x12, digest).unwrap());
        let stream = StreamId::new(StreamType::new(kind), cid(&init));
        let commit = CommitId::new(stream, cid(&tip));
        prop_assert_eq!(StreamId::from_bytes(&stream.to_bytes()), Ok(stream));
        prop_assert_eq!(stream.to_string().parse(), Ok(stream));
        prop_assert_eq!(CommitId::from_bytes(&commit.to_bytes()), Ok(commit));
        prop_assert_eq!(commit.url().parse(), Ok(commit));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = text.parse::<DocumentRef>();
    }
}
