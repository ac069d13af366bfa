//! What sessions write, and what they are refused. Nothing is left of what is refused.

use std::cell::Cell;
use std::rc::Rc;

use data_encoding::BASE64URL_NOPAD;
use js_sys::{Array, Function, JSON, Promise, Reflect};
use ostrakon_browser::node::OstrakonNode;
use ostrakon_protocol::jose::Ed25519Signer;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use super::calls::{Wallet, code, json as plain, node, start, value};
use super::{fresh, text};

async fn connected() -> (OstrakonNode, String, String) {
    let node = node().await;
    let info = Wallet::new(1).connect(&node).await;
    (node, text(&info, "session"), text(&info, "did"))
}

fn tile(content: Value) -> String {
    json!({ "type": "tile", "init": { "content": content } }).to_string()
}

async fn count(node: &OstrakonNode) -> u32 {
    Array::from(&value(node.documents()).await).length()
}

/// Changes the whole content.
fn update(
    node: &OstrakonNode,
    session: &str,
    id: &str,
    content: Value,
    base: Option<&str>,
) -> Promise {
    let (session, id) = (session.to_owned(), id.to_owned());
    let base = base.map(str::to_owned);
    node.update(
        session,
        id,
        Some(content.to_string()),
        None,
        None,
        base,
        None,
    )
}

#[wasm_bindgen_test]
async fn a_session_writes_in_its_account_s_name_and_on_disk_it_is_at_once() {
    let name = fresh();
    let first = start(&name, Function::default()).await;
    let info = Wallet::new(1).connect(&first).await;
    let (session, did) = (text(&info, "session"), text(&info, "did"));
    let made = value(first.create(session.clone(), tile(json!({ "n": 1 })), None)).await;
    let made = plain(&made);
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["content"], json!({ "n": 1 }));
    assert_eq!(made["metadata"]["controllers"], json!([did]));
    assert_eq!(made["log"][0]["capability"]["issuer"], did);
    assert_eq!(made["status"], json!({ "state": "local" }));
    let tip = made["tip"].as_str().unwrap();
    let changed = value(update(&first, &session, id, json!({ "n": 2 }), Some(tip))).await;
    assert_eq!(plain(&changed)["content"], json!({ "n": 2 }));
    // What was made for an older version is not written over a newer one.
    let stale = update(&first, &session, id, json!({ "n": 3 }), Some(tip));
    assert_eq!(code(stale).await, "stale");
    let waiting = plain(&value(first.outbox()).await);
    assert_eq!(waiting[0]["id"], id);
    assert_eq!(waiting[0]["event"], plain(&changed)["tip"]);
    assert_eq!(waiting[0]["reason"], "no-peers");
    value(first.stop()).await;
    drop(first);

    let node = start(&name, Function::default()).await;
    let patch = json!([{ "op": "add", "path": "/more", "value": true }]).to_string();
    let patched = node.update(session, id.to_owned(), None, Some(patch), None, None, None);
    let patched = plain(&value(patched).await);
    assert_eq!(patched["content"], json!({ "n": 2, "more": true }));
    assert_eq!(patched["log"].as_array().unwrap().len(), 3);
    assert_eq!(
        plain(&value(node.outbox()).await).as_array().unwrap().len(),
        1
    );
}

#[wasm_bindgen_test]
async fn what_is_not_the_session_s_to_write_is_refused() {
    let (node, session, _) = connected().await;
    let made = value(node.create(session.clone(), tile(json!({})), None)).await;
    let id = text(&made, "id");
    let stranger = text(&Wallet::new(2).connect(&node).await, "session");
    let refused = update(&node, &stranger, &id, json!({ "mine": true }), None);
    assert_eq!(code(refused).await, "not-controller");
    // A session for one document writes no other.
    let wallet = Wallet::new(3);
    let request = wallet.request();
    let only = Array::of1(&format!("ceramic://{id}").into());
    Reflect::set(&request, &"resources".into(), &only).unwrap();
    let session = text(&wallet.begin(&node, request).await, "session");
    let refused = node.create(session.clone(), tile(json!({ "n": 1 })), None);
    assert_eq!(code(refused).await, "cacao-resources");
    assert_eq!(count(&node).await, 1);
    value(node.revoke_session(session.clone())).await;
    assert_eq!(
        code(node.create(session, tile(json!({})), None)).await,
        "session-unknown"
    );
}

#[wasm_bindgen_test]
async fn an_expired_session_writes_nothing() {
    let node = node().await;
    let wallet = Wallet::new(1);
    let request = wallet.request();
    let soon = js_sys::Date::now() + 1_500.0;
    Reflect::set(&request, &"expiresAt".into(), &soon.into()).unwrap();
    let session = text(&wallet.begin(&node, request).await, "session");
    value(node.create(session.clone(), tile(json!({ "n": 1 })), None)).await;
    futures_timer::Delay::new(std::time::Duration::from_millis(2_000)).await;
    assert_eq!(
        code(node.create(session, tile(json!({ "n": 2 })), None)).await,
        "session-expired"
    );
    assert_eq!(count(&node).await, 1);
}

#[wasm_bindgen_test]
async fn many_are_written_or_none() {
    let (node, session, _) = connected().await;
    let list = |last: Value| {
        let good = (0..20).map(|n| json!({ "type": "tile", "init": { "content": { "n": n } } }));
        Value::from_iter(good.chain([last])).to_string()
    };
    let bad = json!({ "type": "tile", "init": { "content": { "__proto__": 1 } } });
    assert_eq!(
        code(node.create_many(session.clone(), list(bad), None)).await,
        "content-forbidden-key"
    );
    let wrong = json!({ "type": "tile", "init": { "tag": ["a typo"] } });
    assert_eq!(
        code(node.create_many(session.clone(), list(wrong), None)).await,
        "invalid-argument"
    );
    assert_eq!(count(&node).await, 0);
    let good = json!({ "type": "tile", "init": { "family": "f", "tags": ["t"] } });
    let all = value(node.create_many(session, list(good), None)).await;
    assert_eq!(Array::from(&all).length(), 21);
    assert_eq!(count(&node).await, 21);
    assert_eq!(plain(&all)[20]["metadata"]["family"], "f");
}

#[wasm_bindgen_test]
async fn instances_are_what_their_model_wants() {
    let (node, session, _) = connected().await;
    let model = async |relation: Value| {
        let definition = json!({
            "version": "2.0", "name": "Note", "interface": false, "implements": [],
            "schema": { "type": "object", "properties": { "text": { "type": "string" } },
                "required": ["text"], "additionalProperties": false },
            "accountRelation": relation,
        });
        let model = json!({ "type": "model", "init": definition }).to_string();
        text(
            &value(node.create(session.clone(), model, None)).await,
            "id",
        )
    };
    let instance = |model: &str, content: Value| {
        let init = json!({ "model": model, "content": content });
        let document = json!({ "type": "modelInstance", "init": init }).to_string();
        node.create(session.clone(), document, None)
    };
    let list = model(json!({ "type": "list" })).await;
    let made = plain(&value(instance(&list, json!({ "text": "a" }))).await);
    assert_eq!(made["content"], json!({ "text": "a" }));
    assert_eq!(made["log"].as_array().unwrap().len(), 1);
    assert_eq!(
        code(instance(&list, json!({ "text": 1 }))).await,
        "instance-schema"
    );
    for relation in [
        json!({ "type": "single" }),
        json!({ "type": "set", "fields": ["text"] }),
    ] {
        let one = model(relation).await;
        let made = plain(&value(instance(&one, json!({ "text": "a" }))).await);
        assert_eq!(made["content"], json!({ "text": "a" }));
        assert_eq!(made["log"].as_array().unwrap().len(), 2);
        let again = instance(&one, json!({ "text": "a" }));
        assert_eq!(code(again).await, "document-exists");
    }
}

#[wasm_bindgen_test]
async fn an_account_is_linked_by_its_own_signature_only() {
    let (node, _, did) = connected().await;
    let wallet = Wallet::new(1);
    let said = value(node.link_message(wallet.account(), did.clone())).await;
    let said = plain(&said);
    let message = said["message"].as_str().unwrap();
    assert!(message.starts_with("Link this account to your identity\n\ndid:pkh:solana:"));
    let proof = |signer: &Wallet| {
        let proof = json!({
            "account": wallet.account(), "message": message, "timestamp": said["timestamp"],
            "signature": signer.sign(message),
        });
        node.link_account(JSON::parse(&proof.to_string()).unwrap())
    };
    assert_eq!(code(proof(&Wallet::new(2))).await, "proof-signature");
    assert_eq!(count(&node).await, 0);
    let link = plain(&value(proof(&wallet)).await);
    assert_eq!(link["type"], "caip10-link");
    assert_eq!(link["content"], did);
    let nobody = node.link_message(wallet.account(), "nobody".into());
    assert_eq!(code(nobody).await, "invalid-argument");
}

/// How a provider in a page behaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Honest,
    OtherPayload,
    ShortSignature,
    OtherKey,
}

fn provider(signer: Ed25519Signer, manner: Rc<Cell<Manner>>) -> Function {
    let answer = move |_: JsValue, _: JsValue, params: String| {
        let params: Value = serde_json::from_str(&params).unwrap();
        let payload = match manner.get() {
            Manner::OtherPayload => BASE64URL_NOPAD.encode(b"another").into(),
            _ => params["payload"].clone(),
        };
        let other = Ed25519Signer::from_seed(&[9; 32]);
        let by = if manner.get() == Manner::OtherKey {
            &other
        } else {
            &signer
        };
        let mut jws = by.create_jws(&payload, Map::new()).unwrap();
        if manner.get() == Manner::ShortSignature {
            jws.signatures[0].signature = jws.signatures[0].signature.slice(..63);
        }
        Promise::resolve(&json!({ "jws": jws.to_general() }).to_string().into())
    };
    let answer = Closure::<dyn Fn(JsValue, JsValue, String) -> Promise>::new(answer);
    answer.into_js_value().unchecked_into()
}

#[wasm_bindgen_test]
async fn what_a_provider_signs_is_verified_before_it_is_used() {
    let signer = Ed25519Signer::from_seed(&[8; 32]);
    let did = signer.did().to_owned();
    let manner = Rc::new(Cell::new(Manner::Honest));
    let node = start(&fresh(), provider(signer, manner.clone())).await;
    node.set_signers(vec![did.clone()]);
    for (lie, told) in [
        (Manner::OtherPayload, "sign-failed"),
        (Manner::ShortSignature, "sign-failed"),
        (Manner::OtherKey, "wrong-signer"),
    ] {
        manner.set(lie);
        let refused = code(node.create(did.clone(), tile(json!({ "n": 1 })), None)).await;
        assert_eq!(refused, told);
        assert_eq!(count(&node).await, 0);
    }
    manner.set(Manner::Honest);
    let made = plain(&value(node.create(did.clone(), tile(json!({ "n": 1 })), None)).await);
    assert_eq!(made["metadata"]["controllers"], json!([did]));
}

#[wasm_bindgen_test]
async fn a_wallet_s_key_opens_a_3id_that_writes_reads_and_takes_other_wallets() {
    let name = fresh();
    let first = start(&name, Function::default()).await;
    let key = async |node: &OstrakonNode, seed: u8| {
        let wallet = Wallet::new(seed);
        let site = "notes.example";
        let message = value(node.key_message(wallet.account(), site.into())).await;
        let signature = wallet.sign(&message.as_string().unwrap());
        let answer = json!({ "account": wallet.account(), "site": site, "signature": signature });
        let answer = JSON::parse(&answer.to_string()).unwrap();
        value(node.open_key_session(answer)).await
    };
    let wallet = key(&first, 1).await;
    // An account's session has no key of the wallet's.
    let other = text(&Wallet::new(1).connect(&first).await, "session");
    assert_eq!(
        code(first.create_three_id(other, "x".into())).await,
        "session-kind"
    );

    let made = first.create_three_id(text(&wallet, "session"), "phone".into());
    let made = plain(&value(made).await);
    assert_eq!(made["kind"], "3id");
    let did = made["did"].as_str().unwrap().to_owned();
    assert!(did.starts_with("did:3:k"), "{did}");
    let tile = plain(&value(first.create(did.clone(), tile(json!({ "n": 1 })), None)).await);
    assert_eq!(tile["metadata"]["controllers"], json!([did]));
    let second = key(&first, 2).await;
    let second = text(&second, "session");
    value(first.add_three_id_wallet(did.clone(), second.clone(), "laptop".into())).await;
    let wallets = plain(&value(first.three_id_wallets(did.clone())).await);
    let named = |name: &str| {
        wallets
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == name)
    };
    assert_eq!(named("phone").unwrap()["did"], text(&wallet, "did"));
    assert!(named("laptop").is_some());
    value(first.stop()).await;
    drop(first);

    // After a restart the other wallet's kept key opens it, with no prompt.
    let node = start(&name, Function::default()).await;
    let open = plain(&value(node.open_three_id(second.clone())).await);
    assert_eq!(open["did"], did);
    let changed = update(
        &node,
        &did,
        tile["id"].as_str().unwrap(),
        json!({ "n": 2 }),
        None,
    );
    assert_eq!(plain(&value(changed).await)["content"], json!({ "n": 2 }));
    // It ends with the session that opened it.
    value(node.revoke_session(second)).await;
    let ended = update(
        &node,
        &did,
        tile["id"].as_str().unwrap(),
        json!({ "n": 3 }),
        None,
    );
    assert_eq!(code(ended).await, "session-unknown");
}
