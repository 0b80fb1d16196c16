//! nats-server: its version, JetStream, durability, clock, streams and consumers.

use std::time::Duration;

use selvedge_contracts::{id::KlusterName, stream::LEDGER};
use selvedge_kit::{
    authority::{Keyring, jwt::Life},
    bus::Bus,
    clock::{Deadline, now_ms},
    inspect::{self, Stream},
    provision,
};

use super::report::Finding;
use crate::{connect::Context, home::Home, lock::Lock, nats_child, services::Place};

/// Longest wait for one answer, in milliseconds.
const ANSWER_MS: u64 = 5_000;
/// Clocks that differ by as much are worth a warning, in milliseconds.
const SKEW_WARN_MS: u64 = 1_000;
/// Clocks that differ by as much break signatures, which are good for 30 s, in milliseconds.
const SKEW_FAIL_MS: u64 = 10_000;
/// The oldest nats-server that will do.
const OLDEST: &str = "2.12.0";
const REMAKE: &str = "run `selvedge up`, or `selvedge init --provision`: they make what is missing";

/// The checks of one kluster's server and streams.
pub(super) async fn checks(
    context: &Context,
    place: &Place,
    kluster: &KlusterName,
    bus: &Bus,
) -> Vec<Finding> {
    let mut found = vec![version(&inspect::server_version(bus)), jetstream(bus)];
    let asked_at_ms = now_ms();
    match inspect::stream(bus, LEDGER, Deadline::in_ms(ANSWER_MS)).await {
        Ok(ledger) => found.extend([clock(&ledger, asked_at_ms, now_ms()), copies(&ledger)]),
        Err(error) => found.push(Finding::fail("ledger", error.to_string(), REMAKE)),
    }
    found.push(streams(context, place, kluster).await);
    found
}

fn version(found: &str) -> Finding {
    let (check, pinned) = ("nats-server version", nats_child::pinned());
    let is_at_least = |wanted| numbers(found) >= numbers(wanted);
    let fix = format!("install nats-server {pinned}, with which this is tested");
    match (is_at_least(OLDEST), is_at_least(pinned)) {
        (false, _) => Finding::fail(check, format!("{found}; {OLDEST} or newer is needed"), fix),
        (true, false) => Finding::warn(check, format!("{found}; tested with {pinned}"), fix),
        (true, true) => Finding::ok(check, format!("{found} (tested with {pinned})")),
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-']).map_while(|number| number.parse().ok()).collect()
}

fn jetstream(bus: &Bus) -> Finding {
    let check = "JetStream";
    match inspect::has_jetstream(bus) {
        true => Finding::ok(check, "on"),
        false => {
            Finding::fail(check, "off", "add `jetstream: { store_dir: ... }` to the server's configuration")
        }
    }
}

/// A server cannot be asked for its `sync_interval`; of our own child the configuration tells.
pub(super) fn durability(home: &Home, url: &str) -> Finding {
    let check = "durability";
    if !Lock::is_held(home) {
        let seen = format!(
            "UNKNOWN: the server at {url} is not run by this folder and does not tell its sync_interval"
        );
        let fix = "see to `sync_interval: always` in its configuration, else a power cut loses up to 2 minutes of acknowledged writes";
        return Finding::warn(check, seen, fix);
    }
    let config = std::fs::read_to_string(home.nats().join("nats.conf")).unwrap_or_default();
    match sync_interval(&config) {
        Some("always") => Finding::ok(check, "writes are on disk before they are acknowledged"),
        interval => {
            let interval = interval.unwrap_or("2m");
            let seen = format!(
                "RELAXED: writes are acknowledged up to {interval} before they are on disk; a power cut loses them"
            );
            Finding::warn(check, seen, "set server.sync_interval = \"always\" and start `selvedge up` anew")
        }
    }
}

/// The value of `sync_interval` in a configuration that we wrote.
fn sync_interval(config: &str) -> Option<&str> {
    let (_, after) = config.split_once("sync_interval:")?;
    after.split([',', '}', '\n']).next().map(|value| value.trim().trim_matches('"'))
}

fn copies(ledger: &Stream) -> Finding {
    let check = "copies of the ledger";
    match ledger.replicas {
        1 => Finding::ok(check, "1: its disk is the only place; keep backups"),
        copies => Finding::ok(check, copies.to_string()),
    }
}

/// Holds the server's clock against ours: the time of its answer lies between asking and hearing.
fn clock(ledger: &Stream, asked_at_ms: u64, heard_at_ms: u64) -> Finding {
    let check = "clocks";
    let Some(server_ms) = ledger.server_time_ms else {
        return Finding::warn(check, "the server did not tell its time", "compare them by hand");
    };
    let skew_ms = asked_at_ms.saturating_sub(server_ms).max(server_ms.saturating_sub(heard_at_ms));
    let seen = format!("the server's differs by {skew_ms} ms");
    let fix = "run a time service (chrony, systemd-timesyncd) on both machines";
    match skew_ms {
        ..SKEW_WARN_MS => Finding::ok(check, seen),
        SKEW_WARN_MS..SKEW_FAIL_MS => Finding::warn(check, seen, fix),
        SKEW_FAIL_MS.. => Finding::fail(check, seen, fix),
    }
}

async fn streams(context: &Context, place: &Place, kluster: &KlusterName) -> Finding {
    let check = "streams and consumers";
    let Ok(keyring) = Keyring::open(&context.home.authority()) else {
        return Finding::warn(
            check,
            "not looked at: the keys are not in this folder",
            "run this where they are",
        );
    };
    match review(context, place, &keyring, kluster).await {
        Ok(report) if report.is_empty() => Finding::ok(check, "all there, as they should be"),
        Ok(provision::Report { created, updated, consumers }) => {
            let (missing, differ) = ([created, consumers].concat().join(", "), updated.join(", "));
            Finding::fail(check, format!("missing: {missing}; different: {differ}"), REMAKE)
        }
        Err(error) => Finding::fail(check, format!("{error:#}"), REMAKE),
    }
}

async fn review(
    context: &Context,
    place: &Place,
    keyring: &Keyring,
    kluster: &KlusterName,
) -> anyhow::Result<provision::Report> {
    let now_ms = now_ms();
    let life = Life { now_ms, expires_at_ms: now_ms + 4 * ANSWER_MS };
    let credential = keyring.kluster(kluster)?.provision_credential(life)?;
    let timeout = Duration::from_millis(ANSWER_MS);
    let options = provision::Options { replicas: context.config.server.replicas.into(), timeout };
    Ok(provision::review(&place.url, &credential, options).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn versions_are_judged_as_numbers() {
        for (found, wanted) in [
            ("2.9.25", Level::Fail),
            ("2.12.0", Level::Warn),
            ("2.100.0", Level::Ok),
            (nats_child::pinned(), Level::Ok),
        ] {
            assert_eq!(version(found).level, wanted, "{found}");
        }
    }

    #[test]
    fn the_interval_is_read_from_our_own_configuration() {
        let config = |interval| {
            format!("jetstream: {{ store_dir: \"/x\", sync_interval: {interval}, max_file_store: 7 }}")
        };
        assert_eq!(sync_interval(&config("always")), Some("always"));
        assert_eq!(sync_interval(&config("\"120000ms\"")), Some("120000ms"));
        assert_eq!(sync_interval("jetstream: {}"), None);
    }

    #[test]
    fn only_what_lies_outside_of_asking_and_hearing_is_skew() {
        let ledger = |at| Stream {
            name: String::new(),
            messages: 0,
            bytes: 0,
            last_revision: 0,
            replicas: 1,
            server_time_ms: at,
        };
        let cases = [
            (Some(100_000), Level::Ok),
            (Some(105_000), Level::Ok),
            (Some(109_500), Level::Warn),
            (Some(60_000), Level::Fail),
            (None, Level::Warn),
        ];
        for (at, wanted) in cases {
            assert_eq!(clock(&ledger(at), 100_000, 105_000).level, wanted, "{at:?}");
        }
    }
}
