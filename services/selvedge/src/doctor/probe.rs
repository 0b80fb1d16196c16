//! Whether the probe says ready, where there is one.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::report::Finding;
use crate::connect::Context;

const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Asks the probe of the running `up`, or of the settings.
pub(super) async fn check(context: &Context) -> Finding {
    let check = "probe";
    let configured = || context.config.telemetry.listen.map(|address| format!("http://{address}"));
    let Some(url) = context.running_up().and_then(|up| up.probe_url).or_else(configured) else {
        return Finding::ok(check, "off (telemetry.listen is empty)");
    };
    match timeout(TIMEOUT, get(&url)).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200") => {
            Finding::ok(check, format!("{url}/readyz says ready"))
        }
        Ok(Ok(answer)) => {
            let body = answer.lines().last().unwrap_or_default().to_owned();
            Finding::fail(check, format!("{url}/readyz says {body}"), "follow its hints")
        }
        Ok(Err(error)) => {
            let fix = "is `selvedge up` or `selvedge serve` running on this machine?";
            Finding::warn(check, format!("{url} does not answer: {error}"), fix)
        }
        Err(_) => Finding::fail(
            check,
            format!("{url} does not answer within {} s", TIMEOUT.as_secs()),
            "the process hangs: restart it",
        ),
    }
}

/// One request by hand: an HTTP client would be a dependency for this alone.
async fn get(url: &str) -> std::io::Result<String> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut answer = String::new();
    stream.take(MAX_BYTES).read_to_string(&mut answer).await?;
    Ok(answer)
}
