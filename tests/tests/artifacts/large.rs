//! Content of 2 GiB over the bus, and how much memory the service needs for it. Takes a minute and 4 GiB of
//! disk, so it runs only where `SELVEDGE_LARGE` is set (to the size in MiB; 2048 is meant).

use std::{fs::File, os::unix::fs::FileExt as _, path::Path, time::Instant};

use selvedge_contracts::payload::session::SessionStart;
use selvedge_kit::transfer;
use selvedge_tests::{artifacts::meant, fabric::plain_session, replica::Replica};
use tokio::io::AsyncWrite;

use crate::scene::{Scene, content};

/// Most memory that the service may have held at any time, in KiB: 64 MiB.
const MOST_KIB: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn two_gib_go_in_and_out_in_bounded_memory() {
    let Some(mib) = std::env::var("SELVEDGE_LARGE").ok().and_then(|mib| mib.parse::<u64>().ok()) else {
        eprintln!("SKIPPED two_gib_go_in_and_out_in_bounded_memory: set SELVEDGE_LARGE=2048 to run it");
        return;
    };
    let mut scene = Scene::start().await;
    let service = Replica::artifacts(
        crate::REPLICA,
        &scene.fabric.bus,
        &scene.fabric.bus.url(),
        "large",
        &scene.config,
    );
    scene.service.take().unwrap().drain().await;
    let idle = peak_kib(&service);
    let path = scene.fabric.bus.path().join("large");
    write(&path, mib);
    // Nobody sends heartbeats meanwhile.
    let present = SessionStart { presence_ttl_ms: Some(3_600_000), ..plain_session() };
    let client = &scene.fabric.session(&scene.agent, present).await.unwrap().client;
    let started = Instant::now();
    let put = transfer::put_file(client, &path, &|_, _| {}).await.unwrap();
    let put_s = started.elapsed().as_secs_f64();
    assert_eq!(put.size_bytes, mib << 20);
    let after_put = peak_kib(&service);
    let started = Instant::now();
    // What comes out is hashed on its way by the kit, which compares.
    transfer::get(client, &meant(put.digest.as_str()), 0, &mut Nowhere, &|_, _| {}).await.unwrap();
    let get_s = started.elapsed().as_secs_f64();
    let peak = peak_kib(&service);
    eprintln!(
        "{mib} MiB: put in {put_s:.1} s ({:.0} MiB/s), got in {get_s:.1} s ({:.0} MiB/s); \
         memory of the service at most {} MiB idle, {} MiB after the put, {} MiB in all",
        mib as f64 / put_s,
        mib as f64 / get_s,
        idle >> 10,
        after_put >> 10,
        peak >> 10
    );
    assert!(peak <= MOST_KIB, "{peak} KiB");
}

/// Most memory that the process has held so far.
fn peak_kib(service: &Replica) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// No MiB of it is like another, and a hole of 64 MiB is in its middle.
fn write(path: &Path, mib: u64) {
    let file = File::create(path).unwrap();
    file.set_len(mib << 20).unwrap();
    let mut piece = content(1 << 20, 1).to_vec();
    for index in (0..mib).filter(|index| !(mib / 2..mib / 2 + 64).contains(index)) {
        piece[..8].copy_from_slice(&index.to_le_bytes());
        file.write_all_at(&piece, index << 20).unwrap();
    }
}

struct Nowhere;

impl AsyncWrite for Nowhere {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
