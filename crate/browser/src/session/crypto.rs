//! The browser's cryptography: random bytes, and AES-GCM under keys that it does not hand out.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::SessionError;

/// Bytes of a nonce, as GCM wants them.
const NONCE_BYTES: usize = 12;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &mut [u8]) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = generateKey, catch)]
    fn generate_key(kind: &Object, extractable: bool, usages: &Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = encrypt, catch)]
    fn subtle_encrypt(how: &Object, key: &JsValue, text: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = decrypt, catch)]
    fn subtle_decrypt(how: &Object, key: &JsValue, text: &Uint8Array) -> Result<Promise, JsValue>;
}

/// Fills with random bytes of the platform.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), SessionError> {
    get_random_values(bytes).map_err(failed)
}

/// A new key of 256 bits that can be kept in IndexedDB, but not read.
pub(super) async fn key() -> Result<JsValue, SessionError> {
    let kind = object(&[("name", "AES-GCM".into()), ("length", 256.into())]);
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    settle(generate_key(&kind, false, &usages)).await
}

/// A nonce, and the text encrypted and bound to `bound`. The browser copies `text` before this awaits anything; whoever
/// owns it wipes it.
pub(super) async fn encrypt(
    key: &JsValue,
    text: Uint8Array,
    bound: &[u8],
) -> Result<(Uint8Array, Uint8Array), SessionError> {
    let mut nonce = [0; NONCE_BYTES];
    random(&mut nonce)?;
    let nonce = Uint8Array::from(&nonce[..]);
    let encrypted = subtle_encrypt(&how(&nonce, bound), key, &text);
    wipe(&text);
    Ok((nonce, Uint8Array::new(&settle(encrypted).await?)))
}

/// The text, if key, nonce, bound and bytes belong together. Whoever gets it wipes it.
pub(super) async fn decrypt(
    key: &JsValue,
    nonce: &Uint8Array,
    bytes: &Uint8Array,
    bound: &[u8],
) -> Result<Uint8Array, SessionError> {
    let text = settle(subtle_decrypt(&how(nonce, bound), key, bytes)).await?;
    Ok(Uint8Array::new(&text))
}

/// Overwrites what JavaScript holds.
pub(super) fn wipe(bytes: &Uint8Array) {
    bytes.fill(0, 0, bytes.length());
}

fn how(nonce: &Uint8Array, bound: &[u8]) -> Object {
    object(&[
        ("name", "AES-GCM".into()),
        ("iv", nonce.into()),
        ("additionalData", Uint8Array::from(bound).into()),
    ])
}

fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a property of an object made here can't fail.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object
}

async fn settle(promise: Result<Promise, JsValue>) -> Result<JsValue, SessionError> {
    let promise = promise.map_err(failed)?;
    JsFuture::from(promise).await.map_err(failed)
}

/// Only the name of what the browser throws: it is one of a short list, and never a secret.
fn failed(error: JsValue) -> SessionError {
    let name = Reflect::get(&error, &"name".into()).ok();
    let name = name.and_then(|name| name.as_string());
    SessionError::Crypto(name.unwrap_or_else(|| "unknown".to_owned()))
}
