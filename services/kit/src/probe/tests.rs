use selvedge_contracts::role::Service;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::*;

/// Bound on every wait of these tests.
const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start() -> Running {
    let (metrics, readiness) = (Metrics::default(), Readiness::default());
    let any_port = "127.0.0.1:0".parse().unwrap();
    let probe = Probe::bind(any_port, metrics.clone(), readiness.clone()).await.unwrap();
    let (address, stop) = (probe.address(), CancellationToken::new());
    let task = tokio::spawn(probe.run(stop.clone()));
    Running { address, metrics, readiness, stop, task }
}

impl Running {
    /// Sends `head` and gives all that comes back.
    async fn send(&self, head: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        timeout(DEADLINE, exchange).await.unwrap()
    }

    /// Status and body of a GET.
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.send(&format!("GET {path} HTTP/1.1\r\nhost: probe\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn ready(&self) -> (u16, Value) {
        let (status, body) = self.get("/readyz").await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

#[tokio::test]
async fn it_is_alive_before_it_is_ready() {
    let probe = start().await;
    assert_eq!(probe.get("/livez").await, (200, r#"{"ok":true}"#.into()));
    assert_eq!(probe.ready().await, (503, json!({"ok": false, "checks": {}})));
}

#[tokio::test]
async fn it_is_ready_when_every_check_holds_and_says_what_to_do_until_then() {
    let probe = start().await;
    probe.readiness.register("bus", "is nats-server running?");
    probe.readiness.register("views", "wait: the ledger is being read");
    probe.readiness.set("bus", true);
    let hint = "wait: the ledger is being read";
    let checks = json!({"bus": {"ok": true}, "views": {"ok": false, "hint": hint}});
    assert_eq!(probe.ready().await, (503, json!({"ok": false, "checks": checks})));

    let readiness = probe.readiness.clone();
    let waiting = tokio::spawn(async move { readiness.ready().await });
    probe.readiness.set("views", true);
    timeout(DEADLINE, waiting).await.unwrap().unwrap();
    let checks = json!({"bus": {"ok": true}, "views": {"ok": true}});
    assert_eq!(probe.ready().await, (200, json!({"ok": true, "checks": checks})));

    probe.readiness.set("bus", false);
    assert_eq!(probe.ready().await.0, 503);
}

#[tokio::test]
async fn metrics_are_served_as_openmetrics() {
    let probe = start().await;
    probe.metrics.call(Service::Registry, "whoami").record(Ok(()), Duration::from_millis(1));
    let answer = probe.send("GET /metrics HTTP/1.1\r\nhost: probe\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.contains(media_type), "{answer}");
    let line = r#"selvedge_requests_total{service="registry",call="whoami",code="ok"} 1"#;
    assert!(answer.contains(line), "{answer}");
    assert!(answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn nothing_else_is_served() {
    let probe = start().await;
    assert_eq!(probe.get("/").await.0, 404);
    assert_eq!(probe.get("/metrics/x").await.0, 404);
    let answer = probe.send("POST /metrics HTTP/1.1\r\nhost: p\r\ncontent-length: 9\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let probe = start().await;
    let mut stream = TcpStream::connect(probe.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nx: ").await.unwrap();
    let refused = async {
        // Ends with the connection: it is closed or reset, and the answer may be lost with it.
        while stream.write_all(&[b'x'; HEAD_MAX_BYTES]).await.is_ok() {}
    };
    timeout(DEADLINE, refused).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let probe = start().await;
    let mut silent = TcpStream::connect(probe.address).await.unwrap();
    let mut answer = Vec::new();
    timeout(CONNECTION_DEADLINE * 2, silent.read_to_end(&mut answer)).await.unwrap().unwrap();
}

#[tokio::test]
async fn it_stops_listening_when_told_to() {
    let probe = start().await;
    assert_eq!(probe.get("/livez").await.0, 200);
    probe.stop.cancel();
    timeout(DEADLINE, probe.task).await.unwrap().unwrap();
    TcpStream::connect(probe.address).await.unwrap_err();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let probe = start().await;
    let again = Probe::bind(probe.address, Metrics::default(), Readiness::default()).await;
    assert_eq!(
        again.unwrap_err().to_string(),
        format!("setting `telemetry.listen`: cannot listen on {}", probe.address)
    );
}
