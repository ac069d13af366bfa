use std::path::Path;

use serde_json::Value;

use super::*;

fn stream() -> StreamId {
    "kjzl6cwe1jw1471qi6dcndez69tpris7m5hgfsncbn58oxjnimvmwsu56u4c9dy"
        .parse()
        .expect("a StreamID")
}

fn tip(number: usize) -> Cid {
    let bytes = serde_json::to_vec(&number).expect("bytes");
    *ostrakon_protocol::Block::dag_cbor(bytes)
        .expect("a block")
        .cid()
}

/// One case of the vectors: what went wrong, if anything.
fn judge(case: &Value) -> Result<(), String> {
    let text = |name: &str| {
        case.get(name)
            .and_then(Value::as_str)
            .ok_or(format!("no {name}"))
    };
    let wire = text("wire")?;
    match text("op")? {
        "serialize" => {
            let message = Message::parse(wire.as_bytes()).map_err(|error| error.to_string())?;
            let bytes = data_encoding::BASE64
                .decode(text("wireBase64")?.as_bytes())
                .map_err(|error| error.to_string())?;
            if message.to_bytes() != bytes {
                return Err(format!(
                    "written as {}",
                    String::from_utf8_lossy(&message.to_bytes())
                ));
            }
        }
        "buildQuery" => {
            let stream: StreamId = text("stream")?
                .parse()
                .map_err(|_| "no StreamID".to_owned())?;
            if query_id(&stream) != text("queryId")? {
                return Err(format!("the id is {}", query_id(&stream)));
            }
            if Message::query(stream).to_bytes() != wire.as_bytes() {
                return Err("written differently".to_owned());
            }
        }
        "deserialize" => {
            let accept = case.pointer("/expected/accept").and_then(Value::as_bool);
            let parsed = Message::parse(wire.as_bytes());
            if Some(parsed.is_ok()) != accept {
                return Err(format!("{parsed:?}"));
            }
            let typ = case.pointer("/expected/typ").and_then(Value::as_u64);
            let ours = parsed.ok().map(|message| match message {
                Message::Update { .. } => 0,
                Message::Query { .. } => 1,
                Message::Response { .. } => 2,
                Message::KeepAlive { .. } => 3,
            });
            if ours != typ {
                return Err(format!("taken for type {ours:?}"));
            }
        }
        other => return Err(format!("unknown op {other}")),
    }
    Ok(())
}

#[test]
fn every_case_of_the_vectors_is_read_and_written_as_js_ceramic_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pubsub.json");
    let vectors: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 38);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            judge(case)
                .err()
                .map(|why| format!("{}: {why}", case["name"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_key_of_2020_stands_for_the_stream() {
    let text = format!(
        r#"{{"typ":0,"doc":"{}","tip":"{}","anchorService":"x"}}"#,
        stream(),
        tip(0)
    );
    let expected = Message::Update {
        stream: stream(),
        tip: tip(0),
        model: None,
    };
    assert_eq!(Message::parse(text.as_bytes()), Ok(expected));
    let text = format!(r#"{{"typ":1,"id":"x","doc":"{}"}}"#, stream());
    assert_eq!(
        Message::parse(text.as_bytes()),
        Ok(Message::Query {
            id: "x".to_owned(),
            stream: stream()
        })
    );
}

#[test]
fn another_versions_messages_are_nobodys_fault_and_garbage_is() {
    let old = r#"{"typ":0,"id":"/ceramic/bafy","cid":"bafy","doctype":"tile"}"#;
    assert!(Message::parse(old.as_bytes()).is_err_and(|error| error.is_foreign()));
    assert!(Message::parse(br#"{"typ":4}"#).is_err_and(|error| error.is_foreign()));
    for garbage in [
        "",
        "{",
        "[]",
        "7",
        r#"{"typ":0}"#,
        r#"{"typ":null}"#,
        "\u{0}",
    ] {
        assert!(
            Message::parse(garbage.as_bytes()).is_err_and(|error| !error.is_foreign()),
            "{garbage}"
        );
    }
}

#[test]
fn long_deep_and_crowded_messages_are_refused() {
    let long = format!(
        r#"{{"typ":3,"ts":1,"ver":"{}","ipfsVer":"1"}}"#,
        "x".repeat(MAX_MESSAGE_BYTES)
    );
    assert_eq!(Message::parse(long.as_bytes()), Err(MessageError::TooLarge));
    let deep = format!(r#"{{"typ":3,"ts":{}"#, "[".repeat(60_000));
    assert_eq!(Message::parse(deep.as_bytes()), Err(MessageError::NotJson));
    let tips: serde_json::Map<String, Value> = (0..=message::MAX_TIPS)
        .map(|number| (number.to_string(), tip(number).to_string().into()))
        .collect();
    let crowded = serde_json::json!({"typ": 2, "id": "x", "tips": tips});
    assert_eq!(
        Message::parse(crowded.to_string().as_bytes()),
        Err(MessageError::TooManyTips)
    );
    let named = serde_json::json!({"typ": 1, "id": "x".repeat(message::MAX_ID_BYTES + 1), "stream": stream().to_string()});
    assert_eq!(
        Message::parse(named.to_string().as_bytes()),
        Err(MessageError::Field("id"))
    );
}

#[test]
fn a_response_names_the_tip_of_the_stream_that_was_asked_for() {
    let Message::Query { id, stream } = Message::query(stream()) else {
        panic!("a query")
    };
    let response = Message::response(&id, &stream, tip(1));
    assert_eq!(response.tip_of(&stream), Some(&tip(1)));
    assert_eq!(Message::parse(&response.to_bytes()), Ok(response));
}

#[test]
fn ten_queries_leave_per_second_and_a_hundred_wait() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    let taken = (0..200u8).filter(|number| pace.push(vec![*number])).count();
    assert_eq!(taken, QUERY_QUEUE);
    assert!(
        pace.push(vec![0]),
        "one that waits already is no further one"
    );
    let mut sent = 0;
    for seconds in 0..10 {
        let now = start + Duration::from_secs(seconds);
        assert_eq!(pace.due(), Some(now));
        sent += std::iter::from_fn(|| pace.pop(now)).count();
        assert_eq!(sent, QUERIES_PER_SECOND * (seconds as usize + 1));
        assert!(pace.pop(now + Duration::from_millis(900)).is_none());
    }
    assert_eq!(pace.due(), None);
}

#[test]
fn repeated_tips_are_dropped_until_they_are_forgotten() {
    let other: StreamId = "kjzl6kcym7w8y9hygzvw7nxzkst5gaubpyrk9pb6fcfsxm57s65rq80gvc67k4y"
        .parse()
        .expect("a StreamID");
    let mut tips = RecentTips::default();
    assert!(tips.hear(&stream(), &tip(0)));
    assert!(!tips.hear(&stream(), &tip(0)));
    assert!(
        tips.hear(&other, &tip(0)),
        "named for another stream it is other news"
    );
    tips.forget(&stream(), &tip(0));
    assert!(tips.hear(&stream(), &tip(0)));
    for number in 1..=TIPS_REMEMBERED {
        assert!(tips.hear(&stream(), &tip(number)));
    }
    assert_eq!(tips.seen.len(), TIPS_REMEMBERED);
    assert!(tips.hear(&stream(), &tip(0)), "the oldest gave way");
}

#[test]
fn any_bytes_are_a_message_or_refused() {
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(message) = Message::parse(bytes) {
            assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
        }
    });
}

#[test]
fn any_damage_to_a_message_leaves_a_message_or_is_refused() {
    let whole = [
        Message::Update {
            stream: stream(),
            tip: tip(0),
            model: Some(stream()),
        },
        Message::query(stream()),
        Message::response("x", &stream(), tip(0)),
        Message::KeepAlive {
            ts: 1.5,
            ver: "6".to_owned(),
            ipfs_ver: "0".to_owned(),
        },
    ];
    bolero::check!()
        .with_type()
        .for_each(|(which, edits): &(u8, Vec<(u16, u8)>)| {
            let mut bytes = whole[usize::from(*which) % whole.len()].to_bytes();
            for (place, value) in edits {
                let place = usize::from(*place) % bytes.len();
                bytes[place] = *value;
            }
            if let Ok(message) = Message::parse(&bytes) {
                assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
            }
        });
}

#[test]
fn a_neighbour_that_talks_too_much_is_cut_off_until_the_next_second() {
    let (start, loud, quiet) = (Instant::now(), PeerId::random(), PeerId::random());
    let mut talk = Talk::default();
    let said = (0..2 * MESSAGES_PER_SECOND)
        .filter(|_| talk.may_say(loud, start))
        .count();
    assert_eq!(said, MESSAGES_PER_SECOND as usize);
    assert!(talk.may_say(quiet, start));
    assert!(talk.may_say(loud, start + Duration::from_secs(1)));
    talk.forget(&loud);
    assert_eq!(talk.0.len(), 1);
}
