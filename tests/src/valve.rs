//! A wire with a valve, between a client and nats-server: it can hold back the replies that a service
//! sends after it recorded a fact, lose or slow down what the server sends, and cut the connection. So a test
//! decides at which instant a fault strikes, and the code under test knows nothing of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// The wire; cut when it is dropped.
#[derive(Debug)]
pub struct Valve {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    /// First letters of the publish after which replies are held back.
    trigger: Mutex<Option<String>>,
    is_triggered: AtomicBool,
    held: AtomicUsize,
    /// First letters of the messages to the client that are lost.
    lost: Mutex<Option<String>>,
    /// What marks the messages to the client that are slowed down, and the pause before each.
    slowed: Mutex<Option<(String, Duration)>>,
    cuts: watch::Sender<u64>,
}

impl Valve {
    /// A wire to `url`.
    pub async fn start(url: &str) -> Self {
        let target: SocketAddr = url.trim_start_matches("nats://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State {
            trigger: Mutex::default(),
            is_triggered: AtomicBool::default(),
            held: AtomicUsize::default(),
            lost: Mutex::default(),
            slowed: Mutex::default(),
            cuts: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, target, Arc::clone(&shared)));
            }
        });
        Self { address, state, accepting }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Lets the next publish to a subject that begins with `prefix` pass, and no reply (`_INBOX.…`)
    /// after it.
    pub fn hold_replies_after(&self, prefix: &str) {
        *self.state.trigger.lock().expect("no panic meanwhile") = Some(prefix.to_owned());
    }

    /// How many replies were held back.
    pub fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }

    /// Loses what the server sends on subjects that begin with `prefix`; nothing any more if there is none.
    pub fn lose(&self, prefix: Option<&str>) {
        *self.state.lost.lock().expect("no panic meanwhile") = prefix.map(str::to_owned);
    }

    /// Passes on what the server sends with `marker` in its headers no faster than one message each `pause`.
    pub fn slow(&self, marker: &str, pause: Duration) {
        *self.state.slowed.lock().expect("no panic meanwhile") = Some((marker.to_owned(), pause));
    }

    /// Cuts every connection; the client may connect again.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true)); // only slower without
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        _ = cuts.changed() => {}
        _ = to_server(client_in, server_out, &state) => {}
        _ = to_client(server_in, client_out, &state) => {}
    }
}

/// Passes on what the client sends, operation by operation.
async fn to_server(from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    while let Some((subject, operation)) = next(&mut from).await? {
        if !subject.is_some_and(|subject| state.holds(&subject)) {
            to.write_all(&operation).await?;
        }
    }
    Ok(())
}

/// The next operation of the NATS protocol, whole, and the subject of the message in it.
async fn next(from: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<(Option<String>, Vec<u8>)>> {
    let mut operation = Vec::new();
    if from.read_until(b'\n', &mut operation).await? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&operation).trim().to_owned();
    let mut words = line.split(' ');
    if !matches!(words.next(), Some("PUB" | "HPUB" | "MSG" | "HMSG")) {
        return Ok(Some((None, operation)));
    }
    let subject = words.next().map(str::to_owned);
    let size: usize = line.rsplit(' ').next().and_then(|size| size.parse().ok()).unwrap_or_default();
    let start = operation.len();
    operation.resize(start + size + 2, 0);
    from.read_exact(&mut operation[start..]).await?;
    Ok(Some((subject, operation)))
}

impl State {
    fn loses(&self, subject: &str) -> bool {
        self.lost
            .lock()
            .expect("no panic meanwhile")
            .as_ref()
            .is_some_and(|prefix| subject.starts_with(prefix))
    }

    /// How long to wait before this message to the client is passed on.
    fn pause(&self, operation: &[u8]) -> Option<Duration> {
        let slowed = self.slowed.lock().expect("no panic meanwhile");
        let (marker, pause) = slowed.as_ref()?;
        operation.windows(marker.len()).any(|window| window == marker.as_bytes()).then_some(*pause)
    }

    fn holds(&self, subject: &str) -> bool {
        let mut trigger = self.trigger.lock().expect("no panic meanwhile");
        if trigger.as_ref().is_some_and(|prefix| subject.starts_with(prefix)) {
            *trigger = None;
            self.is_triggered.store(true, Ordering::SeqCst);
        }
        let is_held = self.is_triggered.load(Ordering::SeqCst) && subject.starts_with("_INBOX.");
        if is_held {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        is_held
    }
}

async fn to_client(from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    while let Some((subject, operation)) = next(&mut from).await? {
        if let Some(pause) = state.pause(&operation) {
            tokio::time::sleep(pause).await;
        }
        if !subject.is_some_and(|subject| state.loses(&subject)) {
            to.write_all(&operation).await?;
        }
    }
    Ok(())
}
