//! What an operator's machines ask: `GET /metrics` (OpenMetrics text, which Prometheus reads) and `GET /health`.
//!
//! Whoever reaches the port learns who is connected in numbers, never in names. It is meant for this machine: no more than
//! [`MAX_AT_ONCE`] are answered at once, and nobody waits longer than [`PATIENCE`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ostrakon_node::{Node, NodeError, Vitals};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::Semaphore;

/// How long the node may take to say how it is. One that is slower counts as stuck.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that are answered at once.
pub const MAX_AT_ONCE: usize = 8;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is asked, and whom.
pub(crate) struct Monitor {
    pub(crate) node: Node,
    /// Where bytes are counted.
    pub(crate) registry: Registry,
    /// Whose size on disk is told.
    pub(crate) store: PathBuf,
    pub(crate) started: Instant,
}

#[derive(Clone)]
struct Shared(Arc<(Monitor, Semaphore)>);

/// The routes.
pub(crate) fn router(monitor: Monitor) -> Router {
    let shared = Shared(Arc::new((monitor, Semaphore::new(MAX_AT_ONCE))));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .with_state(shared)
}

impl Monitor {
    /// `Err` says why the peer is not well.
    async fn vitals(&self) -> Result<Vitals, String> {
        match tokio::time::timeout(PATIENCE, self.node.vitals()).await {
            Ok(Ok(vitals)) => Ok(vitals),
            Ok(Err(NodeError::Store(error))) => Err(format!("{error} ({})", error.code())),
            Ok(Err(error)) => Err(format!("{error} ({})", error.code())),
            Err(_) => Err(format!(
                "the node does not answer within {} seconds (stuck)",
                PATIENCE.as_secs()
            )),
        }
    }
}

fn busy() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, "asked too often\n").into_response()
}

async fn health(State(Shared(shared)): State<Shared>) -> Response {
    let (monitor, slots) = &*shared;
    let Ok(_slot) = slots.try_acquire() else {
        return busy();
    };
    match monitor.vitals().await {
        Ok(vitals) => {
            let peers = vitals.status.peers.len();
            format!("ok: {peers} peers, {} documents\n", vitals.status.documents).into_response()
        }
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(Shared(shared)): State<Shared>) -> Response {
    let (monitor, slots) = &*shared;
    let Ok(_slot) = slots.try_acquire() else {
        return busy();
    };
    let vitals = monitor.vitals().await;
    let mut told = Registry::with_prefix("ostrakon");
    told.register_collector(Box::new(Told {
        vitals: vitals.ok(),
        uptime: monitor.started.elapsed().as_secs(),
        store_bytes: std::fs::metadata(&monitor.store).map_or(0, |file| file.len()),
        memory_bytes: resident_bytes(),
    }));
    let (mut own, mut text) = (String::new(), String::new());
    if encode(&mut own, &told).is_err() || encode(&mut text, &monitor.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    // Two registries are one page, which ends once.
    let own = own.trim_end_matches("# EOF\n");
    (
        [(header::CONTENT_TYPE, OPENMETRICS)],
        format!("{own}{text}"),
    )
        .into_response()
}

/// Memory of this process that is in RAM, where the system tells it in a file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[derive(Debug)]
struct Told {
    vitals: Option<Vitals>,
    uptime: u64,
    store_bytes: u64,
    memory_bytes: Option<u64>,
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn put(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: impl EncodeMetric,
    ) -> fmt::Result {
        let kind = metric.metric_type();
        metric.encode(self.0.encode_descriptor(name, help, unit, kind)?)
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, None, ConstGauge::new(value))
    }

    fn bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, Some(&Unit::Bytes), ConstGauge::new(value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.put(name, help, None, ConstCounter::new(value))
    }
}

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let up = u64::from(self.vitals.is_some());
        page.gauge("up", "Whether the node and its store answer", up)?;
        let uptime = ConstGauge::new(self.uptime);
        let (name, help) = ("uptime", "Time since the start");
        page.put(name, help, Some(&Unit::Seconds), uptime)?;
        page.bytes("store_file", "Size of the store on disk", self.store_bytes)?;
        if let Some(bytes) = self.memory_bytes {
            page.bytes("resident_memory", "Memory of the process in RAM", bytes)?;
        }
        let Some(vitals) = &self.vitals else {
            return Ok(());
        };
        let (status, network) = (&vitals.status, &vitals.network);
        let peers = u64::try_from(status.peers.len()).unwrap_or(u64::MAX);
        page.gauge("peers", "Peers connected", peers)?;
        page.gauge("documents", "Documents kept", status.documents)?;
        page.gauge("blocks", "Blocks kept", status.blocks)?;
        page.bytes("blocks", "Bytes of the blocks kept", status.bytes)?;
        page.gauge(
            "outbox_documents",
            "Documents with writes from here that no peer is known to have",
            vitals.outbox,
        )?;
        page.counter(
            "tips_accepted",
            "New tips of documents, from here and from elsewhere",
            vitals.tips_accepted,
        )?;
        page.counter(
            "tips_refused",
            "Announced tips that were fetched and did not verify",
            vitals.tips_refused,
        )?;
        let blocks = &network.blocks;
        page.counter(
            "blocks_received",
            "Blocks that were asked for",
            blocks.blocks,
        )?;
        page.counter("blocks_served", "Blocks sent to peers", blocks.served)?;
        page.counter(
            "blocks_unasked",
            "Blocks that nobody asked for, dropped",
            blocks.unasked.saturating_add(blocks.unusable),
        )?;
        page.counter(
            "wants_refused",
            "Wants of peers that wanted too much",
            blocks.refused,
        )?;
        page.counter(
            "streams_broken",
            "Streams closed because they did not speak bitswap",
            blocks.broken,
        )?;
        page.counter(
            "chains_received",
            "Whole chains fetched in one answer",
            network.chains_received,
        )?;
        page.counter(
            "chains_failed",
            "Answers with whole chains that broke off or were refused",
            network.chains_failed,
        )?;
        page.counter(
            "chains_asked",
            "Questions of peers for whole chains",
            network.chains_asked,
        )?;
        page.counter("messages", "Messages heard on the topic", network.messages)?;
        page.counter(
            "messages_refused",
            "Messages on the topic that were garbage",
            network.garbage,
        )?;
        page.counter("dials_failed", "Dials that failed", network.dials_failed)?;
        page.gauge(
            "relay_reservations",
            "Peers that hold a reservation",
            network.reservations,
        )?;
        page.counter(
            "relay_reservations_refused",
            "Reservations refused",
            network.reservations_refused,
        )?;
        page.gauge("relay_circuits", "Circuits open", network.circuits)?;
        page.counter(
            "relay_circuits_opened",
            "Circuits opened",
            network.circuits_opened,
        )?;
        page.counter(
            "relay_circuits_refused",
            "Circuits refused",
            network.circuits_refused,
        )
    }
}

#[cfg(test)]
mod tests;
