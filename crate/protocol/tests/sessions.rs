//! Asking for sessions: what is signed, and what becomes of the answer, against what js makes.

mod common;

use std::collections::BTreeMap;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ostrakon_protocol::cacao::{
    Answer, Ask, Asked, Capability, Kind, Moment, Proof, SessionError, SessionRequest,
};
use ostrakon_protocol::{Ipld, cacao, cbor};
use serde_json::{Value, json};

/// A wallet's answer, as text and bytes.
#[derive(Default)]
struct Given {
    text: String,
    bytes: Vec<u8>,
    authenticator: Vec<u8>,
    client: Vec<u8>,
}

impl Given {
    fn of(&self, ask: &Ask) -> Answer<'_> {
        match ask.kind() {
            Kind::Eip191 => Answer::Ethereum(&self.text),
            Kind::Solana => Answer::Solana(&self.bytes),
            _ => Answer::Passkey {
                did: None,
                signature: &self.bytes,
                authenticator: &self.authenticator,
                client: &self.client,
            },
        }
    }

    fn assemble(&self, ask: &Ask, now: i64) -> Result<Capability, SessionError> {
        let answer = self.of(ask);
        Capability::assemble(
            ask,
            &Proof {
                answer,
                accounts: &[],
            },
            now,
        )
    }
}

fn text(json: &Value) -> Option<String> {
    json.as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn hex(json: &Value) -> Vec<u8> {
    HEXLOWER.decode(json.as_str().unwrap().as_bytes()).unwrap()
}

/// When every request of `sessions.json` was made.
const NOW: i64 = 1_772_352_550_011;

/// A request of `sessions.json` and what the wallet answered.
fn recorded(case: &Value) -> (SessionRequest, Given) {
    let account = case["account"].as_str().unwrap().to_owned();
    let signature = case["signature"].as_str().unwrap();
    let (account, given) = if account.starts_with("did:key:") {
        let given = Given {
            bytes: hex(&case["signature"]),
            authenticator: hex(&case["authData"]),
            client: case["clientDataJSON"].as_str().unwrap().into(),
            ..Given::default()
        };
        (Asked::Passkey(Some(account)), given)
    } else if account.starts_with("solana:") {
        let bytes = hex(&case["signature"]);
        (
            Asked::Account(account),
            Given {
                bytes,
                ..Given::default()
            },
        )
    } else {
        let text = signature.to_owned();
        (
            Asked::Account(account),
            Given {
                text,
                ..Given::default()
            },
        )
    };
    let request = SessionRequest {
        account,
        domain: text(&case["domain"]).unwrap(),
        uri: text(&case["uri"]).unwrap(),
        statement: text(&case["statement"]),
        resources: serde_json::from_value(case["resources"].clone()).unwrap(),
        issued_at: Moment::Unix(NOW),
        expires_at: case["expiresAt"].as_i64().map(Moment::Unix),
        not_before: None,
        nonce: text(&case["nonce"]).unwrap(),
        request_id: None,
    };
    (request, given)
}

fn case(name: &str) -> (SessionRequest, Given) {
    let cases = common::cases("sessions.json");
    recorded(cases.iter().find(|case| case["name"] == name).unwrap())
}

#[test]
fn what_is_signed_and_what_is_made_of_it_is_what_js_makes() {
    let cases = common::cases("sessions.json");
    assert_eq!(cases.len(), 12);
    for case in &cases {
        let name = &case["name"];
        let (request, given) = recorded(case);
        let ask = request.ask().unwrap();
        let message = case["message"].as_str().unwrap();
        match ask.kind() {
            Kind::Webauthn => assert_eq!(HEXLOWER.encode(ask.message()), message, "{name}"),
            _ => assert_eq!(ask.message(), message.as_bytes(), "{name}"),
        }
        let made = given.assemble(&ask, NOW).unwrap();
        assert_eq!(
            made.cid().to_string(),
            case["cid"].as_str().unwrap(),
            "{name}"
        );
        assert_eq!(
            made.block().bytes(),
            &common::base64(&case["block"]),
            "{name}"
        );
        assert_eq!(made.audience(), request.uri);
        assert_eq!(Some(made.issuer()), ask.issuer());
    }
}

/// Every capability that js made and we accept, taken apart and made again.
struct Remade {
    same: usize,
    /// Why a request for it is refused, and how often.
    refused: BTreeMap<String, usize>,
}

impl Remade {
    fn of(blocks: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut remade = Self {
            same: 0,
            refused: BTreeMap::new(),
        };
        for bytes in blocks {
            remade.add(&bytes);
        }
        remade
    }

    fn add(&mut self, bytes: &[u8]) {
        let Ok(block) = ostrakon_protocol::Block::dag_cbor(bytes.to_vec()) else {
            return;
        };
        let Ok(old) = Capability::read(block) else {
            return;
        };
        if old.verify().is_err() {
            return;
        }
        let Ipld::Map(whole) = cbor::decode(bytes).unwrap() else {
            panic!("not a map");
        };
        let field = |part: &str, name: &str| match &whole[part] {
            Ipld::Map(map) => map.get(name).cloned(),
            _ => None,
        };
        let word = |part: &str, name: &str| match field(part, name) {
            Some(Ipld::String(text)) => Some(text),
            _ => None,
        };
        let moment = |name| {
            let text = word("p", name).filter(|text| !text.is_empty());
            text.map(Moment::Written)
        };
        let signature = word("s", "s").unwrap();
        let mut given = Given::default();
        let account = match old.kind() {
            Some(Kind::Eip191) => {
                given.text = signature;
                Asked::Account(old.issuer().to_owned())
            }
            Some(Kind::Solana) => {
                given.bytes = multibase::Base::Base58Btc.decode(signature).unwrap();
                Asked::Account(old.issuer().to_owned())
            }
            Some(Kind::Webauthn) => {
                let Some(Ipld::Map(extra)) = field("s", "m") else {
                    panic!("no answer");
                };
                let Ipld::Bytes(aad) = &extra["aad"] else {
                    panic!("no answer");
                };
                let Ok(Ipld::Map(mut aad)) = cbor::decode(aad) else {
                    panic!("no answer");
                };
                let mut part = |name| match aad.remove(name) {
                    Some(Ipld::Bytes(bytes)) => bytes,
                    _ => panic!("no answer"),
                };
                given.authenticator = part("authData");
                given.client = part("clientDataJSON");
                let digits = signature.trim_end_matches('=').as_bytes();
                given.bytes = BASE64URL_NOPAD.decode(digits).unwrap();
                Asked::Passkey(Some(old.issuer().to_owned()))
            }
            _ => return,
        };
        let request = SessionRequest {
            account,
            domain: word("p", "domain").unwrap_or_default(),
            uri: old.audience().to_owned(),
            statement: word("p", "statement").filter(|text| !text.is_empty()),
            resources: old.resources().to_vec(),
            issued_at: moment("iat").unwrap_or(Moment::Unix(0)),
            expires_at: moment("exp"),
            not_before: moment("nbf"),
            nonce: word("p", "nonce").unwrap_or_default(),
            request_id: word("p", "requestId"),
        };
        let unix = |moment: &Option<Moment>| match moment {
            Some(Moment::Written(text)) => {
                (text.parse::<jiff::Timestamp>()).map_or(0, jiff::Timestamp::as_millisecond)
            }
            _ => 0,
        };
        let now = unix(&request.not_before).max(unix(&Some(request.issued_at.clone())));
        let made = request.ask().and_then(|ask| given.assemble(&ask, now));
        let key = match made {
            Ok(new) if new.cid() == old.cid() => return self.same += 1,
            Ok(new) if new.issuer() != old.issuer() => "an issuer in other letters".to_owned(),
            Ok(new) => {
                let Ok(Ipld::Map(new)) = cbor::decode(new.block().bytes()) else {
                    panic!("not a map");
                };
                let same = |part| Some(&new[part]) == whole.get(part);
                match (same("p"), same("s")) {
                    (true, true) => "another type in the header".to_owned(),
                    _ => "written otherwise".to_owned(),
                }
            }
            Err(error) => error.code().to_owned(),
        };
        *self.refused.entry(key).or_default() += 1;
    }
}

#[test]
fn every_session_of_the_vectors_is_made_again_from_its_request() {
    let mut seen = BTreeMap::new();
    for file in ["cacao.json", "cacao-model.json"] {
        for case in common::cases(file) {
            seen.extend(common::blocks(&case));
        }
    }
    let remade = Remade::of(seen.into_values());
    println!("{} made again, {:?}", remade.same, remade.refused);
    let refused = [
        // js' own methods write small letters, as we do; these were put together by hand.
        ("an issuer in other letters", 6),
        ("another type in the header", 2),
        ("session-no-resources", 3),
    ];
    let refused = refused.map(|(why, count)| (why.to_owned(), count));
    assert_eq!(remade.refused, BTreeMap::from(refused));
    assert_eq!(remade.same, 29);
}

#[test]
fn what_other_libraries_write_is_made_again_or_refused_by_name() {
    let file: Value = serde_json::from_str(include_str!("cacao-kinds.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter();
    let mut blocks: Vec<_> = cases.map(|case| common::base64(&case["block"])).collect();
    for case in common::cases("repo-fixtures.json") {
        let car = case["carBase64"]
            .as_str()
            .map(|_| common::base64(&case["carBase64"]));
        let car = car.and_then(|bytes| ostrakon_protocol::car::read(&bytes).ok());
        blocks.extend(
            car.into_iter()
                .flat_map(|car| car.blocks)
                .map(|block| block.bytes().to_vec()),
        );
    }
    let remade = Remade::of(blocks.into_iter());
    println!("{} made again, {:?}", remade.same, remade.refused);
    assert_eq!(remade.refused.get("written otherwise"), Some(&SAME_MEANING));
    assert!(remade.same >= 23);
}

/// An empty or absent field, a field that means nothing, a signature in capitals: js takes it, and makes none.
const SAME_MEANING: usize = 8;

fn refusal(change: impl Fn(&mut SessionRequest)) -> &'static str {
    let (mut request, _) = case("ethereum/0");
    request.ask().unwrap();
    change(&mut request);
    request.ask().unwrap_err().code()
}

#[test]
fn statements_that_nobody_can_read_are_refused_before_anything_is_signed() {
    for bad in [
        "café",
        "two\nlines",
        "a\rb",
        "tab\there",
        "\u{202e}evil",
        "",
        "\0",
        "\u{7f}",
    ] {
        let code = refusal(|request| request.statement = Some(bad.to_owned()));
        assert_eq!(code, "session-statement", "{bad:?}");
    }
    let huge = refusal(|request| request.statement = Some("x".repeat(1_025)));
    assert_eq!(huge, "session-statement");
    let endless = refusal(|request| request.statement = Some("x".repeat(10_000_000)));
    assert_eq!(endless, "session-too-large");
}

#[test]
fn resources_are_named_by_the_caller_and_have_a_scheme() {
    assert_eq!(
        refusal(|request| request.resources.clear()),
        "session-no-resources"
    );
    for bad in [
        "",
        "*",
        "kjzl6cwe1jw14",
        "//host",
        ":x",
        "ceramic:",
        "1c:x",
        "ceramic://ä",
        "ceramic://* ",
        "a\nb:c",
    ] {
        let code = refusal(|request| request.resources = vec![bad.to_owned()]);
        assert_eq!(code, "session-resource", "{bad:?}");
    }
    let long = format!("ceramic://{}", "x".repeat(1_024));
    assert_eq!(
        refusal(|request| request.resources = vec![long.clone()]),
        "session-resource"
    );
    let many = vec!["a:b".to_owned(); 4_097];
    assert_eq!(
        refusal(|request| request.resources = many.clone()),
        "session-too-large"
    );
}

#[test]
fn times_that_make_no_session_are_refused() {
    let now = NOW;
    for (end, begin) in [
        (now, None),
        (now - 1, None),
        (0, None),
        (now + 5, Some(now + 5)),
    ] {
        let code = refusal(|request| {
            request.expires_at = Some(end.into());
            request.not_before = begin.map(Moment::Unix);
        });
        assert_eq!(code, "session-expiry-past", "{end}");
    }
    for far in [i64::MAX, 253_402_300_800_000] {
        let code = refusal(|request| request.expires_at = Some(far.into()));
        assert_eq!(code, "session-time", "{far}");
    }
    for early in [i64::MIN, -62_167_219_200_001] {
        let code = refusal(|request| request.issued_at = early.into());
        assert_eq!(code, "session-time", "{early}");
    }
}

#[test]
fn accounts_sites_keys_and_nonces_that_js_could_not_read_are_refused() {
    let address = "0x827b44d53df2854057713b25cdd653eb70fe36c4";
    for bad in [
        "",
        address,
        &format!("eip155:1:{}", &address[..41]),
        &format!("eip155:01:{address}"),
        &format!("eip155:main:{address}"),
        &format!("eip155:1:{}", address.replace("0x", "0X")),
        &format!("tezos:1:{address}"),
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:0OIl",
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:3mJr7A",
        "did:key:z6MkjkxcrsuBXGxVYAZFC1hPUViiRXLC5Kup4G9aBkFoPimV",
    ] {
        let code = refusal(|request| request.account = Asked::Account(bad.to_owned()));
        assert_eq!(code, "session-account", "{bad:?}");
    }
    for bad in [
        "",
        "a b",
        "a/b",
        "evil@host",
        "hôst",
        "a\nb",
        &"a".repeat(256),
    ] {
        let code = refusal(|request| request.domain = bad.to_owned());
        assert_eq!(code, "session-domain", "{bad:?}");
    }
    for bad in [
        "",
        "https://example.com",
        "did:key:z6Mk",
        "did:pkh:eip155:1:0x0",
    ] {
        let code = refusal(|request| request.uri = bad.to_owned());
        assert_eq!(code, "session-key", "{bad:?}");
    }
    let fragment = refusal(|request| request.uri.push_str("#a"));
    assert_eq!(fragment, "session-key");
    for bad in ["", "1234567", "1234 5678", "1234567\n", &"1".repeat(129)] {
        let code = refusal(|request| request.nonce = bad.to_owned());
        assert_eq!(code, "session-nonce", "{bad:?}");
    }
    for bad in ["", "a b", "ü"] {
        let code = refusal(|request| request.request_id = Some(bad.to_owned()));
        assert_eq!(code, "session-request-id", "{bad:?}");
    }
}

#[test]
fn a_passkey_is_shown_no_statement_and_may_be_unknown_at_first() {
    let (mut request, given) = case("passkey/0");
    request.statement = Some("unseen".to_owned());
    assert_eq!(
        request.ask().unwrap_err().code(),
        "session-statement-unseen"
    );
    request.statement = None;
    let known = request.ask().unwrap();
    let did = known.issuer().unwrap().to_owned();
    request.account = Asked::Passkey(None);
    let ask = request.ask().unwrap();
    assert_eq!(ask.message(), known.message());
    assert_eq!(
        given.assemble(&ask, NOW).unwrap_err().code(),
        "session-passkey-unknown"
    );

    let passkeys = cacao::passkey_candidates(&given.bytes, &given.authenticator, &given.client);
    let passkeys = passkeys.unwrap();
    assert_eq!(passkeys.len(), 2);
    assert!(passkeys.contains(&did));
    for candidate in &passkeys {
        let answer = Answer::Passkey {
            did: Some(candidate),
            signature: &given.bytes,
            authenticator: &given.authenticator,
            client: &given.client,
        };
        let proof = Proof {
            answer,
            accounts: &[],
        };
        let made = Capability::assemble(&ask, &proof, NOW).unwrap();
        assert_eq!(made.issuer(), candidate);
    }
    let short = cacao::passkey_candidates(&given.bytes[1..], &[], &[]);
    assert_eq!(short.unwrap_err().code(), "session-signature-format");
}

#[test]
fn a_wallet_that_signs_another_text_is_told_from_one_that_uses_another_account() {
    for kind in ["ethereum", "solana"] {
        let (request, _) = case(&format!("{kind}/0"));
        // The same words, signed by another account of the wallet.
        let (mut theirs, given) = case(&format!("{kind}/1"));
        let Asked::Account(other) = theirs.account.clone() else {
            panic!("an account");
        };
        let right = theirs.ask().unwrap();
        assert!(given.assemble(&right, NOW).is_ok());
        let ask = request.ask().unwrap();
        assert_eq!(
            given.assemble(&ask, NOW).unwrap_err().code(),
            "session-other-text"
        );

        theirs.account = request.account.clone();
        let ask = theirs.ask().unwrap();
        let accounts = [other];
        let code = |accounts| {
            let proof = Proof {
                answer: given.of(&ask),
                accounts,
            };
            Capability::assemble(&ask, &proof, NOW).unwrap_err().code()
        };
        // It signed its own address into the text, so that the text is another one.
        assert_eq!(code(&accounts), "session-other-text");
    }
}

#[test]
fn an_account_that_signs_for_another_is_named() {
    use ed25519_dalek::Signer as _;
    let (request, _) = case("solana/0");
    let ask = request.ask().unwrap();
    let other = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let bytes = other.sign(ask.message()).to_bytes();
    let address = multibase::Base::Base58Btc.encode(other.verifying_key().as_bytes());
    let accounts = ["nonsense".to_owned(), address.clone()];
    let proof = Proof {
        answer: Answer::Solana(&bytes),
        accounts: &accounts,
    };
    let error = Capability::assemble(&ask, &proof, NOW).unwrap_err();
    assert_eq!(error, SessionError::OtherAccount(address));

    let (request, _) = case("ethereum/0");
    let ask = request.ask().unwrap();
    let (text, address) = personal_sign(&[9; 32], ask.message());
    let accounts = [format!(
        "eip155:1:{}",
        address.to_uppercase().replace("0X", "0x")
    )];
    let proof = Proof {
        answer: Answer::Ethereum(&text),
        accounts: &accounts,
    };
    let error = Capability::assemble(&ask, &proof, NOW).unwrap_err();
    assert_eq!(error.code(), "session-other-account");

    let (request, _) = case("passkey/0");
    let (other, given) = case("passkey/1");
    let ask = SessionRequest {
        account: request.account,
        ..other.clone()
    }
    .ask()
    .unwrap();
    assert_eq!(
        given.assemble(&ask, NOW).unwrap_err().code(),
        "session-other-account"
    );
}

fn personal_sign(seed: &[u8; 32], message: &[u8]) -> (String, String) {
    use sha3::{Digest as _, Keccak256};
    let key = k256::ecdsa::SigningKey::from_slice(seed).unwrap();
    let mut hash = Keccak256::new_with_prefix(b"\x19Ethereum Signed Message:\n");
    hash.update(message.len().to_string());
    hash.update(message);
    let (signature, id) = key.sign_prehash_recoverable(&hash.finalize());
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(27 + id.to_byte());
    let point = key.verifying_key().to_sec1_point(false);
    let owner = Keccak256::digest(&point.as_bytes()[1..]);
    (
        format!("0x{}", HEXLOWER.encode(&bytes)),
        format!("0x{}", HEXLOWER.encode(&owner[12..])),
    )
}

#[test]
fn signatures_of_another_length_or_form_or_wallet_are_refused() {
    let (request, given) = case("ethereum/0");
    let ask = request.ask().unwrap();
    let code = |text: &str| {
        let proof = Proof {
            answer: Answer::Ethereum(text),
            accounts: &[],
        };
        Capability::assemble(&ask, &proof, NOW).unwrap_err().code()
    };
    let good = given.text.as_str();
    for bad in [
        "",
        "0",
        "0x0",
        &good[2..],
        "0xzz",
        &format!("{good}ü"),
        &good[..131],
    ] {
        assert_eq!(code(bad), "session-signature-format", "{bad}");
    }
    for bad in ["0x", &good[..130], &format!("{good}00"), "0x00"] {
        assert_eq!(code(bad), "session-signature-length", "{bad}");
    }
    assert_eq!(
        code(&format!("0x{}", "00".repeat(65))),
        "session-other-text"
    );
    let solana = Proof {
        answer: Answer::Solana(&[0; 64]),
        accounts: &[],
    };
    let wrong = Capability::assemble(&ask, &solana, NOW).unwrap_err();
    assert_eq!(wrong.code(), "session-other-wallet");

    let (request, given) = case("solana/0");
    let ask = request.ask().unwrap();
    for end in [0, 63] {
        let answer = Answer::Solana(&given.bytes[..end]);
        let error = Capability::assemble(
            &ask,
            &Proof {
                answer,
                accounts: &[],
            },
            NOW,
        );
        assert_eq!(error.unwrap_err().code(), "session-signature-length");
    }

    let (request, mut given) = case("passkey/0");
    let ask = request.ask().unwrap();
    given.client =
        json!({ "type": "webauthn.create", "challenge": BASE64URL_NOPAD.encode(ask.message()) })
            .to_string()
            .into_bytes();
    assert_eq!(
        given.assemble(&ask, NOW).unwrap_err().code(),
        "session-other-text"
    );
    given.client = vec![b' '; 16_385];
    assert_eq!(
        given.assemble(&ask, NOW).unwrap_err().code(),
        "session-signature-format"
    );
}

#[test]
fn an_answer_that_comes_after_the_end_makes_no_session() {
    let (request, given) = case("ethereum/0");
    let ask = request.ask().unwrap();
    let Some(Moment::Unix(end)) = request.expires_at else {
        panic!("an end");
    };
    assert!(given.assemble(&ask, end - 1).is_ok());
    for now in [end, end + 60_000] {
        assert_eq!(
            given.assemble(&ask, now).unwrap_err().code(),
            "session-late"
        );
    }
    let long_after = given.assemble(&ask, end + 10 * 86_400_000).unwrap_err();
    assert_eq!(long_after.code(), "cacao-expired");
    let before = given.assemble(&ask, 0).unwrap_err();
    assert_eq!(before.code(), "cacao-not-yet-valid");
}

#[test]
fn the_key_of_a_new_passkey_is_read_from_what_the_browser_returns() {
    let key = p256::ecdsa::SigningKey::from_slice(&[0x50; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let mut der = HEXLOWER
        .decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200")
        .unwrap();
    der.extend_from_slice(point.as_bytes());
    let (request, _) = case("passkey/0");
    assert_eq!(
        Asked::Passkey(Some(cacao::passkey_did(&der).unwrap())),
        request.account
    );
    for bad in [&der[1..], &der[..90], &[][..]] {
        let error = cacao::passkey_did(bad).unwrap_err();
        assert_eq!(error.code(), "session-signature-format");
    }
    *der.last_mut().unwrap() ^= 1;
    assert!(cacao::passkey_did(&der).is_err());
}
