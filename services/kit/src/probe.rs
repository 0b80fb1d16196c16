//! The HTTP server for those who watch the process: `/metrics` (OpenMetrics), `/livez`, `/readyz`.
//!
//! Owns one listening socket. Never takes part in the work, knows no secrets, reads no body, and
//! serves only GET. Each connection is good for one request and for a bounded time, so that nothing
//! has to be drained at a stop but the answers being written.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CACHE_CONTROL, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metrics};

mod readiness;

pub use readiness::{Check, Readiness};

/// Most connections at once; further ones wait in the system's queue. Watchers are few.
const MAX_CONNECTIONS: usize = 32;
/// Longest life of a connection. A scrape takes milliseconds.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(5);
/// Bound on a request's head; the smallest hyper allows.
const HEAD_MAX_BYTES: usize = 8 * 1024;
/// Wait after an accept failed (no file descriptors left), lest it spins.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no probe.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of `telemetry.listen` cannot be listened on.
    #[error("setting `telemetry.listen`: cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A listening probe; it answers once [`Probe::run`] runs.
#[derive(Debug)]
pub struct Probe {
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
    readiness: Readiness,
}

impl Probe {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr, metrics: Metrics, readiness: Readiness) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, metrics, readiness })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is cancelled; then lets the answers being written end, which takes a few
    /// seconds at most.
    pub async fn run(self, stop: CancellationToken) {
        let mut connections = JoinSet::new();
        while let Some(stream) = self.next(&mut connections, &stop).await {
            let (metrics, readiness) = (self.metrics.clone(), self.readiness.clone());
            connections.spawn(serve(stream, metrics, readiness));
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }

    /// The next connection; `None` once `stop` is cancelled.
    async fn next(&self, connections: &mut JoinSet<()>, stop: &CancellationToken) -> Option<TcpStream> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => return Some(stream),
                        Err(error) => {
                            tracing::warn!(%error, "probe cannot accept a connection");
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, metrics: Metrics, readiness: Readiness) {
    let answer = |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &metrics, &readiness);
        async move { Ok::<_, Infallible>(response) }
    };
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX_BYTES)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_DEADLINE)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    // A watcher that hangs up or dawdles is no event worth a line.
    let _ = timeout(CONNECTION_DEADLINE, connection).await;
}

fn respond(method: &Method, path: &str, metrics: &Metrics, readiness: &Readiness) -> Response<Full<Bytes>> {
    let (status, media_type, body) = match (path, method) {
        ("/metrics" | "/livez" | "/readyz", method) if method != Method::GET => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".into())
        }
        ("/metrics", _) => (StatusCode::OK, metrics::MEDIA_TYPE, metrics.text()),
        // Answering at all is being alive; what is wrong outside of the process is no reason to kill it.
        ("/livez", _) => (StatusCode::OK, "application/json", r#"{"ok":true}"#.into()),
        ("/readyz", _) => ready(readiness),
        _ => (StatusCode::NOT_FOUND, "text/plain", "/metrics, /livez or /readyz\n".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}

fn ready(readiness: &Readiness) -> (StatusCode, &'static str, String) {
    let status = match readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, "application/json", readiness.json())
}

#[cfg(test)]
mod tests;
