//! `selvedge status`: what runs, and how much there is of it.

mod count;
mod report;

use anyhow::Context as _;
use selvedge_contracts::{
    fault::Fault,
    id::KlusterName,
    stream::{AUDIT, LEDGER},
};
use selvedge_kit::{
    client::Client,
    clock::Deadline,
    credential::Login,
    inspect::{self, Instance},
    metrics::Metrics,
};

use crate::{connect::Context, exit::Failure, services::Place};
use count::count;
pub(crate) use report::size;
use report::{Kluster, Reached, Seen, Service, Status, human};

/// Longest wait for the services to answer, in milliseconds.
const ANSWER_MS: u64 = 2_000;

/// Prints it.
///
/// # Errors
/// There is nothing here to ask with, or nobody can be reached.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    if context.home.klusters().is_empty() {
        context.until_up().await;
    }
    let up = context.running_up();
    let place = Place::new(context.url()?, context, Metrics::default());
    let names = context.klusters()?;
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
            Err(failure) => Seen::Unreached { error: failure.chain() },
        };
        klusters.push(Kluster { kluster, seen });
    }
    let is_reached = klusters.iter().any(|kluster| matches!(kluster.seen, Seen::Reached(_)));
    let status = Status { up, url: place.url, klusters };
    context.output.print(&status, human).context("cannot print")?;
    if is_reached {
        return Ok(());
    }
    let message = format!(
        "nobody can be reached at {}; `selvedge up` starts a fabric, `selvedge doctor` looks for what is wrong",
        status.url
    );
    Err(Fault::unavailable(message).into())
}

async fn see(context: &Context, place: &Place, kluster: &KlusterName) -> Result<Reached, Failure> {
    let path = context.home.operator_creds(kluster);
    let client = Client::new(place.connect("status", Login::File(path)).await?);
    let deadline = Deadline::in_ms(ANSWER_MS);
    let instances = inspect::instances(client.bus(), deadline).await.context("cannot find the services")?;
    let mut streams = Vec::new();
    for name in [LEDGER, AUDIT] {
        streams.push(
            inspect::stream(client.bus(), name, deadline)
                .await
                .with_context(|| format!("cannot look at {name}"))?,
        );
    }
    // Without a registry there is nobody to count; that none answers is to be seen in the list.
    let counts = if instances.is_empty() { None } else { Some(count(&client).await?) };
    Ok(Reached { services: instances.iter().map(summary).collect(), streams, counts })
}

/// Calls that may wait for something to happen: how long they take says nothing of how busy anybody is.
const WAITING: [&str; 4] = ["acquire", "case_next", "task_claim", "task_inspect"];

fn summary(instance: &Instance) -> Service {
    let sum = |of: fn(&inspect::Endpoint) -> u64| instance.endpoints.iter().map(of).sum::<u64>();
    let requests = sum(|endpoint| endpoint.num_requests);
    let prompt = || instance.endpoints.iter().filter(|endpoint| !WAITING.contains(&endpoint.name.as_str()));
    let spent_ns = prompt().map(|endpoint| endpoint.processing_ns).sum::<u64>();
    let answered = prompt().map(|endpoint| endpoint.num_requests).sum::<u64>();
    Service {
        name: instance.name.clone(),
        instance: instance.id.clone(),
        version: instance.version.clone(),
        started: instance.started.clone(),
        requests,
        errors: sum(|endpoint| endpoint.num_errors),
        average_us: spent_ns.checked_div(answered).unwrap_or(0) / 1_000,
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::call;
    use selvedge_kit::inspect::Endpoint;

    use super::*;

    #[test]
    fn calls_that_wait_do_not_count_in_the_average() {
        let of = |name: &str, num_requests, processing_ns| Endpoint {
            name: name.to_owned(),
            num_requests,
            num_errors: 0,
            processing_ns,
        };
        let endpoints = vec![of("task_claim", 10, 20_000_000_000), of("plan_show", 2, 6_000_000)];
        let instance = Instance {
            skipped: None,
            name: "dispatcher".to_owned(),
            id: "one".to_owned(),
            version: String::new(),
            started: String::new(),
            endpoints,
        };
        let shown = summary(&instance);
        assert_eq!((shown.requests, shown.average_us), (12, 3_000));
        assert!(WAITING.iter().all(|name| call::CALLS.iter().any(|row| row.name == *name)));
    }
}
