//! Whatever a page asks for and a wallet answers: what may be signed verifies once it is signed, and nothing else becomes a
//! session, a key or an open keychain.
//!
//! `cargo test` tries each target briefly; `cargo bolero test -p ostrakon-protocol --test fuzz_sessions <name>` goes on.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Input, inputs};
use ostrakon_protocol::author::three_id::Keychain;
use ostrakon_protocol::cacao::{
    Answer, Asked, Capability, Moment, Proof, SessionRequest, passkey_candidates, passkey_did,
};
use ostrakon_protocol::did::from_wallet::{KeyRequest, Seed};
use ostrakon_protocol::{cbor, json};

const SESSION: &str = "did:key:z6MkjkxcrsuBXGxVYAZFC1hPUViiRXLC5Kup4G9aBkFoPimV";

/// When every request is made.
const NOW: i64 = 1_772_352_550_011;

/// Which of its words a page may choose, the word, and a time.
type Words = (u8, String, i64);

fn request((which, word, time): &Words, account: &str) -> SessionRequest {
    let or = |place: u8, good: &str| match which % 8 == place {
        true => word.clone(),
        false => good.to_owned(),
    };
    // Within the years that can be written, and a little beyond.
    let time = time % 300_000_000_000_000;
    SessionRequest {
        account: Asked::Account(account.to_owned()),
        domain: or(0, "notes.example"),
        uri: or(1, SESSION),
        statement: Some(or(2, "Lets this site write")),
        resources: vec![or(3, "ceramic://*"), format!("a:{}", or(4, "b"))],
        issued_at: Moment::Unix(NOW),
        expires_at: Some(match which % 8 == 5 {
            true => Moment::Written(word.clone()),
            false => Moment::Unix(time),
        }),
        not_before: None,
        nonce: or(6, "0123456789"),
        request_id: None,
    }
}

#[test]
fn every_text_that_may_be_signed_makes_a_session_and_is_one_line_a_word() {
    use ed25519_dalek::Signer as _;
    let wallet = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let address = multibase::Base::Base58Btc.encode(wallet.verifying_key().as_bytes());
    let account = format!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:{address}");
    let sessions = AtomicUsize::new(0);
    bolero::check!().with_type::<Words>().for_each(|words| {
        let request = request(words, &account);
        let Ok(ask) = request.ask() else {
            return;
        };
        let text = std::str::from_utf8(ask.message()).unwrap();
        let plain = |b: u8| b == b'\n' || b == b' ' || b.is_ascii_graphic();
        assert!(text.bytes().all(plain));
        // Head, address, statement, the lines from URI to Expiration Time, two resources.
        assert_eq!(text.lines().count(), 14, "{text}");
        let signature = wallet.sign(ask.message()).to_bytes();
        let answer = Answer::Solana(&signature);
        let proof = Proof {
            answer,
            accounts: &[],
        };
        let made = Capability::assemble(&ask, &proof, NOW).unwrap();
        assert_eq!(made.audience(), request.uri);
        assert_eq!(made.resources(), request.resources);
        sessions.fetch_add(1, Ordering::Relaxed);
    });
    assert!(sessions.into_inner() > 0);
}

#[test]
fn no_answer_but_a_signature_makes_a_session_or_a_key() {
    let account = "eip155:1:0x827b44d53df2854057713b25cdd653eb70fe36c4";
    let mut request = request(&(7, String::new(), 0), account);
    request.expires_at = None;
    let ethereum = request.ask().unwrap();
    request.account = Asked::Passkey(None);
    request.statement = None;
    let passkey = request.ask().unwrap();
    let key = KeyRequest::new(account, "notes.example").unwrap();
    type Random = (String, Vec<u8>, Vec<u8>, Vec<u8>);
    bolero::check!()
        .with_type::<Random>()
        .for_each(|(text, one, two, three)| {
            let digits = format!("0x{}", data_encoding::HEXLOWER.encode(one));
            for text in [text, &digits] {
                let answer = Answer::Ethereum(text);
                let proof = Proof {
                    answer,
                    accounts: std::slice::from_ref(text),
                };
                assert!(Capability::assemble(&ethereum, &proof, NOW).is_err());
                assert!(key.seed(&answer, None).is_err());
            }
            let answer = Answer::Passkey {
                did: Some(text),
                signature: one,
                authenticator: two,
                client: three,
            };
            let proof = Proof {
                answer,
                accounts: &[],
            };
            assert!(Capability::assemble(&passkey, &proof, NOW).is_err());
            let _ = passkey_candidates(one, two, three);
            assert!(passkey_did(one).is_err());
        });
}

#[test]
fn keychains_are_read_or_refused_and_open_for_nobody_else() {
    let file = common::file("three-id-keys.json");
    let samples = file["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| cbor::encode(&json::from_json(&case["content"]).unwrap()).unwrap());
    let samples: Vec<_> = samples.collect();
    let stranger = Seed::new(&[1; 32]);
    let wallet = Seed::new(&[0x70; 32]);
    bolero::check!().with_type::<Input>().for_each(|input| {
        for bytes in inputs(&samples, input) {
            let Some(keychain) = cbor::decode(&bytes)
                .ok()
                .and_then(|it| Keychain::read(&it).ok())
            else {
                continue;
            };
            assert!(keychain.open(&stranger).is_err());
            let _ = keychain.open(&wallet);
            let written = keychain.content().unwrap();
            assert_eq!(
                Keychain::read(&written).unwrap().content().unwrap(),
                written
            );
        }
    });
}
