use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use tracing::{debug_span, info, info_span, subscriber::with_default, trace_span};

use super::*;

/// Bound on every wait of these tests.
const DEADLINE: Duration = Duration::from_secs(20);

fn settings(log: &str, log_format: LogFormat) -> Telemetry {
    Telemetry { log: log.into(), log_format, listen: None }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged by `work`.
fn logged(settings: &Telemetry, colour: Colour, work: impl FnOnce()) -> String {
    let page = Page::default();
    let writer = page.clone();
    let layer = log_layer(settings, colour, move || writer.clone()).unwrap();
    with_default(subscriber(layer, None), work);
    let bytes = page.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn work() {
    let span = info_span!("call", agent = "ada-1a2b3c4d");
    let _entered = span.enter();
    info!(fence = 7, "granted");
    tracing::debug!("not at this level");
}

#[test]
fn json_logs_are_one_object_a_line_with_the_fields_of_their_span() {
    let lines = logged(&settings("info", LogFormat::Json), Colour::Ansi, work);
    let [line] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "granted");
    assert_eq!(line["fence"], 7);
    assert_eq!(line["span"]["agent"], "ada-1a2b3c4d");
}

#[test]
fn human_logs_have_colours_only_where_asked_for() {
    let human = settings("info", LogFormat::Human);
    let plain = logged(&human, Colour::None, work);
    assert!(plain.contains("call{agent=\"ada-1a2b3c4d\"}: "), "{plain}");
    assert!(plain.ends_with("granted fence=7\n"), "{plain}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
    assert!(logged(&human, Colour::Ansi, work).contains("\u{1b}["));
}

#[test]
fn levels_can_be_set_by_target() {
    let target = module_path!();
    let lines = logged(&settings(&format!("off,{target}=debug"), LogFormat::Human), Colour::None, work);
    assert!(lines.contains("not at this level"), "{lines}");
    assert_eq!(logged(&settings("off", LogFormat::Human), Colour::None, work), "");
}

#[test]
fn what_cannot_be_set_up_is_named() {
    let refusal = |log: &str, variables: &[(&str, &str)]| {
        let environment = variables.iter().copied().collect();
        init(&settings(log, LogFormat::Json), "test", &environment).err().unwrap().to_string()
    };
    assert_eq!(
        refusal("selvedge=loud", &[]),
        "setting `telemetry.log`: \"selvedge=loud\" is no level and no list of target=level"
    );
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    assert_eq!(
        refusal("info", &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]),
        "variable OTEL_EXPORTER_OTLP_PROTOCOL asks for \"grpc\": spans are sent as http/protobuf only"
    );
    assert_eq!(
        refusal("info", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "not a url")]),
        "cannot send spans to not a url"
    );
}

/// One HTTP request: its head and its body.
struct Post {
    head: String,
    body: Vec<u8>,
}

/// Takes one request and answers it with an empty success.
fn accept(listener: &TcpListener) -> io::Result<Post> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body)?;
    let mut stream: TcpStream = reader.into_inner();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(Post { head, body })
}

/// A collector of spans: its address, and what it gets first.
fn collector() -> (String, mpsc::Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, posts) = mpsc::sync_channel(1);
    thread::spawn(move || sender.send(accept(&listener).unwrap()).unwrap());
    (url, posts)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

fn export_to(url: &str, work: impl FnOnce()) {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url)];
    let spans = otlp::exporter("selvedge-test", &variables.into_iter().collect()).unwrap();
    let logs = log_layer(&settings("off", LogFormat::Human), Colour::None, io::sink).unwrap();
    let guard = Guard(spans);
    with_default(subscriber(logs, guard.0.as_ref()), work);
    drop(guard);
}

fn spans_of_each_level() {
    let call = debug_span!("a_call", agent = "ada-1a2b3c4d");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    trace_context::set_parent(&call, parent).unwrap();
    call.in_scope(|| trace_span!("a_detail").in_scope(|| info!("done")));
}

#[test]
fn spans_reach_the_collector_when_the_guard_is_dropped() {
    let (url, posts) = collector();
    export_to(&url, spans_of_each_level);
    let Post { head, body } = posts.recv_timeout(DEADLINE).unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
    for text in ["selvedge-test", "a_call", "ada-1a2b3c4d"] {
        assert!(contains(&body, text), "no {text} in {}", String::from_utf8_lossy(&body));
    }
    let trace_id = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
    assert!(body.windows(16).any(|part| part == trace_id));
    assert!(!contains(&body, "a_detail"));
}

#[tokio::test]
async fn spans_reach_the_collector_from_within_an_async_runtime() {
    let (url, posts) = collector();
    export_to(&url, spans_of_each_level);
    assert!(contains(&posts.recv_timeout(DEADLINE).unwrap().body, "a_call"));
}

#[test]
fn a_collector_behind_tls_is_greeted_with_tls() {
    const HANDSHAKE_RECORD: u8 = 22;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (sender, first) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut byte = [0];
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.read_exact(&mut byte).unwrap();
        sender.send(byte).unwrap();
    });
    export_to(&url, spans_of_each_level);
    assert_eq!(first.recv_timeout(DEADLINE).unwrap(), [HANDSHAKE_RECORD]);
}

#[test]
fn a_dead_collector_holds_up_a_stop_for_a_bounded_time() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let begin = std::time::Instant::now();
    export_to(&format!("http://{}", dead.local_addr().unwrap()), spans_of_each_level);
    assert!(begin.elapsed() < FLUSH_DEADLINE * 2, "{:?}", begin.elapsed());
}
