//! A server that effects are carried out at, which counts what it did.
//!
//! `POST /orders/<id>` does it each time; `GET /orders/<id>` tells whether it was done. `POST /keyed/<id>` does
//! it once for each key. `ANY /status/<code>` answers so and does nothing. `ANY /flaky/<id>` answers 503 until it
//! was asked three times. `ANY /silent/<id>` does it and never answers. `POST /secret/<id>` does it if the header
//! `authorization` says the secret. `POST /taken/<id>` does it, never answers, and answers 409 from then on; `GET`
//! tells whether it was done. `POST /echo/<id>` does it and says back what it was told; `ANY /tell/<id>` points
//! elsewhere with it. `ANY /bodied/<id>` does it and keeps the body.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use selvedge_contracts::payload::intent::{Effect, HttpEffect, Method as Wanted, Probe, Repeat};
use tokio::task::JoinHandle;

/// The secret that `/secret` wants.
pub(crate) const SECRET: &str = "Bearer s3cret-of-the-target";

#[derive(Default)]
struct Counts {
    /// How often each thing was done.
    done: BTreeMap<String, usize>,
    /// How often each was asked for, by method and path.
    asked: BTreeMap<String, usize>,
    /// Keys under which each thing was asked for.
    keys: BTreeMap<String, Vec<String>>,
    /// Content types and bodies that came, by path.
    bodies: BTreeMap<String, Vec<(String, Bytes)>>,
}

/// The server; gone when it is dropped.
pub(crate) struct Target {
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
    serving: JoinHandle<()>,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let counts = Arc::<Mutex<Counts>>::default();
        let app = Router::new().fallback(serve).with_state(Arc::clone(&counts));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, counts, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often `path` was done.
    pub(crate) fn done(&self, path: &str) -> usize {
        self.counts.lock().unwrap().done.get(path).copied().unwrap_or(0)
    }

    /// How often `path` was asked for by this method.
    pub(crate) fn asked(&self, method: &str, path: &str) -> usize {
        self.counts.lock().unwrap().asked.get(&format!("{method} {path}")).copied().unwrap_or(0)
    }

    /// The keys under which `path` was asked for.
    pub(crate) fn keys(&self, path: &str) -> Vec<String> {
        self.counts.lock().unwrap().keys.get(path).cloned().unwrap_or_default()
    }

    /// The content types and bodies that came to `path`.
    pub(crate) fn bodies(&self, path: &str) -> Vec<(String, Bytes)> {
        self.counts.lock().unwrap().bodies.get(path).cloned().unwrap_or_default()
    }

    /// The port on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A `POST` to `path`.
    pub(crate) fn post(&self, path: &str, repeat: Repeat) -> HttpEffect {
        HttpEffect {
            method: Wanted::Post,
            url: self.url(path),
            headers: BTreeMap::new(),
            secrets: BTreeMap::new(),
            body: None,
            content_type: None,
            repeat,
            probe: None,
            timeout_ms: Some(250),
        }
    }

    /// A `POST` to `path` that a `GET` tells about.
    pub(crate) fn probed(&self, path: &str) -> Effect {
        let probe = Probe { url: self.url(path), done: vec![200], absent: vec![404] };
        Effect::Http(HttpEffect { probe: Some(probe), ..self.post(path, Repeat::Unsafe) })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(State(counts): State<Arc<Mutex<Counts>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let request = axum::http::Request::from_parts(parts, body);
    match answer(&counts, &request) {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// The answer; none from one that is silent.
fn answer(counts: &Mutex<Counts>, request: &axum::http::Request<Bytes>) -> Option<Response> {
    let path = request.uri().path().to_owned();
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let key = header("idempotency-key");
    let (sort, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let is_get = request.method() == Method::GET;
    let (asked, is_known) = {
        let mut counts = counts.lock().unwrap();
        let asked = counts.asked.entry(format!("{} {path}", request.method())).or_default();
        *asked += 1;
        let asked = *asked;
        let is_known = counts.keys.get(&path).is_some_and(|keys| keys.contains(&key));
        if !is_get {
            counts.keys.entry(path.clone()).or_default().push(key);
        }
        (asked, is_known)
    };
    let doing = || {
        let mut counts = counts.lock().unwrap();
        *counts.done.entry(path.clone()).or_default() += 1;
        (StatusCode::CREATED, [("content-type", "application/json")], r#"{"made":true}"#).into_response()
    };
    Some(match sort {
        "orders" | "taken" if is_get => {
            let is_done = counts.lock().unwrap().done.contains_key(&path);
            if is_done { StatusCode::OK.into_response() } else { StatusCode::NOT_FOUND.into_response() }
        }
        "keyed" if is_known => (StatusCode::OK, r#"{"made":true}"#).into_response(),
        "flaky" if asked < 3 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "secret" if header("authorization") != SECRET => StatusCode::UNAUTHORIZED.into_response(),
        "orders" | "keyed" | "flaky" | "secret" => doing(),
        "echo" => {
            drop(doing());
            format!("you said {} and {}", header("authorization"), header("x-note")).into_response()
        }
        "tell" => {
            let to =
                format!("https://elsewhere.example/?said={}", header("authorization").replace(' ', "%20"));
            (StatusCode::FOUND, [("location", to)]).into_response()
        }
        "bodied" => {
            let came = (header("content-type"), request.body().clone());
            counts.lock().unwrap().bodies.entry(path.clone()).or_default().push(came);
            doing()
        }
        "taken" if asked > 1 => StatusCode::CONFLICT.into_response(),
        "silent" | "taken" => {
            drop(doing());
            return None;
        }
        "moved" => (StatusCode::FOUND, [("location", "/orders/elsewhere")]).into_response(),
        _ => {
            StatusCode::from_u16(rest.parse().unwrap_or(404)).unwrap_or(StatusCode::NOT_FOUND).into_response()
        }
    })
}
