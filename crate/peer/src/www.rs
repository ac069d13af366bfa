//! The devnet's HTTP server: the demo page as it is on disk, and what the devnet offers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, RwLock};

use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Serialize;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

use crate::recorded::Recordings;
use crate::wallet::Wallet;

/// `GET /devnet.json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Devnet {
    /// Name of the network.
    pub network: String,
    /// Where a browser dials, as multiaddresses.
    pub peers: Vec<String>,
    /// Chains that can be asked here.
    pub chains: Vec<Chain>,
    /// The devnet's wallet, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallet: Option<Chain>,
    /// The documents to look at.
    pub documents: Vec<Offer>,
}

/// A chain whose recorded answers are served, or one on which the wallet is.
#[derive(Clone, Debug, Serialize)]
pub struct Chain {
    /// CAIP-2.
    pub id: String,
    /// Where, relative to the page.
    pub rpc: String,
}

/// A document the devnet offers.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// Its StreamID.
    pub id: String,
    /// A few words on it.
    pub title: String,
    /// Whether somebody keeps writing it.
    pub living: bool,
}

/// Where the page asks the wallet.
pub const WALLET: &str = "/wallet";

/// What is served now; the writer of the living documents changes it.
pub type Shared = Arc<RwLock<Devnet>>;

/// The server's routes, over the files in `www`.
pub fn router(
    www: &Path,
    devnet: Shared,
    recordings: Recordings,
    wallet: Option<Wallet>,
) -> Router {
    let rpc = post(replay)
        .options(preflight)
        .with_state(Arc::new(recordings));
    let routes = match wallet {
        Some(wallet) => Router::new().route(WALLET, post(sign).with_state(Arc::new(wallet))),
        None => Router::new(),
    };
    routes
        .route("/devnet.json", get(offer))
        .route("/rpc/{chain}", rpc)
        .fallback_service(ServeDir::new(www))
        .layer(middleware::map_response(plain_headers))
        .with_state(devnet)
}

/// Serves until the future is dropped.
pub async fn serve(listener: TcpListener, router: Router) -> io::Result<()> {
    axum::serve(listener, router).await
}

/// Binds `address`; `Err` holds one sentence for the user. `option` is what chooses another port.
pub async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| busy(address, option, &error))
}

/// Why `address` cannot be listened on, in one sentence.
pub fn busy(address: SocketAddr, option: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "Port {} is in use: stop the program that uses it, or choose another with {option}.",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "This user may not listen on port {}: choose one above 1023 with {option}.",
                address.port()
            )
        }
        _ => format!("Cannot listen on {address}: {error}."),
    }
}

async fn offer(State(devnet): State<Shared>, headers: HeaderMap) -> Response {
    // A poisoned lock still holds whole values: every write replaces one field.
    let mut now = devnet
        .read()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .clone();
    if let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    {
        for peer in &mut now.peers {
            *peer = reached_at(peer, host);
        }
    }
    readable(Json(now).into_response())
}

/// `POST /rpc/CHAIN`, as JSON-RPC over HTTP.
async fn replay(
    State(recordings): State<Arc<Recordings>>,
    UrlPath(chain): UrlPath<String>,
    request: Bytes,
) -> Response {
    let response = match recordings.answer(&chain, &request) {
        Some(answer) => Json(answer).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    readable(response)
}

/// `POST /wallet`, as JSON-RPC over HTTP, for the devnet's own page: no other origin may read it, or ask with JSON at all.
async fn sign(State(wallet): State<Arc<Wallet>>, headers: HeaderMap, request: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    if headers.get(header::CONTENT_TYPE) != Some(&json) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    Json(wallet.answer(&request).await).into_response()
}

async fn preflight() -> Response {
    readable(StatusCode::NO_CONTENT.into_response())
}

/// Pages of other origins may ask as well.
fn readable(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("content-type"),
    );
    response
}

/// A peer that listens on every address is dialled at the one by which the page was reached.
fn reached_at(peer: &str, host: &str) -> String {
    let Some(rest) = ["/ip4/0.0.0.0/", "/ip6/::/"]
        .iter()
        .find_map(|any| peer.strip_prefix(any))
    else {
        return peer.to_owned();
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    match name.parse() {
        Ok(IpAddr::V4(address)) => format!("/ip4/{address}/{rest}"),
        Ok(IpAddr::V6(address)) => format!("/ip6/{address}/{rest}"),
        Err(_) => format!("/dns/{name}/{rest}"),
    }
}

/// A rebuilt page must show at the next reload.
async fn plain_headers(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(path: &str) -> String {
        send(&format!("GET {path}"), "").await
    }

    async fn send(what: &str, body: &str) -> String {
        let www = tempfile::tempdir().unwrap();
        std::fs::write(www.path().join("index.html"), "<p>page").unwrap();
        std::fs::write(www.path().join("core.wasm"), b"\0asm").unwrap();
        let devnet = Devnet {
            network: "local-1".into(),
            ..Devnet::default()
        };
        let listener = bind(([127, 0, 0, 1], 0).into(), "--port").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(
            www.path(),
            Arc::new(RwLock::new(devnet)),
            recordings(),
            None,
        );
        let server = tokio::spawn(serve(listener, router));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{what} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer.to_lowercase()
    }

    fn recordings() -> Recordings {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
        Recordings::read(dir.as_ref()).unwrap()
    }

    #[tokio::test]
    async fn a_recorded_chain_is_asked_by_any_page() {
        let question = r#"{"id":1,"method":"eth_chainId","params":[]}"#;
        let answer = send("POST /rpc/eip155:1337", question).await;
        assert!(answer.contains(r#""result":"0x539""#), "{answer}");
        let may = "access-control-allow-origin: *";
        assert!(answer.contains(may), "{answer}");
        let preflight = send("OPTIONS /rpc/eip155:1337", "").await;
        assert!(
            preflight.starts_with("http/1.1 204") && preflight.contains(may),
            "{preflight}"
        );
        let none = send("POST /rpc/eip155:2", question).await;
        assert!(none.starts_with("http/1.1 404"), "{none}");
    }

    #[tokio::test]
    async fn wasm_is_served_as_wasm_and_never_from_an_old_cache() {
        let answer = ask("/core.wasm").await;
        assert!(
            answer.contains("content-type: application/wasm"),
            "{answer}"
        );
        assert!(answer.contains("cache-control: no-cache"), "{answer}");
    }

    #[tokio::test]
    async fn the_page_is_at_the_root_and_nothing_outside_it_is_served() {
        assert!(ask("/").await.contains("<p>page"));
        assert!(ask("/../../etc/passwd").await.starts_with("http/1.1 404"));
        assert!(ask("/none.js").await.starts_with("http/1.1 404"));
    }

    #[tokio::test]
    async fn any_page_may_read_what_the_devnet_offers() {
        let answer = ask("/devnet.json").await;
        assert!(answer.contains(r#""network":"local-1""#), "{answer}");
        assert!(
            answer.contains("access-control-allow-origin: *"),
            "{answer}"
        );
    }

    #[test]
    fn a_phone_is_told_the_address_by_which_it_came() {
        let any = "/ip4/0.0.0.0/tcp/4102/ws/p2p/12D3";
        assert_eq!(
            reached_at(any, "192.168.1.7:7070"),
            "/ip4/192.168.1.7/tcp/4102/ws/p2p/12D3"
        );
        assert_eq!(
            reached_at(any, "[::1]:7070"),
            "/ip6/::1/tcp/4102/ws/p2p/12D3"
        );
        assert_eq!(reached_at(any, "[::1]"), "/ip6/::1/tcp/4102/ws/p2p/12D3");
        assert_eq!(
            reached_at(any, "localhost:7070"),
            "/dns/localhost/tcp/4102/ws/p2p/12D3"
        );
        let one = "/ip4/127.0.0.1/tcp/4102/ws/p2p/12D3";
        assert_eq!(reached_at(one, "localhost:7070"), one);
    }

    #[tokio::test]
    async fn a_busy_port_is_said_in_one_sentence() {
        let first = bind(([127, 0, 0, 1], 0).into(), "--port").await.unwrap();
        let sentence = bind(first.local_addr().unwrap(), "--port")
            .await
            .unwrap_err();
        assert!(
            sentence.contains("in use") && sentence.contains("--port"),
            "{sentence}"
        );
    }
}
