//! What pages call: an account signs in, signs, encrypts; a provider of a page signs.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer as _, SigningKey};
use js_sys::{Array, Function, JSON, Promise, Reflect, Uint8Array};
use multibase::Base;
use ostrakon_browser::node::OstrakonNode;
use ostrakon_browser::session::begin::MAX_BEGUN;
use ostrakon_protocol::Block;
use ostrakon_protocol::cacao::Capability;
use ostrakon_protocol::jose::jws::Jws;
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{fresh, text};

pub async fn start(name: &str, ask: Function) -> OstrakonNode {
    let options = JSON::parse(&format!(r#"{{ "name": "{name}" }}"#)).unwrap();
    let nobody = Function::default();
    let node = OstrakonNode::start(options, nobody.clone(), nobody, ask).await;
    node.unwrap_or_else(|error| panic!("{error:?}"))
}

pub async fn node() -> OstrakonNode {
    start(&fresh(), Function::default()).await
}

pub async fn value(call: Promise) -> JsValue {
    JsFuture::from(call).await.unwrap()
}

pub async fn code(call: Promise) -> String {
    text(&JsFuture::from(call).await.unwrap_err(), "code")
}

pub fn json(value: &JsValue) -> Value {
    serde_json::from_str(&String::from(JSON::stringify(value).unwrap())).unwrap()
}

/// A Solana account.
pub struct Wallet(SigningKey);

impl Wallet {
    pub fn new(seed: u8) -> Wallet {
        Wallet(SigningKey::from_bytes(&[seed; 32]))
    }

    pub fn account(&self) -> String {
        let address = Base::Base58Btc.encode(self.0.verifying_key().to_bytes());
        format!("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp:{address}")
    }

    pub fn request(&self) -> JsValue {
        let expires = js_sys::Date::now() + 3_600_000.0;
        let account = self.account();
        let request = format!(
            r#"{{ "kind": "solana", "account": "{account}", "domain": "notes.example",
                "statement": "Let me write", "resources": ["ceramic://*"], "expiresAt": {expires} }}"#
        );
        JSON::parse(&request).unwrap()
    }

    pub fn sign(&self, message: &str) -> String {
        Base::Base58Btc.encode(self.0.sign(message.as_bytes()).to_bytes())
    }

    fn proof(&self, message: &str) -> JsValue {
        let signature = self.sign(message);
        let proof = format!(r#"{{ "signature": "{signature}", "accounts": [] }}"#);
        JSON::parse(&proof).unwrap()
    }

    pub async fn connect(&self, node: &OstrakonNode) -> JsValue {
        self.begin(node, self.request()).await
    }

    pub async fn begin(&self, node: &OstrakonNode, request: JsValue) -> JsValue {
        let begun = value(node.begin_session(request)).await;
        let proof = self.proof(&text(&begun, "message"));
        value(node.complete_session(text(&begun, "session"), proof)).await
    }
}

#[wasm_bindgen_test]
async fn an_account_signs_once_and_its_session_is_there_after_a_restart() {
    let name = fresh();
    let node = start(&name, Function::default()).await;
    let wallet = Wallet::new(1);
    let begun = value(node.begin_session(wallet.request())).await;
    let message = text(&begun, "message");
    assert!(message.starts_with("notes.example wants you to sign in with your Solana account:"));
    assert_eq!(text(&begun, "did"), format!("did:pkh:{}", wallet.account()));
    // Nothing is kept before the account has signed.
    assert_eq!(Array::from(&value(node.sessions()).await).length(), 0);
    let proof = wallet.proof(&message);
    let info = value(node.complete_session(text(&begun, "session"), proof)).await;
    let id = text(&info, "session");
    let info = json(&info);
    assert_eq!(info["did"], format!("did:pkh:{}", wallet.account()));
    assert_eq!(info["kind"], "solana");
    assert_eq!(info["resources"], serde_json::json!(["ceramic://*"]));
    assert!(info["key"].as_str().unwrap().starts_with("did:key:z6Mk"));
    let life = info["expiresAt"].as_u64().unwrap() - info["createdAt"].as_u64().unwrap();
    assert!((3_500_000..=3_600_000).contains(&life), "{life}");
    value(node.stop()).await;
    drop(node);

    let node = start(&name, Function::default()).await;
    let all = value(node.sessions()).await;
    assert_eq!(json(&all), serde_json::json!([info]));
    let block = value(node.session_capability(id.clone())).await;
    let block = BASE64URL_NOPAD.decode(block.as_string().unwrap().as_bytes());
    let capability = Capability::read(Block::dag_cbor(block.unwrap()).unwrap()).unwrap();
    capability.verify().unwrap();
    assert_eq!(capability.audience(), info["key"].as_str().unwrap());

    let payload = BASE64URL_NOPAD.encode(b"hello");
    let jws = value(node.create_jws(id.clone(), payload, Some(r#"{"a":1}"#.into()))).await;
    let signer = Jws::from_general(&json(&jws)).unwrap().verify().unwrap();
    assert_eq!(signer.did, info["key"].as_str().unwrap());

    value(node.revoke_session(id.clone())).await;
    let payload = BASE64URL_NOPAD.encode(b"hello");
    assert_eq!(
        code(node.create_jws(id, payload, None)).await,
        "session-unknown"
    );
}

#[wasm_bindgen_test]
async fn a_wrong_answer_leaves_nothing_and_cannot_be_tried_again() {
    let node = node().await;
    let (wallet, other) = (Wallet::new(1), Wallet::new(2));
    let begin = async || {
        let begun = value(node.begin_session(wallet.request())).await;
        (text(&begun, "session"), text(&begun, "message"))
    };
    let (session, message) = begin().await;
    let lie = other.proof(&message);
    let lied = code(node.complete_session(session.clone(), lie)).await;
    assert_eq!(lied, "session-other-text");
    let late = code(node.complete_session(session, wallet.proof(&message))).await;
    assert_eq!(late, "session-unknown");

    let (session, _) = begin().await;
    let another = wallet.proof("another text");
    assert_eq!(
        code(node.complete_session(session, another)).await,
        "session-other-text"
    );
    let (session, _) = begin().await;
    let short = JSON::parse(r#"{ "signature": "abc" }"#).unwrap();
    let short = code(node.complete_session(session, short)).await;
    assert_eq!(short, "session-signature-length");
    let (session, message) = begin().await;
    let nonsense = code(node.complete_session(session.clone(), JsValue::from(7))).await;
    assert_eq!(nonsense, "invalid-argument");
    let again = code(node.complete_session(session, wallet.proof(&message))).await;
    assert_eq!(again, "session-unknown");
    assert_eq!(Array::from(&value(node.sessions()).await).length(), 0);
}

#[wasm_bindgen_test]
async fn a_request_that_nobody_should_be_asked_is_refused() {
    let node = node().await;
    let with = |name: &str, value: JsValue| {
        let request = Wallet::new(1).request();
        Reflect::set(&request, &name.into(), &value).unwrap();
        node.begin_session(request)
    };
    assert_eq!(
        code(with("expiresAt", 1.into())).await,
        "session-expiry-past"
    );
    assert_eq!(
        code(with("expiresAt", f64::NAN.into())).await,
        "session-expiry-past"
    );
    assert_eq!(
        code(with("statement", "zwei\nZeilen".into())).await,
        "session-statement"
    );
    assert_eq!(
        code(with("statement", "ä".into())).await,
        "session-statement"
    );
    assert_eq!(
        code(with("resources", Array::new().into())).await,
        "session-no-resources"
    );
    assert_eq!(
        code(with("kind", "ethereum".into())).await,
        "session-account"
    );
    assert_eq!(code(with("kind", "tezos".into())).await, "invalid-argument");
    assert_eq!(
        code(with("account", "nobody".into())).await,
        "session-account"
    );
}

#[wasm_bindgen_test]
async fn half_begun_sessions_are_few_and_the_oldest_makes_room() {
    let node = node().await;
    let wallet = Wallet::new(1);
    let mut begun = Vec::new();
    for _ in 0..=MAX_BEGUN {
        begun.push(value(node.begin_session(wallet.request())).await);
    }
    let complete = |begun: &JsValue| {
        let proof = wallet.proof(&text(begun, "message"));
        node.complete_session(text(begun, "session"), proof)
    };
    assert_eq!(code(complete(&begun[0])).await, "session-unknown");
    value(complete(&begun[1])).await;
    // One that is given up is gone.
    value(node.revoke_session(text(&begun[2], "session"))).await;
    assert_eq!(code(complete(&begun[2])).await, "session-unknown");
}

#[wasm_bindgen_test]
async fn a_wallet_makes_the_same_key_again_and_there_is_one_session_of_it() {
    let node = node().await;
    let wallet = Wallet::new(1);
    let site = "notes.example";
    let message = value(node.key_message(wallet.account(), site.into())).await;
    let signature = wallet.sign(&message.as_string().unwrap());
    let answer = |signature: &str, again: &str| {
        let account = wallet.account();
        let answer = format!(
            r#"{{ "account": "{account}", "site": "{site}", "signature": "{signature}", "again": "{again}" }}"#
        );
        node.open_key_session(JSON::parse(&answer).unwrap())
    };
    let one = value(answer(&signature, &signature)).await;
    let other = value(answer(&signature, &signature)).await;
    assert_eq!(json(&one), json(&other));
    assert_eq!(json(&one)["kind"], "key");
    assert_eq!(json(&one)["did"], json(&one)["key"]);
    let stranger = Wallet::new(2).sign(&message.as_string().unwrap());
    assert_eq!(code(answer(&stranger, &stranger)).await, "key-signature");
    assert_eq!(
        code(answer(&signature, "x")).await,
        "session-signature-length"
    );
}

#[wasm_bindgen_test]
async fn what_is_encrypted_to_a_session_comes_back_as_what_it_was() {
    let node = node().await;
    let info = json(&Wallet::new(1).connect(&node).await);
    let (id, key) = (
        info["session"].as_str().unwrap(),
        info["key"].as_str().unwrap(),
    );
    let to = || vec![key.to_owned()];
    let decrypt = async |jwe: &JsValue| {
        let text = String::from(JSON::stringify(jwe).unwrap());
        value(node.decrypt(id.to_owned(), text, None)).await
    };
    let secret = r#"{"a":[1,null,"ä"]}"#;
    let jwe = value(node.encrypt(None, Some(secret.into()), to())).await;
    assert!(!json(&jwe).to_string().contains("null"));
    let clear = decrypt(&jwe).await;
    assert_eq!(json(&clear)["json"].to_string(), secret);
    // Bytes stay bytes, also those that look like a value.
    for bytes in [vec![1, 2, 3], vec![0x01, 0x71, 0x00, 0x01, 0xf6]] {
        let jwe = value(node.encrypt(Some(bytes.clone()), None, to())).await;
        let clear = Reflect::get(&decrypt(&jwe).await, &"bytes".into()).unwrap();
        assert_eq!(Uint8Array::from(clear).to_vec(), bytes);
    }
    let stranger = json(&Wallet::new(2).connect(&node).await);
    let stranger = stranger["session"].as_str().unwrap().to_owned();
    let jwe = String::from(JSON::stringify(&jwe).unwrap());
    assert_eq!(
        code(node.decrypt(stranger, jwe, None)).await,
        "jwe-not-for-this-key"
    );
    let nobody = vec!["did:pkh:eip155:1:0xde30da39c46104798bb5aa3fe8b9e0e1f348163f".to_owned()];
    assert_eq!(
        code(node.encrypt(None, Some("1".into()), nobody)).await,
        "jwe-no-key"
    );
}

#[wasm_bindgen_test]
async fn a_provider_in_a_page_signs_while_the_page_is_there() {
    let ask = Function::new_with_args(
        "did, method, params",
        "return params.includes('refuse')
           ? Promise.reject(Object.assign(new Error('no'), { code: 'wallet-rejected' }))
           : Promise.resolve(JSON.stringify({ jws: { did, method, params: JSON.parse(params) } }))",
    );
    let node = start(&fresh(), ask).await;
    let did = "did:key:z6MkvDqGT54cXesYGvABpF1UapVNwjCqRcafi4Px6Thv5T3Z".to_owned();
    let open = || node.open_external_session(did.clone());
    assert_eq!(code(open()).await, "signer-unreachable");
    node.set_signers(vec![did.clone(), "no did".into()]);
    let info = json(&value(open()).await);
    assert_eq!(info["kind"], "external");
    assert_eq!(info["did"], did);
    assert_eq!(Array::from(&value(node.sessions()).await).length(), 1);
    let jws = value(node.create_jws(did.clone(), "aGk".into(), None)).await;
    assert_eq!(json(&jws)["method"], "did_createJWS");
    assert_eq!(json(&jws)["params"]["payload"], "aGk");
    let refused = node.create_jws(did.clone(), "refuse".into(), None);
    assert_eq!(code(refused).await, "wallet-rejected");
    node.set_signers(Vec::new());
    assert_eq!(code(open()).await, "signer-unreachable");
    assert_eq!(
        code(node.create_jws(did, "aGk".into(), None)).await,
        "session-unknown"
    );
}
