//! `selvedge lease acquire`.

use clap::Args;
use selvedge_contracts::{
    fault::{Code, Fault},
    payload::lease::{Acquire as Request, Lease, MAX_LEASE_TTL_MS, MAX_WAIT_MS, MIN_LEASE_TTL_MS},
};

use super::{
    Asking, Place, SpaceNamed, Who,
    claimed::{Claimed, Claims},
    left,
    queue::{Queue, fresh_key},
};
use crate::{
    connect::Context,
    exit::{Done, Failure},
    input,
    output::{Format, fields, instant},
    stop,
};
use selvedge_kit::clock::now_ms;

/// What is asked for, and for how long.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    #[command(flatten)]
    claimed: Claimed,
    #[command(flatten)]
    space: SpaceNamed,
    #[command(flatten)]
    pub(super) who: Who,
    /// Life of the lease unless it is renewed: 1s to 24h.
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = life, allow_hyphen_values = true)]
    ttl: u64,
    /// Wait so long in the queue if it is not free: at most 24h.
    #[arg(long, value_name = "TIME", value_parser = patience, allow_hyphen_values = true)]
    wait: Option<u64>,
    /// What you work on: shown to whoever is refused.
    #[arg(long, default_value = "", value_name = "TEXT")]
    purpose: String,
}

/// A length of time that a lease may live.
pub(super) fn life(text: &str) -> Result<u64, String> {
    match input::milliseconds(text)? {
        ttl_ms @ MIN_LEASE_TTL_MS..=MAX_LEASE_TTL_MS => Ok(ttl_ms),
        _ => Err("expected 1s to 24h".to_owned()),
    }
}

/// A length of time that may be waited.
fn patience(text: &str) -> Result<u64, String> {
    match input::milliseconds(text)? {
        wait_ms @ 0..=MAX_WAIT_MS => Ok(wait_ms),
        _ => Err("expected at most 24h".to_owned()),
    }
}

impl Wanted {
    /// The request, and where it stands.
    pub(super) fn request(&self) -> Result<(Request, Claims, Place), Failure> {
        let place = self.space.place()?;
        let claims = self.claimed.claims(&place)?;
        let request = Request {
            space: place.space.clone(),
            claims: claims.claims.clone(),
            purpose: self.purpose.clone(),
            ttl_ms: Some(self.ttl),
            wait_ms: self.wait,
        };
        Ok((request, claims, place))
    }

    /// A refusal, with what can be done about it.
    pub(super) fn refused(&self, context: &Context, claims: &Claims, failure: Failure) -> Failure {
        let Failure::Fault(fault) = failure else { return failure };
        let is_taken = fault.code == Code::Conflict && !fault.details.is_empty();
        let mut fault = claims.explain(context, fault);
        if is_taken && context.output == Format::Human {
            // The details say it all.
            fault.message = match self.wait {
                Some(wait_ms) => format!("not free within {}", left(wait_ms)),
                None => "not free".to_owned(),
            };
        }
        let advice = match self.wait {
            Some(_) => "wait longer, or agree with the holder; `selvedge lease list` shows who holds what",
            None => "--wait 5m queues for it; `selvedge lease list` shows who holds what",
        };
        Failure::Fault(if is_taken { fault.at("", advice) } else { fault })
    }
}

/// Take a lease on files, resources or slots: on all of it, or on nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  selvedge lease acquire src/main.rs docs/ --purpose 'the login page'
  selvedge lease acquire --glob '*.sql' --ttl 10m --wait 2m
  selvedge lease acquire . --shared --as ada -o json
  selvedge lease acquire --resource port:8080 --slots gpu=2 --space lab

Paths are mapped to the root of the git repository around the current folder, outside of one to the
current folder. A refusal names who holds what and for how long. The token in the answer proves the
lease to whoever checks it; it only grows. A lease ends with its session, which `selvedge agent creds
NAME --keep` keeps. Ctrl-C withdraws a request that waits.")]
pub(crate) struct Acquire {
    #[command(flatten)]
    wanted: Wanted,
    /// Makes repeated requests the same request.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Acquire {
    pub(super) async fn run(self, context: &Context) -> Done {
        let stop = stop::on_signal()?;
        let (request, claims, _) = self.wanted.request()?;
        let asking: Asking = self.wanted.who.agent(context).await?;
        let key = self.idempotency_key.unwrap_or_else(fresh_key);
        let queue = Queue { asking: &asking, request, key, output: context.output };
        match queue.acquire(&stop).await {
            Ok(lease) => Ok(context.output.print(&lease, human)?),
            Err(failure) => Err(self.wanted.refused(context, &claims, failure)),
        }
    }
}

/// A lease, for people.
pub(super) fn human(lease: &Lease) -> String {
    let claims: Vec<String> = lease.claims.iter().map(ToString::to_string).collect();
    fields(&[
        ("lease", lease.id.to_string()),
        ("token", lease.token.map_or_else(String::new, |token| token.to_string())),
        ("space", lease.space.to_string()),
        ("claims", claims.join(", ")),
        ("purpose", lease.purpose.clone()),
        ("ends", format!("{} (in {})", instant(lease.expires_at_ms), left(lease.remaining_ms(now_ms())))),
    ])
}

/// The fencing token of a held lease.
///
/// # Errors
/// It has none, so it is not held.
pub(super) fn token(lease: &Lease) -> Result<u64, Failure> {
    lease.token.ok_or_else(|| Fault::conflict(format!("{} is not held", lease.id)).into())
}
