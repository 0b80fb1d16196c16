//! `selvedge status`: what runs, and how much there is of it.

use anyhow::Context as _;
use selvedge_contracts::{
    call,
    id::{KlusterName, Mission},
    payload::{
        agent::AgentList,
        mission::MissionList,
        session::{SessionList, SessionStatus},
    },
    stream::{AUDIT, LEDGER},
};
use selvedge_kit::{
    client::Client,
    clock::Deadline,
    credential::Login,
    inspect::{self, Instance, Stream},
    metrics::Metrics,
};
use serde::Serialize;

use crate::{
    connect::{Context, UpState},
    exit::Failure,
    services::Place,
};

/// Longest wait for the services to answer, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// Records asked for at once.
const PAGE: u32 = 1_000;

#[derive(Serialize)]
struct Status {
    up: Option<UpState>,
    url: String,
    klusters: Vec<Kluster>,
}

#[derive(Serialize)]
struct Kluster {
    kluster: KlusterName,
    #[serde(flatten)]
    seen: Seen,
}

/// What is seen of a kluster, or why nothing.
#[derive(Serialize)]
#[serde(untagged)]
enum Seen {
    Reached(Box<Reached>),
    Unreached { error: String },
}

#[derive(Serialize)]
struct Reached {
    services: Vec<Service>,
    streams: Vec<Stream>,
    counts: Option<Counts>,
}

#[derive(Serialize)]
struct Service {
    name: String,
    instance: String,
    version: String,
    started: String,
    requests: u64,
    errors: u64,
    average_us: u64,
}

#[derive(Serialize)]
struct Counts {
    missions: usize,
    agents: usize,
    open_sessions: usize,
}

/// Prints it.
///
/// # Errors
/// There is nothing here to ask with, or nobody can be reached.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let up = context.running_up();
    let place = Place::new(context.url()?, &context.config, Metrics::default());
    let names = context.home.klusters();
    if names.is_empty() {
        let message = format!(
            "there is no operator credential in {}; run `selvedge up` there first, or name the folder with --home",
            context.home.path().display()
        );
        return Err(Failure::Usage(message));
    }
    let mut klusters = Vec::new();
    for kluster in names {
        let seen = match see(context, &place, &kluster).await {
            Ok(reached) => Seen::Reached(Box::new(reached)),
            Err(failure) => Seen::Unreached {
                error: failure.chain(),
            },
        };
        klusters.push(Kluster { kluster, seen });
    }
    let is_reached = klusters
        .iter()
        .any(|kluster| matches!(kluster.seen, Seen::Reached(_)));
    let status = Status {
        up,
        url: place.url,
        klusters,
    };
    context
        .output
        .print(&status, human)
        .context("cannot print")?;
    if is_reached {
        return Ok(());
    }
    let message = format!(
        "nobody can be reached at {}; `selvedge up` starts a fabric, `selvedge doctor` looks for what is wrong",
        status.url
    );
    Err(selvedge_contracts::fault::Fault::unavailable(message).into())
}

async fn see(context: &Context, place: &Place, kluster: &KlusterName) -> Result<Reached, Failure> {
    let path = context.home.operator_creds(kluster);
    let client = Client::new(place.connect("status", Login::File(path)).await?);
    let deadline = Deadline::in_ms(ANSWER_MS);
    let instances = inspect::instances(client.bus(), deadline)
        .await
        .context("cannot find the services")?;
    let mut streams = Vec::new();
    for name in [LEDGER, AUDIT] {
        streams.push(
            inspect::stream(client.bus(), name, deadline)
                .await
                .with_context(|| format!("cannot look at {name}"))?,
        );
    }
    // Without a registry there is nobody to count; that none answers is to be seen in the list.
    let counts = if instances.is_empty() {
        None
    } else {
        Some(count(&client).await?)
    };
    Ok(Reached {
        services: instances.iter().map(summary).collect(),
        streams,
        counts,
    })
}

fn summary(instance: &Instance) -> Service {
    let sum = |of: fn(&inspect::Endpoint) -> u64| instance.endpoints.iter().map(of).sum::<u64>();
    let requests = sum(|endpoint| endpoint.num_requests);
    Service {
        name: instance.name.clone(),
        instance: instance.id.clone(),
        version: instance.version.clone(),
        started: instance.started.clone(),
        requests,
        errors: sum(|endpoint| endpoint.num_errors),
        average_us: sum(|endpoint| endpoint.processing_ns)
            .checked_div(requests)
            .unwrap_or(0)
            / 1_000,
    }
}

async fn count(client: &Client) -> Result<Counts, Failure> {
    let missions = missions(client).await?;
    let mut open_sessions = 0;
    for mission in missions.iter().chain([&Mission::kluster()]) {
        open_sessions += sessions(client, mission).await?;
    }
    Ok(Counts {
        missions: missions.len(),
        agents: agents(client).await?,
        open_sessions,
    })
}

async fn missions(client: &Client) -> Result<Vec<Mission>, Failure> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let reply = client
            .call::<call::MissionList>(&MissionList {
                after,
                limit: Some(PAGE),
            })
            .await?
            .reply;
        found.extend(reply.missions.into_iter().map(|mission| mission.id));
        after = found.last().cloned();
        if !reply.more {
            return Ok(found);
        }
    }
}

async fn agents(client: &Client) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = AgentList {
            after,
            limit: Some(PAGE),
            ..AgentList::default()
        };
        let reply = client.call::<call::AgentList>(&page).await?.reply;
        count += reply.agents.len();
        after = reply.agents.last().map(|agent| agent.id.clone());
        if !reply.more {
            return Ok(count);
        }
    }
}

async fn sessions(client: &Client, mission: &Mission) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = SessionList {
            mission: Some(mission.clone()),
            agent: None,
            status: Some(SessionStatus::Open),
            after,
            limit: Some(PAGE),
        };
        let reply = client.call::<call::SessionList>(&page).await?.reply;
        count += reply.sessions.len();
        after = reply.sessions.last().map(|session| session.id.clone());
        if !reply.more {
            return Ok(count);
        }
    }
}

fn human(status: &Status) -> String {
    let mut lines = vec![match &status.up {
        Some(up) => format!(
            "selvedge is up at {} (process {}, nats-server {})",
            up.url, up.pid, up.nats_pid
        ),
        None => format!(
            "no `selvedge up` runs on this folder; looking at {}",
            status.url
        ),
    }];
    lines.extend(
        status
            .up
            .iter()
            .filter_map(|up| up.probe_url.as_ref())
            .map(|url| format!("probe {url}/readyz")),
    );
    for Kluster { kluster, seen } in &status.klusters {
        lines.push(format!("\nkluster {kluster}"));
        match seen {
            Seen::Reached(reached) => lines.extend(table(reached)),
            Seen::Unreached { error } => lines.push(format!("  cannot be reached: {error}")),
        }
    }
    lines.join("\n")
}

fn table(reached: &Reached) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(Counts {
        missions,
        agents,
        open_sessions,
    }) = &reached.counts
    {
        lines.push(format!(
            "  {missions} missions, {agents} agents, {open_sessions} open sessions"
        ));
    }
    lines.push(format!(
        "  {:<12} {:<34} {:>10} {:>8} {:>9}",
        "SERVICE", "INSTANCE", "REQUESTS", "ERRORS", "AVERAGE"
    ));
    for Service {
        name,
        instance,
        requests,
        errors,
        average_us,
        ..
    } in &reached.services
    {
        lines.push(format!(
            "  {name:<12} {instance:<34} {requests:>10} {errors:>8} {average_us:>6} us"
        ));
    }
    if reached.services.is_empty() {
        lines.push(
            "  none answers: `selvedge up` or `selvedge serve registry` starts it".to_owned(),
        );
    }
    lines.push(format!(
        "  {:<12} {:>34} {:>10} {:>8} {:>9}",
        "STREAM", "LAST REVISION", "MESSAGES", "COPIES", "SIZE"
    ));
    for Stream {
        name,
        messages,
        bytes,
        last_revision,
        replicas,
        ..
    } in &reached.streams
    {
        lines.push(format!(
            "  {name:<12} {last_revision:>34} {messages:>10} {replicas:>8} {:>9}",
            size(*bytes)
        ));
    }
    lines
}

/// A size for people: three digits and a unit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut shown, mut units) = (bytes, UNITS.iter());
    let mut unit = units.next().unwrap_or(&"B");
    while shown >= 1_024 {
        let Some(next) = units.next() else { break };
        (shown, unit) = (shown / 1_024, next);
    }
    format!("{shown} {unit}")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1 KiB"),
            (5 << 30, "5 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), wanted);
        }
    }
}
