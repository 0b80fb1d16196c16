//! Saying that it is up: the state for the other commands, the ready line for whoever started it.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Context as _;
use selvedge_contracts::id::{KlusterName, Mission};
use selvedge_kit::config::Origin;
use serde::Serialize;
use tracing::warn;

use super::Up;
use crate::{connect::UpState, exit::Failure};

/// How long each step of the start took.
pub(super) struct Steps {
    started: Instant,
    last: Instant,
    took_ms: BTreeMap<&'static str, u64>,
}

impl Steps {
    pub(super) fn since(started: Instant) -> Self {
        Self { started, last: started, took_ms: BTreeMap::new() }
    }

    pub(super) fn done(&mut self, step: &'static str) {
        let now = Instant::now();
        self.took_ms.insert(step, millis(now.duration_since(self.last)));
        self.last = now;
    }
}

fn millis(length: std::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(flatten)]
    state: UpState,
    nats_version: String,
    folder: String,
    klusters: Vec<KlusterName>,
    services: Vec<&'static str>,
    missions: Vec<Mission>,
    ready_ms: u64,
    steps_ms: BTreeMap<&'static str, u64>,
}

impl Up {
    pub(super) fn write_state(&self) -> Result<UpState, Failure> {
        let state = UpState {
            pid: std::process::id(),
            nats_pid: self.server.pid(),
            url: self.server.url().to_owned(),
            probe_url: self.watch.probe_url().map(str::to_owned),
        };
        state.write(&self.context.home).context("cannot write up.json")?;
        Ok(state)
    }

    pub(super) fn announce(&self, missions: Vec<Mission>, steps: &Steps) -> Result<(), Failure> {
        let target = self
            .context
            .config
            .nats
            .target(&self.context.environment)
            .context("cannot tell which server is meant")?;
        if target.origin != Origin::Default {
            warn!(url = target.url, by = %target.origin, "other commands go there, not here: unset it to use this fabric");
        }
        let ready = Ready {
            ready: true,
            state: self.write_state()?,
            nats_version: self.server.version().to_owned(),
            folder: self.context.home.path().display().to_string(),
            klusters: self.fleet.klusters(),
            services: self.services.iter().map(|service| service.name()).collect(),
            missions,
            ready_ms: millis(steps.started.elapsed()),
            steps_ms: steps.took_ms.clone(),
        };
        Ok(self.context.output.print(&ready, human).context("cannot say that it is up")?)
    }
}

fn human(ready: &Ready) -> String {
    let Ready { state, nats_version, folder, ready_ms, .. } = ready;
    let klusters: Vec<&str> = ready.klusters.iter().map(KlusterName::as_str).collect();
    let mut lines = vec![
        format!("selvedge is up at {} (ready after {ready_ms} ms)", state.url),
        format!("  folder    {folder}"),
        format!("  klusters  {}", klusters.join(", ")),
        format!("  services  {}", ready.services.join(", ")),
        format!("  nats      {nats_version}, process {}", state.nats_pid),
    ];
    lines.extend(state.probe_url.iter().map(|url| format!("  probe     {url}/readyz, {url}/metrics")));
    let mission = ready.missions.first().map_or("demo", Mission::as_str);
    lines.push(String::new());
    lines.push(format!("Next: selvedge agent register ada --role worker --mission {mission}"));
    lines.push("      selvedge status      selvedge doctor      Ctrl-C stops it".to_owned());
    lines.join("\n")
}
