//! Last words: what a panic says reaches the console and the page before the module traps.

use std::panic::PanicHookInfo;
use std::sync::Once;

use serde::Serialize;
use wasm_bindgen::JsCast;
use web_sys::DedicatedWorkerGlobalScope;

#[derive(Serialize)]
struct Event<T> {
    event: &'static str,
    data: T,
}

#[derive(Serialize)]
struct Crash {
    code: &'static str,
    message: String,
}

/// Installs the hook, once.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| std::panic::set_hook(Box::new(report)));
}

fn report(panic: &PanicHookInfo) {
    let message = panic.to_string();
    web_sys::console::error_1(&message.as_str().into());
    let Ok(worker) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else {
        return;
    };
    let crash = Event {
        event: "crashed",
        data: Crash {
            code: "worker-crashed",
            message,
        },
    };
    if let Ok(crash) = serde_wasm_bindgen::to_value(&crash) {
        // If even this fails the console has the message, and the page sees the worker end.
        let _ = worker.post_message(&crash);
    }
}
