//! The durable pull consumers: one for each follower, shared by the replicas of its service.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy};
use selvedge_contracts::stream::{Follower, Source};

use super::{Api, Error};

/// After this long without an acknowledgement a message goes to somebody else.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Facts in the hands of all replicas of a service together.
const MAX_ACK_PENDING: i64 = 1_000;
/// Timers and expiries in their hands: each may cost a fact.
const MAX_ACK_PENDING_DUE: i64 = 256;

fn config(follower: &Follower, replicas: usize) -> Config {
    Config {
        durable_name: Some(follower.consumer()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: match follower.source {
            Source::Facts(_) => MAX_ACK_PENDING,
            Source::Bucket(_) | Source::Due => MAX_ACK_PENDING_DUE,
        },
        filter_subjects: follower.filters(),
        num_replicas: replicas,
        ..Config::default()
    }
}

/// Makes or updates the consumer. Says whether it had to.
pub(super) async fn ensure(api: &Api, follower: &Follower, replicas: usize) -> Result<bool, Error> {
    let wanted = config(follower, replicas);
    let (stream, consumer) = (follower.stream(), follower.consumer());
    let failed = |source| Error::Consumer { consumer: consumer.clone(), source };
    match api.consumer(&stream, &consumer).await.map_err(failed)? {
        Some(found) if is_same(&found, &wanted) => Ok(false),
        _ => api.put_consumer(&stream, &consumer, &wanted).await.map(|()| true).map_err(failed),
    }
}

/// Whether they agree on all that we have an opinion on; the rest is the server's.
fn is_same(found: &Config, wanted: &Config) -> bool {
    let mut filters = found.filter_subjects.clone();
    if !found.filter_subject.is_empty() {
        filters.push(found.filter_subject.clone());
    }
    filters == wanted.filter_subjects
        && found.ack_wait == wanted.ack_wait
        && found.max_ack_pending == wanted.max_ack_pending
        && found.max_deliver == wanted.max_deliver
        && found.num_replicas == wanted.num_replicas
}
