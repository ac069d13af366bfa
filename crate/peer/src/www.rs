//! The devnet's HTTP server: the demo page as it is on disk, and what the devnet offers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, RwLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Serialize;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

/// `GET /devnet.json`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Devnet {
    /// Name of the network.
    pub network: String,
    /// Where a browser dials, as multiaddresses.
    pub peers: Vec<String>,
    /// The documents to look at.
    pub documents: Vec<Offer>,
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

/// What is served now; the writer of the living documents changes it.
pub type Shared = Arc<RwLock<Devnet>>;

/// The server's routes, over the files in `www`.
pub fn router(www: &Path, devnet: Shared) -> Router {
    Router::new()
        .route("/devnet.json", get(offer))
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
    let mut response = Json(now).into_response();
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
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
        let www = tempfile::tempdir().unwrap();
        std::fs::write(www.path().join("index.html"), "<p>page").unwrap();
        std::fs::write(www.path().join("core.wasm"), b"\0asm").unwrap();
        let devnet = Devnet {
            network: "local-1".into(),
            ..Devnet::default()
        };
        let listener = bind(([127, 0, 0, 1], 0).into(), "--port").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(www.path(), Arc::new(RwLock::new(devnet)));
        let server = tokio::spawn(serve(listener, router));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer.to_lowercase()
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
