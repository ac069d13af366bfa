//! The node as JavaScript sees it, in a dedicated worker, where it lives.
#![cfg(target_arch = "wasm32")]

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

mod node;
