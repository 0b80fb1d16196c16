//! What each stream looks like.
//!
//! | stream | subjects | kept in | who writes |
//! |---|---|---|---|
//! | `LEDGER` | `sv.fact.>` | files | the service that owns the fact |
//! | `AUDIT` | `sv.audit.>` | files, bounded | services |
//! | `KV_<bucket>` | `$KV.<bucket>.>` | files without syncing; memory on a cluster; one value a key | the service that owns the bucket |
//! | `KV_leases` | `$KV.leases.>` | files, synced as the server is told to; one value a key | the service `leases` |
//! | `TIMERS_<service>` | `sv.timer.<service>.>`, `sv.due.<service>.>` | files, one message a subject | that service; due ones nats-server |

use std::{collections::BTreeSet, time::Duration};

use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, PersistenceMode, Republish, RetentionPolicy, StorageType,
};
use selvedge_contracts::{
    role::Service,
    stream::{self, AUDIT, LEASES, LEDGER, TIMED},
    subject::{FACT_PREFIX, LEASE_PREFIX, LIVE_PREFIX},
};

use crate::clock::now_us;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const UNLIMITED: i64 = -1;
/// A courtesy: correctness rests on the guard.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
const AUDIT_MAX_MESSAGES: i64 = 100_000;
const AUDIT_MAX_BYTES: i64 = 256 << 20;
const AUDIT_MAX_AGE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// How long the expiry of a key can be read; whoever was away longer compares with what it knows.
const MARKER_TTL: Duration = Duration::from_secs(10 * 60);

/// Every stream of a kluster.
pub(super) fn all(replicas: usize) -> Vec<Config> {
    let buckets: BTreeSet<_> = Service::ALL.iter().flat_map(|service| stream::buckets(*service)).collect();
    let mut all = vec![ledger(replicas), audit(replicas)];
    all.extend(buckets.into_iter().map(|bucket| match *bucket {
        LEASES => leases(replicas, now_us()),
        bucket => self::bucket(bucket, replicas),
    }));
    all.extend(TIMED.iter().map(|service| timers(*service, replicas)));
    all
}

fn plain(name: String, subjects: Vec<String>, replicas: usize) -> Config {
    Config {
        name,
        subjects,
        num_replicas: replicas,
        max_bytes: UNLIMITED,
        max_messages: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        max_message_size: -1,
        max_consumers: -1,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}

/// Nothing in it is ever dropped, overwritten, expired, rolled up or counted; only an operator purges it.
fn ledger(replicas: usize) -> Config {
    Config {
        description: Some("every fact".to_owned()),
        // With no limit set, nothing is ever discarded; `new` says what would hold if one were.
        discard: DiscardPolicy::New,
        compression: Some(Compression::S2),
        deny_delete: true,
        allow_direct: true,
        allow_atomic_publish: true,
        republish: Some(Republish {
            source: format!("{FACT_PREFIX}.>"),
            destination: format!("{LIVE_PREFIX}.>"),
            headers_only: false,
        }),
        ..plain(LEDGER.to_owned(), vec![format!("{FACT_PREFIX}.>")], replicas)
    }
}

fn audit(replicas: usize) -> Config {
    Config {
        description: Some("refused requests and denied publishes".to_owned()),
        max_messages: AUDIT_MAX_MESSAGES,
        max_bytes: AUDIT_MAX_BYTES,
        max_age: AUDIT_MAX_AGE,
        compression: Some(Compression::S2),
        deny_delete: true,
        allow_direct: true,
        ..plain(AUDIT.to_owned(), vec!["sv.audit.>".to_owned()], replicas)
    }
}

/// With one value a key, a TTL shorter than the marker's is kept as it is. Markers need roll-ups.
///
/// Three servers keep it in memory. A single one that is started again would have forgotten such a
/// stream altogether, and no service may make it anew: it keeps it in files, written without waiting for
/// the disk even where the server otherwise syncs always, since what dies by itself is worth no sync.
fn bucket(bucket: &str, replicas: usize) -> Config {
    let (storage, persist_mode) = match replicas {
        1 => (StorageType::File, Some(PersistenceMode::Async)),
        _ => (StorageType::Memory, None),
    };
    Config {
        storage,
        persist_mode,
        description: Some("values that expire".to_owned()),
        max_messages_per_subject: 1,
        allow_message_ttl: true,
        subject_delete_marker_ttl: Some(MARKER_TTL),
        allow_rollup: true,
        allow_direct: true,
        ..plain(stream::bucket_stream(bucket), vec![stream::bucket_subject(bucket, ">")], replicas)
    }
}

/// Leases are what others rest on: written as durably as the ledger. Fencing tokens are made of its
/// sequences, so a stream that is made anew starts above every one before: at the microseconds since 1970 (2^53 of them
/// are 285 years), faster than any stream could be written. Batches are for three servers, which let one
/// guarded write of a space be in flight.
fn leases(replicas: usize, now_us: u64) -> Config {
    Config {
        storage: StorageType::File,
        persist_mode: None,
        description: Some("leases; fencing tokens are made of their sequences".to_owned()),
        first_sequence: Some(now_us),
        allow_atomic_publish: true,
        republish: Some(Republish {
            source: stream::bucket_subject(LEASES, ">"),
            destination: format!("{LEASE_PREFIX}.>"),
            headers_only: false,
        }),
        ..bucket(LEASES, replicas)
    }
}

/// No age limit, since it would drop timers that lie further ahead; a due message carries a TTL of its
/// own, and only the newest of each timer is kept. Schedules need roll-ups.
fn timers(service: Service, replicas: usize) -> Config {
    let subjects = vec![format!("sv.timer.{service}.>"), format!("sv.due.{service}.>")];
    Config {
        description: Some("timers, and those that are due".to_owned()),
        max_messages_per_subject: 1,
        allow_message_schedules: true,
        allow_message_ttl: true,
        allow_rollup: true,
        allow_direct: true,
        ..plain(stream::timers(service), subjects, replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_loses_nothing_by_itself() {
        let ledger = ledger(1);
        assert_eq!((ledger.max_bytes, ledger.max_messages, ledger.max_messages_per_subject), (-1, -1, -1));
        assert_eq!(ledger.max_age, Duration::ZERO);
        assert!(ledger.deny_delete && !ledger.allow_rollup && !ledger.allow_message_ttl);
        assert!(!ledger.allow_message_schedules && !ledger.allow_message_counter);
    }

    #[test]
    fn leases_are_kept_in_files_and_numbered_above_any_before() {
        for replicas in [1, 3] {
            let stream = leases(replicas, 1_763_000_000_000_000);
            assert_eq!((stream.storage, stream.persist_mode), (StorageType::File, None));
            assert_eq!(stream.first_sequence, Some(1_763_000_000_000_000));
            assert_eq!((stream.max_messages_per_subject, stream.max_messages), (1, -1));
            assert!(stream.allow_message_ttl && stream.subject_delete_marker_ttl.is_some());
        }
    }

    #[test]
    fn every_stream_has_its_own_name_and_subjects() {
        let all = all(1);
        let names: BTreeSet<_> = all.iter().map(|stream| &stream.name).collect();
        let subjects: BTreeSet<_> = all.iter().flat_map(|stream| &stream.subjects).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(subjects.len(), all.iter().map(|stream| stream.subjects.len()).sum::<usize>());
    }
}
