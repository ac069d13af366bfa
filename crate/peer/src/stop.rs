//! Being told to end, and ending: within [`PATIENCE`], or at once when told twice.
//!
//! Signals are waited for on a thread of their own, which says nothing that could make it wait: a node that is stuck, or whose
//! log nobody reads any more, ends all the same. Whatever is cut off, the store is whole: it only knows whole changes.

use std::process;
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;

/// How long a program that was told to end may take to do so.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Exit code of a program that did not end in time.
pub const LATE: i32 = 3;
/// Exit code of a program that was told twice to end, as shells have it for an interrupted one.
pub const TWICE: i32 = 130;

/// Done when the program is told to end: by SIGINT or, where there is one, SIGTERM. From the call on it ends within
/// [`PATIENCE`] of being told, whoever waits for this.
pub fn asked() -> impl Future<Output = ()> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Err(error) = runtime.and_then(|runtime| runtime.block_on(signals(tell))) {
            tracing::warn!(%error, "signals cannot be heard: the system's own way of ending a program remains");
        }
    });
    async {
        if told.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn signals(tell: oneshot::Sender<()>) -> std::io::Result<()> {
    #[cfg(unix)]
    let mut next = {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        async move || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
    };
    #[cfg(not(unix))]
    let mut next = async || {
        let _ = tokio::signal::ctrl_c().await;
    };
    next().await;
    // Err means that it is ending already.
    let _ = tell.send(());
    let again = tokio::time::timeout(PATIENCE, next()).await;
    process::exit(if again.is_ok() { TWICE } else { LATE });
}
