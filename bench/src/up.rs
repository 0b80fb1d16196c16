//! How soon `selvedge up` is ready, and what it holds in memory when nothing happens.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

/// Starts measured, after the one that makes the folder.
const STARTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn measure() {
    let selvedge = std::env::current_exe().expect("our own path").with_file_name("selvedge");
    assert!(selvedge.exists(), "{} is missing: cargo build --release -p selvedge", selvedge.display());
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = start(&selvedge, folder.path()).await;
    let mut existing = Vec::new();
    for _ in 0..STARTS {
        existing.push(start(&selvedge, folder.path()).await);
    }
    existing.sort_by_key(|seen| seen.ready);
    let median = &existing[STARTS / 2];
    println!("\n### up\n");
    println!("- ready on a new folder: {:.0} ms", fresh.ready.as_secs_f64() * 1e3);
    println!("- ready on an existing folder: {:.0} ms (goal <= 1500)", median.ready.as_secs_f64() * 1e3);
    println!(
        "- memory of all services, idle: {} MB (goal <= 60), nats-server aside",
        median.memory_kb / 1_024
    );
}

struct Seen {
    ready: Duration,
    memory_kb: u64,
}

/// One start, from the process's first instruction to its ready line, and one orderly end.
async fn start(selvedge: &Path, folder: &Path) -> Seen {
    let started = Instant::now();
    let mut up = Command::new(selvedge)
        .args(["--home".as_ref(), folder.join(".selvedge").as_os_str()])
        .args(["--output", "jsonl", "up", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("selvedge runs");
    let mut lines = BufReader::new(up.stdout.take().expect("its output")).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("ready in time");
    first.expect("its output").expect("a ready line");
    let ready = started.elapsed();
    let pid = up.id().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let memory_kb = resident.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0);
    let stop = Command::new("kill").arg(pid.to_string()).status().await;
    assert!(stop.is_ok_and(|status| status.success()), "selvedge takes SIGTERM");
    tokio::time::timeout(PATIENCE, up.wait()).await.expect("ended in time").expect("it ended");
    Seen { ready, memory_kb }
}
