//! The configuration file as it is written, each value with its place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ostrakon_node::network::public::RelayLimits;
use serde::Deserialize;
use toml::Spanned;

use super::{ConfigError, LogFormat, circuit_bytes, relayed, seconds, text_of};

/// A value and where somebody wrote it.
#[derive(Debug)]
pub(super) struct Place {
    text: String,
    place: String,
}

impl Place {
    pub(super) fn flag(flag: &str, text: &str) -> Place {
        Place {
            text: text.to_owned(),
            place: flag.to_owned(),
        }
    }

    pub(super) fn map<T>(
        &self,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        read(&self.text).map_err(|message| self.error(message))
    }

    pub(super) fn error(&self, message: String) -> ConfigError {
        ConfigError::Value {
            place: self.place.clone(),
            message: format!("{message}."),
        }
    }
}

/// What a file says. What it does not say is nothing, or as it is without one.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) network: Option<Place>,
    pub(super) directory: Option<PathBuf>,
    pub(super) listen: Vec<Place>,
    pub(super) listens_nowhere: bool,
    pub(super) announce: Vec<Place>,
    pub(super) peers: Vec<Place>,
    pub(super) pins: Vec<Place>,
    pub(super) interests: Vec<Place>,
    pub(super) metrics: Option<Place>,
    pub(super) rpc: Vec<Place>,
    pub(super) quorum: Option<usize>,
    pub(super) relays: bool,
    pub(super) relay: RelayLimits,
    pub(super) log_format: Option<LogFormat>,
    pub(super) log_filter: Option<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    network: Option<Spanned<String>>,
    directory: Option<PathBuf>,
    listen: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    announce: Vec<Spanned<String>>,
    #[serde(default)]
    peers: Vec<Spanned<String>>,
    #[serde(default)]
    pins: Vec<Spanned<String>>,
    #[serde(default)]
    interests: Vec<Spanned<String>>,
    metrics: Option<Spanned<String>>,
    #[serde(default)]
    chains: RawChains,
    #[serde(default)]
    relay: RawRelay,
    #[serde(default)]
    log: RawLog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawChains {
    rpc: Vec<Spanned<String>>,
    quorum: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRelay {
    enabled: bool,
    reservations: Option<Spanned<u64>>,
    reservation_seconds: Option<Spanned<u64>>,
    circuits: Option<Spanned<u64>>,
    circuit_seconds: Option<Spanned<u64>>,
    circuit_bytes: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLog {
    format: Option<LogFormat>,
    filter: Option<Spanned<String>>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<File, ConfigError> {
        let text = text_of(path)?;
        let place = |span: Range<usize>| {
            let before = text.as_bytes().iter().take(span.start);
            let line = before.filter(|byte| **byte == b'\n').count();
            format!("{}:{}", path.display(), line.saturating_add(1))
        };
        let raw: Raw = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
            place: place(error.span().unwrap_or_default()),
            message: error.message().replace('\n', "; "),
        })?;
        let one = |value: Spanned<String>| Place {
            place: place(value.span()),
            text: value.into_inner(),
        };
        let many = |values: Vec<Spanned<String>>| values.into_iter().map(one).collect();
        let limits = RelayLimits::default();
        let relay = RelayLimits {
            reservations: number(raw.relay.reservations, limits.reservations, relayed, place)?,
            reservation_duration: number(
                raw.relay.reservation_seconds,
                limits.reservation_duration,
                seconds,
                place,
            )?,
            circuits: number(raw.relay.circuits, limits.circuits, relayed, place)?,
            circuit_duration: number(
                raw.relay.circuit_seconds,
                limits.circuit_duration,
                seconds,
                place,
            )?,
            circuit_bytes: number(
                raw.relay.circuit_bytes,
                limits.circuit_bytes,
                circuit_bytes,
                place,
            )?,
        };
        Ok(File {
            network: raw.network.map(one),
            directory: raw.directory,
            listens_nowhere: raw.listen.as_ref().is_some_and(Vec::is_empty),
            listen: many(raw.listen.unwrap_or_default()),
            announce: many(raw.announce),
            peers: many(raw.peers),
            pins: many(raw.pins),
            interests: many(raw.interests),
            metrics: raw.metrics.map(one),
            rpc: many(raw.chains.rpc),
            quorum: raw.chains.quorum,
            relays: raw.relay.enabled,
            relay,
            log_format: raw.log.format,
            log_filter: raw.log.filter.map(one),
        })
    }
}

fn number<T>(
    given: Option<Spanned<u64>>,
    default: T,
    read: impl FnOnce(u64) -> Result<T, String>,
    place: impl Fn(Range<usize>) -> String,
) -> Result<T, ConfigError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let place = place(given.span());
    let number = given.into_inner();
    read(number).map_err(|message| ConfigError::Value {
        place,
        message: format!("{number}: {message}."),
    })
}
